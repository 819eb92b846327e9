"""Run a grader on an answer that may raise, print, exit, change its input or never return."""

import contextlib
import copy
import ctypes
import io
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from slt.grading.expect import Wrong
from slt.grading.register import Exercise, tests

SECONDS = 30.0  # for one grader function; compiling a JAX function takes a few
OUTPUT = 10_000  # characters of printed text that are kept


class NotWritten(Wrong):
    """The stub is still there."""


class TimeOut(BaseException):
    """Raised inside an answer that takes too long."""


@dataclass(frozen=True)
class Result:
    """What came of grading one exercise: `passed`, the one `message`, the `traceback` of a failure or an empty string.

    >>> Result("1.3", True, "well done")
    Result(1.3: passed)
    """

    id: str
    passed: bool
    message: str
    traceback: str = ""

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return f"Result({self.id}: {'passed' if self.passed else 'not yet'})"


def grade(
    stem: str, exercise: Exercise, answer: Callable[..., Any], *, seed: int = 0, seconds: float = SECONDS
) -> Result:
    """All grader functions of an exercise on an answer, until the first failure."""
    for _, test in tests(stem, exercise):
        message, trace = run(test, answer, exercise, seed=seed, seconds=seconds)
        if message is not None:
            return Result(exercise.id, False, message, trace)
    return Result(exercise.id, True, exercise.shown)


def run(
    test: Callable[..., Any], answer: Callable[..., Any], exercise: Exercise, *, seed: int = 0, seconds: float = SECONDS
) -> tuple[str | None, str]:
    """One grader function: (None, "") for a pass, else the message and the traceback.

    The test runs in a thread of its own, so that one that never returns can be left behind.
    """
    rng = np.random.default_rng([seed, *map(int, exercise.id.split("."))])
    outcome: dict[str, Any] = {}

    def work():
        try:
            with contextlib.redirect_stdout(_Limited()), contextlib.redirect_stderr(_Limited()):
                test(_guarded(answer), rng)
            outcome["error"] = None
        except BaseException as error:  # an answer may raise anything, SystemExit and TimeOut too
            outcome["error"] = error

    out, err = sys.stdout, sys.stderr
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TimeOut))
        thread.join(1.0)
        sys.stdout, sys.stderr = out, err  # the thread may never come to restore them
        return f"your function was still running after {seconds:g} seconds: look for a loop that does not end.", ""
    error = outcome["error"]
    if error is None:
        return None, ""
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, Wrong):
        return str(error), trace
    return f"the grader of {exercise.id} itself failed: {type(error).__name__}: {error}. Please report this.", trace


def _guarded(answer: Callable[..., Any]) -> Callable[..., Any]:
    """The answer with clear failures: not written, raised, exited, changed its input."""

    def call(*args, **kwargs):
        before = copy.deepcopy((args, kwargs))
        try:
            value = answer(*args, **kwargs)
        except NotImplementedError as error:
            raise NotWritten("not written yet: replace `raise NotImplementedError` by your answer.") from error
        except TimeOut:
            raise
        except SystemExit as error:
            raise Wrong("your function called exit(): return the answer instead.") from error
        except Exception as error:
            line = traceback.extract_tb(error.__traceback__)[-1]
            raise Wrong(
                f"your function raised {type(error).__name__}: {error} (line {line.lineno}: {line.line}). "
                "`slt check --traceback` or slt.check(..., traceback=True) shows where."
            ) from error
        if not _same((args, kwargs), before):
            raise Wrong("your function changed its input: work on a copy, for example x = np.array(x).")
        return value

    return call


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return True


class _Limited(io.StringIO):
    """Printed text, up to a limit; the rest is dropped, so that a flood fills no memory."""

    def write(self, text: str) -> int:
        if self.tell() < OUTPUT:
            super().write(text[: OUTPUT - self.tell()])
        return len(text)
