"""A chain of steps from K to polynomial generators, each with the reason why lambda and m stay (floor 1)."""

from dataclasses import dataclass, replace
from typing import Any

import sympy

from slt.rlct._budget import limited
from slt.rlct._record import LearningCoefficient


@dataclass(frozen=True)
class Step:
    r"""One change of the generators that keeps $\lambda$ and $m$.

    $$c \sum_i f_i^2 \le \sum_j g_j^2 \le C \sum_i f_i^2 \ \text{ near the point} \quad\Rightarrow\quad
    (\lambda, m) \text{ of } f = (\lambda, m) \text{ of } g$$

    **Arguments:** `name`: of the rule. `before`, `after`: the generators, expressions in the coordinates of that stage.
    `why`: the reason that $\lambda$ and $m$ stay.
    **Source:** Watanabe (2009), chapter 4: comparable functions have the same pair, and so have the two sides of an
    analytic change of coordinates.

    >>> from sympy import exp, symbols
    >>> w = symbols("w")
    >>> derive([w * exp(w)]).steps[0].name
    'units are left out'
    """

    name: str
    before: tuple[Any, ...]
    after: tuple[Any, ...]
    why: str

    def __str__(self) -> str:
        show = lambda fs: "(" + ", ".join(map(str, fs)) + ")"  # noqa: E731
        return f"{self.name}\n    {show(self.before)}\n -> {show(self.after)}\n    because {self.why}"


@dataclass(frozen=True)
class Derivation:
    r"""Polynomial generators comparable to K near a point, and the steps that led to them.

    $$K \asymp f_1^2 + \dots + f_k^2 \quad (\text{or } K \asymp f_1 \text{ if not } \texttt{squares})$$

    **Arguments:** `generators`: polynomials; their symbols are local coordinates with the point as origin. `prior`: in
    the same coordinates, without units. `steps`: the chain, first to last. `squares`: whether K is the sum of the
    squares of the generators, or the one generator itself.
    **Source:** Watanabe (2009), chapter 4; each step's own reason.

    >>> from sympy import symbols, tanh
    >>> a, b = symbols("a b")
    >>> found = derive([a * tanh(b)])
    >>> found.generators, found.learning_coefficient().multiplicity
    ((a*b,), 2)
    """

    generators: tuple[Any, ...]
    prior: Any
    steps: tuple[Step, ...]
    squares: bool = True

    def learning_coefficient(self) -> LearningCoefficient:
        r"""$(\lambda, m)$ at the point; the `source` begins with the names of the steps, the reasons are in `steps`.

        The least over all true parameters is at most this.
        """
        from slt.rlct._front import of_polynomials

        kl = list(self.generators) if self.squares else self.generators[0]
        symbols = sympy.Tuple(*self.generators, self.prior).free_symbols
        found = of_polynomials(kl, self.prior, dict.fromkeys(symbols, 0))
        names = list(dict.fromkeys(step.name for step in self.steps))
        return replace(found, source="; ".join([*names, found.source]))

    def __str__(self) -> str:
        return "\n".join(f"{n}. {step}" for n, step in enumerate(self.steps, 1))


@limited
def derive(K, *, prior=1, at=None) -> Derivation:
    r"""Polynomial generators of an analytic K at a point, by named steps that keep $\lambda$ and $m$.

    $$f = u\,g,\ u(0) \ne 0 \;\Rightarrow\; (f) = (g); \qquad
    f_i - g_i \in \mathfrak m\,(g_1, \dots, g_k) \;\Rightarrow\; (f_1, \dots, f_k) = (g_1, \dots, g_k)$$

    The rules: units are left out, where a function $\varphi(p)$ with a zero of order k at $p = 0$ is $p^k$ times a
    unit; an equation that is linear in a coordinate is solved for it and becomes a coordinate itself; $\varphi(v)$ with
    $\varphi'(0) \ne 0$ is taken as coordinate where $v$ occurs in no other way; terms of one sign cannot cancel; what
    is dominated by other generators is left out; and a Taylor polynomial replaces a function only with a proof that
    the rest is in $\mathfrak m (g)$ (Nakayama), or, for K itself, small against a positive Newton polyhedron.

    **Arguments:** `K`: a list of generators for $K = \sum f_i^2$, or K itself, nonnegative. Polynomials, quotients,
    roots, exponentials, logarithms, trigonometric and hyperbolic functions, analytic at the point. A symbol declared
    `nonnegative=True` ranges over $w \ge 0$ only, if the point lies on its boundary. `prior`: as in
    `learning_coefficient`. `at`: a zero of K; the origin by default.
    **Returns:** `Derivation`.
    **Raises:** `ValueError` if K is not analytic or not zero at the point, or if no rule proves that polynomials may
    take its place.
    **Source:** Watanabe (2009), chapter 4; Nakayama's lemma as in any text of commutative algebra.

    >>> from sympy import sin, symbols
    >>> a, b = symbols("a b")
    >>> found = derive([b - a * sin(a), b - a**2])  # to third order both are b - a**2
    >>> found.generators, str(found.learning_coefficient().rlct)
    ((b, a**4), '5/8')
    """
    from slt.rlct._analytic import start
    from slt.rlct._ideal import reduce

    return reduce(start(K, prior, at))
