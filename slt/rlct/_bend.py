r"""A smooth curve in a coordinate plane as a new coordinate at a point of three variables (floor 1).

If a factor restricted to x = 0 contains c(s, t) with $\partial c / \partial s \ne 0$ at the origin, then (x, c, t) are
coordinates. Each factor is expanded as $\sum a_{ij}(s, t)\, x^i c^j$. Where c has degree one in s, this is a polynomial
in the new coordinates (up to a unit). Otherwise $a_{ij} = t^n q$; if q is a unit, so is the term but for a monomial; if
not, q lies in the ideal (c, t), and the term must stay above every compact face.
"""

from collections.abc import Iterator
from dataclasses import replace

from sympy.polys.rings import ring

from slt.rlct._curve import expand, lead
from slt.rlct._pair import Pair, from_powers
from slt.rlct._polyhedron import Polyhedron, dot
from slt.rlct._types import Polynomial


def bent_coordinates(pair: Pair) -> Iterator[tuple[str, Pair, bool]]:
    """(description, the pair in coordinates with a bent one, whether it is complete).

    A pair that is not complete holds only the terms that can lie on compact faces: its polyhedron may be used if it is
    nondegenerate, and no more.
    """
    for x in range(3):
        free = tuple(j for j in range(3) if j != x)
        for s, t in (free, free[::-1]):
            if pair.k[s] or pair.h[s]:
                continue
            for c in _smooth_curves(pair, x, (s, t)):
                if not lead(c).coeff(1):
                    continue
                factors, complete = [], c.degree(c.ring.gens[0]) == 1
                for f in pair.factors:
                    poly = _in_new_coordinates(pair, f.poly, c, (x, s, t), complete)
                    if poly is None:
                        break
                    factors.append((poly, f.k, f.h))
                else:
                    bent = from_powers(pair.ring, factors)
                    bent = replace(
                        bent,
                        k=tuple(a + b for a, b in zip(bent.k, pair.k, strict=True)),
                        h=tuple(a + b for a, b in zip(bent.h, pair.h, strict=True)),
                    )
                    symbols = (pair.ring.symbols[s], pair.ring.symbols[t])
                    names = c.as_expr(*symbols)
                    yield f"{pair.ring.gens[s]} stands for {names}", bent, complete


def _smooth_curves(pair: Pair, x: int, free) -> list[Polynomial]:
    small, found = ring("s,t", pair.ring.domain)[0], []
    for f in pair.factors:
        trace = small.from_dict({tuple(e[j] for j in free): v for e, v in f.poly.terms() if not e[x]})
        for c, power in trace.factor_list()[1] if trace else ():
            if power > 1 and len(c) > 1 and not c.coeff(1) and c.coeff(small.gens[0]):
                found.append(c.monic())
    return found


def _in_new_coordinates(pair: Pair, poly: Polynomial, c: Polynomial, places, complete: bool) -> Polynomial | None:
    x, s, t = places
    terms: dict[tuple[int, int, int], Polynomial] = {}
    for (i, j), a in expand(poly, c, x, (s, t)).items():
        if complete:  # a is a polynomial of t alone
            for e, v in a.terms():
                terms[(i, j, e[1])] = v
        else:
            n = min(e[1] for e in a)
            terms[(i, j, n)] = a.ring.from_dict({(e[0], e[1] - n): v for e, v in a.terms()}).coeff(1)
    units = {e: v for e, v in terms.items() if v}
    if not units:
        return None
    hull = Polyhedron(units)
    weights = [*hull.normals, *(face.weight for face in hull.compact_faces)]
    for i, j, n in (e for e, v in terms.items() if not v):
        for point in ((i, j + 1, n), (i, j, n + 1)):
            for w in weights:
                least = min(dot(w, e) for e in hull.vertices)
                if dot(w, point) < least or (all(w) and dot(w, point) == least):
                    return None

    def order(e):
        out = [0, 0, 0]
        out[x], out[s], out[t] = e
        return tuple(out)

    return pair.ring.from_dict({order(e): v for e, v in units.items()})
