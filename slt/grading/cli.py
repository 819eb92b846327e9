"""The command `slt`: check, hint, next, list, reset, watch, start."""

import argparse
import os
import sys
import time
from pathlib import Path

from slt.grading.answers import answer_in, find_folder, reset, start
from slt.grading.expect import Wrong
from slt.grading.register import Exercise, exercises, find
from slt.grading.run import Result, grade, last_resort
from slt.grading.show import hint, report

POLL = 0.5  # seconds between two looks at the files


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 if all is well, 1 if an answer is not right yet, 2 for a call that makes no sense."""
    parser = _parser()
    try:
        options = parser.parse_args(argv)
        if "run" not in options:
            parser.print_help(sys.stderr)
            return 2
        return options.run(options)
    except SystemExit as stop:  # of argparse, after --help or its own message
        return 0 if stop.code is None else int(stop.code)
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, Wrong) as error:
        print(f"slt: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print()
        return 130


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--exercises",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="the folder of your answers (default: found from here upwards)",
    )
    parser = argparse.ArgumentParser(
        prog="slt", description="Exercises of the book: solve, check, go on.", parents=[shared]
    )
    commands = parser.add_subparsers(metavar="COMMAND")

    def command(name, run, text):
        added = commands.add_parser(name, help=text, description=text, parents=[shared])
        added.set_defaults(run=run)
        return added

    checked = command("check", _check, "grade the exercises of these ids, or all")
    checked.add_argument("id", nargs="*", help="for example 1.3; left out: all exercises")
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


def _folder(options) -> Path:
    return find_folder(Path.cwd(), getattr(options, "exercises", None))


def _result(folder: Path, stem: str, exercise: Exercise) -> Result:
    try:
        with last_resort():
            return grade(stem, exercise, answer_in(folder / f"{stem}.py", exercise))
    except Wrong as wrong:
        return Result(exercise.id, False, str(wrong))


def _check(options) -> int:
    chosen = [find(id) for id in options.id] or exercises()
    folder, right = _folder(options), 0
    for stem, exercise in chosen:
        result = _result(folder, stem, exercise)
        right += result.passed
        print(report(stem, exercise, result, traceback=options.traceback), end="\n\n", flush=True)
    if len(chosen) > 1:
        print(f"{right} of {len(chosen)} passed.")
    return 0 if right == len(chosen) else 1


def _hint(options) -> int:
    hint(options.id, level=options.level)
    return 0


def _next(options) -> int:
    return _advance(_folder(options), set(), show_passed=False)


def _advance(folder: Path, solved: set[str], *, show_passed: bool) -> int:
    """Show the first exercise that is not solved (1), or that all are (0); `solved` keeps the ids seen to pass."""
    for stem, exercise in exercises():
        result = _result(folder, stem, exercise)
        if result.passed:
            if show_passed and exercise.id not in solved:
                print(report(stem, exercise, result), end="\n\n")
            solved.add(exercise.id)
            continue
        solved.discard(exercise.id)
        print(report(stem, exercise, result))
        print(f"\nWrite {exercise.name} in {folder / stem}.py. The statement is exercise {exercise.id} of the book.")
        print(f"Then: slt check {exercise.id}. For help: slt hint {exercise.id}.")
        return 1
    print("All exercises are solved.")
    return 0


def _list(options) -> int:
    folder = _folder(options)
    solved = total = 0
    for stem, exercise in exercises():
        passed = _result(folder, stem, exercise).passed
        solved, total = solved + passed * exercise.points, total + exercise.points
        stars, state = "*" * exercise.difficulty, "solved" if passed else "open"
        points = f"{exercise.points} point{'s' if exercise.points > 1 else ''}"
        print(f"{exercise.id:5s} {state:7s} {exercise.kind:9s} {stars:4s} {points:9s} {exercise.title}", flush=True)
    print(f"{solved} of {total} points. *: difficulty.")
    return 0


def _reset(options) -> int:
    stem, exercise = find(options.id)
    path = _folder(options) / f"{stem}.py"
    backup = reset(path, exercise)
    print(f"{exercise.id} is a stub again in {path}. Your file as it was: {backup}")
    return 0


def _watch(options) -> int:
    folder, seen = _folder(options), None
    solved: set[str] = set()
    try:
        while True:
            state = {entry.name: entry.stat().st_mtime_ns for entry in os.scandir(folder) if entry.name.endswith(".py")}
            if state != seen:
                print("\033[2J\033[H" if sys.stdout.isatty() else "", end="")
                if _advance(folder, solved, show_passed=seen is not None) == 0:
                    return 0
                print("Watching; save the file to check again, Ctrl-C to stop.", flush=True)
                seen = state
            time.sleep(POLL)
    except KeyboardInterrupt:
        print()
        return 0


def _start(options) -> int:
    folder = Path(options.folder)
    new = start(folder)
    print("\n".join(f"wrote {path}" for path in new) or f"{folder} has all exercises already; nothing was changed.")
    print("Then: slt next" if folder.name == "exercises" else f"Then: cd {folder}; slt next")
    return 0


if __name__ == "__main__":
    sys.exit(main())
