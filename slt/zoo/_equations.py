r"""Generators of the Kullback-Leibler divergence of the zoo's triples, as SymPy expressions (floor 4).

**Regression** with normal noise: $K = \frac12 \mathbb{E}_x |f(x, w) - f(x, w_0)|^2$. If $f(x, w) - f(x, w_0) = \sum_k
c_k(w) e_k(x)$ with linearly independent $e_k$, and $w \mapsto f(\cdot, w)$ is analytic with values in $L^2$, then $K
\asymp \sum_{k < N} c_k^2$ near $w_0$ as soon as $c_0, \dots, c_{N - 1}$ generate the ideal of all $c_k$: divide $f$ by
a minimal set of generators; their quotients at $w_0$ are linearly independent functions.

**Densities**: $K = \mathbb{E}_q[h - \log(1 + h)]$ with $h = p(x|w)/q - 1$, and $K \asymp \mathbb{E}_q[h^2]$ where $h$
and $\log(1 + h)$ are analytic with values in $L^s(q)$, $s > 2$. The same argument then holds for $h = \sum_k c_k e_k$.

**Power sums.** $c_k = \sum_{i \le N} a_i b_i^{k}$ obey the recursion $c_{k + N} = \sum_j (-1)^{j - 1} \sigma_j(b)\,
c_{k + N - j}$ of the polynomial with the roots $b_i$: any $N$ in a row generate all that follow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np
import sympy
from sympy import Abs, Integer, Rational, Symbol, nsimplify, prod, symbols

REGRESSION = "K is half the mean square of a sum of these times independent functions of x (slt.zoo._equations)"
DENSITY = "p/q - 1 is a sum of these times independent functions of x; K is comparable to its mean square"
SUMS = "; the further power sums are combinations of these (Newton's recursion)"


@dataclass(frozen=True)
class Equations:
    r"""The ideal of a triple at one true parameter.

    **Arguments:** `generators`: $f_i$ with $K \asymp \sum f_i^2$ near the point, or K itself. `parameters`: the
    triple's parameters, by name, as arrays of expressions in the symbols of the generators. `why`: the reason. `prior`:
    of the symbols, up to a positive factor. `at`: the true parameter.
    """

    generators: Any
    parameters: Mapping[str, Any]
    why: str
    prior: Any = 1
    at: Mapping[Any, Any] | None = None

    def place(self, values: Sequence[float]) -> dict[str, np.ndarray]:
        """The triple's parameters where the `symbols` have these values."""
        numbers = {k: sympy.lambdify([self.symbols], entries)(values) for k, entries in self.parameters.items()}
        return {k: np.array(v, dtype=float) for k, v in numbers.items()}

    @property
    def symbols(self) -> list[Any]:
        found = set().union(*(sympy.Array(e).free_symbols for e in self.parameters.values()))
        return sorted(found, key=sympy.default_sort_key)


def exact(value: Any) -> Any:
    """The rational number that was meant."""
    return nsimplify(sympy.sympify(value), rational=True)


def matrix(name: str, rows: int, columns: int) -> sympy.Matrix:
    return sympy.Matrix(rows, columns, lambda i, j: Symbol(f"{name}{i + 1}{j + 1}", real=True))


def names(name: str, count: int, **assumptions: Any) -> list[Any]:
    return [Symbol(f"{name}{i + 1}", **(assumptions or {"real": True})) for i in range(count)]


def coordinates(optimum: Mapping[str, Any], why: str) -> Equations:
    """A regular model: the differences to the only optimum, for parameters of one number or a vector each."""
    parameters, generators, at = {}, [], {}
    for name, value in optimum.items():
        entries = symbols([f"{name}{i}" for i in range(len(value))], real=True) if np.ndim(value) else Symbol(name)
        parameters[name] = entries
        for v, x in zip(np.ravel(np.array(entries, dtype=object)), np.ravel(value), strict=True):
            generators.append(v - exact(float(x)))
            at[v] = exact(float(x))
    return Equations(generators, parameters, why, at=at)


