"""Where real polynomials vanish together: Gröbner bases split by factors, down to curves and points (floor 1).

Over the reals a polynomial that never changes sign vanishes only where its gradient does; such a gradient is added, so
that $x^2 + y^2 = 0$ becomes $x = y = 0$.
"""

from fractions import Fraction

import sympy
from sympy.polys.groebnertools import groebner
from sympy.polys.orderings import lex
from sympy.polys.rings import ring

from slt.rlct._faces import evidently_positive
from slt.rlct._plane import has_smooth_real_point
from slt.rlct._reals import Undecided, count_roots, real_roots, univariate
from slt.rlct._types import Polynomial

LARGEST_BASIS, MOST_PARTS = 12, 60


def changes_sign(p: Polynomial) -> bool | None:
    """Whether an irreducible polynomial has a smooth real zero, in up to three variables; `None`: undecided."""
    used = [j for j in range(p.ring.ngens) if p.degree(p.ring.gens[j]) > 0]
    if len(used) == 1:
        return count_roots(univariate(p, used[0])) > 0
    if len(used) == 2:
        return has_smooth_real_point(_keep(p, used))
    if evidently_positive(p) or evidently_positive(-p) or _definite_quadratic(p):
        return False
    for value in (0, 1, -1, 2, -2, Fraction(1, 3), Fraction(-1, 3), 7, -7):
        for j in used:
            flat = _keep(p.evaluate(j, p.ring.domain.convert(value)), range(2))
            for q, power in flat.factor_list()[1] if flat and not flat.is_ground else ():
                if power % 2 and has_smooth_real_point(q):
                    return True
    return None


def _keep(p: Polynomial, used) -> Polynomial:
    """The polynomial in the ring s, t of the variables that it uses."""
    return ring("s,t", p.ring.domain)[0].from_dict({tuple(e[j] for j in used): c for e, c in p.terms()})


def _definite_quadratic(p: Polynomial) -> bool:
    """A quadratic polynomial that is nowhere negative or nowhere positive, by its homogeneous matrix."""
    if not p.ring.domain.is_QQ or max(map(sum, p)) > 2:
        return False
    d = p.ring.ngens
    m = sympy.zeros(d + 1)
    for e, c in p.terms():
        i, j = ([j for j in range(d) for _ in range(e[j])] + [d, d])[:2]
        half = sympy.Rational(int(c.numerator), 2 * int(c.denominator))
        m[i, j] += half
        m[j, i] += half
    return bool(m.is_positive_semidefinite or m.is_negative_semidefinite)


def components(system: list[Polynomial], order: tuple[int, ...]) -> list[list[Polynomial]]:
    """Lexicographic bases without reducible elements whose real zeros, together, are those of the system."""
    todo, found = [[p for p in system if p]], []
    for _ in range(MOST_PARTS):
        if not todo:
            return [b for b in found if not any(_holds(a, b) for a in found if a is not b and a != b)]
        basis = _basis(todo.pop(), order)
        if len(basis) > LARGEST_BASIS:
            raise Undecided("a large Gröbner basis")
        if any(g.is_ground for g in basis):
            continue
        split = next((g for g in basis if _reducible(g)), None)
        if split is not None:
            todo += [[*(g for g in basis if g is not split), q] for q, _ in split.factor_list()[1]]
            continue
        slopes = [s for g in basis for s in _slopes(g) if s and reduced(s, basis)]
        if slopes:
            todo.append([*basis, *slopes])
        elif basis not in found:
            found.append(basis)
    raise Undecided("too many components")


def _reducible(g: Polynomial) -> bool:
    factors = g.factor_list()[1]
    return len(factors) > 1 or factors[0][1] > 1


def _slopes(g: Polynomial) -> list[Polynomial]:
    """The gradient of a polynomial that does not change sign."""
    return [] if max(map(sum, g)) < 2 or changes_sign(g) is not False else [g.diff(x) for x in g.ring.gens]


def _move(p: Polynomial, order, to) -> Polynomial:
    return to.from_dict({tuple(e[j] for j in order): c for e, c in p.terms()})


def _basis(system, order) -> list[Polynomial]:
    here = system[0].ring
    there = here.clone(symbols=[here.symbols[j] for j in order], order=lex)
    back = [order.index(j) for j in range(len(order))]
    return [_move(g, back, here) for g in groebner([_move(p, order, there) for p in system], there)]


def reduced(p: Polynomial, basis) -> Polynomial:
    """A sufficient test of membership: 0 if the basis of the larger ideal is the same."""
    order = tuple(range(p.ring.ngens))
    return p.ring.zero if set(_basis([*basis, p], order)) == set(_basis(basis, order)) else p


def _holds(a, b) -> bool:
    """Whether the zeros of b lie among those of a: each generator of a is in the ideal of b."""
    return not any(reduced(p, b) for p in a)


def dimension(basis, order) -> int:
    """Dimension of the complex zero set of an ideal with this lexicographic basis, by its leading monomials."""
    n = len(order)
    leads = [max(tuple(e[j] for j in order) for e in g) for g in basis]
    supports = [{j for j in range(n) if e[j]} for e in leads]
    free = [s for s in range(2**n) if not any(all(s >> j & 1 for j in u) for u in supports)]
    return max(s.bit_count() for s in free)


def graph(basis, order) -> tuple[int, dict[int, Polynomial]] | None:
    """(j, {i: q_i}) if the basis says w_i = q_i(w_j) for all other i: a smooth curve with one parameter."""
    j, images, rest = order[-1], {}, []
    for g in basis:
        heads = [i for i in order[:-1] if g.degree(g.ring.gens[i]) > 0]
        if len(heads) != 1 or g.degree(g.ring.gens[heads[0]]) != 1:
            rest.append(g)
            continue
        i = heads[0]
        linear = {e: c for e, c in g.terms() if e[i]}
        if len(linear) != 1 or sum(next(iter(linear))) != 1:
            return None
        images[i] = (g.ring.gens[i] - g.quo_ground(next(iter(linear.values())))) + g.ring.zero
    return None if rest or len(images) != len(order) - 1 else (j, images)


def points(basis, order) -> list:
    """The real points of a zero-dimensional basis: [(domain, coordinates in the domain)]; number fields of one root."""
    found = []
    known: list = [(basis[0].ring.domain, {})]
    for j in reversed(order):
        fresh = []
        for domain, values in known:
            common = None
            for g in basis:
                if any(g.degree(g.ring.gens[i]) > 0 for i in range(len(order)) if i != j and i not in values):
                    continue
                p = g.set_ring(g.ring.clone(domain=domain))
                small = ring("t", domain)[0]
                q = small.zero
                for e, c in p.terms():
                    for i, value in values.items():
                        c = c * value ** e[i]
                    q = q + small.from_dict({(e[j],): c})
                common = q if common is None else common.gcd(q)
            if common is None or not common:
                raise Undecided("points that are not isolated")
            for field, root in real_roots(common):
                fresh.append((field, {**{i: field.convert(v, domain) for i, v in values.items()}, j: root}))
        known = fresh
    for domain, values in known:
        found.append((domain, tuple(values[j] for j in range(len(order)))))
    return found
