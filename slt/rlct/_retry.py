r"""Other generators and other coordinates, for a second attempt where the first ends with a bound (floor 1).

A linear change of coordinates keeps the pair, with the prior carried along; the multiple linear factors of the lowest
homogeneous parts are where K is smallest, and become coordinates. The steps of `derive` keep the pair by their reasons.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import sympy

from slt.rlct._derivation import derive
from slt.rlct._parse import Problem, expression
from slt.rlct._types import Polynomial

MOST_VARIABLES = 4  # for a change of coordinates
MOST_DEGREE = 12  # of K; beyond, a change of coordinates costs more than the first attempt


def as_squares(K: Any) -> Any:
    """K as the list of its generators, if it is written as a sum of squares of polynomials; else K."""
    if isinstance(K, list | tuple):
        return K
    roots = []
    for term in sympy.Add.make_args(expression("K", K)):
        c, rest = term.as_coeff_Mul()
        powers = [f.as_base_exp() for f in sympy.Mul.make_args(rest)]
        if not sympy.sqrt(c).is_Rational or any(not (n.is_Integer and n > 0 and n % 2 == 0) for _, n in powers):
            return K
        roots.append(sympy.sqrt(c) * sympy.Mul(*(b ** (n // 2) for b, n in powers)))
    return roots if len(roots) > 1 and any(f.atoms(sympy.Add) for f in roots) else K


def attempts(problem: Problem) -> Iterator[tuple[Any, Any, str]]:
    """(generators or K, prior, what was done), at the origin."""
    if max(map(sum, problem.kl)) > MOST_DEGREE or not problem.ring.domain.is_QQ:
        return
    w = [sympy.Symbol(v.name, real=True) for v in problem.variables]
    squares = problem.generators is not None
    c, powers = (1, [(p, 1) for p in problem.generators or () if p]) if squares else problem.kl.factor_list()
    K = [p.as_expr(*w) for p, _ in powers]
    prior = sympy.Mul(*(sympy.Abs(p.as_expr(*w)) ** sympy.Rational(h) for p, h in problem.prior))
    if squares:
        yield from _derived(K, prior, "")
    if len(w) > MOST_VARIABLES:
        return
    A = _linear_forms([p for p, _ in powers])
    if sum(1 for a in A if a) > len(w):
        change = dict(zip(w, A.inv() * sympy.Matrix(w), strict=True))
        moved = lambda f: sympy.expand(f.subs(change, simultaneous=True))  # noqa: E731
        prior = sympy.Mul(*(sympy.Abs(moved(p.as_expr(*w))) ** sympy.Rational(h) for p, h in problem.prior))
        K = [moved(f) for f in K]
        step = f"({', '.join(map(str, A * sympy.Matrix(w)))}) as coordinates"
        if squares:
            yield from _derived(K, prior, f"{step}; ")
        yield (
            K if squares else sympy.Mul(sympy.sign(c), *(f**k for f, (_, k) in zip(K, powers, strict=True))),
            prior,
            step,
        )


def _derived(K, prior, before: str) -> Iterator[tuple[Any, Any, str]]:
    with suppress(ValueError):
        found = derive(K, prior=prior)
        if found.steps:
            yield list(found.generators), found.prior, before + "; ".join(s.name for s in found.steps)


def _linear_forms(polys: list[Polynomial]) -> sympy.Matrix:
    """Independent linear factors of the lowest homogeneous parts, of high multiplicity first, and coordinates."""
    d, found = polys[0].ring.ngens, []
    for p in polys:
        least = min(map(sum, p))
        lowest = p.ring.from_dict({e: c for e, c in p.terms() if sum(e) == least})
        found += [(-k if least > 1 else -99, f) for f, k in lowest.factor_list()[1] if max(map(sum, f)) == 1]
    rows = [[f.coeff(g) for g in f.ring.gens] for _, f in sorted(found, key=lambda r: r[0])]
    A = sympy.zeros(0, d)
    for row in [*rows, *sympy.eye(d).tolist()]:
        longer = A.col_join(sympy.Matrix([row]).applyfunc(lambda c: sympy.Rational(str(c))))
        A = longer if longer.rank() > A.rows else A
    return A
