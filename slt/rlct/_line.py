r"""A line of points: where the pair is constant along it, and the finitely many points where it is not (floor 1).

On the line {pinned coordinates 0} with coordinate t, the common Newton polygon of the factors in the pinned coordinates
has coefficients in $\mathbb{Q}[t]$. Away from the real zeros of its vertex coefficients, of the discriminants of its
edge polynomials and of their resultants, the pair depends on nothing but the interval; one sample each settles it.
"""

from math import gcd

from sympy.polys.rings import ring

from slt.rlct._pair import Pair
from slt.rlct._polyhedron import Polyhedron, dot, minimal, minkowski_sum
from slt.rlct._reals import Undecided, count_roots, critical_values, plane_zero, real_roots, samples, squarefree
from slt.rlct._toric import toric
from slt.rlct._tree import Node, combine, crossing, leaf, unsettled
from slt.rlct._types import Polynomial


class Degenerate(Exception):
    """An edge polynomial with a multiple root for every t: (edge direction, first pinned exponent, the root's poly)."""


def line(pair: Pair, label: str, pinned: tuple[int, ...], j: int, search) -> Node:
    """(λ, m) over all real points of a coordinate line."""
    if len(pinned) > 2:
        return unsettled(label, pair, "a line in more than three dimensions")
    try:
        critical = critical_on_line(pair, pinned, j)
    except Degenerate as found:
        return _straighten_line(pair, label, pinned, j, search, found.args)
    except Undecided as why:
        return unsettled(label, pair, str(why))
    t = pair.ring.gens[j]
    nodes = [sample_on_line(pair, j, value) for value in samples(critical)]
    for q, _ in critical.factor_list()[1] if critical.degree() > 0 else ():
        if not count_roots(q):
            continue
        easy = _transversal(pair, pinned, j, q)
        if easy is not None:
            nodes.append(easy)
            continue
        try:
            for domain, root in real_roots(q):
                place = f"at {t} = {domain.to_sympy(root)}"
                nodes.append(search.point(pair.shift(j, domain, root), place))
        except Undecided as why:
            nodes.append(unsettled(f"at a root of {q.as_expr()}", pair, str(why)))
    return combine(label, pair, f"{len(nodes)} parts of the line", nodes)


def _rows(poly: Polynomial, pinned, j, small) -> dict:
    """Coefficients in t of the monomials in the pinned coordinates."""
    rows: dict = {}
    for e, c in poly.terms():
        rows.setdefault(tuple(e[i] for i in pinned), {})[(e[j],)] = c
    return {e: small.from_dict(r) for e, r in rows.items()}


def critical_on_line(pair: Pair, pinned, j) -> Polynomial:
    small, t = ring("t", pair.ring.domain)
    critical = t if pair.k[j] or pair.h[j] or len(pinned) == 2 else small.one
    tables = [_rows(f.poly, pinned, j, small) for f in pair.factors]
    for rows in tables:
        for v in Polyhedron(rows).vertices:
            critical = squarefree(critical * rows[v])
    if len(pinned) == 2 and tables:
        total = Polyhedron(minkowski_sum([minimal(rows) for rows in tables]))
        for face in total.compact_faces:
            if len(face.vertices) > 1:
                critical = squarefree(critical * _edge(tables, face.weight, pair.ring.domain, small))
    return critical


