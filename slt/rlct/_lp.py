r"""A linear programme solved in floating point, rounded, and certified in exact arithmetic (floor 1).

$$\min \{\langle c, u\rangle : u \ge 0,\ \langle u, e\rangle \ge 1\ \forall e\}
 = \max \{\textstyle\sum_e y_e : y \ge 0,\ \sum_e y_e e \le c\}$$

Two vectors u and y with equal values prove both sides. They are chosen *strictly complementary*: then the e with
$y_e > 0$ and the directions j with $u_j = 0$ span the face that the ray through c meets, and m is its codimension.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy.optimize import linprog

from slt.rlct._polyhedron import Vector, dot, rank

DENOMINATORS = (60, 2520, 10**5, 10**7)


@dataclass(frozen=True)
class Optimum:
    """A strictly complementary pair. `weights`: u. `multipliers`: y, in the order of `exponents`."""

    exponents: tuple[Vector, ...]
    costs: tuple[Fraction, ...]
    weights: tuple[Fraction, ...]
    multipliers: tuple[Fraction, ...]

    @property
    def value(self) -> Fraction:
        return Fraction(dot(self.costs, self.weights))

    @property
    def face(self) -> tuple[Vector, ...]:
        return tuple(e for e, y in zip(self.exponents, self.multipliers, strict=True) if y > 0)

    @property
    def multiplicity(self) -> int:
        d = len(self.costs)
        free = [tuple(int(i == j) for i in range(d)) for j in range(d) if self.weights[j] == 0]
        return d + 1 - rank([*self.face, *free])

    def check(self) -> bool:
        """Feasibility of both sides, equality, and strict complementarity, in exact arithmetic."""
        slack = [dot(self.weights, e) - 1 for e in self.exponents]
        rest = [
            c - sum(y * e[j] for y, e in zip(self.multipliers, self.exponents, strict=True))
            for j, c in enumerate(self.costs)
        ]
        feasible = min(*slack, *rest, *self.weights, *self.multipliers) >= 0
        equal = self.value == sum(self.multipliers)
        strict = all((s > 0) != (y > 0) for s, y in zip(slack, self.multipliers, strict=True)) and all(
            (u > 0) != (r > 0) for u, r in zip(self.weights, rest, strict=True)
        )
        return feasible and equal and strict


def _relative_interior(matrix, right, direction, value: float):
    """A point of {v >= 0, matrix v >= right, <direction, v> = value} with as many strict inequalities as can be.

    In the cone over that set (v, t >= 1), maximize the sum of slacks cut off at 1: at the optimum each slack that can
    be positive is.
    """
    rows, columns = matrix.shape
    n = columns + 1
    slack = np.zeros((rows + columns, n + rows + columns))
    slack[:rows, :columns], slack[:rows, columns] = -matrix, right
    slack[rows:, :columns] = -np.eye(columns)
    slack[:, n:] = np.eye(rows + columns)
    equal = np.zeros((1, n + rows + columns))
    equal[0, :columns], equal[0, columns] = direction, -value
    bounds = [(0, None)] * columns + [(1, None)] + [(0, 1)] * (rows + columns)
    cost = np.r_[np.zeros(n), -np.ones(rows + columns)]
    found = linprog(cost, A_ub=slack, b_ub=np.zeros(rows + columns), A_eq=equal, b_eq=[0.0], bounds=bounds)
    return None if found.x is None else found.x[:columns] / found.x[columns]


def _rounded(vector, denominator: int) -> tuple[Fraction, ...]:
    return tuple(Fraction(float(v)).limit_denominator(denominator) for v in vector)


def solve(exponents: tuple[Vector, ...], costs: tuple[Fraction, ...]) -> Optimum | None:
    """The certified optimum, or `None` if no rounding passes the exact check."""
    a, c = np.array(exponents, dtype=float), np.array([float(x) for x in costs])
    first = linprog(c, A_ub=-a, b_ub=-np.ones(len(a)))
    if first.x is None:
        return None
    for denominator in DENOMINATORS:
        value = float(Fraction(float(first.fun)).limit_denominator(denominator))
        u = _relative_interior(a, np.ones(len(a)), c, value)
        y = _relative_interior(-a.T, -c, np.ones(len(a)), value)
        if u is None or y is None:
            continue
        optimum = Optimum(exponents, costs, _rounded(u, denominator), _rounded(y, denominator))
        if optimum.check():
            return optimum
    return None
