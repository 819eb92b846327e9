r"""A general exponential family with its conjugate prior: every observable of the theory in closed form.

$$p(x \mid w) = v(x) \exp\big(f(w) \cdot g(x)\big), \qquad
\varphi(w \mid \eta) = \frac{\exp\big(\eta \cdot f(w)\big)}{z(\eta)}$$

Everything follows from $v$, $g$ and $\log z$: the posterior is $\varphi(w \mid \hat\eta)$ with
$\hat\eta = \eta + \beta \sum_i g(x_i)$, and the posterior mean and covariance of $f(w)$ are the gradient and the
Hessian of $\log z$ at $\hat\eta$. Data are handed over as `*data`: `x`, or `x, y` for a regression.

NumPy in, NumPy out; JAX in, JAX out; losses and densities keep the dtype of floating data. Under `jit` and `vmap` no
value is checked: what would raise outside them gives `nan` or an infinity.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from slt._arrays import check_beta
from slt._nodes import check_key, check_whole, evaluate
from slt.conjugate import formulas
from slt.conjugate.checks import check_data, check_proper, check_terms


@dataclass(frozen=True)
class ExponentialFamily:
    r"""An exponential family and one prior of its conjugate family.

    **Arguments:** `log_base`: $\log v(x)$ of one observation, $-\infty$ outside the support. `statistic`: $g(x)$ of
    one observation, a flat vector. `features`: $f(w)$ of one parameter (a dict of names). `log_normalizer`:
    $\log z(\eta)$; `nan` or `inf` where the integral diverges. `eta`: the prior's $\eta$, a flat vector. `sample`:
    `(key, eta, draws) -> dict` of draws from $\varphi(w \mid \eta)$. `data_shapes`: the event shape of each data array,
    `((),)` for numbers, `((d,), ())` for inputs and responses. `support`: where observations lie, in words.
    **Source:** Watanabe (2018), section 1.4.

    >>> from slt import conjugate
    >>> conjugate.bernoulli(1.0, 1.0).eta.tolist()
    [0.0, 0.0]
    """

    log_base: Callable[..., Any]
    statistic: Callable[..., Any]
    features: Callable[..., Any]
    log_normalizer: Callable[[Any], Any]
    eta: Any
    sample: Callable[..., dict[str, Any]]
    data_shapes: tuple[tuple[int, ...], ...] = ((),)
    support: str = "real numbers"

    @property
    def model(self) -> formulas.Model:
        r"""The functions $(\log v, g, \log z)$, without the prior."""
        return self.log_base, self.statistic, self.log_normalizer


def posterior(family: ExponentialFamily, *data: Any, beta: float = 1.0) -> Any:
    r"""Hyperparameter of the posterior at inverse temperature $\beta$.

    $$\hat\eta = \eta + \beta \sum_i g(x_i)$$

    **Arguments:** `family`: the family with its prior. `data`: arrays with a common first axis.
    **Returns:** shape of `family.eta`; the posterior is $\varphi(w \mid \hat\eta)$. A NumPy array for NumPy data, else
    a JAX array; float64 where that is enabled, even for float32 data, because sums of squares cancel later.
    **Raises:** `ValueError` if there are no data, if they have the wrong shapes, are not finite or lie outside the
    model's support, if `beta` is not positive, or if the posterior is improper.
    **Source:** Watanabe (2018), section 1.4.

    >>> from slt import conjugate
    >>> conjugate.posterior(conjugate.bernoulli(1.0, 1.0), np.array([1, 0, 1])).tolist()
    [2.0, 1.0]
    """
    check_beta(beta)
    data = check_data(family, data)
    run = lambda *data: formulas.update(family.model, jnp.asarray(family.eta), beta, *data)  # noqa: E731
    eta_hat = evaluate(run, *data, also=(beta,), keep=False)
    check_proper(family, eta_hat, "the posterior")
    return eta_hat


def log_predictive(family: ExponentialFamily, eta_hat: Any, *new: Any) -> Any:
    r"""Logarithm of the predictive density of new observations, a ratio of two normalizers.

    $$\log p(x \mid X^n) = \log v(x) + \log z(\hat\eta + g(x)) - \log z(\hat\eta)$$

    **Arguments:** `family`: the family. `eta_hat`: a posterior's hyperparameter. `new`: arrays with a common first
    axis.
    **Returns:** shape `(m,)`, nats, one per new observation; $-\infty$ outside the model's support.
    **Raises:** `ValueError` if `new` is empty, of the wrong shapes or not finite, or if `eta_hat` is improper.
    **Source:** Watanabe (2018), section 1.4.

    >>> from slt import conjugate
    >>> coin = conjugate.bernoulli(1.0, 1.0)
    >>> eta_hat = conjugate.posterior(coin, np.array([1, 0, 1]))
    >>> np.exp(conjugate.log_predictive(coin, eta_hat, np.array([1]))).round(6).tolist()  # (2 + 1) / (3 + 2)
    [0.6]
    """
    check_proper(family, eta_hat, "the distribution at eta_hat")
    new = check_data(family, new, support=False)
    return evaluate(lambda eta, *new: formulas.predictive(family.model, eta, *new), eta_hat, *new)


def log_evidence(family: ExponentialFamily, *data: Any, beta: float = 1.0) -> Any:
    r"""Logarithm of the marginal likelihood at inverse temperature $\beta$.

    $$\log Z_n(\beta) = \beta \sum_i \log v(X_i) + \log z(\hat\eta) - \log z(\eta)$$

    **Arguments:** as in `posterior`.
    **Returns:** a scalar, nats; $F_n = -\log Z_n(1)$.
    **Raises:** `ValueError` as in `posterior`, and if the prior is improper: then $Z_n$ has an arbitrary factor.
    **Source:** Watanabe (2018), sections 1.4 and 1.7.

    >>> from slt import conjugate
    >>> round(float(conjugate.log_evidence(conjugate.bernoulli(1.0, 1.0), np.array([1, 1]))), 6)  # log(1/3)
    -1.098612
    """
    check_beta(beta)
    check_proper(family, family.eta, "the prior", "Give it a proper one; C_n, W_n and the predictive need none.")
    data = check_data(family, data)
    run = lambda *data: formulas.evidence(family.model, jnp.asarray(family.eta), beta, *data)  # noqa: E731
    return check_terms(evaluate(run, *data, also=(beta,)), "log_evidence")


def sample(key: jax.Array, family: ExponentialFamily, eta_hat: Any, draws: int) -> dict[str, Any]:
    r"""Independent draws from $\varphi(w \mid \hat\eta)$.

    **Arguments:** `key`: a JAX key. `family`: the family. `eta_hat`: from `posterior` (or `family.eta`: the prior).
    `draws`: how many.
    **Returns:** name to array, first axis `draws`; NumPy arrays, in float64, if `eta_hat` is NumPy's.
    **Raises:** `ValueError` if that distribution is improper; `TypeError` if `key` is no key.
    **Source:** Watanabe (2018), section 1.4.

    >>> from slt import conjugate
    >>> coin = conjugate.bernoulli(1.0, 1.0)
    >>> conjugate.sample(jax.random.key(0), coin, coin.eta, 3)["theta"].shape
    (3,)
    """
    check_key(key)
    draws = check_whole("draws", draws, 1)
    check_proper(family, eta_hat, "the distribution to draw from")
    return evaluate(lambda eta: formulas.drawn(family.sample, key, eta, draws), eta_hat, also=(key,))


def log_lik(family: ExponentialFamily, draws: dict[str, Any], *data: Any) -> Any:
    r"""The matrix $\log p(X_i \mid w_s) = \log v(X_i) + f(w_s) \cdot g(X_i)$.

    **Arguments:** `family`: the family. `draws`: name to array, first axis `draws`. `data`: as in `posterior`.
    **Returns:** shape `(draws, n)`, nats; of the kind of `data`.
    **Raises:** `ValueError` for data as in `posterior`.
    **Source:** Watanabe (2018), section 1.4.

    >>> from slt import conjugate
    >>> coin = conjugate.bernoulli(1.0, 1.0)
    >>> np.exp(conjugate.log_lik(coin, {"theta": np.array([0.25])}, np.array([1, 0]))).tolist()
    [[0.25, 0.75]]
    """
    data = check_data(family, data)
    run = lambda *data: formulas.log_lik(family.model, family.features, dict(draws), *data)  # noqa: E731
    return evaluate(run, *data, also=tuple(draws.values()))


def log_density(family: ExponentialFamily, eta_hat: Any, w: dict[str, Any]) -> Any:
    r"""Log-density of the prior or posterior, $\log \varphi(w \mid \hat\eta) = \hat\eta \cdot f(w) - \log z(\hat\eta)$.

    **Arguments:** `family`: the family. `eta_hat`: its hyperparameter. `w`: name to array, first axis points.
    **Returns:** shape `(points,)`, nats, with respect to the parameters named in `w`.
    **Raises:** `ValueError` if that distribution is improper.
    **Source:** Watanabe (2018), section 1.4.

    >>> from slt import conjugate
    >>> coin = conjugate.bernoulli(2.0, 1.0)
    >>> np.exp(conjugate.log_density(coin, coin.eta, {"theta": np.array([0.25])})).round(6).tolist()  # 2 theta
    [0.5]
    """
    check_proper(family, eta_hat, "the distribution at eta_hat")
    run = lambda eta, *values: formulas.density(  # noqa: E731
        family.features, family.log_normalizer, eta, dict(zip(w, values, strict=True))
    )
    return evaluate(run, eta_hat, *w.values())
