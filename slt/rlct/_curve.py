r"""A plane curve c = 0 along which the factors do not cross normally, when it is no graph (floor 1).

Where c is smooth it is a coordinate itself. Each factor is expanded in powers of the divisor's coordinate x and of c,
$f = \sum a_{ij}\, x^i c^j$ with $a_{ij}$ of lower degree than c, and the Newton polygon of (i, j) answers at all points
of the curve where no vertex coefficient and no discriminant or resultant of an edge polynomial vanishes.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import gcd

from sympy.polys.rings import ring

from slt.rlct._pair import Pair
from slt.rlct._polyhedron import Face, Polyhedron, dot, minimal, minkowski_sum
from slt.rlct._reals import (
    Undecided,
    change_domain,
    count_roots,
    critical_values,
    real_roots,
    samples,
    slice_at,
    squarefree,
)
from slt.rlct._toric import divisors_of, refuse_odd, weigh
from slt.rlct._tree import Node, combine, unsettled
from slt.rlct._types import Polynomial


def curve(pair: Pair, c: Polynomial, label: str, place: tuple[int, tuple[int, int]], search) -> Node:
    """(λ, m) over all real points of c(s, t) = 0 in the plane {x = 0}; `place`: indices of x and of (s, t)."""
    x, free = place
    if c.degree(c.ring.gens[0]) == 0:
        return unsettled(label, pair, "a pencil of irrational lines")
    try:
        tables = [expand(f.poly, c, x, free) for f in pair.factors]
        polygon = _Polygon.of(pair, x, tables)
        special = [*polygon.special(c), *(g for g, j in zip(c.ring.gens, free, strict=True) if pair.k[j] or pair.h[j])]
        special.append(lead(c))
        nodes = _arcs(pair, c, polygon, special)
        systems = [[c, c.diff(c.ring.gens[0]), c.diff(c.ring.gens[1])], *([c, q] for q in special if not q.is_ground)]
        nodes += search.points(pair, systems, free)
    except Undecided as why:
        return unsettled(label, pair, str(why))
    return combine(label, pair, f"{len(nodes)} parts of the curve", nodes)


def lead(c: Polynomial) -> Polynomial:
    """Leading coefficient in s, a polynomial of t."""
    top = c.degree(c.ring.gens[0])
    return c.ring.from_dict({(0, e[1]): v for e, v in c.terms() if e[0] == top})


def _reduced(p: Polynomial, c: Polynomial) -> Polynomial:
    """p modulo c, up to a power of the leading coefficient."""
    return p.prem(c) if p and p.degree(c.ring.gens[0]) >= c.degree(c.ring.gens[0]) else p


def expand(poly: Polynomial, c: Polynomial, x: int, free) -> dict[tuple[int, int], Polynomial]:
    """The a_ij, all multiplied by one power of the leading coefficient of c."""
    small, s, top = c.ring, c.ring.gens[0], c.degree(c.ring.gens[0])
    rows: dict[int, dict] = {}
    for e, v in poly.terms():
        rows.setdefault(e[x], {})[tuple(e[j] for j in free)] = v
    parts: dict[tuple[int, int], tuple[Polynomial, int]] = {}
    for i, row in rows.items():
        rest, j, power = small.from_dict(row), 0, 0
        while rest:
            if rest.degree(s) < top:
                rest, remainder = small.zero, rest
            else:
                power += rest.degree(s) - top + 1
                rest, remainder = rest.pdiv(c)
            if remainder:
                parts[(i, j)] = (remainder, power)
            j += 1
    most = max(power for _, power in parts.values())
    return {e: r * lead(c) ** (most - power) for e, (r, power) in parts.items()}


@dataclass(frozen=True)
class _Polygon:
    """The common polygon in (x, c), the edges' polynomials by their coefficients, and what weighs them."""

    tables: tuple[dict, ...]
    powers: tuple[tuple[Fraction, Fraction], ...]
    hull: Polyhedron | None
    divisors: tuple
    edges: dict[Face, dict[int, list[Polynomial]]]

    @classmethod
    def of(cls, pair: Pair, x: int, tables) -> "_Polygon":
        powers = tuple((f.k, f.h) for f in pair.factors)
        supports = [minimal(rows) for rows in tables]
        hull = Polyhedron(minkowski_sum(supports))
        divisors = divisors_of((pair.k[x], 0), (pair.h[x], 0), powers, supports, hull)
        edges = {face: {} for face in hull.compact_faces}
        for face, polys in edges.items():
            if len(face.vertices) > 1:
                for i, rows in enumerate(tables):
                    coefficients = _edge(rows, face.weight)
                    if len(coefficients) > 1:
                        polys[i] = coefficients
        return cls(tuple(tables), powers, hull, divisors, edges)

    def special(self, c: Polynomial) -> list[Polynomial]:
        """Functions on the curve off whose zeros the polygon answers."""
        out = [rows[v] for rows in self.tables for v in Polyhedron(rows).vertices]
        for polys in self.edges.values():
            seen: list[Polynomial] = []
            for coefficients in polys.values():
                g = _polynomial(coefficients)
                simple = g.degree() == 1 or _constant_and_simple(coefficients)
                for q in [*([] if simple else [g.discriminant()]), *(g.resultant(h) for h in seen)]:
                    q = _reduced(c.ring.from_dict(dict(q.terms())), c)
                    if not q:
                        raise Undecided("an edge polynomial with a multiple root all along the curve")
                    out.append(q)
                seen.append(g)
        return out

    def poles(self) -> tuple[tuple[Fraction, Fraction], ...]:
        """(k, h + 1) of the polygon's divisors and of the factors."""
        return tuple((a, b) for _, a, b in self.divisors) + tuple((k, h + 1) for k, h in self.powers)

    def at(self, domain, s, t) -> tuple[Fraction | None, int | None]:
        """(λ, m) at a point of the curve that is not special."""
        if not any(a for _, a, _ in self.divisors):
            return None, None
        zeros: dict = {}
        for face, polys in self.edges.items():
            zeros[face] = ()
            for i, coefficients in polys.items():
                values = [change_domain(q, domain).evaluate(0, s).evaluate(0, t) for q in coefficients]
                if count_roots(_univariate(values, domain), nonzero=True):
                    refuse_odd(self.powers[i][0], "a factor")
                    zeros[face] += ((i,),)
        return weigh(self.divisors, self.powers, zeros)


