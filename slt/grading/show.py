"""What a reader sees: `check` and `hint` for notebooks, and the text after grading."""

from collections.abc import Callable
from typing import Any

from slt.grading.register import Exercise, find
from slt.grading.run import Result, grade


def check(id: str, answer: Callable[..., Any], *, traceback: bool = False) -> Result:
    """Grade an answer, print one message, and return the result. A wrong answer raises nothing.

    **Arguments:** `id`: the exercise, "1.3". `answer`: your function, as the stub describes it. `traceback`: print
    where an answer failed.
    **Returns:** a `Result`, true if the answer passed.
    **Raises:** `ValueError` for an unknown id, `TypeError` if `id` is not a text or `answer` not a function.
    **Source:** the grader is the one of `pytest exercises`; it ships with the library.

    >>> check("1.2", lambda: 1 / 50)  # doctest: +ELLIPSIS
    1.2 passed (1 point).
    ...
    Result(1.2: passed)
    """
    stem, exercise = find(id)
    if not callable(answer):
        raise TypeError(
            f"check wants your function itself, check({exercise.id!r}, {exercise.name}), not its value; got "
            f"{type(answer).__name__}. A number is given by a function without arguments: lambda: 0.5."
        )
    result = grade(stem, exercise, answer)
    print(report(stem, exercise, result, traceback=traceback))
    return result


def hint(id: str, *, level: int = 1) -> None:
    """Print a hint; a higher level says more.

    **Arguments:** `id`: the exercise, "1.3". `level`: from 1; beyond the last hint, the last one.
    **Returns:** nothing; the hint is printed.
    **Raises:** `ValueError` for an unknown id or a level below 1, `TypeError` for a level that is no whole number.
    **Source:** the exercise's author.

    >>> hint("1.2")  # doctest: +ELLIPSIS
    1.2 hint 1 of ...
    """
    _, exercise = find(id)
    if not isinstance(level, int):
        raise TypeError(f"level must be a whole number, 1 or more; got {level!r}.")
    if level < 1:
        raise ValueError(f"level starts at 1; got {level}.")
    last = len(exercise.hints)
    level = min(level, last)
    more = f"\nThere is a stronger one: level {level + 1}." if level < last else ""
    print(f"{exercise.id} hint {level} of {last}: {exercise.hints[level - 1]}{more}")


def report(stem: str, exercise: Exercise, result: Result, *, traceback: bool = False) -> str:
    """What a reader sees after grading."""
    if result.passed:
        points = f"{exercise.points} point{'s' if exercise.points > 1 else ''}"
        where = f"Official solution: {exercise.name} in the book's part Solutions (solutions/{stem}.py)."
        return f"{exercise.id} passed ({points}).\n{exercise.shown}\n{where}"
    text = f"{exercise.id} {exercise.title}: not yet.\n{result.message}"
    return f"{text}\n\n{result.traceback}" if traceback and result.traceback else text
