"""Curves in space along which the pair is known, and the special points on them (floor 1)."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product
from typing import Any

import sympy

from slt.rlct._line import Degenerate, critical_on_line, sample_on_line, straightened
from slt.rlct._pair import Pair
from slt.rlct._point import Search, resolve_point
from slt.rlct._reals import Undecided, real_roots, samples, univariate
from slt.rlct._toric import normal_crossing_pair
from slt.rlct._types import Polynomial
from slt.rlct._varieties import components, dimension, graph, points, reduced

ORDERS = ((0, 1, 2), (2, 0, 1), (1, 2, 0))
MOST_SHEARS = 4
VALUES = (1, -1, 2, -2, Fraction(1, 2), Fraction(-1, 2), 3, -3, 0)


@dataclass(frozen=True)
class Curve:
    """`arcs`: (λ, m, exact, point), in order of the parameter, separated by `ends`; `breaks`: special points."""

    basis: list[Polynomial]
    parameter: Any
    ends: list
    arcs: list[tuple]
    breaks: dict


def key(field, place) -> tuple:
    """A point's name: its coordinates to 40 digits."""
    return tuple(str(sympy.N(field.to_sympy(c), 40)) if c else "0" for c in place)


def vanishes(expression, values) -> bool:
    """Whether a polynomial is zero at a point with algebraic coordinates."""
    value = sympy.expand(expression.subs(values))
    return value == 0 if value.is_Rational else sympy.minimal_polynomial(value, sympy.Symbol("t")) == sympy.Symbol("t")


def curves(pair: Pair, system, surfaces, generators) -> tuple[list[Curve], dict]:
    """The curves and the isolated points that make up the real zeros of a system in space.

    `generators`: those of K, if it is the sum of their squares, each with its factors.
    """
    found, isolated = [], {}
    for basis in components(system, ORDERS[0]):
        size = dimension(basis, ORDERS[0])
        if size == 0:
            isolated |= {key(*p): p for p in points(basis, ORDERS[0])}
        elif size == 1:
            curve = _graph(pair, basis)
            if curve is None or not all(exact for _, _, exact, _ in curve.arcs):
                try:
                    other = _sum_of_two(basis, generators, surfaces)
                    curve = other or curve or _transversal(basis, system, surfaces)
                except Undecided:
                    if curve is None:
                        raise
            found.append(curve)
        else:
            raise Undecided("a surface of singular points")
    return found, isolated


def _graph(pair: Pair, basis) -> Curve | None:
    """A curve with polynomial parametrization, moved to a coordinate line."""
    for order in ORDERS:
        base = components(basis, order)
        shape = graph(base[0], order) if len(base) == 1 else None
        if shape is not None:
            break
    else:
        return None
    j, images = shape
    gens, domain = pair.ring.gens, pair.ring.domain
    pinned = tuple(i for i in range(3) if i != j)
    here = pair.substitute({i: gens[i] + q for i, q in images.items() if q})
    exact = True
    for shears in range(MOST_SHEARS + 1):
        try:
            critical = critical_on_line(here, pinned, j)
            break
        except Degenerate as degenerate:
            straight = straightened(here, pinned, j, degenerate.args) if shears < MOST_SHEARS else None
            if straight is None:
                critical, exact = univariate(gens[j], j), False
                break
            here = straight[0]
    arcs = []
    for value in samples(critical):
        node = sample_on_line(here, j, value)
        if not node.exact or not exact:
            node = resolve_point(here.shift(j, domain, domain.convert(value)), "a point", Search(20))
            arcs.append((node.rlct, None, False, _on(images, j, domain, domain.convert(value))))
        else:
            arcs.append((node.rlct, node.multiplicity, True, _on(images, j, domain, domain.convert(value))))
    roots = sorted(real_roots(critical), key=lambda r: float(r[0].to_sympy(r[1])))
    breaks = {}
    for field, root in roots:
        place = tuple(_value(images[i], j, field, root) if i != j else root for i in range(3))
        breaks[key(field, place)] = (field, place)
    return Curve(basis, sympy.Symbol(str(gens[j])), [f.to_sympy(r) for f, r in roots], arcs, breaks)


