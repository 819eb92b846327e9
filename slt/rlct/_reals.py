"""Exact statements about real roots: signs, Sturm counts, isolating intervals, zeros in the plane torus (floor 1).

Polynomials are sparse `sympy` ring elements over the rationals or over one real number field $\\mathbb{Q}(\\theta)$.
"""

from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import ceil, floor

import mpmath
import sympy
from sympy.polys.polyerrors import CoercionFailed
from sympy.polys.rings import ring

from slt.rlct._types import Polynomial

LARGEST_DEGREE = 8  # of a number field that is adjoined for a point


class Undecided(Exception):
    """An exact question that the method does not answer within its limits."""


@cache
def _theta(domain, digits: int):
    return mpmath.mpf(sympy.sympify(domain.ext.as_expr()).evalf(digits)._mpf_)


def sign(c, domain) -> int:
    """Sign of an element of the domain, exact: an algebraic number that is not zero is evaluated until it shows."""
    if not c:
        return 0
    if domain.is_QQ:
        return 1 if c > 0 else -1
    digits = 50
    while digits < 5000:
        with mpmath.workdps(digits):
            theta, value, size = _theta(domain, digits), mpmath.mpf(0), mpmath.mpf(0)
            for a in c.to_list():
                a = mpmath.mpf(int(a.numerator)) / int(a.denominator)
                value, size = value * theta + a, size * abs(theta) + abs(a)
            if abs(value) > size * mpmath.mpf(10) ** (10 - digits):
                return 1 if value > 0 else -1
        digits *= 2
    raise Undecided("an algebraic number whose sign does not show in 5000 digits")


def squarefree(p: Polynomial) -> Polynomial:
    """The squarefree part of a univariate polynomial."""
    return p.quo(p.gcd(p.diff(p.ring.gens[0]))) if p.degree() > 0 else p


def _sturm(p: Polynomial) -> list:
    chain = [p, p.diff(p.ring.gens[0])]
    while chain[-1].degree() > 0:
        r = -chain[-2].rem(chain[-1])
        if not r:
            break
        chain.append(r)
    return chain


def _variations(chain: list, at) -> int:
    domain, signs = chain[0].ring.domain, []
    for p in chain:
        if isinstance(at, str):
            s = sign(p.LC, domain) * ((-1) ** p.degree() if at == "-oo" else 1)
        else:
            s = sign(p.evaluate(0, domain.convert(at)), domain)
        if s:
            signs.append(s)
    return sum(a != b for a, b in pairwise(signs))


def count_roots(p: Polynomial, *, nonzero: bool = False) -> int:
    """Number of distinct real roots of a univariate polynomial; `nonzero` leaves the root 0 out."""
    if p.degree() <= 0:
        return 0
    p = squarefree(p)
    if nonzero and not p.coeff(1):
        p = p.quo(p.ring.gens[0])
    if p.degree() <= 0:
        return 0
    chain = _sturm(p)
    return _variations(chain, "-oo") - _variations(chain, "+oo")


def isolate(p: Polynomial) -> list[tuple[Fraction, Fraction]]:
    """Disjoint rational intervals $(a, b]$, in order, with one real root each, no inner end of which is a root."""
    if p.degree() <= 0:
        return []
    p, domain = squarefree(p), p.ring.domain
    chain = _sturm(p)
    bound = Fraction(2)
    while _variations(chain, -bound) != _variations(chain, "-oo") or _variations(chain, bound) != _variations(
        chain, "+oo"
    ):
        bound *= 4
    todo, found = [(-bound, bound)], []
    while todo:
        a, b = todo.pop()
        n = _variations(chain, a) - _variations(chain, b)
        if n == 1:
            found.append((a, b))
        if n > 1:
            middle = (a + b) / 2
            while not sign(p.evaluate(0, domain.convert(middle)), domain):
                middle += (b - a) / 97
            todo += [(a, middle), (middle, b)]
    return sorted(found)


def samples(p: Polynomial) -> list[Fraction]:
    """One rational number in each open interval between neighbouring real roots of p, and beyond the outer ones."""
    intervals = isolate(p)
    if not intervals:
        return [Fraction(1)]
    between = [b for _, b in intervals[:-1]]
    return [Fraction(floor(intervals[0][0]) - 1), *between, Fraction(ceil(intervals[-1][1]) + 1)]


