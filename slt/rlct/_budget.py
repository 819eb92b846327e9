r"""A budget of work, so that every call ends: with an answer, with a bound, or with an error that says so (floor 1).

Polynomial algebra has no useful bound of its cost, and most of the time is spent inside single calls to it. So work is
counted where Python lets one count it (PEP 669): each start of a function with a loop, in the modules that do the
algebra, is one step. Steps rather than seconds, because an answer should not depend on the machine. Where the numbers
themselves become so long that few steps take long, the thread's own processor time ends it.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dis import opmap
from functools import wraps
from importlib import import_module
from threading import Lock, get_ident
from time import monotonic, thread_time
from types import CodeType

STEPS = 4_000_000  # of one public call: mostly some twenty seconds
SECONDS = 30.0  # of the thread's processor time
RESERVE = 50_000, 1.0  # steps and seconds to wind up with, each time that either runs out
TOOLS = (4, 3)  # numbers that PEP 669 leaves to any tool
POLYNOMIALS = "densearith densetools euclidtools factortools galoistools groebnertools rings rootisolation sqfreetools"
BACKWARD = {code for name, code in opmap.items() if name.startswith("JUMP_BACKWARD")}

_watch = sys.monitoring
_lock = Lock()
_left: dict[int, "_Account"] = {}  # by thread
_tools: list[int] = []  # ours, once a budget was asked for


class Spent(Exception):
    """The steps ran out; who catches it gives the bound that is known by then."""


class _Account:
    """What one thread may still spend; the processor's clock is read when the wall clock says that it may be time."""

    def __init__(self, steps: int, seconds: float):
        self.out = 0  # how often it ran out
        self.grant(steps, seconds)

    def grant(self, steps: int, seconds: float) -> None:
        self.steps, self.end = steps, thread_time() + seconds
        self.look = monotonic() + seconds

    def pay(self) -> None:
        self.steps -= 1
        if self.steps < 0 or (monotonic() > self.look and self._late()):
            self.out += 1
            self.grant(*RESERVE)
            raise Spent

    def _late(self) -> bool:
        rest = self.end - thread_time()
        self.look = monotonic() + rest
        return rest <= 0


@contextmanager
def budget(steps: int = STEPS, seconds: float = SECONDS) -> Iterator[None]:
    """Count the steps of this thread within the block; an inner budget is part of the outer one.

    Where other tools hold both numbers (a debugger beside a profiler), nothing is counted.
    """
    me = get_ident()
    if me in _left:
        yield
        return
    with _lock:
        if not _tools:
            _begin()
        _left[me] = _Account(steps, seconds)
    try:
        yield
    finally:
        del _left[me]


def spent() -> bool:
    """Whether the steps have run out: then begin nothing that takes long."""
    mine = _left.get(get_ident())
    return mine is not None and mine.out > 0


def limited[**P, T](call: Callable[P, T]) -> Callable[P, T]:
    """A public function with a budget of its own."""

    @wraps(call)
    def counted(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            with budget():
                return call(*args, **kwargs)
        except Spent:
            raise ValueError(
                f"the algebra of this input did not end within {STEPS} steps and {SECONDS:g} seconds of processor "
                "time, and no bound is known. Give fewer terms or a lower degree (generators that dominate the "
                "others, a Taylor polynomial, simpler coordinates), or a point, at=."
            ) from None

    return counted


def _begin() -> None:
    free = next((n for n in TOOLS if _watch.get_tool(n) is None), None)
    if free is None:
        return
    _watch.use_tool_id(free, "slt.rlct")
    _watch.register_callback(free, _watch.events.PY_START, _start)
    names = [f"sympy.polys.{name}" for name in POLYNOMIALS.split()]
    names += ["sympy.core.add", "sympy.core.mul", "sympy.core.function"]
    names += [name for name in sys.modules if name.startswith("slt.rlct._") and name != __name__]
    for name in names:
        for code in _codes(vars(import_module(name)), name):
            _watch.set_local_events(free, code, _watch.events.PY_START)
    _tools.append(free)


def _codes(namespace, module: str) -> Iterator[CodeType]:
    """The code with loops that a module defines, methods and inner functions included."""
    for thing in list(namespace.values()):
        if isinstance(thing, type) and thing.__module__ == module:
            yield from _codes(vars(thing), module)
        thing = getattr(thing, "__func__", thing)
        while hasattr(thing, "__wrapped__"):
            thing = thing.__wrapped__
        code = getattr(thing, "__code__", None)
        if isinstance(code, CodeType) and getattr(thing, "__module__", None) == module:
            yield from _with_loops(code)


def _with_loops(code: CodeType) -> Iterator[CodeType]:
    if not BACKWARD.isdisjoint(code.co_code[::2]):
        yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _with_loops(inner)


def _start(code, offset) -> None:
    """A function with a loop starts, in any thread."""
    del code, offset
    mine = _left.get(get_ident()) if _left else None
    if mine is not None:
        mine.pay()
