r"""Real zeros of face polynomials on the torus, decided exactly for faces of dimension 1 and 2 (floor 1).

A set of squarefree $f_i$ is *really nondegenerate* on a compact face if, wherever some of the face polynomials
$f_i|_F$, $i \in I$, vanish together at a real point without zero coordinates, their gradients are independent there.
Then the toric modification of the polyhedron makes all of them and the exceptional divisors cross normally over a
neighbourhood of that stratum. A positive face polynomial fulfils this with no zero at all.
"""

from dataclasses import dataclass
from itertools import combinations

from sympy.polys.rings import ring

from slt.rlct._pair import strip
from slt.rlct._polyhedron import Face, coordinates_in, dot, lattice_basis
from slt.rlct._reals import Undecided, count_roots, plane_zero, real_roots, slice_at, univariate
from slt.rlct._types import Polynomial

MOST_TERMS = 60


@dataclass(frozen=True)
class FaceReport:
    """`nondegenerate`: True, False, or None if undecided. `zeros`: the sets I of factors that vanish together."""

    nondegenerate: bool | None
    zeros: tuple[tuple[int, ...], ...] = ()


def initial_form(poly: Polynomial, weight) -> Polynomial:
    """The terms of least weight."""
    least = min(dot(weight, e) for e in poly)
    return poly.ring.from_dict({e: c for e, c in poly.terms() if dot(weight, e) == least})


def evidently_positive(poly: Polynomial) -> bool:
    """Whether all terms have one sign on the real torus because exponents differ by even numbers."""
    low, rest = strip(poly)
    del low
    return rest.ring.domain.is_QQ and all(c > 0 and not any(a % 2 for a in e) for e, c in rest.terms())


def inspect_face(polys: list[Polynomial], face: Face) -> FaceReport:
    """Real nondegeneracy of several polynomials on one compact face."""
    forms = {i: initial_form(p, face.weight) for i, p in enumerate(polys)}
    live = {i: g for i, g in forms.items() if len(g) > 1 and not evidently_positive(g)}
    if not live:
        return FaceReport(True)
    differences = [[a - b for a, b in zip(e, min(g), strict=True)] for g in live.values() for e in g]
    basis = lattice_basis(differences)
    if len(basis) > 2 or (len(basis) == 2 and sum(map(len, live.values())) > MOST_TERMS):
        return FaceReport(None)
    on_torus = {i: in_basis(g, basis) for i, g in live.items()}
    try:
        return _line(on_torus) if len(basis) == 1 else _plane(on_torus)
    except Undecided:
        return FaceReport(None)


def in_basis(form: Polynomial, basis) -> Polynomial:
    """A face polynomial, up to a monomial, in coordinates of the torus of its face."""
    small = ring(["s", "t"][: len(basis)], form.ring.domain)[0]
    origin = min(form)
    terms = {coordinates_in(basis, [a - b for a, b in zip(e, origin, strict=True)]): c for e, c in form.terms()}
    low = [min(e[j] for e in terms) for j in range(len(basis))]
    return small.from_dict({tuple(a - b for a, b in zip(e, low, strict=True)): c for e, c in terms.items()})


def _line(forms: dict[int, Polynomial]) -> FaceReport:
    zeros = []
    for i, g in forms.items():
        if count_roots(g, nonzero=True):
            zeros.append((i,))
            if count_roots(g.gcd(g.diff(g.ring.gens[0])), nonzero=True):
                return FaceReport(False)
    for i, j in combinations(forms, 2):
        if count_roots(forms[i].gcd(forms[j]), nonzero=True):
            return FaceReport(False)
    return FaceReport(True, tuple(zeros))


def _plane(forms: dict[int, Polynomial]) -> FaceReport:
    pieces: dict[int, list[Polynomial]] = {}
    for i, g in forms.items():
        real = [(p, e) for p, e in g.factor_list()[1] if p not in p.ring.gens and plane_zero(p)]
        if any(e > 1 for _, e in real):
            return FaceReport(False)
        pieces[i] = [p for p, _ in real]
        for p in pieces[i]:
            if common_zero([p, *(p.diff(x) for x in p.ring.gens)]):
                return FaceReport(False)
        if any(common_zero([p, q]) for p, q in combinations(pieces[i], 2)):
            return FaceReport(False)
    zeros: list[tuple[int, ...]] = [(i,) for i in forms if pieces[i]]
    for i, j in combinations(forms, 2):
        for p in pieces[i]:
            for q in pieces[j]:
                if p == q:
                    return FaceReport(False)
                if common_zero([p, q]):
                    (s, t), jacobian = p.ring.gens, None
                    jacobian = p.diff(s) * q.diff(t) - p.diff(t) * q.diff(s)
                    if not jacobian or common_zero([p, q, jacobian]):
                        return FaceReport(False)
                    zeros.append((i, j))
    for i, j, k in combinations(forms, 3):
        if any(common_zero([p, q, r]) for p in pieces[i] for q in pieces[j] for r in pieces[k]):
            return FaceReport(False)
    return FaceReport(True, tuple(zeros))


def common_zero(polys: list[Polynomial]) -> bool:
    """Whether bivariate polynomials, the first irreducible and no divisor of all others, share a real torus zero."""
    return any(True for _ in common_zeros(polys, torus=True))


def common_zeros(polys: list[Polynomial], *, torus: bool = False):
    """Values t = (domain, root) over which the polynomials have a common real zero, with their gcd in s there."""
    first, others = polys[0], [q for q in polys[1:] if q and q.rem(polys[0])]
    if any(q.is_ground for q in others):
        return
    s = first.ring.gens[0]
    if not others:
        raise ValueError("the polynomials share a component")
    if all(p.degree(s) == 0 for p in (first, others[0])):
        return  # coprime polynomials of t alone
    if first.degree(s) == 0:
        eliminated = univariate(first, 1)
    else:
        small = ring("t", first.ring.domain)[0]
        eliminated = small.zero
        for q in others:
            r = q if q.degree(s) == 0 else first.resultant(q)
            eliminated = eliminated.gcd(small.from_dict({(e[-1],): c for e, c in r.terms()}))
    for domain, root in real_roots(eliminated):
        if torus and not root:
            continue
        slices = [slice_at(p, domain, root) for p in polys if p]
        slices = [q for q in slices if q]
        if not slices:
            raise Undecided("a line of common zeros")
        common = slices[0]
        for q in slices[1:]:
            common = common.gcd(q)
        if count_roots(common, nonzero=torus):
            yield domain, root, common
