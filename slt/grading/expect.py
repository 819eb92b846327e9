"""What a grader says: each function compares, and fails with one message (input, wanted, got, why, misconception)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

_allclose = np.allclose  # as it is now: an answer may put another function in its place


class Wrong(AssertionError):
    """An answer that is not right; its text is all that the reader sees."""


def close(
    got: Any,
    want: Any,
    *,
    given: str,
    why: str,
    unless: Sequence[tuple[Any, str]] = (),
    overflow: str | None = None,
    wanted: str | None = None,
    rtol: float = 1e-6,
) -> None:
    """Fail unless `got` is numerically `want`: same shape, equal to `rtol` (relative; of the largest entry near zero).

    `given` describes the input, `why` says why `want` is right. `unless` lists `(value, explanation)` of the usual
    mistakes: where the answer equals such a value, its explanation is shown. `overflow` explains an answer that is NaN
    or infinite. `wanted` is shown in place of `want`, which would be the answer itself.

    >>> close(1.0, 1.0, given="nothing", why="one is one")
    """
    expected = np.asarray(want, dtype=float)
    value = number(got, given=given, shape=expected.shape, why=why, overflow=overflow)
    if _equal(value, expected, rtol):
        return
    misconception = next((text for wrong, text in unless if _equal(value, np.asarray(wrong, dtype=float), rtol)), None)
    if overflow and not np.isfinite(value).all():
        misconception = overflow
    elif misconception is None and np.asarray(got).dtype == np.float32 and _equal(value, expected, 1e-2):
        misconception = 'single precision: jax.config.update("jax_enable_x64", True) before you compute, or use NumPy.'
    fail(given=given, got=short(value), want=wanted or short(expected), why=why, misconception=misconception)


def number(
    got: Any, *, given: str, shape: tuple[int, ...] = (), why: str = "", overflow: str | None = None
) -> np.ndarray:
    """The answer as a float array of this shape, or a failure that says what it was instead."""
    wanted = "one number" if shape == () else f"an array of shape {shape}"
    value = _floats(got)
    if value is None:
        fail(given=given, got=_kind(got), want=wanted, why="the signature in the stub says so.")
    if value.shape != shape:
        if value.size == 1 and shape == ():
            value = value.reshape(())
        else:
            fail(given=given, got=f"shape {value.shape}", want=wanted, why="the signature in the stub says so.")
    if np.isnan(value).any():
        nan = "NaN comes of 0/0, 0 * inf, inf - inf or the log of a negative number" + (why and f"; {why}")
        fail(given=given, got="NaN", want=f"{wanted} without NaN", why=nan, misconception=overflow)
    return value


def true(condition: Any, *, given: str, got: Any, want: str, why: str, misconception: str | None = None) -> None:
    """Fail unless the condition holds.

    >>> true(2 > 1, given="2 and 1", got=2, want="the larger", why="of the order")
    """
    if not bool(condition):
        fail(given=given, got=short(got), want=want, why=why, misconception=misconception)


def steps(got: Any, *keys: str, given: str) -> Mapping[str, Any]:
    """The steps of a proof, or a failure that says which keys are wanted.

    >>> steps({"first": 1}, "first", given="nothing")["first"]
    1
    """
    if not isinstance(got, Mapping) or not set(keys) <= set(got):
        fail(given=given, got=_kind(got), want=f"a dict with {', '.join(keys)}", why="each step is checked by itself.")
    return got


def symbolic(
    got: Any,
    want: Any,
    *,
    given: str,
    why: str,
    unless: Sequence[tuple[Any, str]] = (),
    domain: Callable[[np.random.Generator], Mapping[str, Any]] | None = None,
) -> None:
    """Fail unless two SymPy expressions are equal: the same symbols, and equal numbers at twelve random points.

    `domain` draws a point, the exact value of each symbol by name; left out: positive halves of whole numbers.

    >>> import sympy
    >>> x = sympy.Symbol("x", positive=True)
    >>> symbolic((x + 1) ** 2, x**2 + 2 * x + 1, given="x", why="of the binomial formula")
    """
    import sympy

    if isinstance(got, np.number):
        got = got.item()
    if not isinstance(got, sympy.Expr | int | float) or isinstance(got, bool):
        one = isinstance(got, list | tuple | set | sympy.FiniteSet) and len(got) == 1
        element = "return its element: solve(...)[0] of a list, next(iter(...)) of a set." if one else None
        why = "the signature in the stub says so."
        fail(given=given, got=_kind(got), want="a SymPy expression", why=why, misconception=element)
    got, allowed = sympy.sympify(got), {s.name for s in sympy.sympify(want).free_symbols}
    foreign = sorted({s.name for s in got.free_symbols} - allowed)
    if foreign:
        fail(given=given, got=str(got), want=f"an expression in {', '.join(sorted(allowed))}", why=f"{foreign} is new.")
    if got.has(sympy.Order):
        order = "drop the O term: .removeO()."
        fail(given=given, got=str(got), want="an expression without O", why="it stands for more.", misconception=order)
    if _same(got, want, domain):
        return
    misconception = next((text for wrong, text in unless if _same(got, wrong, domain)), None)
    fail(given=given, got=str(got), want="an equal expression (any form)", why=why, misconception=misconception)


def choice(got: Any, right: str, distractors: Mapping[str, str], *, given: str) -> None:
    """Fail unless the answer is the letter; each distractor has an explanation.

    >>> choice(" B ", "b", {"a": "a is not even a prior"}, given="the four priors")
    """
    letters = sorted({right, *distractors})
    letter = got.strip(" .():[]'\"*\t\n").lower() if isinstance(got, str) else None
    if letter not in letters:
        fail(given=given, got=short(got), want=f"one letter of {', '.join(letters)}", why="it is a choice.")
    if letter != right:
        fail(given=given, got=letter, want="another letter", why=distractors[letter])


def fail(*, given: str, got: str, want: str, why: str, misconception: str | None = None) -> NoReturn:
    """Raise `Wrong` with the one message."""
    lines = [f"given     {given}", f"wanted    {want}", f"got       {got}", f"because   {why}"]
    if misconception:
        lines.append(f"perhaps   {misconception}")
    raise Wrong("\n".join(lines))


def _kind(got: Any) -> str:
    """What an answer of the wrong kind is."""
    return "None (is the return missing?)" if got is None else f"a {type(got).__name__}: {short(got)}"


def _floats(got: Any) -> np.ndarray | None:
    """As a float array; None for what is none: a text, a complex number, an expression with symbols."""
    try:
        value = np.asarray(got)
        # NumPy would make NaN of None, read the number in a text, and drop an imaginary part
        return None if got is None or value.dtype.kind in "cSUMm" else value.astype(float)
    except Exception:  # whatever the object's own conversion raises
        return None


def _equal(value: np.ndarray, want: np.ndarray, rtol: float) -> bool:
    if value.shape != want.shape:
        return False
    scale = np.abs(want[np.isfinite(want)]).max(initial=0.0)
    return bool(_allclose(value, want, rtol=rtol, atol=rtol * 1e-3 * (scale or 1.0)))


def _same(a: Any, b: Any, domain: Callable[[np.random.Generator], Mapping[str, Any]] | None = None) -> bool:
    """Whether two expressions agree at twelve points of the domain, symbols matched by name."""
    import sympy

    a, b = sympy.sympify(a), sympy.sympify(b)
    names = sorted({s.name for s in a.free_symbols | b.free_symbols})
    rng, compared = np.random.default_rng(0), 0
    for _ in range(12):
        point = domain(rng) if domain else {name: sympy.Rational(int(rng.integers(3, 16)), 2) for name in names}
        values = []
        for e in (a, b):
            value = e.subs({s: point[s.name] for s in e.free_symbols}).doit().evalf(30)
            values.append(complex(value) if value.is_number and value.is_finite else None)
        if values[1] is None:  # a pole of the wanted expression
            continue
        if values[0] is None or not abs(values[0] - values[1]) <= 1e-9 * max(abs(values[1]), 1e-12):
            return False
        compared += 1
    return compared >= 6


def short(value: Any) -> str:
    """At most 120 characters of an array or object, on one line."""
    try:
        if isinstance(value, np.ndarray):
            text = np.array2string(value, precision=6, threshold=8, edgeitems=3, separator=", ")
        else:
            text = str(value)
    except Exception as error:
        text = f"an object that cannot be shown ({type(error).__name__})"
    text = " ".join(text.split())
    return text if len(text) <= 120 else text[:117] + "..."
