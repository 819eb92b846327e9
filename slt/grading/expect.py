"""What a grader says: each function compares, and fails with one message (input, wanted, got, why, misconception)."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np


class Wrong(AssertionError):
    """An answer that is not right; its text is all that the reader sees."""


def close(
    got: Any,
    want: Any,
    *,
    given: str,
    why: str,
    unless: Sequence[tuple[Any, str]] = (),
    rtol: float = 1e-6,
) -> None:
    """Fail unless `got` is numerically `want`: same shape, equal to `rtol` (relative; of the largest entry near zero).

    `given` describes the input, `why` says why `want` is right. `unless` lists `(value, explanation)` of the usual
    mistakes: where the answer equals such a value, its explanation is shown.

    >>> close(1.0, 1.0, given="nothing", why="one is one")
    """
    expected = np.asarray(want, dtype=float)
    value = number(got, given=given, shape=expected.shape)
    if _equal(value, expected, rtol):
        return
    misconception = next((text for wrong, text in unless if _equal(value, np.asarray(wrong, dtype=float), rtol)), None)
    if misconception is None and str(getattr(got, "dtype", "")) == "float32" and _equal(value, expected, 1e-4):
        misconception = 'single precision: jax.config.update("jax_enable_x64", True) before you compute, or use NumPy.'
    fail(given=given, got=short(value), want=short(expected), why=why, misconception=misconception)


def number(got: Any, *, given: str, shape: tuple[int, ...] = ()) -> np.ndarray:
    """The answer as a float array of this shape, or a failure that says what it was instead."""
    wanted = "one number" if shape == () else f"an array of shape {shape}"
    value = _floats(got)
    if value is None:
        what = "None (is the return missing?)" if got is None else f"a {type(got).__name__}: {short(got)}"
        fail(given=given, got=what, want=wanted, why="the signature in the stub says so.")
    if value.shape != shape:
        if value.size == 1 and shape == ():
            value = value.reshape(())
        else:
            fail(given=given, got=f"shape {value.shape}", want=wanted, why="the signature in the stub says so.")
    if np.isnan(value).any():
        fail(given=given, got="NaN", want=f"{wanted} without NaN", why="a step divided 0 by 0 or took log of < 0.")
    return value


def true(condition: Any, *, given: str, got: Any, want: str, why: str, misconception: str | None = None) -> None:
    """Fail unless the condition holds.

    >>> true(2 > 1, given="2 and 1", got=2, want="the larger", why="of the order")
    """
    if not bool(condition):
        fail(given=given, got=short(got), want=want, why=why, misconception=misconception)


def symbolic(got: Any, want: Any, *, given: str, why: str, unless: Sequence[tuple[Any, str]] = ()) -> None:
    """Fail unless two SymPy expressions are equal: the same symbols, and equal numbers at twelve random points.

    >>> import sympy
    >>> x = sympy.Symbol("x", positive=True)
    >>> symbolic((x + 1) ** 2, x**2 + 2 * x + 1, given="x", why="of the binomial formula")
    """
    import sympy

    if not isinstance(got, sympy.Expr | int | float) or isinstance(got, bool):
        what = "None (is the return missing?)" if got is None else f"a {type(got).__name__}: {short(got)}"
        fail(given=given, got=what, want="a SymPy expression", why="the signature in the stub says so.")
    got, allowed = sympy.sympify(got), {s.name for s in sympy.sympify(want).free_symbols}
    foreign = sorted({s.name for s in got.free_symbols} - allowed)
    if foreign:
        fail(given=given, got=str(got), want=f"an expression in {', '.join(sorted(allowed))}", why=f"{foreign} is new.")
    if _same(got, want):
        return
    misconception = next((text for wrong, text in unless if _same(got, wrong)), None)
    fail(given=given, got=str(got), want="an equal expression (any form)", why=why, misconception=misconception)


def choice(got: Any, right: str, distractors: Mapping[str, str], *, given: str) -> None:
    """Fail unless the answer is the letter; each distractor has an explanation.

    >>> choice(" B ", "b", {"a": "a is not even a prior"}, given="the four priors")
    """
    letters = sorted({right, *distractors})
    letter = got.strip().strip(".()").lower() if isinstance(got, str) else None
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
    return bool(np.allclose(value, want, rtol=rtol, atol=rtol * 1e-3 * (scale or 1.0)))


def _same(a: Any, b: Any) -> bool:
    """Whether two expressions agree at twelve points of positive reals, symbols matched by name."""
    import sympy

    a, b = sympy.sympify(a), sympy.sympify(b)
    names = sorted({s.name for s in a.free_symbols | b.free_symbols})
    rng, compared = np.random.default_rng(0), 0
    for _ in range(24):
        # whole numbers and halves: valid for counts too
        point = {
            name: sympy.Rational(int(k), 2) for name, k in zip(names, rng.integers(3, 16, len(names)), strict=True)
        }
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
