r"""The front door: simplify, read the polyhedron, blow up, and say which step answered (floor 1)."""

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import sympy

from slt.rlct import _blocks
from slt.rlct._budget import Spent, limited, spent
from slt.rlct._derivation import derive
from slt.rlct._faces import evidently_positive
from slt.rlct._global import NoRealZero, homogeneous, one_variable, refuse_negative_values
from slt.rlct._lp import solve
from slt.rlct._newton import MOST_DIMENSIONS, MOST_POINTS, newton_value
from slt.rlct._order import bound_by_order
from slt.rlct._parse import Problem, expression, parse
from slt.rlct._polyhedron import minimal
from slt.rlct._record import LearningCoefficient
from slt.rlct._resolve import Resolution, as_coefficient, resolve_everywhere, resolve_tree
from slt.rlct._retry import as_squares, attempts
from slt.rlct._toric import simple_bound, toric, value_at


@limited
def learning_coefficient(K, *, prior=1, at=None) -> LearningCoefficient:
    r"""The real log canonical threshold $\lambda$ of K and its multiplicity m, exactly where that can be proved.

    $$\zeta(z) = \int K(w)^z \varphi(w)\,dw \text{ has its largest pole at } z = -\lambda, \text{ of order } m$$

    With `at`, the pair of that point: of the integral over a small ball around it, an inner point of the parameter
    space. Without `at`, the least over all real zeros of K (the prior positive wherever `prior` does not vanish). That
    is proved for one and two variables, for K and prior quasi-homogeneous with positive weights (then the origin
    decides), and for sums and products of such in separate variables. For other K of three and more variables the
    answer is the pair at the origin, an *upper bound* of the global one, with the local result as `certificate`.

    The steps, of which `source` names those that were used: units are left out; independent summands and factors are
    treated apart; the Newton polyhedron, where it is really nondegenerate; shears and blow-ups (`resolve`), complete
    for most K in two and three variables; a second attempt with simpler generators or other linear coordinates; and a
    bound with `status` where that does not suffice, or where a fixed budget of steps is spent (mostly some twenty
    seconds). Steps are counted, so that the answer hardly depends on the machine; where few steps take long, because
    the numbers are, processor time ends them.

    An analytic K that is no polynomial, and a symbol declared nonnegative in which K is not even, go through `derive`
    first; without `at` the answer is then that of the origin.

    **Arguments:** `K`: a polynomial with rational or real algebraic coefficients, nonnegative near its zeros; or a list
    of generators $f_i$ for $K = \sum f_i^2$; or analytic, as in `derive`. Each symbol is a parameter. `prior`: a
    product of powers of polynomials, read as absolute values, with positive constants and exponentials left out. `at`:
    a real zero of K, a dictionary from symbols to numbers or the coordinates in the order of the names. A float is the
    decimal that it prints: write `sympy.sqrt(2)` where that is meant.
    **Returns:** `LearningCoefficient`; `certificate` is a `NewtonCertificate`, a `Resolution`, or a tuple of
    the blocks' results.
    **Raises:** `ValueError` if K is constant, negative near a zero, or has no real zero (at the point); if nothing
    proves that a polynomial may replace an analytic K; if the prior is negative, zero or cannot be integrated.
    **Source:** Watanabe (2009), chapters 3 and 4; the methods' own docstrings.

    >>> from sympy import symbols
    >>> a, b, c = symbols("a b c")
    >>> learning_coefficient(a**2 * b**2)
    LearningCoefficient(rlct=1/2, multiplicity=2, exact; Newton polyhedron)
    >>> from sympy import tanh
    >>> learning_coefficient([a * tanh(b)], at=(0, 0)).source
    'tanh(b) as coordinate b; Newton polyhedron'
    >>> learning_coefficient((a - 1) ** 2 * (a**2 + b**2) ** 4, at={a: 1, b: 0}).rlct
    Fraction(1, 2)
    >>> learning_coefficient(a**2 * b**2 + c**4).source
    'sum over {a, b}, {c}: 1/2 (Newton polyhedron) + 1/4 (Newton polyhedron)'
    """
    squares = isinstance(K, list | tuple)
    given = [expression("K", f) for f in (K if squares else [K])]
    one_sided = _one_sided(given, squares, expression("prior", prior), at)
    if one_sided or not all(f.is_polynomial() for f in given):
        found = derive(K, prior=prior, at=at).learning_coefficient()
        return found if at is not None else _origin_only(found)
    return of_polynomials(K, prior, at)