def normal() -> Equations:
    mu, sigma = symbols("mu sigma", real=True)
    kl = sympy.log(sigma) + (1 + mu**2) / (2 * sigma**2) - Rational(1, 2)
    return Equations(kl, {"mu": mu, "sigma": sigma}, "K in closed form", at={mu: 0, sigma: 1})


def monomial(variables: Sequence[str], powers: Sequence[int], prior_powers: Sequence[Any]) -> Equations:
    w = [Symbol(v, real=True) for v in variables]
    generator = prod(v**k for v, k in zip(w, powers, strict=True))
    prior = prod(Abs(v) ** Rational(str(h)) for v, h in zip(w, prior_powers, strict=True))
    return Equations([generator], dict(zip(variables, w, strict=True)), "K is half the square of the mean", prior)


def multinomial(probabilities: Any, concentration: Any) -> Equations:
    """Positive categories by differences, of which the last is the rest; an empty one by the square root of its own."""
    q = [exact(float(p)) for p in probabilities]
    d = [Symbol(f"d{k + 1}", real=True) for k in range(len(q))]
    last = max(k for k, p in enumerate(q) if p)
    p: list[Any] = [d[k] ** 2 if q[k] == 0 else q[k] + d[k] for k in range(len(q))]
    p[last] = 1 - sum(p[k] for k in range(len(q)) if k != last)
    prior = prod(Abs(d[k]) ** (2 * exact(concentration) - 1) for k in range(len(q)) if q[k] == 0)
    why = "K is comparable to the squared differences of the positive probabilities plus the sum of the others, w = d^2"
    return Equations([d[k] for k in range(len(q)) if k != last], {"p": p}, why, prior)


def tanh_network(hidden: int, true: Sequence[tuple[Any, Any]], shared: int = 0) -> Equations:
    r"""Sums of $a \tanh(bx)$; of the surplus units the first `shared` are copies of the first true one.

    A unit with $b \ne 0$ has the coordinates $c = ab$ and $s = b^2$.
    """
    r = len(true)
    c, s = names("c", r + shared), names("s", r + shared)
    a, b = names("a", hidden - r - shared), names("b", hidden - r - shared)
    at: dict[Any, Any] = {v: Integer(0) for v in [*c, *a, *b]}
    for i, (c_i, s_i) in enumerate(zip(c, s, strict=True)):
        a0, b0 = map(exact, true[i if i < r else 0])
        at[c_i], at[s_i] = at[c_i] + (a0 * b0 if i < r else 0), b0**2

    def sums(k):
        moving = sum(u * v**k for u, v in zip(c, s, strict=True)) + sum(
            u * v ** (2 * k + 1) for u, v in zip(a, b, strict=True)
        )
        return moving - sum(exact(u) * exact(v) ** (2 * k + 1) for u, v in true)

    signs = [1 if true[i if i < r else 0][1] > 0 else -1 for i in range(r + shared)]
    units = [(u / (g * sympy.sqrt(v)), g * sympy.sqrt(v)) for u, v, g in zip(c, s, signs, strict=True)]
    units += list(zip(a, b, strict=True))
    parameters = {"a": [u for u, _ in units], "b": [v for _, v in units]}
    return Equations([sums(k) for k in range(hidden + r)], parameters, REGRESSION + SUMS, at=at)


def matrices(shapes: Mapping[str, tuple[int, int]], true: Mapping[str, Any]) -> Equations:
    """A product of matrices, the last one leftmost, minus the same product of the true ones."""
    found = {name: matrix(name, *shape) for name, shape in shapes.items()}
    fixed = {name: sympy.Matrix(np.asarray(true[name]).tolist()).applyfunc(exact) for name in shapes}
    product, goal = _product(found), _product(fixed)
    at = {v: x for name in shapes for v, x in zip(found[name].flat(), fixed[name].flat(), strict=True)}
    why = "K is half the squared norm of the difference of the products, x having the covariance I"
    return Equations(list(product - goal), {k: m.tolist() for k, m in found.items()}, why, at=at)