def _edge(rows: dict, weight) -> list[Polynomial]:
    least = min(dot(weight, e) for e in rows)
    on = sorted(e for e in rows if dot(weight, e) == least)
    if len(on) < 2:
        return [rows[on[0]]]
    right, down = weight[1] // gcd(*weight), weight[0] // gcd(*weight)
    (i, j), zero = on[0], rows[on[0]].ring.zero
    return [rows.get((i + n * right, j - n * down), zero) for n in range((on[-1][0] - i) // right + 1)]


def _constant_and_simple(coefficients) -> bool:
    """Whether an edge polynomial does not change along the curve and has no multiple real root."""
    if not all(q.is_ground for q in coefficients):
        return False
    g = _univariate([q.coeff(1) for q in coefficients], coefficients[0].ring.domain)
    return not count_roots(g.gcd(g.diff(g.ring.gens[0])), nonzero=True)


def _univariate(values, domain) -> Polynomial:
    return ring("r", domain)[0].from_dict({(n,): v for n, v in enumerate(values) if v})


def _polynomial(coefficients: list[Polynomial]) -> Polynomial:
    """sum of coefficient_n r^n in a ring whose first generator is r."""
    big = ring("r,s,t", coefficients[0].ring.domain)[0]
    return big.from_dict({(n, *e): v for n, q in enumerate(coefficients) for e, v in q.terms()})


def _arcs(pair: Pair, c: Polynomial, polygon: _Polygon, special) -> list[Node]:
    """One sample on each arc of the curve between special points, vertical tangents and singular points."""
    critical, s = critical_values(c), c.ring.gens[0]
    for q in special:
        if not q.is_ground:
            r = q if q.degree(s) == 0 else c.resultant(q)
            critical = squarefree(critical * critical.ring.from_dict({(e[-1],): v for e, v in r.terms()}))
    nodes = []
    constant = all(q.is_ground for polys in polygon.edges.values() for g in polys.values() for q in g)
    for value in samples(critical):
        here, domain = slice_at(c, c.ring.domain, value), c.ring.domain
        if not count_roots(here):
            continue
        points = [(domain, domain.zero)] if constant else real_roots(here)
        for field, root in points:
            rlct, m = polygon.at(field, root, field.convert(value))
            where = f"an arc over {value}"
            nodes.append(Node(where, pair, rlct, m, True, "Newton polygon along the curve", (), polygon.poles()))
    return nodes
