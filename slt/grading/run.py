"""Run a grader on an answer that may raise, print, exit, change its input or never return."""

import contextlib
import copy
import ctypes
import faulthandler
import inspect
import io
import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from slt.grading.expect import Wrong, short
from slt.grading.register import Exercise, tests

SECONDS = float(os.environ.get("SLT_SECONDS", "20"))  # for one grader function; the first call may compile
ROUNDS = 2  # inputs for one grader function: what is right for the first, whatever the input, does not pass
STOPPING = 1.0  # seconds in which a thread that ran too long is told to end, again and again
OUTPUT = 10_000  # characters of printed text that are kept


class NotWritten(Wrong):
    """The stub is still there."""


class TimeOut(BaseException):
    """Raised inside code that takes too long; no `except Exception` catches it."""


@dataclass(frozen=True, repr=False)
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
    stem: str, exercise: Exercise, answer: Callable[..., Any], *, seed: int = 0, seconds: float | None = None
) -> Result:
    """All grader functions of an exercise on an answer, until the first failure."""
    for _, test in tests(stem, exercise):
        message, trace = run(test, answer, exercise, seed=seed, seconds=seconds)
        if message is not None:
            return Result(exercise.id, False, message, trace)
    return Result(exercise.id, True, exercise.shown)


def run(
    test: Callable[..., Any],
    answer: Callable[..., Any],
    exercise: Exercise,
    *,
    seed: int = 0,
    seconds: float | None = None,
) -> tuple[str | None, str]:
    """One grader function, on `ROUNDS` inputs: (None, "") for a pass, else the message and the traceback."""
    number, seconds = map(int, exercise.id.split(".")), SECONDS if seconds is None else seconds
    inputs = [np.random.default_rng(s) for s in np.random.SeedSequence([seed, *number]).spawn(ROUNDS)]
    returned: list[Any] = []
    guarded = _guarded(answer, exercise, returned, time.monotonic() + seconds)
    try:
        limited(lambda: [test(guarded, rng) for rng in inputs], seconds)
    except TimeOut:
        if returned:
            return (
                f"your function returned, but comparing its value took more than {seconds:g} seconds: return a closed "
                "form without Integral or Sum.",
                "",
            )
        return (
            f"your function was still running after {seconds:g} seconds: look for a loop that does not end. "
            "On a slow machine set the environment variable SLT_SECONDS to more.",
            "",
        )
    except Wrong as error:
        return str(error), "".join(traceback.format_exception(error.__cause__ or error))
    except Exception as error:
        what, trace = f"{type(error).__name__}: {short(error)}", "".join(traceback.format_exception(error))
        if not returned:
            return f"the grader of {exercise.id} itself failed ({what}). Please report this.", trace
        value = returned[-1]
        got = "None (is the return missing?)" if value is None else f"a {type(value).__name__}, {short(value)},"
        return f"your function returned {got} and that cannot be graded: {what}. Return what the stub says.", trace
    return None, ""


def limited(work: Callable[[], Any], seconds: float) -> Any:
    """The value of `work()`, run silently in a thread of its own; raises what it raises, or `TimeOut`.

    A thread, not an alarm signal: it works in every thread and on every system, and one that does not end, though told
    to, is left behind. Only a single call into compiled code that never returns and never lets go of the interpreter
    cannot be left: see `last_resort`.
    """
    outcome: dict[str, Any] = {}

    def target():
        with contextlib.suppress(TimeOut):  # a second one may arrive while the first is being kept
            try:
                outcome["value"] = work()
            except BaseException as error:
                outcome["error"] = error

    thread = threading.Thread(target=target, daemon=True)
    with _alone():
        thread.start()
        try:
            thread.join(seconds)
            late = thread.is_alive()
        finally:  # Ctrl-C comes here too
            _stop(thread)
    if late or not outcome:  # the work itself may have raised it
        raise TimeOut
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


@contextlib.contextmanager
def last_resort(stderr: int = 2):
    """End the process, saying in which line it hangs, where not even `limited` can end a call.

    For the command and for pytest: a notebook's kernel is the reader's own. An answer that calls `os._exit` cannot be
    caught: it ends the process at once, without a message and with a code of its own choice, 0 included.
    """
    faulthandler.dump_traceback_later(5 * SECONDS, exit=True, file=stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@contextlib.contextmanager
def _alone():
    """No output, no input (`input()` fails at once, and it is not the real stream that `quit()` closes), no warnings,
    so that the verdict is the same whatever the caller does with warnings."""
    stdin = sys.stdin
    with contextlib.redirect_stdout(_Limited()), contextlib.redirect_stderr(_Limited()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sys.stdin = io.StringIO()
        try:
            yield
        finally:
            sys.stdin = stdin


def _stop(thread: threading.Thread) -> None:
    """Raise `TimeOut` in the thread until it ends; often, as a bare `except:` may catch it."""
    wait = 0.01
    for _ in range(int(STOPPING / wait)):
        if not thread.is_alive():
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TimeOut))
        thread.join(wait)


def _guarded(
    answer: Callable[..., Any], exercise: Exercise, returned: list[Any], deadline: float
) -> Callable[..., Any]:
    """The answer with clear failures: not written, raised, exited, changed its input, caught its own `TimeOut`.

    Its value goes to `returned`, which is empty while it runs.
    """

    def call(*args, **kwargs):
        returned.clear()
        try:
            before = copy.deepcopy((args, kwargs))
        except Exception:  # an input that cannot be copied is not compared
            before = None
        try:
            value = answer(*args, **kwargs)
        except TimeOut:
            raise
        except SystemExit as error:
            raise Wrong("your function called exit(): return the answer instead.") from error
        except BaseException as error:  # pytest.skip() and KeyboardInterrupt too
            raise _raised(error, answer, exercise) from error
        if time.monotonic() > deadline:
            raise TimeOut
        if before is not None and not _same((args, kwargs), before):
            raise Wrong("your function changed its input: work on a copy, for example x = np.array(x).")
        returned[:] = [value]
        return value

    return call


def _raised(error: BaseException, answer: Callable[..., Any], exercise: Exercise) -> Wrong:
    """What to say about an exception: the last line that is the reader's own, not one inside a library."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # without our own call
    try:
        file = inspect.unwrap(answer).__code__.co_filename
    except (AttributeError, ValueError):
        file = None
    own = [frame for frame in frames if frame.filename == file]
    if isinstance(error, NotImplementedError) and own and own[-1] is frames[-1]:
        return NotWritten("not written yet: replace `raise NotImplementedError` by your answer.")
    what = f"{type(error).__name__}: {short(error)}"
    if isinstance(error, TypeError) and not frames:
        return Wrong(
            f"your function cannot be called as the stub of {exercise.name} says ({what}): keep its arguments."
        )
    where = f" in line {own[-1].lineno}: {own[-1].line}" if own else ""
    return Wrong(f"your function raised {what}{where}\nTo see the whole traceback: --traceback, or traceback=True.")


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
        super().write(text[: OUTPUT - self.tell()])
        return len(text)