def real_roots(p: Polynomial) -> list:
    """The distinct real roots of a univariate polynomial, each `(domain, element)`.

    Over the rationals a root may be irrational: the domain is then the number field of that real root. Over a number
    field only roots in the field are given, and a real root outside it raises `Undecided`.
    """
    domain, out = p.ring.domain, []
    if p.degree() <= 0:
        return out
    for q, _ in p.factor_list()[1]:
        if q.degree() == 1:
            out.append((domain, -q.coeff(1) / q.LC))
        elif count_roots(q):
            if not domain.is_QQ or q.degree() > LARGEST_DEGREE:
                raise Undecided(f"a point with coordinates of degree {q.degree()} over {domain}")
            try:
                for root in sympy.Poly(q.as_expr()).real_roots():
                    field = sympy.QQ.algebraic_field(root)
                    out.append((field, field.from_sympy(root)))
            except (NotImplementedError, CoercionFailed) as why:
                raise Undecided(f"the number field of a root of {q.as_expr()}") from why
    return out


def change_domain(p: Polynomial, domain) -> Polynomial:
    """The same polynomial over a larger field."""
    return p if p.ring.domain == domain else p.set_ring(p.ring.clone(domain=domain))


def univariate(p: Polynomial, index: int) -> Polynomial:
    """A polynomial that depends on one generator only, in a ring of one generator."""
    small, _ = ring("t", p.ring.domain)
    return small.from_dict({(e[index],): c for e, c in p.terms()})


def slice_at(p: Polynomial, domain, value) -> Polynomial:
    """p(s, t) at t = value, as a polynomial in s."""
    p = change_domain(p, domain)
    return univariate(p.evaluate(1, domain.convert(value)), 0)


def plane_zero(p: Polynomial, *, torus: bool = True) -> bool:
    r"""Whether $p(s, t) = 0$ has a real solution (with $s t \neq 0$ if `torus`), decided exactly.

    Between the real roots $t$ of leading coefficient, constant coefficient and discriminant the number of real roots
    $s$ does not change; so it is counted once in each interval and at each of those roots.
    """
    if p.is_ground:
        return not p
    s, t = p.ring.gens
    if all(e[1] == 0 for e in p):
        return count_roots(univariate(p, 0), nonzero=torus) > 0
    if all(e[0] == 0 for e in p):
        return count_roots(univariate(p, 1), nonzero=torus) > 0
    for q, _ in p.factor_list()[1]:
        if q in (s, t):
            if not torus:
                return True
        elif q.degree(s) == 0 or q.degree(t) == 0:
            if plane_zero(q, torus=torus):
                return True
        elif _irreducible_zero(q, torus):
            return True
    return False


def _coefficients(p: Polynomial) -> dict[int, Polynomial]:
    """Coefficients of the powers of the first generator, as polynomials in the second."""
    small, _ = ring("t", p.ring.domain)
    rows: dict[int, dict] = {}
    for (i, j), c in p.terms():
        rows.setdefault(i, {})[(j,)] = c
    return {i: small.from_dict(r) for i, r in rows.items()}


def critical_values(p: Polynomial) -> Polynomial:
    """A polynomial in t whose roots contain each t where the real roots s of a squarefree p(s, t) may change."""
    rows = _coefficients(p)
    q = rows[max(rows)] * rows.get(0, rows[min(rows)])
    if max(rows) > 1:
        small = q.ring
        q = q * small.from_dict({(e[-1],): c for e, c in p.discriminant().terms()})
    return q


def _irreducible_zero(p: Polynomial, torus: bool) -> bool:
    critical = critical_values(p)
    if torus:
        critical = critical * critical.ring.gens[0]
    for value in samples(critical):
        if count_roots(slice_at(p, p.ring.domain, value), nonzero=torus):
            return True
    for domain, root in real_roots(critical):
        if not (torus and not root):
            q = slice_at(p, domain, root)
            if not q or count_roots(q, nonzero=torus):
                return True
    return False
