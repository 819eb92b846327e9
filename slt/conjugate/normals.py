r"""Exponential families of normal variables, each a few lines: $v$, $g$, $f$, $\log z$ and a prior (floor 3)."""

from dataclasses import replace
from math import inf

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln

from slt._nodes import check_whole
from slt.conjugate.checks import check_parameters
from slt.conjugate.family import ExponentialFamily
from slt.conjugate.formulas import proper, shared

LOG_2PI = float(np.log(2 * np.pi))


def normal_mean(sd: float, prior_mean: float, prior_sd: float) -> ExponentialFamily:
    r"""Normal model with known standard deviation and a $N(m, \tau^2)$ prior on the mean `mu`.

    $$v = N(x \mid 0, \sigma^2),\quad g = \frac{(x, 1)}{\sigma^2},\quad f = \Big(\mu, -\frac{\mu^2}{2}\Big),\quad
    z(\eta) = \sqrt{\frac{2\pi}{\eta_2}}\, e^{\eta_1^2 / (2\eta_2)},\quad \eta = \frac{(m, 1)}{\tau^2}$$

    **Arguments:** `sd`: $\sigma$. `prior_mean`, `prior_sd`: $m$ and $\tau$; `prior_sd=inf` is the flat improper prior.
    **Returns:** an `ExponentialFamily`; draws have the name `mu`.
    **Raises:** `ValueError` if `sd` or `prior_sd` is not positive, or `sd` or `prior_mean` not finite.
    **Source:** Watanabe (2018), section 2.1.

    >>> normal_mean(1.0, 3.0, 0.5).eta.tolist()
    [12.0, 4.0]
    """
    check_parameters(0, sd=sd)
    check_parameters(-inf, prior_mean=prior_mean)
    check_parameters(0, infinite=True, prior_sd=prior_sd)
    precision = 0.0 if prior_sd == inf else 1 / prior_sd**2
    return replace(_normal_mean(float(sd)), eta=np.array([prior_mean * precision, precision]))


@shared
def _normal_mean(sd: float) -> ExponentialFamily:
    def log_normalizer(eta):
        b = jnp.maximum(eta[1], 1e-30)
        return proper(eta[1] > 0, 0.5 * (LOG_2PI - jnp.log(b)) + eta[0] ** 2 / (2 * b))

    return ExponentialFamily(
        log_base=lambda x: -0.5 * (x / sd) ** 2 - 0.5 * LOG_2PI - np.log(sd),
        statistic=lambda x: jnp.stack([x * 1.0, jnp.ones_like(x * 1.0)]) / sd**2,
        features=lambda w: jnp.stack([w["mu"], -0.5 * w["mu"] ** 2]),
        log_normalizer=log_normalizer,
        eta=None,
        sample=lambda key, eta, n: {"mu": eta[0] / eta[1] + jax.random.normal(key, (n,)) / jnp.sqrt(eta[1])},
    )


def normal(mean: float, count: float, shape: float, rate: float) -> ExponentialFamily:
    r"""Normal model with unknown mean `mu` and `precision` $s = 1/\sigma^2$, and a normal-gamma prior.

    $$\mu \mid s \sim N\Big(m, \frac{1}{k s}\Big),\ s \sim \mathrm{Gamma}(a, b);\qquad
    v = (2\pi)^{-1/2},\quad g = (x, 1, x^2, 1),\quad
    f = \Big(\mu s, -\frac{\mu^2 s}{2}, -\frac s2, \frac{\log s}{2}\Big)$$

    $$z(\eta) = \sqrt{\frac{2\pi}{\eta_2}}\; \frac{\Gamma(A)}{B^A},\quad A = \frac{\eta_4 + 1}{2},\quad
    B = \frac{1}{2}\Big(\eta_3 - \frac{\eta_1^2}{\eta_2}\Big),\quad \eta = (km, k, 2b + km^2, 2a - 1)$$

    **Arguments:** `mean`, `count`: $m$ and $k$, the number of observations that the prior mean is worth. `shape`,
    `rate`: $a$ and $b$.
    $B$ is a difference of squares: where the mean is huge against the sd (some $10^3$ in float32, $10^7$ in float64),
    subtract a constant from the data and from `mean`. That shifts `mu`; $\log Z_n$ and every loss stay as they are.
    **Returns:** an `ExponentialFamily`; draws have the names `mu` and `precision`.
    **Raises:** `ValueError` if `count`, `shape` or `rate` is not positive, or one of the four not finite.
    **Source:** Watanabe (2018), section 2.1.

    >>> normal(1.0, 2.0, 3.0, 4.0).eta.tolist()
    [2.0, 2.0, 10.0, 5.0]
    """
    check_parameters(-inf, mean=mean)
    check_parameters(0, count=count, shape=shape, rate=rate)
    return replace(_normal(), eta=np.array([count * mean, count, 2 * rate + count * mean**2, 2 * shape - 1.0]))


