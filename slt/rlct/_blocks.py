r"""What is taken apart before the work starts: units, independent factors, independent summands (floor 1).

For nonnegative $K_1(v)$, $K_2(w)$ of different variables with zeros at the point, and a product prior:
$$\lambda(K_1 + K_2) = \lambda_1 + \lambda_2,\ m = m_1 + m_2 - 1; \qquad
\lambda(K_1 K_2) = \min(\lambda_1, \lambda_2),\ m = m_1 + m_2 \text{ if equal}$$
"""

from dataclasses import replace
from fractions import Fraction

from sympy.polys.rings import ring

from slt.rlct._pair import Pair
from slt.rlct._parse import Problem
from slt.rlct._polyhedron import Polyhedron, minimal
from slt.rlct._reals import sign
from slt.rlct._record import LearningCoefficient
from slt.rlct._types import Polynomial


def without_units(problem: Problem) -> tuple[Problem, list[str]]:
    """The same pair at the point, without factors that do not vanish there and without constants."""
    whole = problem.pair()
    pair = whole.at_origin()
    units = [f.poly for f in whole.factors if f.poly.coeff(1)]
    if not units:
        return problem, []
    kl = monomial(problem.ring, pair.k)
    for f in pair.factors:
        kl = kl * f.poly ** int(f.k)
    if sign(kl[Polyhedron(minimal(kl)).vertices[0]], kl.ring.domain) < 0:
        kl = -kl
    prior = [(g, h) for g, h in zip(problem.ring.gens, pair.h, strict=True) if h]
    prior += [(f.poly, f.h) for f in pair.factors if f.h]
    named = ", ".join(str(u.as_expr()) for u in units)
    return replace(problem, kl=kl, prior=tuple(prior), generators=None), [f"without the units {named}"]


def monomial(small, powers) -> Polynomial:
    return small.from_dict({tuple(int(a) for a in powers): small.domain.one})


def _components(sets: list[set[int]]) -> list[set[int]]:
    groups: list[set[int]] = []
    for new in sets:
        joined = set(new)
        rest = []
        for group in groups:
            if group & joined:
                joined |= group
            else:
                rest.append(group)
        groups = [*rest, joined] if joined else rest
    return sorted(groups, key=min)


def _used(poly: Polynomial) -> set[int]:
    return {j for e in poly for j, a in enumerate(e) if a}


def _restrict(problem: Problem, kl: Polynomial, indices: list[int]) -> Problem:
    small = ring([problem.variables[j] for j in indices], problem.ring.domain)[0]

    def cut(poly):
        return small.from_dict({tuple(e[j] for j in indices): c for e, c in poly.terms()})

    prior = tuple((cut(p), h) for p, h in problem.prior if _used(p) and _used(p) <= set(indices))
    variables = tuple(problem.variables[j] for j in indices)
    return Problem(variables, small, cut(kl), prior, tuple(problem.point[j] for j in indices))


def summands(problem: Problem) -> list[Problem]:
    """K as a sum over blocks of variables that share no term of K and no factor of the prior."""
    links = [_used(problem.ring.from_dict({e: problem.ring.domain.one})) for e in problem.kl]
    blocks = _components(links + [_used(p) for p, _ in problem.prior])
    parts = []
    for block in blocks:
        kl = problem.ring.from_dict({e: c for e, c in problem.kl.terms() if any(e) and any(e[j] for j in block)})
        if kl:
            parts.append(_restrict(problem, kl, sorted(block)))
    return parts


def factors(problem: Problem, pair: Pair) -> list[Problem]:
    """K as a product over blocks of variables that share no factor of K or of the prior."""
    links = [_used(f.poly) for f in pair.factors] + [{j} for j, k in enumerate(pair.k) if k]
    parts = []
    for block in _components(links):
        kl = monomial(problem.ring, [k if j in block else 0 for j, k in enumerate(pair.k)])
        for f in pair.factors:
            if _used(f.poly) <= block:
                kl = kl * f.poly ** int(f.k)
        if not kl.is_ground:
            kl = kl if _leads_positive(kl) else -kl
            parts.append(_restrict(problem, kl, sorted(block)))
    return parts


def _leads_positive(kl: Polynomial) -> bool:
    return sign(kl[Polyhedron(minimal(kl)).vertices[0]], kl.ring.domain) > 0


def _named(parts: list[Problem]) -> str:
    return ", ".join("{" + ", ".join(map(str, p.variables)) + "}" for p in parts)


def add(parts: list[Problem], found: list[LearningCoefficient]) -> LearningCoefficient:
    """The pair of a sum over independent blocks."""
    exact = all(r.status == "exact" for r in found)
    m = sum(r.multiplicity or 0 for r in found) - len(found) + 1 if exact else None
    source = f"sum over {_named(parts)}: " + " + ".join(f"{r.rlct} ({r.source})" for r in found)
    rlct = sum((r.rlct for r in found), Fraction(0))
    return LearningCoefficient(rlct, m, "exact" if exact else "upper bound", source, tuple(found))


def multiply(parts: list[Problem], found: list[LearningCoefficient]) -> LearningCoefficient:
    """The pair of a product over independent blocks."""
    rlct = min(r.rlct for r in found)
    exact = all(r.status == "exact" for r in found)
    m = sum(r.multiplicity or 0 for r in found if r.rlct == rlct) if exact else None
    source = f"product over {_named(parts)}: least of " + ", ".join(f"{r.rlct} ({r.source})" for r in found)
    return LearningCoefficient(rlct, m, "exact" if exact else "upper bound", source, tuple(found))