def _product(factors: Mapping[str, sympy.Matrix]) -> sympy.Matrix:
    out = None
    for m in factors.values():
        out = m if out is None else m * out
    assert out is not None
    return out


def factor_analysis(variables: int, factors: int) -> Equations:
    """The covariance minus I, for a truth without factors."""
    load, noise = matrix("l", variables, factors), names("d", variables)
    covariance = load * load.T + sympy.diag(*noise)
    generators = [covariance[i, j] - int(i == j) for i in range(variables) for j in range(i, variables)]
    at = {**dict.fromkeys(load.flat(), Integer(0)), **dict.fromkeys(noise, Integer(1))}
    why = "K is comparable to the squared difference of the covariances"
    return Equations(generators, {"loadings": load.tolist(), "noise": noise}, why, at=at)


def two_parameter_mixture(a: float, b: float) -> Equations:
    w, u = Symbol("a", nonnegative=True), Symbol("b", real=True)
    true = [exact(a), exact(b)]
    if not a * b:
        return Equations([w * u], {"a": w, "b": u}, DENSITY + SUMS)
    generators = [w * u**k - true[0] * true[1] ** k for k in (1, 2)]
    return Equations(generators, {"a": w, "b": u}, DENSITY + SUMS, at={w: true[0], u: true[1]})


def mixture(name: str, true: Any, components: int, concentration: Any, most: int = 2) -> Equations:
    r"""A location mixture; the surplus components, of weight 0, lie at the last true one.

    With weights $a_i$ and distances $u_i$ from it, $\sum a_i u_i^\alpha$ for $|\alpha| = 1, \dots$, `most`; the other
    components' weights and locations are determined.
    """
    true = np.asarray(true, dtype=float)
    flat, r = true.ndim == 1, len(true)
    d, spare = (1 if flat else true.shape[1]), components - r
    s, a = names("s", r - 1), names("a", spare, nonnegative=True)
    v = [names(f"v{j + 1}", d) for j in range(r - 1)]
    u = [names(f"u{i}", d) for i in range(spare + 1)]
    total = Rational(r * (r + 1), 2)
    weights = [Integer(j + 1) / total + x for j, x in enumerate(s)]
    cluster = [Integer(r) / total - sum(s) - sum(a), *a]
    generators = [*s, *(x for row in v for x in row)]
    for k in range(1, most + 1):
        for axes in combinations_with_replacement(range(d), k):
            generators.append(sum(w * prod(x[j] for j in axes) for w, x in zip(cluster, u, strict=True)))
    places = [[exact(c) + x for c, x in zip(np.atleast_1d(true[min(j, r - 1)]), row, strict=True)]
              for j, row in enumerate([*v, *u])]  # fmt: skip
    parameters = {"weights": [*weights, *cluster], name: [p[0] for p in places] if flat else places}
    prior = prod(x ** (exact(concentration) - 1) for x in a)
    why = DENSITY + "; of the higher moments about the last one each is at most a constant times sum a_i |u_i|^2"
    return Equations(generators, parameters, why, prior)


def classes(weights: str, true: Any, count: int, concentration: Any) -> Equations:
    r"""Hidden classes and binary features; the surplus classes, of weight 0, lie at the one true class.

    $\sum_h a_h \prod_{i \in S} u_{hi}$ for all sets $S$ of features, with the distances $u$ from the true class.
    """
    true = np.asarray(true, dtype=float)
    a = names("a", count - 1, nonnegative=True)
    u = [names(f"u{h}", len(true)) for h in range(count)]
    w = [1 - sum(a), *a]
    sets = [c for k in range(1, len(true) + 1) for c in combinations(range(len(true)), k)]
    generators = [sum(p * prod(x[i] for i in c) for p, x in zip(w, u, strict=True)) for c in sets]
    places = [[exact(c) + x for c, x in zip(true, row, strict=True)] for row in u]
    prior = prod(x ** (exact(concentration) - 1) for x in a)
    parameters = {weights: w if weights == "weights" else a[0], "probabilities": places}
    return Equations(generators, parameters, DENSITY, prior)