def _edge(tables, weight, domain, small) -> Polynomial:
    """Discriminants and resultants of the edge polynomials, leaving out what has no real zero on the torus."""
    plane, seen, critical = ring("s,t", domain)[0], [], small.one
    a, b = weight
    for place, rows in enumerate(tables):
        least = min(dot(weight, e) for e in rows)
        edge = {e: rows[e] for e in rows if dot(weight, e) == least}
        low = min(e[1] for e in edge)
        step = _step(a, b)
        g = plane.from_dict({((e[1] - low) // step, m[0]): c for e, p in edge.items() for m, c in p.terms()})
        for p, power in g.factor_list()[1] if len(edge) > 1 else ():
            if p.degree(plane.gens[0]) == 0 or p == plane.gens[0] or not plane_zero(p):
                continue
            if power > 1:
                raise Degenerate(p, weight, power)
            for q, other in seen:
                if p == q:
                    raise Degenerate(p, weight, 2)
                critical = critical * _flat(p.resultant(q), small)
                del other
            seen.append((p, place))
            critical = critical * _flat(critical_values(p), small)
    return critical


def _step(a: int, b: int) -> int:
    """The second exponent's step along an edge whose points e have the same a*e0 + b*e1."""
    return a // gcd(a, b)


def _flat(p, small) -> Polynomial:
    """A resultant (a polynomial of t, in whatever ring) in the ring of t."""
    return small.from_dict({(e[-1],): c for e, c in p.terms()})


def sample_on_line(pair: Pair, j: int, value) -> Node:
    domain = pair.ring.domain
    here = pair.shift(j, domain, domain.convert(value)).at_origin()
    label = f"near {pair.ring.gens[j]} = {value}"
    verdict = toric(here)
    if not verdict.nondegenerate:
        return unsettled(label, here, "a face of higher dimension is not decided", bound=verdict.rlct)
    return leaf(label, here, verdict, "K does not vanish" if verdict.rlct is None else "Newton polyhedron")


def _transversal(pair: Pair, pinned, j, q: Polynomial) -> Node | None:
    """The root of q, if one factor alone crosses the divisor there, simply: no number field is needed."""
    if (
        len(pinned) != 1
        or (q.degree() == 1 and q.ring.domain.is_QQ)
        or (q == q.ring.gens[0] and (pair.k[j] or pair.h[j]))
    ):
        return None
    met = []
    for f in pair.factors:
        p = _rows(f.poly, pinned, j, q.ring).get((0,), q.ring.zero)
        if not p.rem(q):
            if not p.quo(q).rem(q):
                return None
            met.append(f)
    if len(met) != 1:
        return None
    x = pinned[0]
    label = f"at the roots of {q.as_expr().subs('t', str(pair.ring.gens[j]))}"
    return crossing(label, pair, [(pair.k[x], pair.h[x]), (met[0].k, met[0].h)], "normal crossing")


def _straighten_line(pair: Pair, label, pinned, j, search, found) -> Node:
    """Move the multiple root to a coordinate where that is a shear; or blow up the line."""
    straight = straightened(pair, pinned, j, found)
    if not search.spend(pair):
        return unsettled(label, pair, "the budget of charts is spent")
    if straight is not None:
        moved, text = straight
        return line(moved, f"{label}; {text}", pinned, j, search)
    return combine(label, pair, "blow-up of the line", search.blow_up(pair, pinned, (), (j,)))


def straightened(pair: Pair, pinned, j, found) -> tuple[Pair, str] | None:
    """The pair after a shear that moves the multiple root w_b = c(t) w_a^k to w_b = 0, if it is such a graph."""
    p, (a, b), power = found
    del power
    x, y = pinned
    gens, s = pair.ring.gens, p.ring.gens[0]
    for moved, other, top, bottom in ((y, x, b, a), (x, y, a, b)):
        # w_moved / w_other^k is the torus coordinate (or its inverse) if the weight of `moved` is k times the other's
        if top % bottom or pair.k[moved] or pair.h[moved] or p.degree(s) != 1:
            continue
        rows = {d: {m: c for (e, m), c in p.terms() if e == d} for d in (0, 1)}
        lead, rest = (rows[1], rows[0]) if moved == y else (rows[0], rows[1])
        if set(lead) == {0}:
            c = pair.ring.from_dict(
                {tuple(m * (i == j) for i in range(pair.dimension)): -v / lead[0] for m, v in rest.items()}
            )
            image = gens[moved] + c * gens[other] ** (top // bottom)
            return pair.substitute({moved: image}), f"{gens[moved]} = {image.as_expr()}"
    return None
