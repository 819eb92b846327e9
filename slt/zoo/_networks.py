r"""Neural networks, products of matrices, factor analysis (floor 4).

**ReLU without biases, one input.** On an orthant of $b$ with $k$ positive entries $\sum_h a_h \max(b_h x, 0)$ is $(\sum
a_h b_h)_{b_h > 0}\, x_+ + (\sum a_h |b_h|)_{b_h < 0}\, x_-$, and $K \asymp s_+^2 + s_-^2$ where $s_\pm$ are these sums
minus those of the truth. The polar blow-up $b = tu$ of one orthant's sum makes $s_+ = t\,(a \cdot u)$ with Jacobian
$t^{k-1}$: for truth zero $\lambda = \frac12$, $m = 2$ for one unit and 1 for more. At a sum that is not zero $s$ is a
coordinate: $\lambda = \frac12$, $m = 1$. The two sides add up, and a side where the truth is zero is best left without
units. So $\lambda = \frac12$ for truths that use no side or one, and $1$ for two.

**Reduced rank regression with too few hidden units.** For $x \sim N(0, I)$ the loss is $\frac12 \|BA - C\|^2$ plus a
constant. If the $H$-th singular value of $C$ exceeds the next, the truncated singular value decomposition is its unique
minimizer among the matrices of rank $H$, and the Hessian on this manifold, of dimension $H(M + N - H)$, is positive
definite; $(A, B) \mapsto BA$ is a submersion onto it. So $2\lambda = H(M + N - H)$, $m = 1$: the value at rank $H$.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from slt import rlct
from slt.rlct import LearningCoefficient
from slt.rlct._sizes import check_at_most, check_size
from slt.triple import Triple
from slt.zoo import _equations
from slt.zoo._kept import kept
from slt.zoo._specimen import Specimen, known, unknown


def _entries(*shape: int) -> dist.Distribution:
    return dist.Normal(0.0, 2.0).expand(shape).to_event(len(shape))


def _vectors(size: int) -> dist.Distribution:
    return dist.Normal(0.0, 1.0).expand([size]).to_event(1)


def _padded(values: Any, size: int) -> np.ndarray:
    return np.pad(np.asarray(values, dtype=np.float64), (0, size - len(values)))


@kept
def tanh_unit(*, a: float = 0.0, b: float = 0.0) -> Specimen:
    r"""One hidden unit, the smallest singular network; $x \sim N(0, 1)$.

    $$p(y \mid x, a, b) = N(y \mid a \tanh(bx), 1), \qquad
    (\lambda, m) = \begin{cases} (\frac12, 2) & \text{truth } ab = 0 \\ (1, 1) & \text{truth } ab \ne 0 \end{cases}$$

    **Arguments:** `a`, `b`: of the truth. If $ab \ne 0$ there are two true parameters, $\pm(a, b)$, both regular.
    **Returns:** a `Specimen` with the parameters `a`, `b`, both with the prior $N(0, 2^2)$.
    **Source:** `slt.rlct.three_layer`; Aoyagi and Nagata (2012).

    >>> tanh_unit(a=1.0, b=1.0).coefficient.rlct
    Fraction(1, 1)
    """
    triple = Triple(
        lambda x: dist.Normal(a * jnp.tanh(b * x), 1.0),
        lambda x, a, b: dist.Normal(a * jnp.tanh(b * x), 1.0),
        {"a": dist.Normal(0.0, 2.0), "b": dist.Normal(0.0, 2.0)},
        dist.Normal(0.0, 1.0),
    )
    true = [(a, b)] if a * b else []

    def equations():
        found = _equations.tanh_network(1, true)
        return replace(found, parameters={name: entries[0] for name, entries in found.parameters.items()})

    return known(triple, rlct.three_layer(1, true_hidden=len(true)), optimum={"a": a, "b": b}, equations=equations)


@kept
def tanh_network(*, hidden: int = 2, true_hidden: int = 0) -> Specimen:
    r"""Three-layer network of tanh units, one input, no biases; $x \sim N(0, 1)$.

    $$p(y \mid x, a, b) = N\Big(y \,\Big|\, \sum_{h=1}^H a_h \tanh(b_h x), 1\Big)$$

    **Arguments:** `hidden` $H$. `true_hidden` $r$: the truth is $\sum_{i=1}^r \tanh(ix)$.
    **Returns:** a `Specimen` with the parameters `a`, `b`, both `(H,)`; the coefficient is that of
    `slt.rlct.three_layer`, unknown for $r > H$.
    **Raises:** `ValueError` if `hidden` is no positive integer or `true_hidden` negative.
    **Source:** `slt.rlct.three_layer`; Aoyagi and Nagata (2012).

    >>> tanh_network(hidden=4).coefficient.rlct, tanh_network(hidden=1, true_hidden=2).coefficient
    (Fraction(1, 1), None)
    """
    h, r = check_size("hidden", hidden), check_size("true_hidden", true_hidden, 0)
    value = lambda x, a, b: jnp.asarray(a) @ jnp.tanh(jnp.asarray(b) * x)  # noqa: E731
    a, b = np.ones(r), np.arange(1.0, r + 1)
    triple = Triple(
        lambda x: dist.Normal(value(x, a, b), 1.0),
        lambda x, a, b: dist.Normal(value(x, a, b), 1.0),
        {"a": _entries(h), "b": _entries(h)},
        dist.Normal(0.0, 1.0),
    )
    if r > h:
        return unknown(triple, "the truth has more units than the network", realizable=False)
    equations = lambda: _equations.tanh_network(h, list(zip(a, b, strict=True)), (h - r) * (r > 0))  # noqa: E731
    optimum = {"a": _padded(a, h), "b": _padded(b, h)}
    return known(triple, rlct.three_layer(h, true_hidden=r), optimum=optimum, equations=equations)


@kept
def relu_network(*, hidden: int = 2, true_hidden: int = 0, bias: bool = False) -> Specimen:
    r"""Three-layer network of rectified linear units, one input; $x \sim N(0, 1)$.

    $$p(y \mid x, a, b, c) = N\Big(y \,\Big|\, \sum_{h=1}^H a_h \max(b_h x + c_h, 0), 1\Big), \qquad
    \lambda = \begin{cases} \frac12 & r \le 1 \\ 1 & r = 2 \end{cases} \text{ for } c = 0$$

    with $m = 2$ for $H = 1$, $r = 0$, else $m = 1$. Without biases the network is a line on each side of zero, whatever
    its width.

    **Arguments:** `hidden` $H$. `true_hidden` $r$: 0, 1 (the truth is $\max(x, 0)$) or 2 ($|x|$), at most $H$. `bias`:
    whether there are biases $c_h$; the coefficient is then unknown.
    **Returns:** a `Specimen` with the parameters `a`, `b` and, with `bias`, `c`, each `(H,)`.
    **Raises:** `ValueError` if `hidden` is no positive integer, or `true_hidden` negative, above 2 or above `hidden`.
    **Source:** the module's derivation.

    >>> [str(relu_network(hidden=9, true_hidden=r).coefficient.rlct) for r in (0, 1, 2)]
    ['1/2', '1/2', '1']
    """
    h, r = check_size("hidden", hidden), check_size("true_hidden", true_hidden, 0)
    check_at_most("true_hidden", r, min(h, 2), "the number of hidden units and of sides of zero")
    relu = lambda x: jnp.maximum(x, 0.0)  # noqa: E731
    names = ["a", "b", "c"] if bias else ["a", "b"]

    def model(x, a, b, c=0.0):
        return dist.Normal(jnp.asarray(a) @ relu(jnp.asarray(b) * x + c), 1.0)

    truth = lambda x: dist.Normal(relu(x) * (r > 0) + relu(-x) * (r > 1), 1.0)  # noqa: E731
    triple = Triple(truth, model, {name: _entries(h) for name in names}, dist.Normal(0.0, 1.0))
    optimum = {"a": _padded(np.ones(r), h), "b": _padded([1.0, -1.0][:r], h), "c": np.zeros(h)}
    optimum = {name: optimum[name] for name in names}
    if bias:
        return unknown(triple, "no exact value with biases", optimum=optimum)
    source = "two sides of zero, each a sum of products (slt.zoo._networks)"
    pair = LearningCoefficient(Fraction(max(r, 1), 2), 2 if (h, r) == (1, 0) else 1, "exact", source)
    return known(triple, pair, optimum=optimum)


@kept
def reduced_rank(*, inputs: int = 3, hidden: int = 2, outputs: int = 3, rank: int = 1) -> Specimen:
    r"""Reduced rank regression; $x \sim N(0, I)$.

    $$p(y \mid x, A, B) = N(y \mid BAx, I), \qquad A: H \times M, \quad B: N \times H$$

    **Arguments:** `inputs` $M$, `hidden` $H$, `outputs` $N$. `rank` $r \le \min(M, N)$: the true matrix has $r, r - 1,
    \dots, 1$ on its diagonal, and zeros elsewhere. For $r > H$ the truth is not in the model.
    **Returns:** a `Specimen` with the parameters `A`, `B`; the coefficient is that of `slt.rlct.reduced_rank`, for
    $r > H$ that of rank $H$.
    **Raises:** `ValueError` if a size is no positive integer, or `rank` exceeds `inputs` or `outputs`.
    **Source:** `slt.rlct.reduced_rank`, Aoyagi and Watanabe (2005); for $r > H$ the module's derivation.

    >>> reduced_rank().coefficient.rlct, reduced_rank(rank=3).coefficient.rlct
    (Fraction(7, 2), Fraction(4, 1))
    """
    m, h, n = check_size("inputs", inputs), check_size("hidden", hidden), check_size("outputs", outputs)
    r = check_size("rank", rank, 0)
    check_at_most("rank", r, min(m, n), "the smaller of inputs and outputs")
    pair = rlct.reduced_rank(m, h, n, min(r, h))
    if r > h:
        source = "regular on the matrices of rank H (slt.zoo._networks)"
        pair = replace(pair, source=source)
    values = np.zeros((n, m))
    values[np.arange(r), np.arange(r)] = np.arange(r, 0, -1.0)
    kept = min(r, h)
    a, b = (
        np.eye(h, m) * (np.arange(h)[:, None] < kept),
        values[:, :h] if m >= h else np.pad(values, ((0, 0), (0, h - m))),
    )
    b = b * (np.arange(h) < kept)
    triple = Triple(
        lambda x: dist.Normal(jnp.asarray(values) @ x, 1.0).to_event(1),
        lambda x, A, B: dist.Normal(jnp.asarray(B) @ (jnp.asarray(A) @ x), 1.0).to_event(1),
        {"A": _entries(h, m), "B": _entries(n, h)},
        _vectors(m),
    )
    true = {"A": a, "B": b}
    equations = (lambda: _equations.matrices({"A": (h, m), "B": (n, h)}, true)) if r <= h else None
    return known(triple, pair, realizable=r <= h, optimum=true, equations=equations)


@kept
def deep_linear(*, widths: Sequence[int] = (2, 2, 2, 2), rank: int = 0) -> Specimen:
    r"""Deep linear network; $x \sim N(0, I)$.

    $$p(y \mid x, W) = N(y \mid W_L \cdots W_1 x, I), \qquad W_s: H_{s+1} \times H_s$$

    **Arguments:** `widths`: $H_1, \dots, H_{L+1}$, from the input to the output. `rank` $r$: the true matrix has $r$
    ones on its diagonal, and zeros elsewhere.
    **Returns:** a `Specimen` with the parameters `W1`, ..., `WL`; the coefficient is that of `slt.rlct.deep_linear`.
    **Raises:** `ValueError` as `slt.rlct.deep_linear`.
    **Source:** `slt.rlct.deep_linear`; Aoyagi (2024), Neural Networks 172, 106132.

    >>> deep_linear(widths=(2, 2, 2, 2)).coefficient.multiplicity
    3
    """
    pair = rlct.deep_linear(widths, rank)
    shapes = {f"W{s}": (h, m) for s, (m, h) in enumerate(pairwise(widths), 1)}
    true = {name: np.eye(*shape) * (np.arange(shape[1]) < rank) for name, shape in shapes.items()}

    def model(x, **w):
        for name in shapes:
            x = jnp.asarray(w[name]) @ x
        return dist.Normal(x, 1.0).to_event(1)

    prior = {name: _entries(*shape) for name, shape in shapes.items()}
    triple = Triple(lambda x: model(x, **true), model, prior, _vectors(widths[0]))
    return known(triple, pair, optimum=true, equations=lambda: _equations.matrices(shapes, true))


@kept
def factor_analysis(*, variables: int = 4, factors: int = 1, true_factors: int = 0) -> Specimen:
    r"""Factor analysis with mean zero and a diagonal noise covariance.

    $$p(x \mid \Lambda, d) = N(x \mid 0,\ \mathrm{diag}(d) + \Lambda \Lambda^T), \qquad \Lambda: p \times k$$

    **Arguments:** `variables` $p$, `factors` $k$. `true_factors` $l$, with generic loadings and noise variances 1.
    **Returns:** a `Specimen` with the parameters `loadings` `(p, k)` and `noise` `(p,)`, whose prior is positive;
    observations are of shape `(n, p)`; the coefficient is that of `slt.rlct.factor_analysis`, unknown for $l > k$.
    **Raises:** `ValueError` as `slt.rlct.factor_analysis`, but for $l > k$; and if `factors` is 0.
    **Source:** `slt.rlct.factor_analysis`; Drton and Plummer (2017), JRSS B 79.

    >>> factor_analysis(variables=6, factors=2, true_factors=1).coefficient.rlct
    Fraction(29, 4)
    """
    p, k, true = (
        check_size("variables", variables),
        check_size("factors", factors),
        check_size("true_factors", true_factors, 0),
    )

    def model(loadings, noise):
        loadings = jnp.asarray(loadings)
        covariance = jnp.diag(jnp.asarray(noise)) + loadings @ loadings.T
        return dist.MultivariateNormal(jnp.zeros(p), covariance_matrix=covariance)

    generic = np.cos(np.arange(1.0, p * true + 1) ** 1.5).reshape(p, true)
    prior = {"loadings": _entries(p, k), "noise": dist.LogNormal(0.0, 1.0).expand([p]).to_event(1)}
    triple = Triple(model(generic, np.ones(p)), model, prior)
    if true > k:
        return unknown(triple, "the truth has more factors than the model", realizable=False)
    pair = rlct.factor_analysis(p, k, true)
    optimum = {"loadings": np.pad(generic, ((0, 0), (0, k - true))), "noise": np.ones(p)}
    equations = None if true else lambda: _equations.factor_analysis(p, k)
    return known(triple, pair, optimum=optimum, equations=equations)
