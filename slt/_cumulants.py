r"""The Gibbs side of the theory, and the cumulant generating function of the log-likelihood (floor 3)."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from slt._arrays import (
    LogLik,
    LogWeights,
    Pointwise,
    by_columns,
    check_log_lik,
    check_log_weights,
    in_input_precision,
    is_tracer,
    unchecked_log_mean_exp,
)
from slt.losses import generalization_loss, training_loss

NewLogLik = Float[jax.Array | np.ndarray, "draws m"]
ORDERS = 6  # derivatives for which the cumulants are written out


class BayesQuartet(NamedTuple):
    r"""The four errors that the equations of state connect, one term per observation.

    Training errors have shape `(n,)`, generalization errors `(m,)` (one per new observation), in nats.

    **Source:** Watanabe (2018), section 6.3; Watanabe (2010).

    >>> BayesQuartet(*np.zeros((4, 2)))._fields
    ('bayes_generalization', 'bayes_training', 'gibbs_generalization', 'gibbs_training')
    """

    bayes_generalization: Any
    bayes_training: Any
    gibbs_generalization: Any
    gibbs_training: Any


@jax.jit
def _gibbs(log_lik, log_weights):
    if log_weights is None:
        return -log_lik.mean(0)
    return -(jax.nn.softmax(log_weights).astype(log_lik.dtype)[:, None] * log_lik).sum(0)


def gibbs_loss(log_lik: LogLik, *, log_weights: LogWeights | None = None) -> Pointwise:
    r"""Gibbs loss: the mean loss of one parameter drawn from the posterior, one term per observation.

    $$\mathbb{E}_w[L_n(w)] = -\frac1n \sum_i \mathbb{E}_w[\log p(X_i \mid w)]$$

    On the data it is the Gibbs training loss; on new data from the truth, the Gibbs generalization loss
    $\mathbb{E}_w[L(w)]$. By Jensen it is at least the Bayes loss of the same observation.

    **Arguments:** `log_lik`: $\log p(X_i \mid w_s)$, shape `(draws, n)`, in nats. `log_weights`: as in `training_loss`.
    **Returns:** shape `(n,)`, nats per observation; the loss is its `.mean()`.
    **Raises:** `ValueError` as in `training_loss`.
    **Source:** Watanabe (2018), section 6.3.

    >>> gibbs_loss(np.array([[-1.0, -2.0], [-3.0, -2.0]])).tolist()
    [2.0, 2.0]
    """
    a = check_log_lik(log_lik)
    return by_columns(_gibbs, a, check_log_weights(log_weights, a.shape[0]))


def bayes_quartet(
    log_lik: LogLik,
    log_lik_new: NewLogLik,
    *,
    best: Any,
    best_new: Any,
    log_weights: LogWeights | None = None,
) -> BayesQuartet:
    r"""Bayes and Gibbs errors in generalization and in training, relative to the best parameter $w_0$.

    $$B_g = G_n - L(w_0), \quad B_t = T_n - L_n(w_0), \quad G_g = \mathbb{E}_w[K(w)], \quad
    G_t = \mathbb{E}_w[K_n(w)]$$

    Over data sets they obey the equations of state, for every model, truth and prior of the theory:
    $\mathbb{E}[B_g - B_t] = \mathbb{E}[G_g - G_t] = 2 \beta\, \mathbb{E}[G_t - B_t]$ up to $o(1/n)$.

    **Arguments:** `log_lik`: shape `(draws, n)`, and `log_lik_new`: shape `(draws, m)`, for new observations of the
    truth, both in nats. `best`, `best_new`: $\log p(X_i \mid w_0)$ of the same observations, shapes `(n,)` and `(m,)`;
    $\log q(X_i)$ where the truth is realizable. `log_weights`: as in `training_loss`.
    **Returns:** `BayesQuartet` of terms in nats; the errors are their `.mean()`.
    **Raises:** `ValueError` as in `training_loss`, and for `best` of another shape.
    **Source:** Watanabe (2018), section 6.3; Watanabe (2010).

    >>> log_lik = np.log(np.array([[0.5, 0.2], [0.3, 0.4]]))
    >>> found = bayes_quartet(log_lik, log_lik, best=np.log([0.4, 0.3]), best_new=np.log([0.4, 0.3]))
    >>> abs(found.bayes_training).max() < 1e-9, found.gibbs_training.min() > 0  # Gibbs is never below Bayes
    (np.True_, np.True_)
    """
    for name, terms, matrix in (("best", best, log_lik), ("best_new", best_new, log_lik_new)):
        if np.shape(terms) != np.shape(matrix)[1:]:
            raise ValueError(
                f"{name} must hold log p(X_i | w_0) of the same observations, shape {np.shape(matrix)[1:]}; got "
                f"{np.shape(terms)}."
            )
    new = generalization_loss(log_lik_new, log_weights=log_weights) + best_new
    return BayesQuartet(
        new,
        training_loss(log_lik, log_weights=log_weights) + best,
        gibbs_loss(log_lik_new, log_weights=log_weights) + best_new,
        gibbs_loss(log_lik, log_weights=log_weights) + best,
    )


@partial(jax.jit, static_argnames="order")
def _cumulant(log_lik, log_weights, alpha, order):
    alpha = jnp.asarray(alpha).astype(log_lik.dtype)
    if order == 0:
        return unchecked_log_mean_exp(alpha * log_lik, log_weights=log_weights)
    tilt = alpha * log_lik
    if log_weights is not None:
        tilt = tilt + log_weights.astype(log_lik.dtype)[:, None]
    w = jax.nn.softmax(tilt, axis=0)
    mean = (w * log_lik).sum(0)
    if order == 1:
        return mean
    d = log_lik - mean
    m2, m3, m4, m5, m6 = ((w * d**k).sum(0) for k in range(2, 7))
    cumulants = {
        2: m2,
        3: m3,
        4: m4 - 3 * m2**2,
        5: m5 - 10 * m3 * m2,
        6: m6 - 15 * m4 * m2 - 10 * m3**2 + 30 * m2**3,
    }
    return cumulants[order]


def cumulant_function(
    log_lik: LogLik, alpha: float, *, order: int = 0, log_weights: LogWeights | None = None
) -> Pointwise:
    r"""The cumulant generating function $\mathcal{T}_n(\alpha)$ or one of its derivatives, one term per observation.

    $$\mathcal{T}_n(\alpha) = \frac1n \sum_i \log \mathbb{E}_w[p(X_i \mid w)^\alpha]$$

    Everything in one curve, at $\beta = 1$: $T_n = -\mathcal{T}_n(1)$, $C_n = \mathcal{T}_n(-1)$,
    $V_n = n \mathcal{T}_n''(0)$, and the Gibbs training loss is $-\mathcal{T}_n'(0)$. The $k$-th derivative is the
    $k$-th cumulant of $\log p(X_i \mid w)$ under the posterior weighted by $p(X_i \mid w)^\alpha$.

    **Arguments:** `log_lik`: $\log p(X_i \mid w_s)$, shape `(draws, n)`, in nats; held-out data give
    $\mathcal{G}_n(\alpha)$. `alpha`: a number. `order`: which derivative, 0 to 6. `log_weights`: as in `training_loss`.
    **Returns:** shape `(n,)`, nats to the power `order` (nats at 0); $\mathcal{T}_n^{(k)}(\alpha)$ is its `.mean()`.
    **Raises:** `ValueError` as in `training_loss`, for an `alpha` that is not a finite number, for another `order`.
    **Source:** Watanabe (2018), section 3.3.

    >>> log_lik = np.array([[-1.0, -2.0], [-3.0, -2.0]])
    >>> cumulant_function(log_lik, 0.0, order=2).tolist()  # posterior variances
    [1.0, 0.0]
    """
    a = check_log_lik(log_lik)
    w = check_log_weights(log_weights, a.shape[0])
    if not is_tracer(alpha) and not (np.ndim(alpha) == 0 and np.isfinite(alpha)):
        raise ValueError(f"alpha must be a finite number; got {alpha!r}. For many, use jax.vmap over alpha.")
    if order not in range(ORDERS + 1):
        raise ValueError(f"order must be a whole number from 0 to {ORDERS}; got {order!r}.")
    return in_input_precision(lambda a, w: _cumulant(a, w, alpha, int(order)), a, w)
