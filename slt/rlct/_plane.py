r"""A plane of points: the curves in which the factors meet it, and where those are singular or meet (floor 1).

Along a curve that one factor cuts simply, the factor and the divisors that hold the plane cross normally. Other curves
are looked at as lines if they are graphs.
"""

from itertools import combinations

from sympy.polys.rings import ring

from slt.rlct._curve import curve
from slt.rlct._faces import common_zeros
from slt.rlct._line import line
from slt.rlct._pair import Pair
from slt.rlct._reals import Undecided, count_roots, critical_values, samples, slice_at, univariate
from slt.rlct._tree import Node, combine, crossing, unsettled
from slt.rlct._types import Polynomial


def plane(pair: Pair, label: str, pinned: tuple[int, ...], free: tuple[int, int], search) -> Node:
    """(λ, m) over all real points of a coordinate plane; `pinned` is empty (the whole plane) or one coordinate."""
    if len(pinned) > 1:
        return unsettled(label, pair, "a plane in more than three dimensions")
    held = [(pair.k[i], pair.h[i]) for i in pinned]
    nodes = [crossing("at a general point", pair, held, "normal crossing")] if held else []
    curves = _curves(pair, pinned, free)
    simple = {c: (powers, place) for c, (powers, place, contact) in curves.items() if contact == 1}
    try:
        for c, (powers, _) in simple.items():
            if has_smooth_real_point(c):
                where = f"on {_name(c, pair, free)} = 0"
                nodes.append(crossing(where, pair, [*held, powers], "normal crossing"))
    except Undecided as why:
        nodes.append(unsettled(label, pair, str(why)))
    for c in curves:
        if c not in simple:
            nodes.append(_along(pair, c, pinned, free, search))
    nodes += _crossings(pair, simple, held, free, search)
    return combine(label, pair, f"{len(nodes)} strata of the plane", nodes)


def _curves(pair: Pair, pinned, free) -> dict[Polynomial, tuple]:
    """Irreducible curves in the plane: powers and place of the factor that holds it, and multiplicity of contact."""
    small = ring("s,t", pair.ring.domain)[0]
    surfaces = [(g, pair.k[j], pair.h[j]) for j, g in zip(free, small.gens, strict=True) if pair.k[j] or pair.h[j]]
    for f in pair.factors:
        flat = {tuple(e[j] for j in free): c for e, c in f.poly.terms() if not any(e[i] for i in pinned)}
        surfaces.append((small.from_dict(flat), f.k, f.h))
    curves: dict = {}
    for place, (p, k, h) in enumerate(surfaces):
        for c, e in p.factor_list()[1] if not p.is_ground else ():
            c = c.monic()
            powers, first, count = curves.get(c, ((k, h), place, 0))
            curves[c] = (powers, first, count + e)
    return curves


def _name(c: Polynomial, pair: Pair, free) -> str:
    return str(pair.ring.from_dict({_lift(e, pair, free): v for e, v in c.terms()}).as_expr())


def _lift(e, pair: Pair, free) -> tuple[int, ...]:
    out = [0] * pair.dimension
    for j, power in zip(free, e, strict=True):
        out[j] = power
    return tuple(out)


def has_smooth_real_point(c: Polynomial) -> bool:
    """Whether an irreducible plane curve has a real point where it is smooth (equivalently: c changes sign)."""
    s = c.ring.gens[0]
    if c.degree(s) == 0:
        return count_roots(univariate(c, 1)) > 0
    critical = critical_values(c)
    return any(count_roots(slice_at(c, c.ring.domain, value)) for value in samples(critical))


def _along(pair: Pair, c: Polynomial, pinned, free, search) -> Node:
    """All points of a curve on which the factors do not cross normally, if it is the graph of a polynomial."""
    gens, where = pair.ring.gens, f"on {_name(c, pair, free)} = 0"
    for place in (0, 1):
        moved, other = free[place], free[1 - place]
        top = {e: v for e, v in c.terms() if e[place]}
        if len(top) == 1 and next(iter(top)) == (1 - place, place):
            rest = c.ring.from_dict({e: -v / c.coeff(c.ring.gens[place]) for e, v in c.terms() if not e[place]})
            image = gens[moved] + pair.ring.from_dict({_lift(e, pair, free): v for e, v in rest.terms()})
            straight = pair if image == gens[moved] else pair.substitute({moved: image})
            return line(straight, where, tuple(sorted((*pinned, moved))), other, search)
    return curve(pair, c, where, (pinned[0], free), search)


def _crossings(pair: Pair, simple, held, free, search) -> list[Node]:
    """The singular points of simple curves and the points where two of them meet."""
    nodes, systems = [], [[c, *(c.diff(x) for x in c.ring.gens)] for c in simple]
    for group in combinations(simple, 2):
        try:
            easy = _normal(pair, group, simple, held, free)
        except Undecided:
            easy = None
        nodes += easy or []
        systems += [list(group)] if easy is None else []
    return nodes + search.points(pair, systems, free)


def _normal(pair: Pair, group, simple, held, free) -> list[Node] | None:
    """The meeting points of curves of two factors, if they cross transversally there and no third one is present."""
    p, q = group
    if simple[p][1] == simple[q][1]:  # one factor, singular or tangent to the plane where its two curves meet
        return None
    s, t = p.ring.gens
    jacobian = p.diff(s) * q.diff(t) - p.diff(t) * q.diff(s)
    if not any(True for _ in common_zeros([p, q])):
        return []
    for r in (jacobian, *(c for c in simple if c not in group)):
        if not r.is_ground and (not r.rem(p) or any(True for _ in common_zeros([p, q, r]))):
            return None
        if not r:
            return None
    where = f"where {_name(p, pair, free)} = {_name(q, pair, free)} = 0"
    return [crossing(where, pair, [*held, simple[p][0], simple[q][0]], "normal crossing")]