@limited
def of_polynomials(K, prior, at) -> LearningCoefficient:
    """The pair of polynomials, all symbols ranging over the line."""
    K = as_squares(K)
    if at is not None:
        try:
            return _local(parse(K, prior, at))
        except Spent:  # before K was even multiplied out
            return bound_by_order(K, prior, at)
    return _everywhere(parse(K, prior, None, zero=False))


def _one_sided(given, squares: bool, prior: Any, at) -> bool:
    """Whether a symbol is declared nonnegative and K and prior are not, evidently, even functions of it."""
    bases = [f.as_base_exp()[0] for f in sympy.Mul.make_args(prior)]
    symbols: Any = sympy.Tuple(*given, prior).free_symbols
    for v in filter(lambda w: w.is_nonnegative, symbols):
        flip = lambda f: sympy.expand(f.subs(v, -v))  # noqa: E731, B023
        allowed = lambda f: [sympy.expand(f), -sympy.expand(f)]  # noqa: E731
        even = all(flip(f) in (allowed(f) if squares else allowed(f)[:1]) for f in given)
        if at is not None or not even or any(flip(f) not in allowed(f) for f in bases):
            return True
    return False


def _local(problem: Problem, *, again: bool = True) -> LearningCoefficient:
    try:
        return _at_point(problem, again)
    except Spent:
        return _bound(problem)


def _bound(problem: Problem) -> LearningCoefficient:
    """The best weights of the polyhedron, with K as one factor: a bound at no cost, whatever the coefficients are."""
    pair = problem.unfactored().at_origin()
    values = [simple_bound(pair)]
    with suppress(Spent):
        optimum = solve(tuple(minimal(problem.kl)), tuple(h + 1 for h in pair.h))
        values += [value_at(pair, optimum.weights)] if optimum else []
    rlct = min(v for v in values if v is not None)
    return LearningCoefficient(rlct, None, "upper bound", "weights of the Newton polyhedron; the steps are spent")


def _at_point(problem: Problem, again: bool) -> LearningCoefficient:
    problem, steps = _blocks.without_units(problem)
    answer = _taken_apart(problem, partial(_local, again=again)) or _whole(problem)
    if again and answer.status != "exact" and not spent():
        answer = _second(problem) or answer
    return replace(answer, source="; ".join([*steps, answer.source])) if steps else answer


def _taken_apart(problem: Problem, solve) -> LearningCoefficient | None:
    """Independent summands or factors, each solved by itself."""
    if not problem.kl.coeff(1):
        parts = _blocks.summands(problem)
        if len(parts) > 1:
            return _blocks.add(parts, [solve(p) for p in parts])
    parts = _blocks.factors(problem, problem.pair())
    if len(parts) > 1 and problem.ring.ngens > 2:
        solved = []
        for part in parts:
            with suppress(NoRealZero):  # such a factor is a unit
                solved.append((part, solve(part)))
        if not solved:
            raise NoRealZero("K has no real zero. Subtract its minimum.")
        return _blocks.multiply(*map(list, zip(*solved, strict=True)))
    return None


