"""Analytic functions at the origin: domain, order of a zero, and units (floor 1)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sympy

from slt.rlct._derivation import Step
from slt.rlct._parse import expression, point_of

REMEDY = "Every symbol is a parameter: write constants and exponents as numbers, exponents whole."
ENTIRE = {sympy.exp, sympy.sin, sympy.cos, sympy.sinh, sympy.cosh, sympy.tanh, sympy.atan, sympy.asinh, sympy.erf}
DISC = {sympy.asin, sympy.acos, sympy.atanh}
MOST_ORDER = 16  # of a zero of one function
UNITS = "a factor that does not vanish at the point lies between two positive constants near it"
T = sympy.Dummy("t", real=True)


@dataclass(frozen=True)
class State:
    """Generators around the origin, the vanishing part of the prior, what was done."""

    generators: tuple[Any, ...]
    prior: Any
    steps: tuple[Step, ...]
    squares: bool

    @property
    def symbols(self) -> list:
        return sorted(sympy.Tuple(*self.generators).free_symbols, key=sympy.default_sort_key)

    def to(self, name: str, generators: Sequence[Any], why: str, **changes: Any) -> "State":
        after = tuple(generators)
        if after == self.generators and not changes:
            return self
        return replace(self, generators=after, steps=(*self.steps, Step(name, self.generators, after, why)), **changes)

    @property
    def polynomial(self) -> bool:
        return all(f.is_polynomial(*self.symbols) for f in self.generators)


def start(K: Any, prior: Any, at: Any) -> State:
    """The input, checked, with the point moved to the origin and without units in the prior."""
    squares = isinstance(K, Sequence) and not isinstance(K, str)
    given = tuple(expression("K", f) for f in (K if squares else [K]))
    prior = expression("prior", prior)
    symbols = sorted(sympy.Tuple(*given, prior).free_symbols, key=sympy.default_sort_key)
    if not sympy.Tuple(*given).free_symbols:
        raise ValueError(f"K must depend on parameters; got {K}.")
    for v in symbols:
        if v.is_nonpositive or v.is_rational or v.is_real is False:
            raise ValueError(
                f"each symbol must be a real number, free or nonnegative; {v} is declared otherwise. "
                "Declare real=True, or write -w with w declared nonnegative=True."
            )
    if any(f.has(sympy.I) for f in given):
        raise ValueError(f"K must be real for real parameters; got {K}.")
    point = dict(zip(symbols, point_of(at, symbols), strict=True))
    for v, x in point.items():
        if v.is_nonnegative and x.is_negative:
            raise ValueError(f"at must lie in the parameter space; {v} is declared nonnegative, got {v} = {x}.")
    moved = {v: v + x for v, x in point.items() if x != 0}
    # Inside its range a nonnegative symbol is free, and its displacement has both signs.
    free = {v: sympy.Symbol(str(v), real=True) for v in moved if v.is_nonnegative}
    state = State(given, prior, (), squares)
    if moved:
        shift = lambda f: f.subs(moved, simultaneous=True).subs(free)  # noqa: E731
        where = ", ".join(f"{v} = {x}" for v, x in point.items())
        name = "the point becomes the origin"
        state = state.to(name, [shift(f) for f in given], f"this is a translation from {where}", prior=shift(prior))
    for f in state.generators:
        check_analytic(f)
        if not vanishes(f):
            raise ValueError(f"K must vanish at the point; there {f} is {at_zero(f)}. Pass at= a zero of K.")
    kept = [p for p in sympy.Mul.make_args(state.prior) if not _unit_of_prior(p)]
    state = replace(
        state, generators=tuple(f for f in state.generators if sympy.expand(f) != 0), prior=sympy.Mul(*kept)
    )
    if not state.generators:
        raise ValueError("K is identically zero: every parameter is true, and λ is not defined.")
    return state


def _unit_of_prior(factor) -> bool:
    """Whether a factor lies between positive constants near the origin, proved; `False` if it vanishes there."""
    base = factor if isinstance(factor, sympy.exp) else factor.as_base_exp()[0]
    base = base.args[0] if isinstance(base, sympy.Abs) else base
    if not isinstance(factor, sympy.exp) and vanishes(base):
        return False
    check_analytic(base.replace(sympy.Abs, lambda g: g), "a factor of the prior without a zero")  # |g| is continuous
    return True


def at_zero(f):
    return f.subs(dict.fromkeys(f.free_symbols, 0))


def vanishes(f) -> bool:
    """Whether f is 0 at the origin, proved."""
    value = at_zero(f)
    found = value.is_zero if value.is_zero is not None else value.equals(0)
    if found is None:
        raise ValueError(f"it could not be decided whether {value} is zero. Write K so that it is evident.")
    return found


def check_analytic(f, name: str = "K") -> None:
    """Every part of f must be analytic at the origin; a sufficient condition."""
    for part in sympy.preorder_traversal(f):
        if not part.free_symbols or part.is_Symbol or part.is_Add or part.is_Mul:
            continue
        inner: Any = at_zero(part.args[0])
        good = False
        if isinstance(part, sympy.Pow):
            base, n = part.args
            good = bool((n.is_Integer and n > 0) or at_zero(base).is_positive or (n.is_Integer and not vanishes(base)))
        elif part.func in ENTIRE:
            good = bool(inner.is_finite)
        elif part.func is sympy.log:
            good = bool(inner.is_positive)
        elif part.func is sympy.tan:
            good = not vanishes(sympy.cos(part.args[0]))
        elif part.func in DISC:
            good = bool((1 - inner**2).is_positive)
        if not good:
            raise ValueError(f"{name} must be analytic at the point; {part} is not known to be. {REMEDY}")


def order(phi) -> tuple[int, Any]:
    """The order k of the zero of phi(t) at t = 0, and its k-th derivative there."""
    for k in range(MOST_ORDER + 1):
        if not vanishes(phi):
            return k, at_zero(phi)
        phi = phi.diff(T)
    raise ValueError(f"{phi} has a zero of order above {MOST_ORDER}, or is zero.")


def of_one_argument(f):
    """(phi(t), p) with f = phi(p), p = 0 at the origin; `None` if f is no function of one argument."""
    if len(f.free_symbols) == 1:
        return f.subs(next(iter(f.free_symbols)), T), next(iter(f.free_symbols))
    for inner in {g.args[0] for g in f.atoms(sympy.Function)}:
        phi = f.subs(inner, T)
        if inner.is_polynomial() and phi.free_symbols == {T}:
            p0 = at_zero(inner)
            return phi.subs(T, T + p0), inner - p0
    return None


def without_units(f, signed: bool = False):
    """f up to a unit: constants, units and the units in functions of one argument left out; `signed`: all but -1."""
    out: list = []
    product: Any = sympy.factor(f)
    for factor in sympy.Mul.make_args(product):
        if not vanishes(factor):
            out += [_sign(at_zero(factor))] if signed else []
            continue
        base, n = factor.as_base_exp()
        if not (n.is_Integer and n > 0):
            raise ValueError(f"K must be analytic at the point; {factor} is not known to be. {REMEDY}")
        found = None if base.is_polynomial() and len(base.free_symbols) > 1 else of_one_argument(base)
        if found is None:
            out.append(base**n)
            continue
        k, slope = order(found[0])
        out += [found[1] ** (n * k), *([_sign(slope) ** n] if signed else [])]
    return sympy.Mul(*out)


def _sign(value):
    """The sign of a real number that is not zero."""
    if not (value.is_positive or value.is_negative):
        raise ValueError(f"K must be real for real parameters; got the factor {value}.")
    return sympy.Integer(1 if value.is_positive else -1)
