"""The exercises that ship: their records, and the grader functions that belong to each."""

import difflib
import importlib
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from slt.grading import chapters

KINDS = ("code", "number", "symbolic", "choice", "proof")


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    **Arguments:** `id`: chapter and number, "1.3". `name`: the reader's function. `kind`: one of `KINDS`. `points`.
    `difficulty`: 1 to 3. `title`. `label`: of the statement in the chapter, "ex-1-3". `hints`: at least two, of
    increasing strength. `shown`: after a pass: what was shown, another route.

    >>> Exercise("1.3", "f", "code", 2, 1, "A title", "ex-1-3", ("look", "look there"), "It was shown.").prefix
    'test_1_3_'
    """

    id: str
    name: str
    kind: str
    points: int
    difficulty: int
    title: str
    label: str
    hints: tuple[str, ...]
    shown: str

    @property
    def prefix(self) -> str:
        """What the names of its grader functions start with."""
        return f"test_{self.id.replace('.', '_')}_"


def stems() -> list[str]:
    """The chapters that have graders: "ch01_definition", ..."""
    return sorted(m.name for m in pkgutil.iter_modules(chapters.__path__) if re.fullmatch(r"ch\d\d_\w+", m.name))


def graders(stem: str) -> ModuleType:
    """The module of a chapter's graders."""
    return importlib.import_module(f"slt.grading.chapters.{stem}")


def exercises(stem: str | None = None) -> list[tuple[str, Exercise]]:
    """(stem, exercise) of one chapter or of all, in order."""
    return [(s, e) for s in ([stem] if stem else stems()) for e in graders(s).EXERCISES]


def tests(stem: str, exercise: Exercise) -> list[tuple[str, Callable[..., Any]]]:
    """The grader functions of an exercise, `(name, function)` in the order of the file."""
    return [(name, f) for name, f in vars(graders(stem)).items() if name.startswith(exercise.prefix)]


def find(id: str) -> tuple[str, Exercise]:
    """Stem and record of an exercise.

    **Raises:** `ValueError` that lists the nearest ids, `TypeError` for a number: 1.10 would be read as 1.1.

    >>> find("99.1")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: there is no exercise '99.1'; ...
    """
    if not isinstance(id, str):
        raise TypeError(f'the id of an exercise is a text, for example "1.3"; got {id!r}.')
    known = {e.id: (s, e) for s, e in exercises()}
    wanted = re.sub("[-_]", ".", id.strip().lower()).removeprefix("ex.")
    if wanted not in known:
        near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.6)
        guess = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"there is no exercise {id!r}; there are {', '.join(known)}.{guess}")
    return known[wanted]


def stub(stem: str) -> str:
    """The text of a chapter's exercise file as it ships; it stands beside the folder of the graders."""
    path = Path(graders(stem).__file__ or "").parents[1] / "stubs" / f"{stem}.py"
    return path.read_text(encoding="utf-8")
