r"""The prior as a product of powers of irreducible polynomials, and whether it can be integrated (floor 1).

Near a point where $f$ vanishes to the order $\mu$, $\int |f|^{-a}$ is finite for $a < 1/\mu$: after a change of
coordinates $f$ is a polynomial of degree $\mu$ in one of them, times a unit. Coordinates are independent, each needs
$a < 1$; for products of other factors, H\"older's inequality asks for $\sum_i a_i \mu_i < 1$.
"""

from collections.abc import Iterable
from fractions import Fraction

from slt.rlct._faces import evidently_positive
from slt.rlct._reals import count_roots, univariate
from slt.rlct._types import Polynomial

Powers = tuple[tuple[Polynomial, Fraction], ...]


def irreducible(powers: Iterable[tuple[Polynomial, Fraction]]) -> Powers:
    """The same product, equal irreducible factors merged; constants, which change no pair, are left out."""
    merged: dict[Polynomial, Fraction] = {}
    for base, h in powers:
        for factor, e in base.factor_list()[1]:
            factor = factor.monic()
            merged[factor] = merged.get(factor, Fraction(0)) + e * h
    return tuple((f, h) for f, h in merged.items() if h)


def refuse_divergent(prior: Powers, *, local: bool) -> None:
    """Raise unless the prior is integrable near the point (`local`), or near every zero of its factors."""
    poles = [(f, -h) for f, h in prior if h < 0 and not _unit(f, local)]
    for f, a in poles:
        if a >= 1 and _is_coordinate(f):
            raise ValueError(f"the prior cannot be integrated: {f.as_expr()} has power {-a}, and it must exceed -1.")
    if all(_is_coordinate(f) for f, _ in poles):
        return
    total = sum((a * _order(f, local) for f, a in poles), Fraction(0))
    if total >= 1:
        named = ", ".join(f"({f.as_expr()})**({-a})" for f, a in poles)
        raise ValueError(
            f"it is not proved that the prior can be integrated: its poles {named} add up to the order {total}, and "
            "below 1 is safe. Use a prior with weaker poles, or coordinates in which its poles are coordinate planes."
        )


def _is_coordinate(f: Polynomial) -> bool:
    return len(f) == 1 and sum(next(iter(f))) == 1


def _unit(f: Polynomial, local: bool) -> bool:
    """Whether the factor has no zero: at the origin, or anywhere as far as is evident."""
    if local:
        return bool(f.coeff(1))
    used = [j for j in range(f.ring.ngens) if any(e[j] for e in f)]
    return (bool(f.coeff(1)) and evidently_positive(f)) or (len(used) == 1 and not count_roots(univariate(f, used[0])))


def _order(f: Polynomial, local: bool) -> int:
    """The order of vanishing at the origin; anywhere it is at most the degree."""
    return min(sum(e) for e in f) if local else max(sum(e) for e in f)
