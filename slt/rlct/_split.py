r"""The splitting lemma: quadratic directions are taken out of K as power series (floor 1).

If $\partial_u^2 K \ne 0$ at the origin, let $u = \phi(v)$ solve $\partial_u K = 0$. Then
$K = \text{unit} \cdot \tilde u^2 + K'(v)$ with $K'(v) = K(\phi(v), v)$: $\lambda = \tfrac12 + \lambda(K')$, m stays.
$\phi$ is known to any order N, hence K' to order 2N + 1. That suffices where the known part has a really nondegenerate
polyhedron with a vertex of degree at most 2N + 1 on each axis (all later terms lie above it), and where K' is proved to
vanish.
"""

from fractions import Fraction

from sympy.polys.groebnertools import groebner
from sympy.polys.orderings import lex
from sympy.polys.rings import ring

from slt.rlct._pair import Pair, from_powers
from slt.rlct._polyhedron import Polyhedron, minimal
from slt.rlct._reals import sign
from slt.rlct._toric import Toric, toric
from slt.rlct._types import Polynomial

ORDER = 7  # of the series
MOST_TERMS = 30  # in the test that K' vanishes


def split(pair: Pair, straighten) -> tuple[Fraction, int, str] | None:
    """(λ, m, what was done) for a single factor with a quadratic part, or `None`."""
    if len(pair.factors) != 1 or pair.factors[0].k != 1 or any(pair.k) or any(pair.h) or pair.factors[0].h:
        return None
    kl, precision, used = pair.factors[0].poly, None, []
    while (j := _direction(kl, used)) is not None:
        kl, precision = _eliminate(kl, j, precision)
        used.append(j)
    if not used or precision is None:
        return None
    half = Fraction(len(used), 2)
    names = ", ".join(str(pair.ring.gens[j]) for j in used)
    if len(used) == pair.dimension:
        return half, 1, f"splitting lemma: quadratic in {names}"
    if not kl:
        if _vanishes(pair.factors[0].poly, used):
            return half, 1, f"splitting lemma: quadratic in {names}, zero along the rest"
        return None
    if not _even_and_positive(kl, pair.factors[0].poly.coeff(pair.ring.gens[used[0]] ** 2)):
        return None
    small = ring([s for j, s in enumerate(pair.ring.symbols) if j not in used], pair.ring.domain)[0]
    rest = small.from_dict({tuple(a for j, a in enumerate(e) if j not in used): c for e, c in kl.terms()})
    residual = from_powers(small, [(rest, Fraction(1), Fraction(0))])
    try:
        verdict = _convenient(rest, precision, residual, straighten)
    except ValueError:  # a truncated series may be negative where K is not
        return None
    if verdict is None or verdict.rlct is None or verdict.multiplicity is None:
        return None
    return half + verdict.rlct, verdict.multiplicity, f"splitting lemma: quadratic in {names}, then a Newton polyhedron"


def quadratic(pair: Pair) -> tuple[int, Pair | None] | None:
    r"""A coordinate $w_j$ with $K \asymp w_j^2 + C$, and the pair of $C = K|_{w_j = 0}$ (`None` if C is 0).

    With $K = C + B w_j + A w_j^2 + O(w_j^3)$: if $B^2 / C$ is regular and below $4A$ at the origin, then
    $|B w_j| \le 2 \theta \sqrt{C A w_j^2} \le \theta (C + A w_j^2)$ with $\theta < 1$, and the rest is small beside
    $w_j^2$. So K lies between multiples of $w_j^2 + C$.
    """
    main = [f for f in pair.factors if f.k]
    if len(main) != 1 or main[0].k != 1 or any(pair.k):
        return None
    domain = pair.ring.domain
    for j, w in enumerate(pair.ring.gens):
        kl = main[0].poly * sign(main[0].poly.coeff(w**2), domain)
        if pair.h[j] or not kl.coeff(w**2) or any(f.h and f.poly.degree(w) > 0 for f in pair.factors):
            continue
        c, b = (
            kl.ring.from_dict(
                {tuple(0 if i == j else n for i, n in enumerate(e)): v for e, v in kl.terms() if e[j] == a}
            )
            for a in (0, 1)
        )
        if not c:
            if not b:
                return j, None
            continue
        common = c.gcd(b**2)
        below, above = c.quo(common), b**2
        if not below.coeff(1) or (
            b and sign(4 * kl.coeff(w**2) - (above.quo(common)).coeff(1) / below.coeff(1), domain) <= 0
        ):
            continue
        return j, _without(pair, j, c)
    return None