def _second(problem: Problem) -> LearningCoefficient | None:
    """An exact answer from other generators or coordinates, `None` if there is none."""
    with suppress(Spent):
        for K, prior, step in attempts(problem):
            symbols = sympy.Tuple(*(K if isinstance(K, list) else [K]), prior).free_symbols
            with suppress(ValueError):  # a prior that can be integrated need not show it in other coordinates
                found = _local(parse(K, prior, dict.fromkeys(symbols, 0)), again=False)
                if found.status == "exact":
                    return replace(found, source=f"{step}; {found.source}")
    return None


def _whole(problem: Problem) -> LearningCoefficient:
    """One block at its point: the polyhedron, then the resolution."""
    pair = problem.pair().at_origin()
    small = problem.ring.ngens <= MOST_DIMENSIONS and len(minimal(problem.kl)) <= MOST_POINTS
    if not any(f.h for f in pair.factors):
        answer = newton_value(problem, pair, toric(pair) if small else None)
        if answer.status == "exact" or not small:
            return answer
    if not small:  # and a prior that is no product of coordinate powers
        return replace(_bound(problem), source="weights of the Newton polyhedron, which is too large for more")
    resolution = Resolution(problem.variables, problem.point, resolve_tree(pair))
    tree = resolution.tree
    method = tree.method if not tree.children else f"{tree.method} ({sum(1 for _ in tree.walk())} strata)"
    answer = as_coefficient(resolution, method)
    if answer is None:  # K vanishes at the point, so all but a spent budget knows a bound
        raise Spent
    return answer


def _everywhere(problem: Problem) -> LearningCoefficient:
    try:
        return _over_all_zeros(problem)
    except Spent:
        if problem.kl.coeff(1):
            raise
        return _origin_only(_bound(problem))


def _over_all_zeros(problem: Problem) -> LearningCoefficient:
    pair = problem.pair()
    refuse_negative_values(problem)
    positive = tuple(f for f in pair.factors if f.poly.coeff(1) and evidently_positive(f.poly))
    if positive:
        pair = replace(pair, factors=tuple(f for f in pair.factors if f not in positive))
    if not any(pair.k) and not any(f.k for f in pair.factors):
        raise NoRealZero(f"K has no real zero: {problem.kl.as_expr()} is positive. Subtract its minimum.")
    if problem.ring.ngens == 1:
        return one_variable(pair)
    weights = homogeneous(pair)
    if weights is not None:
        answer = _local(problem)
        return replace(
            answer, source=f"{answer.source}; the origin decides (homogeneous)" if positive else answer.source
        )
    split = _taken_apart(problem, _everywhere) if not positive else None
    if split is not None:
        return split
    if problem.ring.ngens == 2:
        resolution = Resolution(problem.variables, (), resolve_everywhere(pair))
        answer = as_coefficient(resolution, "resolution of the whole plane")
        if answer is None and not resolution.exact and not problem.kl.coeff(1):
            return _origin_only(_local(problem))
        if answer is None:
            raise NoRealZero(f"no real zero of K was found: {problem.kl.as_expr()}. Subtract the minimum of K.")
        return answer
    if problem.kl.coeff(1):
        found = _constant_in_one_block(problem)
        if found is not None:
            return found
        raise ValueError("K does not vanish at the origin; pass at= a zero of K.")
    return _origin_only(_local(problem))


def _origin_only(answer: LearningCoefficient) -> LearningCoefficient:
    source = f"the origin, where {answer!r}; not proved to be the least over all zeros"
    return LearningCoefficient(Fraction(answer.rlct), None, "upper bound", source, answer)


def _constant_in_one_block(problem: Problem) -> LearningCoefficient | None:
    """K = c + sum of blocks, where c belongs to one block that then vanishes somewhere; so each summand is >= 0."""
    parts = _blocks.summands(problem)
    for i, part in enumerate(parts) if len(parts) > 1 else ():
        shifted = replace(part, kl=part.kl + part.ring.ground_new(problem.kl.coeff(1)))
        try:
            found = [_everywhere(shifted if n == i else p) for n, p in enumerate(parts)]
        except ValueError:
            continue
        return _blocks.add(parts, found)
    return None