@shared
def _normal() -> ExponentialFamily:
    def gamma_part(eta):
        return (eta[3] + 1) / 2, (eta[2] - eta[0] ** 2 / eta[1]) / 2

    def log_normalizer(eta):
        a, b = gamma_part(eta)
        exists = (eta[1] > 0) & (a > 0) & (b > 0)
        k, a, b = (jnp.maximum(v, 1e-30) for v in (eta[1], a, b))
        return proper(exists, 0.5 * (LOG_2PI - jnp.log(k)) + gammaln(a) - a * jnp.log(b))

    def sample(key, eta, n):
        key_s, key_mu = jax.random.split(key)
        a, b = gamma_part(eta)
        s = jax.random.gamma(key_s, a, (n,)) / b
        return {"mu": eta[0] / eta[1] + jax.random.normal(key_mu, (n,)) / jnp.sqrt(eta[1] * s), "precision": s}

    def features(w):
        mu, s = w["mu"], w["precision"]
        return jnp.stack([mu * s, -(mu**2) * s / 2, -s / 2, jnp.log(s) / 2])

    return ExponentialFamily(
        log_base=lambda x: jnp.full_like(x * 1.0, -0.5 * LOG_2PI),
        statistic=lambda x: jnp.stack([x * 1.0, jnp.ones_like(x * 1.0), x**2 * 1.0, jnp.ones_like(x * 1.0)]),
        features=features,
        log_normalizer=log_normalizer,
        eta=None,
        sample=sample,
    )


def linear_regression(noise_sd: float, prior_sd: float, dimension: int) -> ExponentialFamily:
    r"""Linear regression $y = w \cdot x + N(0, \sigma^2)$ with known $\sigma$ and a $N(0, \tau^2 I)$ prior on `w`.

    $$v = N(y \mid 0, \sigma^2),\quad g = \frac{(yx,\; xx^\top)}{\sigma^2},\quad
    f = \Big(w, -\frac{ww^\top}{2}\Big),\quad
    z(h, \Lambda) = \frac{(2\pi)^{d/2}}{|\Lambda|^{1/2}}\, e^{\frac12 h^\top \Lambda^{-1} h}$$

    **Arguments:** `noise_sd`: $\sigma$. `prior_sd`: $\tau$; `inf` is the flat improper prior. `dimension`: $d$, the
    number of inputs (a column of ones is one of them). Data are `x` of shape `(n, d)` and `y` of shape `(n,)`.
    **Returns:** an `ExponentialFamily`; draws have the name `w`, shape `(draws, d)`.
    **Raises:** `ValueError` if a standard deviation is not positive or `dimension` is no whole number from 1.
    Singular, to rounding, and so improper: $\lambda_{\min}(\Lambda) \le d\,\varepsilon\,\lambda_{\max}(\Lambda)$.
    **Source:** Watanabe (2018), section 2.3.

    >>> linear_regression(1.0, 0.5, 2).eta.tolist()
    [0.0, 0.0, 4.0, 0.0, 0.0, 4.0]
    """
    check_parameters(0, noise_sd=noise_sd)
    check_parameters(0, infinite=True, prior_sd=prior_sd)
    d, precision = check_whole("dimension", dimension, 1), 0.0 if prior_sd == inf else 1 / prior_sd**2
    eta = np.concatenate([np.zeros(d), precision * np.eye(d).ravel()])
    return replace(_linear_regression(float(noise_sd), d), eta=eta)


@shared
def _linear_regression(noise_sd: float, d: int) -> ExponentialFamily:
    def log_normalizer(eta):
        h, matrix = eta[:d], eta[d:].reshape(d, d)
        fixed = jax.lax.stop_gradient(matrix)  # its eigenvalues ascend; a determinant may be positive by rounding
        sizes = fixed[0] if d == 1 else jnp.linalg.eigvalsh(fixed)  # one number needs no decomposition
        exists = (sizes[0] > 0) & (sizes[0] > d * jnp.finfo(matrix.dtype).eps * sizes[-1])
        safe = jnp.where(exists, matrix, jnp.eye(d, dtype=matrix.dtype))
        log_det = jnp.log(safe[0, 0]) if d == 1 else jnp.linalg.slogdet(safe)[1]
        solved = h / safe[0] if d == 1 else jnp.linalg.solve(safe, h)
        return proper(exists, 0.5 * (d * LOG_2PI - log_det + h @ solved))

    def sample(key, eta, n):
        h, matrix = eta[:d], eta[d:].reshape(d, d)
        covariance = jnp.linalg.inv(matrix)
        return {"w": jax.random.multivariate_normal(key, covariance @ h, covariance, (n,))}

    return ExponentialFamily(
        log_base=lambda x, y: -0.5 * (y / noise_sd) ** 2 - 0.5 * LOG_2PI - np.log(noise_sd),
        statistic=lambda x, y: jnp.concatenate([x * y, jnp.outer(x, x).ravel()]) / noise_sd**2,
        features=lambda w: jnp.concatenate([w["w"], -0.5 * jnp.outer(w["w"], w["w"]).ravel()]),
        log_normalizer=log_normalizer,
        eta=None,
        sample=sample,
        data_shapes=((d,), ()),
    )