def _value(q: Polynomial, j: int, field, root):
    return sum((field.convert(c, q.ring.domain) * root ** e[j] for e, c in q.terms()), field.zero)


def _on(images, j, domain, value) -> tuple:
    return tuple(domain.to_sympy(_value(images[i], j, domain, value) if i != j else value) for i in range(3))


def _transversal(basis, system, surfaces) -> Curve:
    """A curve where two factors cross transversally, but for finitely many points."""
    ends = [s for s in surfaces if s[0] in system]
    others = [s[0] for s in surfaces if s[0] not in system]
    if len(system) != 2 or len(ends) != 2:
        raise Undecided("a singular curve that is no graph")
    (p, *first), (q, *second) = ends
    return _where_independent(basis, p, q, others, normal_crossing_pair(*zip(first, second, strict=True)))


def _sum_of_two(basis, generators, surfaces) -> Curve | None:
    r"""A curve along which $K \asymp p^{2a} + q^{2b}$ with independent gradients: $\lambda = 1/2a + 1/2b$, m = 1.

    p and q are the only factors of two generators that vanish on it; the others lie in the ideal $(p^a, q^b)$.
    """
    on_curve = {p for _, factors in generators for p, _ in factors if not reduced(p, basis)}
    ends = {i: [f for f in factors if f[0] in on_curve] for i, (_, factors) in enumerate(generators)}
    for i, j in combinations([i for i, e in ends.items() if len(e) == 1], 2):
        (p, a), (q, b) = ends[i][0], ends[j][0]
        rest = [f for k, (f, _) in enumerate(generators) if k not in (i, j)]
        if p != q and not any(reduced(f, [p**a, q**b]) for f in rest):
            units = [f for k in (i, j) for f, _ in generators[k][1] if f not in (p, q)]
            units += [f for f, _, h in surfaces if h]
            return _where_independent(basis, p, q, units, (Fraction(1, 2 * a) + Fraction(1, 2 * b), 1))
    return None


def _where_independent(basis, p, q, others, found) -> Curve:
    """The curve p = q = 0, broken where the gradients are dependent or another function vanishes."""
    v = p.ring.gens
    minors = [p.diff(v[a]) * q.diff(v[b]) - p.diff(v[b]) * q.diff(v[a]) for a, b in ((0, 1), (0, 2), (1, 2))]
    breaks = {}
    for extra in (minors, *([r] for r in others)):
        for part in components([*basis, *extra], ORDERS[0]):
            if dimension(part, ORDERS[0]):
                raise Undecided("two factors touch along a curve that is no graph, or three meet")
            breaks |= {key(*z): z for z in points(part, ORDERS[0])}
    point = None
    for value, j in product(VALUES, range(3)):
        try:
            for part in components([*basis, v[j] - p.ring.ground_new(p.ring.domain.convert(value))], ORDERS[0]):
                for z in points(part, ORDERS[0]) if not dimension(part, ORDERS[0]) else ():
                    if key(*z) not in breaks:
                        point = tuple(z[0].to_sympy(c) for c in z[1])
        except Undecided:
            continue
        if point is not None:
            break
    else:
        raise Undecided("no real point was found on a curve")
    return Curve(basis, None, [], [(*found, True, point)], breaks)


def sample(p: Polynomial, others) -> tuple | None:
    """A smooth real zero of p off the other surfaces, with rational coordinates but one."""
    ring, d = p.ring, p.ring.ngens
    for j in reversed(range(d)):
        rest = [i for i in range(d) if i != j]
        for values in product(VALUES, repeat=d - 1) if p.degree(ring.gens[j]) > 0 else ():
            swap = [(ring.gens[i], ring.ground_new(ring.domain.convert(c))) for i, c in zip(rest, values, strict=True)]
            flat = univariate(p.compose(swap), j)
            if flat.degree() < 1:
                continue
            repeated = flat.gcd(flat.diff(flat.ring.gens[0])).degree() > 0
            if repeated or any(univariate(r.compose(swap), j).gcd(flat).degree() > 0 for r in others):
                continue
            try:
                for field, root in real_roots(flat):
                    place = dict(zip(rest, map(sympy.Rational, values), strict=True))
                    return tuple(field.to_sympy(root) if i == j else place[i] for i in range(d))
            except Undecided:
                continue
    return None
