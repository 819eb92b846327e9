r"""The least pair over all real zeros, where an argument gives it at once (floor 1).

If positive weights make K and prior quasi-homogeneous, $w \mapsto (t^{u_1} w_1, \dots, t^{u_d} w_d)$ moves any zero
into every neighbourhood of the origin along points with the same pair; and the pair of a point is the least near it.
"""

import random
from fractions import Fraction

import numpy as np
from scipy.optimize import linprog
from sympy.polys.rings import PolyElement

from slt.rlct._pair import Pair
from slt.rlct._parse import Problem
from slt.rlct._polyhedron import dot
from slt.rlct._reals import count_roots, sign, univariate
from slt.rlct._record import LearningCoefficient
from slt.rlct._toric import refuse_odd

SAMPLES = 60


class NoRealZero(ValueError):
    """K, or a factor of it, is positive everywhere."""


def homogeneous(pair: Pair) -> tuple[Fraction, ...] | None:
    """Positive weights for which every factor is quasi-homogeneous, or `None`."""
    d = pair.dimension
    rows = []
    for f in pair.factors:
        first = next(iter(f.poly))
        rows += [tuple(a - b for a, b in zip(e, first, strict=True)) for e in f.poly if e != first]
    if not rows:
        return (Fraction(1),) * d
    found = linprog(np.ones(d), A_eq=np.array(rows, dtype=float), b_eq=np.zeros(len(rows)), bounds=[(1, None)] * d)
    if found.x is None:
        return None
    weights = tuple(Fraction(float(x)).limit_denominator(5040) for x in found.x)
    return weights if all(dot(weights, r) == 0 for r in rows) and min(weights) > 0 else None


def refuse_negative_values(problem: Problem) -> None:
    """Look at some rational points; a negative value there is a proof, with the point."""
    rng, domain = random.Random(0), problem.ring.domain
    for number in range(SAMPLES):
        scale = (1, 10, 100)[number % 3]
        point = [Fraction(rng.randint(-30, 30), 10 * scale // (1 + number % 2)) for _ in problem.variables]
        value = problem.kl
        for coordinate in point:
            value = value.evaluate(0, domain.convert(coordinate)) if isinstance(value, PolyElement) else value
        if sign(value, domain) < 0:
            where = ", ".join(f"{v} = {p}" for v, p in zip(problem.variables, point, strict=True))
            raise ValueError(
                f"K must be nonnegative, but at {where} it is {domain.to_sympy(value)}. If K is valid only near a "
                "point (a Taylor polynomial), pass that point as at=."
            )


def one_variable(pair: Pair) -> LearningCoefficient:
    """The root of highest multiplicity, the prior's powers counted in."""
    best: list[tuple[Fraction, str]] = []
    surfaces = [(pair.ring.gens[0], pair.k[0], pair.h[0])] + [(f.poly, f.k, f.h) for f in pair.factors]
    for poly, k, h in surfaces:
        if k and count_roots(univariate(poly, 0)):
            refuse_odd(k, str(poly.as_expr()))
            best.append(((h + 1) / k, str(poly.as_expr())))
    if not best:
        raise NoRealZero("K has no real zero. Subtract its minimum.")
    rlct, where = min(best)
    return LearningCoefficient(rlct, 1, "exact", f"the real roots of {where}", tuple(best))