def _without(pair: Pair, j: int, c: Polynomial) -> Pair:
    """The pair of C and the prior in one variable less."""
    small = ring([s for i, s in enumerate(pair.ring.symbols) if i != j], pair.ring.domain)[0]

    def cut(p):
        return small.from_dict({tuple(a for i, a in enumerate(e) if i != j): v for e, v in p.terms()})

    powers = [(cut(p), Fraction(e), Fraction(0)) for p, e in c.factor_list()[1]]
    powers += [(cut(f.poly), Fraction(0), f.h) for f in pair.factors if f.h]
    powers += [
        (g, Fraction(0), h) for g, h in zip(small.gens, (h for i, h in enumerate(pair.h) if i != j), strict=True)
    ]
    return from_powers(small, powers)


def _direction(kl: Polynomial, used) -> int | None:
    d = kl.ring.ngens
    return next((j for j in range(d) if j not in used and kl.coeff(kl.ring.gens[j] ** 2)), None)


def _even_and_positive(rest: Polynomial, curvature) -> bool:
    """Whether the terms at the vertices of a known part agree with a nonnegative K (up to the sign of the factor)."""
    domain = rest.ring.domain
    return all(
        not any(a % 2 for a in e) and sign(rest[e], domain) == sign(curvature, domain)
        for e in Polyhedron(minimal(rest)).vertices
    )


def _truncate(p: Polynomial, degree: int) -> Polynomial:
    return p.ring.from_dict({e: c for e, c in p.terms() if sum(e) <= degree})


def _compose(p: Polynomial, j: int, series: Polynomial, degree: int) -> Polynomial:
    """p with w_j replaced by a series, up to a degree (Horner)."""
    rows: dict[int, Polynomial] = {}
    for e, c in p.terms():
        rest = tuple(0 if i == j else a for i, a in enumerate(e))
        rows[e[j]] = rows.get(e[j], p.ring.zero) + p.ring.from_dict({rest: c})
    out = p.ring.zero
    for n in range(max(rows, default=0), -1, -1):
        out = _truncate(out * series, degree) + _truncate(rows.get(n, p.ring.zero), degree)
    return out


def _eliminate(kl: Polynomial, j: int, precision: int | None) -> tuple[Polynomial, int]:
    """K' and the degree up to which it is known."""
    order = ORDER if precision is None else min(ORDER, precision - 1)
    slope, curvature = kl.diff(kl.ring.gens[j]), 2 * kl.coeff(kl.ring.gens[j] ** 2)
    series = kl.ring.zero
    for degree in range(1, order + 1):
        series = _truncate(series - _compose(slope, j, series, degree).quo_ground(curvature), degree)
    known = 2 * order + 1 if precision is None else min(2 * order + 1, precision)
    return _compose(kl, j, series, known), known


def _convenient(rest: Polynomial, precision: int, residual: Pair, straighten) -> Toric | None:
    """The polyhedron of the known part, if no unknown term can touch it."""
    if rest.ring.ngens > 1:
        residual, _ = straighten(residual, toric(residual))
    verdict = toric(residual)
    axes = []
    for i in range(rest.ring.ngens):
        powers = [Fraction(0)]
        for f in residual.factors:
            alone = [e[i] for e in f.poly if sum(e) == e[i]]
            powers.append(f.k * min(alone) if alone else Fraction(precision + 1))
        powers += [k if n == i else (Fraction(precision + 1) if k else Fraction(0)) for n, k in enumerate(residual.k)]
        axes.append(sum(powers))
    return verdict if verdict.nondegenerate and max(axes) <= precision else None


def _vanishes(kl: Polynomial, used) -> bool:
    """Whether h K lies in the ideal of the derivatives for an h with h(0) != 0, by an elimination."""
    derivatives = [kl.diff(kl.ring.gens[j]) for j in used]
    if len(kl) > MOST_TERMS or not kl.ring.domain.is_QQ:
        return False
    big = ring(["elimination", *map(str, kl.ring.symbols)], kl.ring.domain, lex)[0]
    tau = big.gens[0]

    def lift(p):
        return big.from_dict({(0, *e): c for e, c in p.terms()})

    basis = groebner([*(tau * lift(p) for p in derivatives), (1 - tau) * lift(kl)], big)
    for p in basis:
        if all(e[0] == 0 for e in p):
            quotient, rest = divmod(kl.ring.from_dict({e[1:]: c for e, c in p.terms()}), kl)
            if not rest and quotient.coeff(1):
                return True
    return False
