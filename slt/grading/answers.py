"""The reader's files: where they are, the answers in them, and how a stub comes back without loss."""

import ast
import functools
import io
import linecache
import shutil
import sys
import tokenize
import traceback
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from slt.grading import run
from slt.grading.expect import Wrong, short
from slt.grading.register import Exercise, stems, stub
from slt.grading.run import TimeOut, limited

NOT_ANSWERS = {"solutions", "chapters", "stubs"}  # folders of the repository with files of the same names


def find_folder(start: Path, given: str | None = None) -> Path:
    """The folder of exercises: `given`, or `exercises` in `start` or above, or `start` itself.

    **Raises:** `FileNotFoundError` that says how to get the stubs.
    """
    known = [f"{stem}.py" for stem in stems()]
    candidates = [Path(given)] if given else [p for d in (start, *start.parents) for p in (d / "exercises", d)]
    for folder in [p for p in candidates if given or p.name not in NOT_ANSWERS]:
        if any((folder / name).is_file() for name in known):
            return folder
    where = given or f"{start} and the folders above it"
    raise FileNotFoundError(f"no exercises found in {where}. `slt start` puts the stubs into ./exercises.")


def start(folder: Path) -> list[Path]:
    """Write the stubs that are missing from a folder; files that exist are left as they are.

    **Raises:** `NotADirectoryError` where a file has the folder's name.
    """
    if folder.is_file():
        raise NotADirectoryError(f"{folder} is a file: give the name of a folder, new or not.")
    folder.mkdir(parents=True, exist_ok=True)
    new = [folder / f"{stem}.py" for stem in stems() if not (folder / f"{stem}.py").exists()]
    for path in new:
        path.write_text(stub(path.stem), encoding="utf-8")
    return new


def answer_in(path: Path, exercise: Exercise) -> Callable[..., Any]:
    """The reader's function, from the file as it is now.

    **Raises:** `Wrong` where the file does not run, does not come to an end, or lacks the function.
    """
    if not path.is_file():
        raise Wrong(f"{path} is missing: `slt start {path.parent}` puts the stubs there.")
    module = _module(path, path.read_bytes())
    if isinstance(module, str):
        raise Wrong(module)
    answer = getattr(module, exercise.name, None)
    if not callable(answer):
        raise Wrong(
            f"{path.name} has no function {exercise.name}. `slt reset {exercise.id}` puts its stub back and keeps a "
            "copy of your file."
        )
    return answer


@functools.lru_cache(maxsize=8)
def _module(path: Path, source: bytes) -> ModuleType | str:
    """The file as a module, or what is wrong with it; compiled here, so that no byte code is written or read."""
    linecache.checkcache(str(path))
    module = ModuleType(f"slt_answers_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and pickle look there

    try:
        limited(lambda: exec(compile(source, str(path), "exec"), module.__dict__), run.SECONDS)
    except SyntaxError as error:
        return f"{path.name} is not valid Python: {error.msg}, line {error.lineno}. Mend that line first."
    except TimeOut:
        return (
            f"{path.name} was still running after {run.SECONDS:g} seconds: a loop outside the functions does not end."
        )
    except BaseException as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        where = f" (line {frames[-1].lineno}: {frames[-1].line})" if frames else ""
        return f"{path.name} fails when it is imported: {type(error).__name__}: {short(error)}{where}."
    return module


def reset(path: Path, exercise: Exercise) -> Path:
    """Put one stub back; the file as it was is kept in a folder `backup` beside it, and that copy's path returned.

    **Raises:** `Wrong` if the file is missing or not valid Python: then nothing is changed.
    """
    if not path.is_file():
        raise Wrong(f"{path} is missing: `slt start {path.parent}` puts the stubs there.")
    try:
        with path.open("rb") as file:
            encoding, _ = tokenize.detect_encoding(file.readline)  # a byte order mark, or a line "coding:"
        text = path.read_text(encoding)
        old = _span(text, exercise.name)
    except (SyntaxError, UnicodeDecodeError) as error:
        where = f" (line {error.lineno})" if isinstance(error, SyntaxError) and error.lineno else ""
        raise Wrong(
            f"{path.name} is not valid Python{where}, so that {exercise.name} cannot be found in it; "
            "nothing was changed. Mend that line, or move the file away and run `slt start`."
        ) from error
    original = stub(path.stem)
    new = _span(original, exercise.name)
    assert new is not None, f"{exercise.name} has no stub"
    body, lines = _lines(original)[slice(*new)], _lines(text)
    if old is None:
        lines += ["\n\n", *body] if text.endswith("\n") else ["\n\n\n", *body]
    else:
        lines[slice(*old)] = body
    "".join(lines).encode(encoding)  # what cannot be written fails before the file is touched
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    backup = path.parent / "backup" / f"{path.stem}-{stamp}.txt"
    backup.parent.mkdir(exist_ok=True)
    shutil.copy2(path, backup)  # byte for byte, before anything is written
    path.write_text("".join(lines), encoding=encoding)
    return backup


def _lines(text: str) -> list[str]:
    """Lines as Python's parser counts them; `str.splitlines` would split at a form feed too."""
    return io.StringIO(text).readlines()


def _span(text: str, name: str) -> tuple[int, int] | None:
    """First and last line (half-open, from 0) of the last top-level definition of this name, decorators included."""
    found = [node for node in ast.parse(text).body if name in _defines(node)]
    if not found:
        return None
    node = found[-1]
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)]) - 1, node.end_lineno or node.lineno


def _defines(node: ast.stmt) -> set[str]:
    """The name that a function or class has, or the one name that an assignment gives."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else []
    return {t.id for t in targets if isinstance(t, ast.Name) and len(targets) == 1}
