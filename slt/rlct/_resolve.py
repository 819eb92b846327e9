r"""Resolution of singularities by blow-ups in two and three variables, and what can be read off it (floor 1)."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy

from slt.rlct._budget import limited
from slt.rlct._newton import refuse_half_lines
from slt.rlct._pair import Pair
from slt.rlct._parse import parse
from slt.rlct._point import Search, look_at, resolve_point
from slt.rlct._record import LearningCoefficient
from slt.rlct._tree import COMPARABLE, Node

CHARTS = 120


@dataclass(frozen=True)
class Chart:
    r"""One chart of a blow-up: $w = g(u)$, with $K \circ g$, the prior there and the Jacobian.

    $$K(g(u)) = u_i^{k} \tilde K(u), \qquad \varphi(g(u))\,|g'(u)| = |u_i|^{h} \tilde\varphi(u)$$

    **Arguments:** `exceptional`: $u_i$, whose zero set lies over the centre. `substitution`: w by u. `kl`: $K \circ g$,
    factored. `jacobian`: $|g'|$ without its sign. `k`, `h`: the exponents of $u_i$ above; its pole is at
    $-(h + 1)/k$.
    **Source:** Watanabe (2009), chapter 3.

    >>> from sympy import symbols
    >>> x, y = symbols("x y")
    >>> blow_up(x**2 + y**4, [x, y])[0].kl
    x**2*(x**2*y**4 + 1)
    """

    exceptional: sympy.Symbol
    substitution: dict
    kl: Any
    jacobian: sympy.Expr
    k: Fraction
    h: Fraction

    @property
    def pole(self) -> Fraction | None:
        """The candidate pole of the zeta function that the exceptional divisor gives."""
        return -(self.h + 1) / self.k if self.k else None


@dataclass(frozen=True)
class Resolution:
    """The tree of charts over a point, and what it decides.

    **Arguments:** `variables`: their names, in order. `point`: where. `tree`: the charts and strata (`Node`s). `rlct`,
    `multiplicity`, `exact`: the least λ over the strata and its m; an upper bound with no m if not `exact`.

    To check it by hand, `print` the tree. K∘g and φ∘g |g′| of each row come from those of the row above it by the
    change of coordinates that the row names ("near" and "at": this point becomes the origin, and factors that do not
    vanish there are left out; "at a general point", "on" and "an arc": nothing changes, and only what vanishes at the
    points that are named counts). A row with nothing below it says what settles it: mostly `normal_crossing` or
    `newton`, applied to the products in that row. A row with rows below it has the least of their λ.

    **Source:** Hironaka (1964); Watanabe (2009), chapters 3 and 4.

    >>> from sympy import symbols
    >>> x, y = symbols("x y")
    >>> resolve((y**2 - x**3) ** 2).poles(2)
    (Fraction(-5, 12), Fraction(-1, 2))
    """

    variables: tuple[sympy.Symbol, ...]
    point: tuple[Any, ...]
    tree: Node

    @property
    def rlct(self) -> Fraction | None:
        return self.tree.rlct

    @property
    def multiplicity(self) -> int | None:
        return self.tree.multiplicity

    @property
    def exact(self) -> bool:
        return self.tree.exact

    def deciding(self) -> Node:
        """The stratum that attains (λ, m)."""
        return self.tree.deciding()

    def poles(self, count: int) -> tuple[Fraction, ...]:
        r"""The `count` largest candidate poles $-(h + 1 + \nu)/k$, $\nu = 0, 1, \dots$, of the zeta function.

        Every pole is among them if the resolution is exact. The first is a pole, of order m; the others may cancel.
        Where K was replaced by a comparable function, which keeps the first pole only, `ValueError` is raised.
        """
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"count, how many poles to list, must be a whole number from 1 on; got {count!r}.")
        if any(COMPARABLE in node.method or "splitting lemma" in node.method for _, node in self.tree.walk()):
            raise ValueError(
                "K was replaced by a comparable function on the way, which keeps the largest pole (-rlct, of order "
                "multiplicity) and no other: ask for those."
            )
        found = {-(b + n) / a for _, node in self.tree.walk() for a, b in node.divisors if a for n in range(count)}
        return tuple(sorted(found, reverse=True)[:count])


@limited
def blow_up(K, centre, *, prior=1, at=None) -> tuple[Chart, ...]:
    r"""The charts of the blow-up of $\{w_j = 0,\ j \in \text{centre}\}$.

    $$w_i = u_i, \quad w_j = u_i u_j \ (j \in \text{centre},\ j \ne i), \qquad |g'(u)| = |u_i|^{c - 1}$$

    with one chart for each i in the centre of c coordinates.

    **Arguments:** `K`: a polynomial, or a list of generators for the sum of their squares. `centre`: at least two of
    the variables, or their names. `prior`: as in `learning_coefficient`. `at`: a point to be moved to the origin first
    (then the variables stand for the differences from it).
    **Returns:** one `Chart` for each variable of the centre.
    **Raises:** `ValueError` as `learning_coefficient`, and if the centre is not at least two of the variables.
    **Source:** Watanabe (2009), chapter 3.

    >>> from sympy import symbols
    >>> x, y = symbols("x y")
    >>> [(str(c.kl), c.k, c.h) for c in blow_up((y - x) ** 2 * x**2, [x, y])]
    [('x**4*(y - 1)**2', Fraction(4, 1), Fraction(1, 1)), ('x**2*y**4*(x - 1)**2', Fraction(4, 1), Fraction(1, 1))]
    """
    problem = parse(K, prior, at)
    names = [str(v) for v in problem.variables]
    wanted = [str(c) for c in centre] if hasattr(centre, "__iter__") else [str(centre)]
    if len(set(wanted)) < 2 or not set(wanted) <= set(names):
        raise ValueError(f"the centre must be at least two of the variables {', '.join(names)}; got {wanted}.")
    indices, pair, gens = [names.index(c) for c in dict.fromkeys(wanted)], problem.pair(), problem.ring.gens
    charts = []
    for i in indices:
        images = {j: gens[j] * gens[i] for j in indices if j != i}
        jacobian = tuple((len(indices) - 1) * (j == i) for j in range(len(names)))
        there = pair.substitute(images, jacobian)
        v = problem.variables
        charts.append(
            Chart(
                v[i],
                {v[j]: v[j] * v[i] if j in images else v[j] for j in range(len(v))},
                sympy.factor(problem.kl.compose([(gens[j], p) for j, p in images.items()]).as_expr()),
                v[i] ** (len(indices) - 1),
                there.k[i],
                there.h[i],
            )
        )
    return tuple(charts)


@limited
def resolve(K, *, prior=1, at=None, charts: int = CHARTS) -> Resolution:
    r"""Resolve K at a point by polyhedra, changes of coordinates and blow-ups, and keep the tree.

    $$\lambda = \min_{\text{strata}} \frac{h_j + 1}{k_j}, \qquad m = \max \#\{j : \text{equality, at one real point}\}$$

    At each point: if the common Newton polyhedron of the factors of K and prior is really nondegenerate, it answers. If
    not, multiple factors of face polynomials become coordinates where a shear can do that. If that does not suffice,
    a point or a line is blown up, and all real points over it are looked at again: finitely many special ones, and
    curves along which nothing changes.

    **Arguments:** `K`, `prior`, `at`: as in `learning_coefficient`. `charts`: how many charts may be opened before the
    search ends with a bound.
    **Returns:** `Resolution`.
    **Raises:** `ValueError` as `learning_coefficient`.
    **Source:** Hironaka (1964); Watanabe (2009), chapters 3 and 4; every step is derived where it is coded.

    >>> from sympy import symbols
    >>> x, y = symbols("x y")
    >>> found = resolve((y**2 - x**3) ** 2 + x**8)
    >>> found.rlct, found.multiplicity, found.exact
    (Fraction(5, 12), 1, True)
    """
    problem = parse(K, prior, at)
    refuse_half_lines(problem, "resolve")
    if not isinstance(charts, int) or charts < 0:
        raise ValueError(f"charts must be a whole number, 0 or more; got {charts!r}.")
    return Resolution(problem.variables, problem.point, resolve_tree(problem.any_pair(), charts))


def resolve_tree(pair: Pair, charts: int = CHARTS) -> Node:
    return resolve_point(pair, "given coordinates", Search(charts))


def resolve_everywhere(pair: Pair, charts: int = CHARTS) -> Node:
    """All real points of the plane at once (two variables)."""
    return look_at(pair, "the whole plane", (), (0, 1), Search(charts))


def as_coefficient(resolution: Resolution, method: str) -> LearningCoefficient | None:
    """The record of a resolution, `None` if it knows nothing."""
    if resolution.rlct is None:
        return None
    if resolution.exact:
        return LearningCoefficient(resolution.rlct, resolution.multiplicity, "exact", method, resolution)
    return LearningCoefficient(resolution.rlct, None, "upper bound", f"{method}, not finished", resolution)
