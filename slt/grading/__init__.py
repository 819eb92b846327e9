"""Graded exercises: `check` and `hint` in a notebook, the `slt` command, `pytest exercises` (floor 5).

Names are loaded when they are first used: pytest imports this package in each of its runs, for the plugin.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_NAMES = {
    "Exercise": "register",
    "Result": "run",
    "check": "show",
    "exercises": "register",
    "find": "register",
    "grade": "run",
    "hint": "show",
}

__all__ = ["Exercise", "Result", "check", "exercises", "find", "grade", "hint"]

if TYPE_CHECKING:
    from slt.grading.register import Exercise, exercises, find
    from slt.grading.run import Result, grade
    from slt.grading.show import check, hint


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'slt.grading' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"slt.grading.{_NAMES[name]}"), name)
