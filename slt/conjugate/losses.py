r"""Training, cross-validation and WAIC losses of an exponential family in closed form: no draws, no error (floor 3).

Each is one term per observation, as in `slt.losses`, and exact at any inverse temperature.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from slt._arrays import is_tracer
from slt._nodes import evaluate
from slt.conjugate import formulas
from slt.conjugate.checks import check_terms
from slt.conjugate.family import ExponentialFamily, posterior


def training_loss(family: ExponentialFamily, *data: Any, beta: float = 1.0) -> Any:
    r"""Training loss $T_n$ in closed form, one term per observation.

    $$T_n = -\frac1n \sum_i \log p(X_i \mid X^n)$$

    **Arguments:** as in `posterior`.
    **Returns:** shape `(n,)`, nats per observation; $T_n$ is its `.mean()`.
    **Raises:** `ValueError` as in `posterior`, and if a term is not finite.
    **Source:** Watanabe (2018), section 1.6.

    >>> from slt import conjugate
    >>> np.exp(-conjugate.training_loss(conjugate.bernoulli(1.0, 1.0), np.array([1, 0, 1]))).round(6).tolist()
    [0.6, 0.4, 0.6]
    """
    eta_hat = posterior(family, *data, beta=beta)
    run = lambda *data: -formulas.predictive(family.model, jnp.asarray(eta_hat), *data)  # noqa: E731
    return check_terms(evaluate(run, *data, also=(eta_hat,)), "training_loss")


def cv_loss(family: ExponentialFamily, *data: Any, beta: float = 1.0) -> Any:
    r"""Leave-one-out cross-validation loss $C_n$, exact, one term per observation.

    $$C_n = -\frac1n \sum_i \log p(X_i \mid X^n \setminus X_i), \qquad \hat\eta_{-i} = \hat\eta - \beta g(X_i)$$

    **Arguments:** as in `posterior`.
    **Returns:** shape `(n,)`, nats per observation; $C_n$ is its `.mean()`.
    **Raises:** `ValueError` as in `posterior`, and if a leave-one-out posterior is improper.
    **Source:** Watanabe (2018), section 1.6.

    >>> from slt import conjugate
    >>> np.exp(-conjugate.cv_loss(conjugate.bernoulli(1.0, 1.0), np.array([1, 0, 1]))).round(6).tolist()
    [0.5, 0.25, 0.5]
    """
    eta_hat = posterior(family, *data, beta=beta)
    run = lambda *data: -formulas.left_out(family.model, jnp.asarray(eta_hat), beta, *data)  # noqa: E731
    terms = evaluate(run, *data, also=(eta_hat,))
    if not is_tracer(terms) and not np.isfinite(np.asarray(terms)).all():
        bad = np.flatnonzero(~np.isfinite(np.asarray(terms)))
        raise ValueError(
            f"the posterior without observation {int(bad[0])} is improper ({bad.size} of {len(terms)} are), so that "
            "its leave-one-out loss does not exist. Use a proper prior or more data."
        )
    return terms


def functional_variance(family: ExponentialFamily, *data: Any, beta: float = 1.0) -> Any:
    r"""Functional variance $V_n$ in closed form, one term per observation.

    $$\mathbb{V}_w[\log p(X_i \mid w)] = g(X_i)^\top\, \nabla^2 \log z(\hat\eta)\, g(X_i)$$

    **Arguments:** as in `posterior`.
    **Returns:** shape `(n,)`, nats²; $V_n$ is its `.sum()`.
    **Raises:** `ValueError` as in `posterior`, and if a term is not finite.
    **Source:** Watanabe (2018), section 1.6; the covariance of $f(w)$ is the Hessian of $\log z$.

    >>> from slt import conjugate
    >>> x = np.array([1.0])  # posterior N(0.8, 0.8): V = s2 (x - mean)^2 + s2^2 / 2
    >>> np.asarray(conjugate.functional_variance(conjugate.normal_mean(1.0, 0.0, 2.0), x)).round(6).tolist()
    [0.352]
    """
    eta_hat = posterior(family, *data, beta=beta)
    run = lambda *data: formulas.variance(family.model, jnp.asarray(eta_hat), *data)  # noqa: E731
    return check_terms(evaluate(run, *data, also=(eta_hat,)), "functional_variance")


def waic_loss(family: ExponentialFamily, *data: Any, beta: float = 1.0) -> Any:
    r"""Widely applicable information criterion $W_n$ in closed form, one term per observation.

    $$W_n = T_n + \frac{\beta}{n} V_n$$

    **Arguments:** as in `posterior`.
    **Returns:** shape `(n,)`, nats per observation; $W_n$ is its `.mean()`.
    **Raises:** `ValueError` as in `posterior`.
    **Source:** Watanabe (2018), section 1.6.

    >>> from slt import conjugate
    >>> coin, x = conjugate.bernoulli(1.0, 1.0), np.array([1, 0, 1])
    >>> gap = conjugate.waic_loss(coin, x) - conjugate.training_loss(coin, x)
    >>> bool(np.allclose(gap, conjugate.functional_variance(coin, x)))
    True
    """
    return training_loss(family, *data, beta=beta) + beta * functional_variance(family, *data, beta=beta)
