r"""A plane of points: the curves in which the factors meet it, and where those are singular or meet (floor 1).

Along a curve that one factor cuts simply, the factor and the divisors that hold the plane cross normally. Other curves
are looked at as lines if they are graphs.
"""

from itertools import combinations

from sympy.polys.rings import PolyElement, ring

from slt.rlct._faces import common_zeros
from slt.rlct._line import line
from slt.rlct._pair import Pair
from slt.rlct._reals import Undecided, count_roots, critical_values, real_roots, samples, slice_at, univariate
from slt.rlct._tree import Node, combine, crossing, unsettled


def plane(pair: Pair, label: str, pinned: tuple[int, ...], free: tuple[int, int], search) -> Node:
    """(λ, m) over all real points of a coordinate plane; `pinned` is empty (the whole plane) or one coordinate."""
    if len(pinned) > 1:
        return unsettled(label, pair, "a plane in more than three dimensions")
    held = [(pair.k[i], pair.h[i]) for i in pinned]
    nodes = [crossing("at a general point", pair, held, "normal crossing")] if held else []
    curves = _curves(pair, pinned, free)
    simple = {c: powers for c, (powers, power) in curves.items() if power == 1}
    try:
        for c, powers in simple.items():
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


def _curves(pair: Pair, pinned, free) -> dict[PolyElement, tuple]:
    """Irreducible curves in the plane, each with the powers of the factor on it and the multiplicity of contact."""
    small = ring("s,t", pair.ring.domain)[0]
    surfaces = [(g, pair.k[j], pair.h[j]) for j, g in zip(free, small.gens, strict=True) if pair.k[j] or pair.h[j]]
    for f in pair.factors:
        flat = {tuple(e[j] for j in free): c for e, c in f.poly.terms() if not any(e[i] for i in pinned)}
        surfaces.append((small.from_dict(flat), f.k, f.h))
    curves: dict = {}
    for p, k, h in surfaces:
        for c, e in p.factor_list()[1] if not p.is_ground else ():
            c = c.monic()
            powers, count = curves.get(c, ((k, h), 0))
            curves[c] = (powers, count + e)
    return curves


def _name(c: PolyElement, pair: Pair, free) -> str:
    return str(pair.ring.from_dict({_lift(e, pair, free): v for e, v in c.terms()}).as_expr())


def _lift(e, pair: Pair, free) -> tuple[int, ...]:
    out = [0] * pair.dimension
    for j, power in zip(free, e, strict=True):
        out[j] = power
    return tuple(out)


def has_smooth_real_point(c: PolyElement) -> bool:
    """Whether an irreducible plane curve has a real point where it is smooth (equivalently: c changes sign)."""
    s = c.ring.gens[0]
    if c.degree(s) == 0:
        return count_roots(univariate(c, 1)) > 0
    critical = critical_values(c)
    return any(count_roots(slice_at(c, c.ring.domain, value)) for value in samples(critical))


def _along(pair: Pair, c: PolyElement, pinned, free, search) -> Node:
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
    return unsettled(where, pair, "the factors meet along a curve that is no graph")


def _crossings(pair: Pair, simple, held, free, search) -> list[Node]:
    """The singular points of simple curves and the points where two of them meet."""
    nodes, seen = [], set()
    for group in [(c,) for c in simple] + list(combinations(simple, 2)):
        system = list(group) if len(group) == 2 else [group[0], *(group[0].diff(x) for x in group[0].ring.gens)]
        try:
            if len(group) == 2 and (node := _normal(pair, group, simple, held, free)):
                nodes += node
                continue
            for domain, root, common in common_zeros(system):
                for field, other in real_roots(common):
                    place = (field.to_sympy(other), domain.to_sympy(root))
                    if place not in seen:
                        seen.add(place)
                        here = pair.shift(free[1], domain, root).shift(free[0], field, other)
                        label = f"at {pair.ring.gens[free[0]]} = {place[0]}, {pair.ring.gens[free[1]]} = {place[1]}"
                        nodes.append(search.point(here, label))
        except (Undecided, NotImplementedError) as why:
            nodes.append(unsettled("where " + " and ".join(_name(c, pair, free) for c in group), pair, str(why)))
    return nodes


def _normal(pair: Pair, group, simple, held, free) -> list[Node] | None:
    """The meeting points of two curves, if the curves cross transversally there and no third one is present."""
    p, q = group
    (s, t), jacobian = p.ring.gens, None
    jacobian = p.diff(s) * q.diff(t) - p.diff(t) * q.diff(s)
    if not any(True for _ in common_zeros([p, q])):
        return [crossing("no common point", pair, [(0, 0)], "K does not vanish")]
    for r in (jacobian, *(c for c in simple if c not in group)):
        if not r.is_ground and (not r.rem(p) or any(True for _ in common_zeros([p, q, r]))):
            return None
        if not r:
            return None
    where = f"where {_name(p, pair, free)} = {_name(q, pair, free)} = 0"
    return [crossing(where, pair, [*held, simple[p], simple[q]], "normal crossing")]
