r"""The pair at a point from the common Newton polyhedron of its factors (floor 1).

With $N_i(u) = \min_{e \in f_i} \langle u, e\rangle$ the divisor of the weight u has
$$\frac{B(u)}{A(u)} = \frac{\sum_j u_j (h_j + 1) + \sum_i h_i N_i(u)}{\sum_j u_j k_j + \sum_i k_i N_i(u)},$$
and the strict transform of $f_i$ has $(h_i + 1)/k_i$. Each of the first is an upper bound of $\lambda$ whatever the
coefficients are; on a really nondegenerate pair $\lambda$ is the least of both, and m the largest number of divisors
with that value that meet at a real point over the origin.
"""

from dataclasses import dataclass
from fractions import Fraction

from slt.rlct._faces import FaceReport, inspect_face
from slt.rlct._pair import Pair
from slt.rlct._polyhedron import Face, Polyhedron, dot, minimal, minkowski_sum, rank

MOST_FACES = 400


@dataclass(frozen=True)
class Toric:
    """What the polyhedron says. `rlct` is `None` where K does not vanish; exact only if `nondegenerate` is True."""

    rlct: Fraction | None
    multiplicity: int | None
    nondegenerate: bool | None
    polyhedron: Polyhedron | None = None
    divisors: tuple[tuple[tuple[int, ...], Fraction, Fraction], ...] = ()  # (weight, A, B)
    degenerate_faces: tuple[Face, ...] = ()


def normal_crossing_pair(k, h) -> tuple[Fraction | None, int | None]:
    """(λ, m) of a monomial, `(None, None)` if K does not vanish."""
    ratios = [(Fraction(b) + 1) / Fraction(a) for a, b in zip(k, h, strict=True) if a]
    return (min(ratios), ratios.count(min(ratios))) if ratios else (None, None)


def toric(pair: Pair) -> Toric:
    """The toric verdict on a pair at the origin (units already left out)."""
    d = pair.dimension
    _refuse_odd_coordinates(pair)
    unit = tuple(tuple(int(i == j) for i in range(d)) for j in range(d))
    if not pair.factors:
        rlct, m = normal_crossing_pair(pair.k, pair.h)
        divisors = tuple((u, a, b + 1) for u, a, b in zip(unit, pair.k, pair.h, strict=True))
        return Toric(rlct, m, True, None, divisors)
    supports = [minimal(f.poly) for f in pair.factors]
    polyhedron = Polyhedron(minkowski_sum(supports))
    powers = [(f.k, f.h) for f in pair.factors]
    divisors = divisors_of(pair.k, pair.h, powers, supports, polyhedron)
    if not any(a for _, a, _ in divisors):
        return Toric(None, None, True, polyhedron, divisors)
    bound = min(b / a for _, a, b in divisors if a)
    faces = polyhedron.compact_faces
    if len(faces) > MOST_FACES:
        return Toric(bound, None, None, polyhedron, divisors)
    polys = [f.poly for f in pair.factors]
    reports = {face: inspect_face(polys, face) if len(face.vertices) > 1 else FaceReport(True) for face in faces}
    bad = tuple(face for face in faces if not reports[face].nondegenerate)
    if bad:
        verdict = None if all(reports[f].nondegenerate is None for f in bad) else False
        return Toric(bound, None, verdict, polyhedron, divisors, bad)
    for i in {i for report in reports.values() for zero in report.zeros for i in zero}:
        refuse_odd(pair.factors[i].k, f"the factor {pair.factors[i].poly.as_expr()} (local coordinates)")
    rlct, m = weigh(divisors, powers, {face: report.zeros for face, report in reports.items()})
    return Toric(rlct, m, True, polyhedron, divisors)


def simple_bound(pair: Pair) -> Fraction | None:
    """An upper bound of λ that costs nothing: of the coordinate divisors and of the blow-up of the origin."""
    d = pair.dimension
    weights = [tuple(int(i == j) for i in range(d)) for j in range(d)] + [(1,) * d]
    return min((v for u in weights if (v := value_at(pair, u)) is not None), default=None)


def value_at(pair: Pair, u) -> Fraction | None:
    """B(u) / A(u), an upper bound of λ whatever the coefficients and the factors are; `None` if A(u) is 0."""
    least = [min(dot(u, e) for e in f.poly) for f in pair.factors]
    a = dot(u, pair.k) + sum(f.k * n for f, n in zip(pair.factors, least, strict=True))
    b = dot(u, pair.h) + sum(u) + sum(f.h * n for f, n in zip(pair.factors, least, strict=True))
    return Fraction(b) / a if a else None


def divisors_of(k, h, powers, supports, polyhedron: Polyhedron) -> tuple:
    """(u, A(u), B(u)) of each facet normal u; `powers` are the (k, h) of the factors with these supports."""
    divisors = []
    for u in polyhedron.normals:
        least = [min(dot(u, e) for e in s) for s in supports]
        a = dot(u, k) + sum(p * n for (p, _), n in zip(powers, least, strict=True))
        b = dot(u, h) + sum(u) + sum(q * n for (_, q), n in zip(powers, least, strict=True))
        divisors.append((u, Fraction(a), Fraction(b)))
    return tuple(divisors)


def weigh(divisors, powers, zeros: dict[Face, tuple[tuple[int, ...], ...]]) -> tuple[Fraction, int]:
    """(λ, m) of a nondegenerate pair; `zeros` says for every compact face which factors vanish together there."""
    ratio = {i: (h + 1) / k for i, (k, h) in enumerate(powers) if k}
    met = {i for sets in zeros.values() for zero in sets for i in zero if i in ratio}
    rlct = min([b / a for _, a, b in divisors if a] + [ratio[i] for i in met])
    optimal = [u if a and b / a == rlct else None for u, a, b in divisors]
    m = 0
    for face, sets in zeros.items():
        independent = rank([u for i in face.facets if (u := optimal[i])] or [(0,)])
        m = max(m, independent + max((sum(ratio.get(i) == rlct for i in zero) for zero in sets), default=0))
    return rlct, m


def refuse_odd(power, what: str) -> None:
    """A power of a real zero that K crosses must be even, or K is negative on one side."""
    if power % 2:
        raise ValueError(
            f"K must be nonnegative near the point; {what} changes sign there and K contains it to the odd power "
            f"{power}. If K is a residual, pass its square."
        )


def _refuse_odd_coordinates(pair: Pair) -> None:
    for j, power in enumerate(pair.k):
        refuse_odd(power, f"the coordinate {pair.ring.gens[j]}")
