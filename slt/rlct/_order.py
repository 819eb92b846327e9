r"""A bound for K too large to be expanded, read from the factors as they are written (floor 1).

One blow-up at the point gives the divisor with exponents $k = \operatorname{ord} K$ and
$h = d - 1 + \operatorname{ord} \varphi$, orders at the point; so $\lambda \le (h + 1) / k$. Orders of products add up,
and so nothing is multiplied out but single factors.
"""

from fractions import Fraction
from typing import Any

import sympy

from slt.rlct._budget import Spent
from slt.rlct._parse import expression, point_of, prior_powers
from slt.rlct._record import LearningCoefficient


def bound_by_order(K: Any, prior: Any, at: Any) -> LearningCoefficient:
    """The bound at a point; `Spent` where K has order zero there, or is not evidently nonnegative."""
    bases, powers = prior_powers(expression("prior", prior))
    squares = isinstance(K, list | tuple)
    generators = [expression("K", f) for f in (K if squares else [K])]
    variables = sorted(sympy.Tuple(*generators, *bases).free_symbols, key=sympy.default_sort_key)
    if not squares and not all(map(_nonnegative, sympy.Mul.make_args(generators[0]))):
        raise Spent
    shift = {v: v + p for v, p in zip(variables, point_of(at, variables), strict=True)}
    order = min(_order(f, shift) for f in generators if f != 0) * (2 if squares else 1)
    weight = len(variables) + sum((h * _order(f, shift) for f, h in zip(bases, powers, strict=True)), Fraction(0))
    if order == 0 or weight <= 0:
        raise Spent
    return LearningCoefficient(weight / order, None, "upper bound", "order of K at the point; the steps are spent")


def _nonnegative(factor: Any) -> bool:
    n = factor.as_base_exp()[1]
    return factor.is_positive if factor.is_number else bool(n.is_Integer and n % 2 == 0)


def _order(f: Any, shift: dict) -> int:
    if f.is_Mul:
        return sum(_order(g, shift) for g in f.args)
    base, n = f.as_base_exp()
    if n.is_Integer and n > 1:
        return int(n) * _order(base, shift)
    return min(map(sum, sympy.Poly(f.subs(shift, simultaneous=True), *shift, extension=True).monoms()))
