"""Resolution at a point: the polyhedron, then new coordinates, then a blow-up (floor 1)."""

from fractions import Fraction
from itertools import combinations

from slt.rlct._bend import bent_coordinates
from slt.rlct._budget import Spent, spent
from slt.rlct._faces import common_zeros, initial_form
from slt.rlct._line import line
from slt.rlct._pair import Pair
from slt.rlct._plane import plane
from slt.rlct._reals import Undecided, real_roots
from slt.rlct._split import quadratic, split
from slt.rlct._toric import Toric, simple_bound, toric
from slt.rlct._tree import COMPARABLE, Node, combine, leaf, unsettled

MOST_SHEARS = 6
MOST_TERMS = {1: 1000, 2: 4000, 3: 250}
SPENT = "the budget of steps is spent"


class Search:
    """The limits of one resolution, and its recursive steps for `line`, `plane` and `curve`."""

    def __init__(self, charts: int):
        self.left = charts

    def spend(self, pair: Pair) -> bool:
        """Whether one more chart may be opened; a large one counts for more."""
        terms = _size(pair)
        self.left -= 1 + terms // 100
        return self.left >= 0 and terms <= MOST_TERMS[pair.dimension]

    def point(self, pair: Pair, label: str) -> Node:
        return resolve_point(pair, label, self)

    def points(self, pair: Pair, systems, free) -> list[Node]:
        """All real points of the plane of the two free coordinates where a system of polynomials vanishes."""
        nodes, seen = [], set()
        for system in systems:
            try:
                for domain, root, common in common_zeros(system):
                    for field, other in real_roots(common):
                        place = (field.to_sympy(other), domain.to_sympy(root))
                        if place not in seen:
                            seen.add(place)
                            here = pair.shift(free[1], domain, root).shift(free[0], field, other)
                            names = [pair.ring.gens[j] for j in free]
                            label = ", ".join(f"{n} = {p}" for n, p in zip(names, place, strict=True))
                            nodes.append(self.point(here, f"at {label}"))
            except Undecided as why:
                nodes.append(unsettled(f"where {' = '.join(map(str, system))} = 0", pair, str(why)))
        return nodes

    def blow_up(self, pair: Pair, centre, pinned, free) -> list[Node]:
        return blow_up_locus(pair, centre, pinned, free, self)


def resolve_point(pair: Pair, label: str, search: Search, bends: int = 2) -> Node:
    """(λ, m) of the pair at its origin, with the tree that proves it."""
    pair, bound = pair.at_origin(), None
    if not any(pair.k) and not any(f.k for f in pair.factors):
        return Node(label, pair, None, None, True, "K does not vanish")
    try:
        bound = simple_bound(pair)
        if spent():
            return unsettled(label, pair, SPENT, bound=bound)
        verdict = toric(pair)
        bound = verdict.rlct
        return _resolved(pair, label, search, bends, verdict)
    except Spent:
        return unsettled(label, pair, SPENT, bound=bound)


def _resolved(pair: Pair, label: str, search: Search, bends: int, verdict: Toric) -> Node:
    if verdict.nondegenerate:
        return leaf(label, pair, verdict, "Newton polyhedron")
    straight, changes = straighten(pair, verdict)
    if changes:
        found = toric(straight)
        if found.nondegenerate:
            return leaf(f"{label}; {', '.join(changes)}", straight, found, "Newton polyhedron in new coordinates")
    for candidate, done in ((pair, []), (straight, changes)) if changes else ((pair, []),):
        node = _quadratic(candidate, "; ".join([label, *done]), search)
        if node is not None:
            return node
    if changes and len(changes) < MOST_SHEARS and _size(straight) <= 2 * _size(pair) + 20:
        label, pair, verdict = f"{label}; {', '.join(changes)}", straight, found
    for how, bent, complete in bent_coordinates(pair) if pair.dimension == 3 else ():
        found = toric(bent)
        if found.nondegenerate:
            return leaf(f"{label}; {how}", bent, found, "Newton polyhedron in bent coordinates")
        if complete and bends and search.spend(bent):
            return resolve_point(bent, f"{label}; {how}", search, bends - 1)
    if pair.dimension > 3:
        return unsettled(label, pair, "degenerate in more than three variables", bound=verdict.rlct)
    if not search.spend(pair):
        return unsettled(label, pair, "the budget of charts is spent", bound=verdict.rlct)
    centre = choose_centre(pair)
    pinned = tuple(j for j in range(pair.dimension) if j not in centre)
    children = blow_up_locus(pair, centre, pinned, (), search)
    names = ", ".join(str(pair.ring.gens[j]) for j in centre)
    return combine(label, pair, f"blow-up of {names} = 0", children, bound=verdict.rlct)


