"""The command `slt`: check, hint, next, list, reset, watch, start."""

import argparse
import sys
import time
from pathlib import Path

from slt.grading import hint, report
from slt.grading.answers import answer_in, find_folder, reset, start
from slt.grading.expect import Wrong
from slt.grading.register import Exercise, exercises, find
from slt.grading.run import Result, grade

POLL = 0.5  # seconds between two looks at the files


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 if all is well, 1 if an answer is not right yet, 2 for a call that makes no sense."""
    options = _parser().parse_args(argv)
    try:
        return options.run(options)
    except (ValueError, FileNotFoundError, Wrong) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="slt", description="Exercises of the book: solve, check, go on.")
    parser.add_argument(
        "--exercises", metavar="DIR", help="the folder of your answers (default: found from here upwards)"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, run, text):
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    checked = command("check", _check, "grade one exercise, or all")
    checked.add_argument("id", nargs="?", help="1.3; left out: all exercises")
    checked.add_argument("--traceback", action="store_true", help="show where an answer failed")
    hinted = command("hint", _hint, "a hint for an exercise")
    hinted.add_argument("id")
    hinted.add_argument("level", nargs="?", type=int, default=1, help="1 is the weakest (default)")
    command("next", _next, "the first exercise that is not solved")
    command("list", _list, "all exercises with their state")
    command("reset", _reset, "put one stub back; your file is kept beside it").add_argument("id")
    command("watch", _watch, "like next, again after every save (Ctrl-C ends it)")
    command("start", _start, "put the stubs into a folder").add_argument("folder", nargs="?", default="exercises")
    return parser


def _result(folder: Path, stem: str, exercise: Exercise) -> Result:
    path = folder / f"{stem}.py"
    try:
        if not path.is_file():
            raise Wrong(f"{path} is missing: `slt start {folder}` puts its stubs there.")
        answer = answer_in(path, exercise)
    except Wrong as wrong:
        return Result(exercise.id, False, str(wrong))
    return grade(stem, exercise, answer)


def _check(options) -> int:
    folder = find_folder(Path.cwd(), options.exercises)
    chosen = [find(options.id)] if options.id else exercises()
    results = [(stem, exercise, _result(folder, stem, exercise)) for stem, exercise in chosen]
    for stem, exercise, result in results:
        print(report(stem, exercise, result, traceback=options.traceback), end="\n\n")
    return 0 if all(result.passed for *_, result in results) else 1


def _hint(options) -> int:
    hint(options.id, options.level)
    return 0


def _next(options) -> int:
    folder = find_folder(Path.cwd(), options.exercises)
    for stem, exercise in exercises():
        result = _result(folder, stem, exercise)
        if not result.passed:
            print(report(stem, exercise, result))
            print(
                f"\nWrite {exercise.name} in {folder / stem}.py. The statement is exercise {exercise.id} of the book."
            )
            print(f"Then: slt check {exercise.id}. For help: slt hint {exercise.id}.")
            return 1
    print("All exercises are solved.")
    return 0


def _list(options) -> int:
    folder = find_folder(Path.cwd(), options.exercises)
    solved = total = 0
    for stem, exercise in exercises():
        passed = _result(folder, stem, exercise).passed
        solved, total = solved + passed * exercise.points, total + exercise.points
        stars = "*" * exercise.difficulty
        state = "solved" if passed else "open"
        print(f"{exercise.id:5s} {state:7s} {exercise.kind:9s} {stars:4s} {exercise.points:2d}  {exercise.title}")
    print(f"{solved} of {total} points")
    return 0


def _reset(options) -> int:
    stem, exercise = find(options.id)
    folder = find_folder(Path.cwd(), options.exercises)
    backup = reset(folder / f"{stem}.py", exercise)
    print(f"{exercise.id} is a stub again in {folder / stem}.py. Your file as it was: {backup}")
    return 0


def _watch(options) -> int:
    folder, seen = find_folder(Path.cwd(), options.exercises), None
    while True:
        state = {path: path.stat().st_mtime_ns for path in sorted(folder.glob("ch*.py"))}
        if state != seen:
            seen = state
            print("\033[2J\033[H" if sys.stdout.isatty() else "", end="")
            if _next(options) == 0:
                return 0
            sys.stdout.flush()
        time.sleep(POLL)


def _start(options) -> int:
    folder = Path(options.folder)
    new = start(folder)
    print("\n".join(f"wrote {path}" for path in new) or f"{folder} has all exercises already; nothing was changed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
