"""Resolution at a point: the polyhedron, then new coordinates, then a blow-up (floor 1)."""

from itertools import combinations

from slt.rlct._faces import initial_form
from slt.rlct._line import line
from slt.rlct._pair import Pair
from slt.rlct._plane import plane
from slt.rlct._toric import Toric, toric
from slt.rlct._tree import Node, combine, leaf, unsettled

MOST_SHEARS = 10
MOST_TERMS = 600


class Search:
    """The limits of one resolution, and its two recursive steps for `line` and `plane`."""

    def __init__(self, charts: int):
        self.left = charts

    def spend(self, pair: Pair) -> bool:
        """Whether one more chart may be opened; a large one counts for more."""
        terms = sum(len(f.poly) for f in pair.factors)
        self.left -= 1 + terms // 100
        return self.left >= 0 and terms <= MOST_TERMS

    def point(self, pair: Pair, label: str) -> Node:
        return resolve_point(pair, label, self)

    def blow_up(self, pair: Pair, centre, pinned, free) -> list[Node]:
        return blow_up_locus(pair, centre, pinned, free, self)


def resolve_point(pair: Pair, label: str, search: Search) -> Node:
    """(λ, m) of the pair at its origin, with the tree that proves it."""
    pair = pair.at_origin()
    if not any(pair.k) and not any(f.k for f in pair.factors):
        return Node(label, pair, None, None, True, "K does not vanish")
    verdict = toric(pair)
    if verdict.nondegenerate:
        return leaf(label, pair, verdict, "Newton polyhedron")
    straight, changes = straighten(pair, verdict)
    if changes:
        label = f"{label}; {', '.join(changes)}"
        pair, verdict = straight, toric(straight)
        if verdict.nondegenerate:
            return leaf(label, pair, verdict, "Newton polyhedron in new coordinates")
    if pair.dimension > 3:
        return unsettled(label, pair, "degenerate in more than three variables", bound=verdict.rlct)
    if not search.spend(pair):
        return unsettled(label, pair, "the budget of charts is spent", bound=verdict.rlct)
    centre = choose_centre(pair)
    pinned = tuple(j for j in range(pair.dimension) if j not in centre)
    children = blow_up_locus(pair, centre, pinned, (), search)
    names = ", ".join(str(pair.ring.gens[j]) for j in centre)
    return combine(label, pair, f"blow-up of {names} = 0", children, bound=verdict.rlct)


def straighten(pair: Pair, verdict: Toric) -> tuple[Pair, list[str]]:
    r"""Shears $w_j \mapsto w_j - q$ that turn multiple factors $w_j + q$ of face polynomials into coordinates.

    Only coordinates without exponents are moved, so no divisor is lost; the Jacobian is 1.
    """
    changes: list[str] = []
    while not verdict.nondegenerate and len(changes) < MOST_SHEARS:
        found = _shear(pair, verdict)
        if found is None:
            break
        j, image = found
        changes.append(f"{pair.ring.gens[j]} = {image.as_expr()}")
        pair = pair.substitute({j: image}).at_origin()
        verdict = toric(pair)
    return pair, changes


def _shear(pair: Pair, verdict: Toric):
    best = None
    for face in verdict.degenerate_faces:
        count: dict = {}
        for f in pair.factors:
            for p, e in initial_form(f.poly, face.weight).factor_list()[1]:
                count[p.monic()] = count.get(p.monic(), 0) + e
        for p, e in count.items():
            for j, w in enumerate(pair.ring.gens):
                linear = pair.ring.from_dict({m: c for m, c in p.terms() if m[j]})
                alone = len(linear) == 1 and p.degree(w) == 1 and sum(next(iter(linear))) == 1
                if e > 1 and alone and len(p) > 1 and not (pair.k[j] or pair.h[j]) and (best is None or e > best[0]):
                    best = (e, j, w - (p - linear).quo_ground(linear.LC))
    return best and best[1:]


def choose_centre(pair: Pair) -> tuple[int, ...]:
    """A coordinate line along which all factors are as singular as at the origin, or else the origin."""
    d = pair.dimension
    if d == 3:
        for pins in combinations(range(3), 2):
            if all(_order(f.poly, pins) == _order(f.poly, range(3)) for f in pair.factors):
                return pins
    return tuple(range(d))


def _order(poly, pins) -> int:
    return min(sum(e[j] for j in pins) for e in poly)


def blow_up_locus(pair: Pair, centre, pinned, free, search: Search) -> list[Node]:
    """Blow up {w_j = 0, j in centre} and look at all points over {w_j = 0, j in pinned or centre}.

    The fibre, a projective space, is cut into an affine space (first chart) and what lies at infinity (later charts).
    """
    gens, nodes = pair.ring.gens, []
    for place, i in enumerate(centre):
        images = {j: gens[j] * gens[i] for j in centre if j != i}
        jacobian = tuple((len(centre) - 1) * (j == i) for j in range(pair.dimension))
        chart = pair.substitute(images, jacobian)
        label = ", ".join(f"{gens[j]} = {gens[j]}*{gens[i]}" for j in centre if j != i)
        zero = tuple(sorted({*pinned, i, *centre[:place]}))
        loose = tuple(sorted({*free, *centre[place + 1 :]}))
        nodes.append(look_at(chart, label, zero, loose, search))
    return nodes


def look_at(pair: Pair, label: str, pinned, free, search: Search) -> Node:
    """(λ, m) over all real points of a coordinate subspace: `pinned` coordinates 0, `free` ones any real number."""
    if not free:
        return resolve_point(pair, f"{label}; at the origin", search)
    if len(free) == 1:
        return line(pair, f"{label}; all {pair.ring.gens[free[0]]}", tuple(pinned), free[0], search)
    if len(free) == 2:
        return plane(
            pair, f"{label}; all {', '.join(str(pair.ring.gens[j]) for j in free)}", tuple(pinned), free, search
        )
    return unsettled(label, pair, "a locus of three dimensions", bound=None)
