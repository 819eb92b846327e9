r"""Exponential families of counts and categories, each a few lines: $v$, $g$, $f$, $\log z$ and a prior (floor 3)."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln

from slt.conjugate.checks import check_parameters
from slt.conjugate.family import ExponentialFamily
from slt.conjugate.formulas import proper, shared


def _inside(condition: Any, log_base: Any = 0.0) -> Any:
    """`log_base` inside the model's support, minus infinity outside."""
    return jnp.where(condition, log_base, -jnp.inf)


def _log_beta(eta: Any) -> Any:
    r"""$\log \prod_k \Gamma(c_k) / \Gamma(\sum_k c_k)$ with $c = \eta + 1$."""
    counts = jnp.maximum(eta + 1, 1e-30)
    return proper((eta > -1).all(), gammaln(counts).sum() - gammaln(counts.sum()))


def bernoulli(a: float, b: float) -> ExponentialFamily:
    r"""Bernoulli model of $x \in \{0, 1\}$ with a $\mathrm{Beta}(a, b)$ prior on `theta`.

    $$v = 1,\quad g = (x, 1 - x),\quad f = (\log\theta, \log(1 - \theta)),\quad
    z(\eta) = B(\eta_1 + 1, \eta_2 + 1),\quad \eta = (a - 1, b - 1)$$

    **Arguments:** `a`, `b`: prior counts of ones and zeros; 0 is Haldane's improper prior.
    **Returns:** an `ExponentialFamily`; draws have the name `theta`.
    **Raises:** `ValueError` if a count is negative or not finite.
    **Source:** Watanabe (2018), section 1.4.

    >>> round(float(jnp.exp(bernoulli(2.0, 3.0).log_normalizer(jnp.array([1.0, 2.0])))), 6)  # B(2, 3) = 1/12
    0.083333
    """
    check_parameters(0, closed=True, a=a, b=b)
    return replace(_bernoulli(), eta=np.array([a - 1.0, b - 1.0]))


@shared
def _bernoulli() -> ExponentialFamily:
    return ExponentialFamily(
        log_base=lambda x: _inside((x == 0) | (x == 1)),
        statistic=lambda x: jnp.stack([x, 1 - x]) * 1.0,
        features=lambda w: jnp.stack([jnp.log(w["theta"]), jnp.log1p(-w["theta"])]),
        log_normalizer=_log_beta,
        eta=None,
        sample=lambda key, eta, n: {"theta": jax.random.beta(key, eta[0] + 1, eta[1] + 1, (n,))},
        support="0 or 1",
    )


def multinomial(alpha: Any) -> ExponentialFamily:
    r"""One of $K$ categories, $x \in \{0, \dots, K-1\}$, with a $\mathrm{Dirichlet}(\alpha)$ prior on `p`.

    $$v = 1,\quad g = e_x,\quad f = \log p,\quad
    z(\eta) = \frac{\prod_k \Gamma(\eta_k + 1)}{\Gamma(\sum_k (\eta_k + 1))},\quad \eta = \alpha - 1$$

    **Arguments:** `alpha`: prior counts, shape `(K,)`.
    **Returns:** an `ExponentialFamily`; draws have the name `p`, shape `(draws, K)`.
    **Raises:** `ValueError` if a count is negative or not finite, or there are fewer than two.
    **Source:** Watanabe (2018), section 2.2.

    >>> multinomial([1.0, 1.0, 1.0]).statistic(jnp.array(2)).tolist()
    [0.0, 0.0, 1.0]
    """
    alpha = np.asarray(alpha, dtype=np.float64)
    check_parameters(0, closed=True, alpha=alpha)
    if alpha.ndim != 1 or alpha.size < 2:
        raise ValueError(f"alpha must have one count per category, shape (K,) with K >= 2; got shape {alpha.shape}.")
    return replace(_multinomial(alpha.size), eta=alpha - 1)


@shared
def _multinomial(size: int) -> ExponentialFamily:
    return ExponentialFamily(
        log_base=lambda x: _inside((x >= 0) & (x < size) & (x == jnp.round(x))),
        statistic=lambda x: jax.nn.one_hot(jnp.asarray(x).astype(int), size),
        features=lambda w: jnp.log(w["p"]),
        log_normalizer=_log_beta,
        eta=None,
        sample=lambda key, eta, n: {"p": jax.random.dirichlet(key, eta + 1, (n,))},
        support=f"a category from 0 to {size - 1}",
    )


def poisson(shape: float, rate: float) -> ExponentialFamily:
    r"""Poisson model of counts with a $\mathrm{Gamma}(\text{shape}, \text{rate})$ prior on the mean `lam`.

    $$v = \frac{1}{x!},\quad g = (x, 1),\quad f = (\log\lambda, -\lambda),\quad
    z(\eta) = \frac{\Gamma(\eta_1 + 1)}{\eta_2^{\eta_1 + 1}},\quad \eta = (\text{shape} - 1, \text{rate})$$

    **Arguments:** `shape`, `rate`: of the prior; zero makes it improper.
    **Returns:** an `ExponentialFamily`; draws have the name `lam`.
    **Raises:** `ValueError` if one is negative or not finite.
    **Source:** Watanabe (2018), section 1.4.

    >>> poisson(2.0, 3.0).eta.tolist()
    [1.0, 3.0]
    """
    check_parameters(0, closed=True, shape=shape, rate=rate)
    return replace(_poisson(), eta=np.array([shape - 1.0, rate * 1.0]))


@shared
def _poisson() -> ExponentialFamily:
    def log_normalizer(eta):
        a, b = jnp.maximum(eta[0] + 1, 1e-30), jnp.maximum(eta[1], 1e-30)
        return proper((eta[0] > -1) & (eta[1] > 0), gammaln(a) - a * jnp.log(b))

    return ExponentialFamily(
        log_base=lambda x: _inside((x >= 0) & (x == jnp.round(x)), -gammaln(jnp.maximum(x, 0) + 1.0)),
        statistic=lambda x: jnp.stack([x * 1.0, jnp.ones_like(x * 1.0)]),
        features=lambda w: jnp.stack([jnp.log(w["lam"]), -w["lam"]]),
        log_normalizer=log_normalizer,
        eta=None,
        sample=lambda key, eta, n: {"lam": jax.random.gamma(key, eta[0] + 1, (n,)) / eta[1]},
        support="a count 0, 1, 2, ...",
    )
