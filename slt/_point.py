r"""AIC, TIC, BIC and DIC: what point estimates offer where the posterior is normal (floor 1).

They stand beside WAIC and the free energy for comparison. AIC, TIC and BIC need a regular model; DIC needs a posterior
whose mean is a good parameter. In singular models all four are wrong even in the limit.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt._arrays import LogLik, LogWeights, Pointwise, check_log_lik, check_log_weights, in_input_precision, is_tracer


def aic(log_lik_hat: Any, parameters: int) -> Pointwise:
    r"""Akaike's information criterion of the maximum-likelihood estimate $\hat w$, one term per observation.

    $$\mathrm{AIC} = -\frac1n \sum_i \log p(X_i \mid \hat w) + \frac{d}{n}$$

    It estimates the loss of predicting with $\hat w$, if the model is regular and contains the truth. The published
    figure is $2n$ times this one.

    **Arguments:** `log_lik_hat`: $\log p(X_i \mid \hat w)$, shape `(n,)`, nats. `parameters`: their number $d$.
    **Returns:** shape `(n,)`, nats per observation; AIC is its `.mean()`.
    **Raises:** `ValueError` if `log_lik_hat` is not 1-D, empty or not finite, or $d$ is negative.
    **Source:** Akaike (1974).

    >>> aic(np.array([-1.0, -2.0]), 1).tolist()
    [1.5, 2.5]
    """
    a = _check(log_lik_hat, parameters)
    return -a + parameters / a.shape[0]


def tic(log_lik_hat: Any, scores: Any, hessian: Any) -> Pointwise:
    r"""Takeuchi's information criterion: AIC for a regular model that need not contain the truth.

    $$\mathrm{TIC} = -\frac1n \sum_i \log p(X_i \mid \hat w) + \frac1n \operatorname{tr}(\hat I \hat J^{-1}), \qquad
    \hat I = \frac1n \sum_i s_i s_i^\top, \quad s_i = \nabla \log p(X_i \mid \hat w)$$

    **Arguments:** `log_lik_hat`: as in `aic`. `scores`: $s_i$, shape `(n, d)`. `hessian`:
    $\hat J = \nabla^2 L_n(\hat w)$, the Hessian of the mean loss, shape `(d, d)`.
    **Returns:** shape `(n,)`, nats per observation; TIC is its `.mean()`.
    **Raises:** `ValueError` as in `aic`, for unfitting shapes, and if $\hat J$ is not positive definite: then $\hat w$
    is not a minimum, or the model is singular there and TIC does not exist.
    **Source:** Takeuchi (1976).

    >>> tic(np.array([-1.0, -2.0]), np.array([[1.0], [-1.0]]), np.array([[2.0]])).tolist()
    [1.25, 2.25]
    """
    a = _check(log_lik_hat, 0)
    s, j = (v if isinstance(v, jax.Array) else np.asarray(v, dtype=float) for v in (scores, hessian))
    if s.ndim != 2 or s.shape[0] != a.shape[0] or j.shape != (s.shape[1],) * 2:
        raise ValueError(f"scores must have shape ({a.shape[0]}, d) and hessian (d, d); got {s.shape} and {j.shape}.")
    least = float(np.linalg.eigvalsh(np.asarray(j)).min())
    if not least > 0:
        raise ValueError(
            f"the Hessian of the mean loss must be positive definite; its least eigenvalue is {least:.3g}. The "
            "estimate is not a minimum, or the model is singular there: use slt.waic_loss."
        )

    def run(a, s, j):
        return -a + jnp.trace(jnp.linalg.solve(j, s.T @ s / a.shape[0])) / a.shape[0]

    return in_input_precision(run, a, s, j)


def dic(log_lik: LogLik, log_lik_mean: Any, *, log_weights: LogWeights | None = None) -> Pointwise:
    r"""Deviance information criterion, one term per observation.

    $$\mathrm{DIC} = -\frac1n \sum_i \log p(X_i \mid \bar w) + \frac2n \sum_i
    \big( \log p(X_i \mid \bar w) - \mathbb{E}_w[\log p(X_i \mid w)] \big), \qquad \bar w = \mathbb{E}_w[w]$$

    It depends on the parametrization through $\bar w$; where the posterior mean is a bad parameter, as between the
    labels of a mixture, its effective number of parameters can be negative. The published figure is $2n$ times this
    one.

    **Arguments:** `log_lik`: $\log p(X_i \mid w_s)$, shape `(draws, n)`, in nats. `log_lik_mean`:
    $\log p(X_i \mid \bar w)$, shape `(n,)`. `log_weights`: as in `training_loss`.
    **Returns:** shape `(n,)`, nats per observation; DIC is its `.mean()`.
    **Raises:** `ValueError` as in `training_loss` and `aic`.
    **Source:** Spiegelhalter, Best, Carlin and van der Linde (2002).

    >>> dic(np.array([[-1.0, -2.0], [-3.0, -2.0]]), np.array([-1.5, -2.0])).tolist()
    [2.5, 2.0]
    """
    a = check_log_lik(log_lik)
    w = check_log_weights(log_weights, a.shape[0])
    best = _check(log_lik_mean, 0)
    if best.shape != a.shape[1:]:
        raise ValueError(f"log_lik_mean must have one entry per observation, shape {a.shape[1:]}; got {best.shape}.")

    def run(a, w, best):
        weights = jnp.full(a.shape[0], 1 / a.shape[0], a.dtype) if w is None else jax.nn.softmax(w).astype(a.dtype)
        return best - 2 * weights @ a

    return in_input_precision(run, a, w, best)


def _check(log_lik_hat: Any, parameters: Any) -> Any:
    a = log_lik_hat if isinstance(log_lik_hat, jax.Array) else np.asarray(log_lik_hat)
    if a.ndim != 1 or a.size == 0 or not np.issubdtype(a.dtype, np.floating):
        raise ValueError(f"log p(X_i | w_hat) must have shape (n,), floating point; got {a.shape}, dtype {a.dtype}.")
    if not is_tracer(a) and not np.isfinite(np.asarray(a)).all():
        raise ValueError("log p(X_i | w_hat) must be finite; some of it is NaN or infinite.")
    if parameters < 0:
        raise ValueError(f"the number of parameters must not be negative; got {parameters}.")
    return a
