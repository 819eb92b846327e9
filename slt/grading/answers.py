"""The reader's files: where they are, the answers in them, and how a stub comes back without loss."""

import ast
import contextlib
import importlib.util
import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from slt.grading.expect import Wrong
from slt.grading.register import Exercise, stems, stub


def find_folder(start: Path, given: str | None = None) -> Path:
    """The folder of exercises: `given`, or `exercises` in `start` or above, or `start` itself.

    **Raises:** `FileNotFoundError` that says how to get the stubs.
    """
    known = [f"{stem}.py" for stem in stems()]
    candidates = [Path(given)] if given else [p for d in (start, *start.parents) for p in (d / "exercises", d)]
    for folder in candidates:
        if any((folder / name).is_file() for name in known):
            return folder
    where = given or f"{start} and the folders above it"
    raise FileNotFoundError(f"no exercises found in {where}. `slt start` puts the stubs into ./exercises.")


def start(folder: Path) -> list[Path]:
    """Write the stubs that are missing from a folder; files that exist are left as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    new = [folder / f"{stem}.py" for stem in stems() if not (folder / f"{stem}.py").exists()]
    for path in new:
        path.write_text(stub(path.stem), encoding="utf-8")
    return new


def answer_in(path: Path, exercise: Exercise) -> Callable[..., Any]:
    """The reader's function, from a fresh import of the file.

    **Raises:** `Wrong` where the file does not run or lacks the function.
    """
    try:
        spec = importlib.util.spec_from_file_location(f"exercises_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        with contextlib.redirect_stdout(io.StringIO()):
            spec.loader.exec_module(module)
    except SyntaxError as error:
        raise Wrong(
            f"{path.name} is not valid Python: {error.msg}, line {error.lineno}. Mend that line first."
        ) from error
    except (Exception, SystemExit) as error:
        raise Wrong(f"{path.name} fails when it is imported: {type(error).__name__}: {error}.") from error
    answer = getattr(module, exercise.name, None)
    if not callable(answer):
        raise Wrong(
            f"{path.name} has no function {exercise.name}. `slt reset {exercise.id}` puts its stub back and keeps a "
            "copy of your file."
        )
    return answer


def reset(path: Path, exercise: Exercise) -> Path:
    """Put one stub back; the file as it was is kept beside it, and its path returned.

    **Raises:** `Wrong` if the file is not valid Python: then nothing is changed.
    """
    text = path.read_text(encoding="utf-8")
    try:
        old = _span(text, exercise.name)
    except SyntaxError as error:
        raise Wrong(
            f"{path.name} is not valid Python (line {error.lineno}), so that {exercise.name} cannot be found in it; "
            "nothing was changed. Mend that line, or move the file away and run `slt start`."
        ) from error
    original = stub(path.stem)
    new = _span(original, exercise.name)
    assert new is not None, f"{exercise.name} has no stub"
    body = original.splitlines(keepends=True)[new[0] : new[1]]
    lines = text.splitlines(keepends=True)
    if old is None:
        lines += ["\n\n", *body]
    else:
        lines[old[0] : old[1]] = body
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    backup = path.parent / "backup" / f"{path.stem}-{stamp}.txt"
    backup.parent.mkdir(exist_ok=True)
    backup.write_text(text, encoding="utf-8")
    path.write_text("".join(lines), encoding="utf-8")
    return backup


def _span(text: str, name: str) -> tuple[int, int] | None:
    """First and last line (half-open, from 0) of the last top-level function of this name, decorators included."""
    found = [n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef) and n.name == name]
    if not found:
        return None
    node = found[-1]
    return min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1, node.end_lineno or node.lineno