def _quadratic(pair: Pair, label: str, search: Search) -> Node | None:
    """The pair where K is a square of a coordinate plus a function of the others, exactly or as a power series."""
    if pair.dimension == 1:
        return None
    parted = quadratic(pair)
    if parted is not None:
        j, rest = parted
        name = pair.ring.gens[j]
        if rest is None:
            return Node(label, pair, Fraction(1, 2), 1, True, f"{COMPARABLE} {name}**2")
        child = resolve_point(rest, f"on {name} = 0", search)
        if child.rlct is None:
            return None
        rlct = child.rlct + Fraction(1, 2)
        how = f"{COMPARABLE} {name}**2 + (K at {name} = 0)"
        return Node(label, pair, rlct, child.multiplicity, child.exact, how, (child,)) if child.exact else None
    series = split(pair, straighten)
    return None if series is None else Node(label, pair, series[0], series[1], True, series[2])


def _size(pair: Pair) -> int:
    return sum(len(f.poly) for f in pair.factors)


def straighten(pair: Pair, verdict: Toric) -> tuple[Pair, list[str]]:
    r"""Shears $w_j \mapsto w_j - q$ that turn multiple factors $w_j + q$ of face polynomials into coordinates.

    Only coordinates without exponents are moved, so no divisor is lost; the Jacobian is 1.
    """
    changes: list[str] = []
    while not verdict.nondegenerate and len(changes) < MOST_SHEARS:
        found = _shear(pair, verdict)
        if found is None or _size(pair) > MOST_TERMS.get(pair.dimension, 250):
            break
        j, image = found
        changes.append(f"{pair.ring.gens[j]} = {image.as_expr()}")
        pair = pair.substitute({j: image}).at_origin()
        verdict = toric(pair)
    return pair, changes


def _shear(pair: Pair, verdict: Toric):
    """(coordinate, its image) for the face with one multiple factor, of the highest multiplicity, or `None`."""
    best = None
    for face in verdict.degenerate_faces:
        count: dict = {}
        for f in pair.factors:
            for p, e in initial_form(f.poly, face.weight).factor_list()[1]:
                count[p.monic()] = count.get(p.monic(), 0) + e
        multiple = [(p, e) for p, e in count.items() if e > 1 and len(p) > 1]
        if len(multiple) != 1 or (best is not None and multiple[0][1] <= best[0]):
            continue
        p, e = multiple[0]
        for j, w in enumerate(pair.ring.gens):
            linear = pair.ring.from_dict({m: c for m, c in p.terms() if m[j]})
            alone = len(linear) == 1 and sum(next(iter(linear))) == 1
            if alone and not (pair.k[j] or pair.h[j]):
                best = (e, j, w - (p - linear).quo_ground(linear.LC))
                break
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
    label = f"{label}; all {', '.join(str(pair.ring.gens[j]) for j in free)}"
    if spent():
        return unsettled(label, pair, SPENT)
    try:
        if len(free) == 1:
            return line(pair, label, tuple(pinned), free[0], search)
        if len(free) == 2:
            return plane(pair, label, tuple(pinned), free, search)
    except Spent:
        return unsettled(label, pair, SPENT)
    return unsettled(label, pair, "a locus of three dimensions")
