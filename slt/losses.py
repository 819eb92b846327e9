r"""Training, cross-validation, WAIC and generalization losses from the matrix $\log p(X_i \mid w_s)$ (floor 2).

Each function takes `log_lik`, shape `(draws, n)`, and returns `(n,)` terms in nats per observation. The book's symbol
is `.mean()`; its standard error is `slt.mean_se(terms).se`; two models on the same data are compared by
`slt.mean_se(terms_a - terms_b)`. The matrix may come from any sampler; `log_weights` serves quadrature and importance
sampling.
"""

import warnings
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from slt._arrays import (
    Beta,
    LogLik,
    LogWeights,
    Pointwise,
    SltWarning,
    by_columns,
    check_beta,
    check_log_lik,
    check_log_weights,
    is_tracer,
)
from slt._arrays import unchecked_log_mean_exp as log_mean_exp
from slt._pareto import heavy, k_threshold, smoothed_cv
from slt._work import say


@jax.jit
def _predictive_loss(log_lik, log_weights):
    return -log_mean_exp(log_lik, log_weights=log_weights)


@jax.jit
def _variance(log_lik, log_weights):
    if log_weights is None:
        return jnp.var(log_lik, axis=0)
    w = jax.nn.softmax(log_weights.astype(jnp.promote_types(log_weights.dtype, log_lik.dtype)))
    w = w.astype(log_lik.dtype)[:, None]
    mean = (w * log_lik).sum(0)
    return (w * (log_lik - mean) ** 2).sum(0)


@jax.jit
def _waic(log_lik, log_weights, beta):
    variance = _variance(log_lik, log_weights)
    return _predictive_loss(log_lik, log_weights) + jnp.asarray(beta, log_lik.dtype) * variance


@jax.jit
def _importance_cv(log_lik, log_weights, beta):
    beta = jnp.asarray(beta, log_lik.dtype)
    deleted = log_mean_exp(-beta * log_lik, log_weights=log_weights)
    return deleted - log_mean_exp((1 - beta) * log_lik, log_weights=log_weights)


@jax.jit
def _truncated_cv(log_lik, beta):
    log_ratios = -jnp.asarray(beta, log_lik.dtype) * log_lik
    cap = log_mean_exp(log_ratios) + np.log(log_lik.shape[0]) / 2
    weights = jnp.minimum(log_ratios, cap)
    return log_mean_exp(weights) - log_mean_exp(weights + log_lik)


def training_loss(log_lik: LogLik, *, log_weights: LogWeights | None = None) -> Pointwise:
    r"""Training loss $T_n$, one term per observation.

    $$T_n = -\frac1n \sum_i \log \mathbb{E}_w[p(X_i \mid w)]$$

    **Arguments:** `log_lik`: $\log p(X_i \mid w_s)$, shape `(draws, n)`, in nats, draws from the posterior.
    `log_weights`: log posterior weights of the draws, shape `(draws,)`, up to a constant; `None` for equal weights.
    **Returns:** shape `(n,)`, nats per observation; $T_n$ is its `.mean()`. Type and precision are those of `log_lik`.
    **Raises:** `ValueError` if `log_lik` is not 2-D, has one draw or no observation, or is not finite, and if the
    weights do not fit it or are no logarithms of weights.
    **Source:** Watanabe (2018), section 1.6.

    >>> log_lik = jnp.log(jnp.array([[0.5, 0.2], [0.3, 0.4]]))
    >>> jnp.exp(-training_loss(log_lik)).round(6).tolist() == jnp.array([0.4, 0.3]).round(6).tolist()
    True
    """
    a = check_log_lik(log_lik)
    return by_columns(_predictive_loss, a, check_log_weights(log_weights, a.shape[0]))


def generalization_loss(log_lik_new: LogLik, *, log_weights: LogWeights | None = None) -> Pointwise:
    r"""Generalization loss $G_n$ estimated on data that the posterior has not seen, one term per new observation.

    $$G_n = -\int q(x) \log \mathbb{E}_w[p(x \mid w)]\,dx
    \approx -\frac1m \sum_{j=1}^m \log \mathbb{E}_w[p(X'_j \mid w)], \qquad X'_j \sim q$$

    **Arguments:** `log_lik_new`: $\log p(X'_j \mid w_s)$, shape `(draws, m)`, in nats, for new observations from the
    truth. `log_weights`: as in `training_loss`.
    **Returns:** shape `(m,)`, nats per observation; the estimate of $G_n$ is its `.mean()`.
    **Raises:** `ValueError` as in `training_loss`.
    **Source:** Watanabe (2018), section 1.6.

    >>> log_lik_new = jnp.log(jnp.array([[0.5, 0.2], [0.3, 0.4]]))
    >>> bool(jnp.allclose(generalization_loss(log_lik_new), -jnp.log(jnp.array([0.4, 0.3]))))
    True
    """
    a = check_log_lik(log_lik_new, name="log_lik_new")
    return by_columns(_predictive_loss, a, check_log_weights(log_weights, a.shape[0]))


def functional_variance(log_lik: LogLik, *, log_weights: LogWeights | None = None) -> Pointwise:
    r"""Functional variance $V_n$: posterior variance of the log-likelihood, one term per observation.

    $$V_n = \sum_i \mathbb{V}_w[\log p(X_i \mid w)]$$

    **Arguments:** `log_lik`: $\log p(X_i \mid w_s)$, shape `(draws, n)`, in nats. `log_weights`: as in `training_loss`.
    **Returns:** shape `(n,)`, nats²; $V_n$ is its `.sum()` (not its mean). Variance over draws with `ddof=0`
    (R's loo uses `ddof=1`).
    **Raises:** `ValueError` as in `training_loss`.
    **Source:** Watanabe (2018), section 1.6; Watanabe (2010).

    >>> functional_variance(jnp.array([[-1.0, -2.0], [-3.0, -2.0]])).tolist()
    [1.0, 0.0]
    """
    a = check_log_lik(log_lik)
    return by_columns(_variance, a, check_log_weights(log_weights, a.shape[0]))


def waic_loss(log_lik: LogLik, *, beta: Beta = 1.0, log_weights: LogWeights | None = None) -> Pointwise:
    r"""Widely applicable information criterion $W_n$, one term per observation.

    $$W_n = T_n + \frac{\beta}{n} \sum_i \mathbb{V}_w[\log p(X_i \mid w)]$$

    **Arguments:** `log_lik`: $\log p(X_i \mid w_s)$, shape `(draws, n)`, in nats, untempered, draws from the posterior
    at inverse temperature `beta`. `log_weights`: as in `training_loss`.
    **Returns:** shape `(n,)`, nats per observation; $W_n$ is its `.mean()`. The deviance scale is $2nW_n$, the elpd
    scale $-nW_n$. It estimates the same thing as cross-validation: the loss of prediction, not the evidence.
    **Raises:** `ValueError` as in `training_loss`, or if `beta` is not positive.
    **Source:** Watanabe (2018), section 1.6; Watanabe (2010); posterior variance with `ddof=0`.

    >>> log_lik = jnp.log(jnp.array([[0.5, 0.2], [0.5, 0.2]]))  # equal draws: V = 0
    >>> bool(jnp.allclose(waic_loss(log_lik), training_loss(log_lik)))
    True
    """
    check_beta(beta)
    a = check_log_lik(log_lik)
    return by_columns(_waic, a, check_log_weights(log_weights, a.shape[0]), beta)


def cv_loss(
    log_lik: LogLik,
    *,
    beta: Beta = 1.0,
    method: Literal["psis", "plain", "truncated"] = "psis",
    log_weights: LogWeights | None = None,
    refit: Callable[[np.ndarray], Any] | None = None,
) -> Pointwise:
    r"""Leave-one-out cross-validation loss $C_n$ by importance sampling, one term per observation.

    $$C_n = -\frac1n \sum_i \log
    \frac{\mathbb{E}_w[p(X_i \mid w)^{1-\beta}]}{\mathbb{E}_w[p(X_i \mid w)^{-\beta}]},
    \qquad\text{at } \beta = 1\text{:}\quad C_n = \frac1n \sum_i \log \mathbb{E}_w\Big[\frac{1}{p(X_i \mid w)}\Big]$$

    **Arguments:** `log_lik`: $\log p(X_i \mid w_s)$, shape `(draws, n)`, in nats, untempered, draws from the posterior
    at inverse temperature `beta`. `method`: `"psis"` smooths the largest importance weights $p(X_i \mid w_s)^{-\beta}$
    by a fitted generalized Pareto distribution, as `arviz.loo(tree, reff=1)`, and warns where its shape $k$ is too
    large; `"plain"` is the formula above; `"truncated"` cuts the weights off at $\sqrt S$ times their mean.
    `log_weights`: as in `training_loss`; they need `method="plain"`. `refit`: with `"psis"`, a function of an array of
    indices that returns the exact terms of those observations, as `slt.refit` makes one; it is called once, with the
    indices whose $k$ is too large.
    **Returns:** shape `(n,)`, nats per observation; $C_n$ is its `.mean()`.
    **Raises:** `ValueError` as in `waic_loss`, for an unknown method, for weights or `refit` with another method than
    theirs, for `"psis"` with fewer than 25 draws or under `jit`, and if `refit` returns another shape or numbers that
    are not finite. Warns (`SltWarning`) with the observations whose $k$ exceeds $\min(1 - 1/\log_{10} S, 0.7)$ unless
    `refit` is given.
    **Source:** Watanabe (2018), section 1.6; Vehtari, Gelman and Gabry (2017) for the smoothing; Ionides (2008) for
    the truncation.

    >>> log_lik = jnp.log(jnp.array([[0.5, 0.2], [0.25, 0.2]]))
    >>> jnp.exp(cv_loss(log_lik, method="plain")).round(4).tolist()  # means of 1/p: (2 + 4)/2 and 5
    [3.0, 5.0]
    """
    check_beta(beta)
    a = check_log_lik(log_lik)
    w = check_log_weights(log_weights, a.shape[0])
    if method not in ("psis", "plain", "truncated"):
        raise ValueError(f'method must be "psis", "plain" or "truncated"; got {method!r}.')
    if refit is not None and method != "psis":
        raise ValueError(f'refit replaces the terms that method="psis" flags; got method={method!r}.')
    if method == "plain":
        return by_columns(_importance_cv, a, w, beta)
    if w is not None:
        raise ValueError(f'method="{method}" needs equally weighted draws; with log_weights use method="plain".')
    if method == "truncated":
        return by_columns(_truncated_cv, a, beta)
    terms, k = _smoothed(a, beta)
    flagged = np.flatnonzero(~(k <= k_threshold(a.shape[0])))
    if flagged.size and refit is None:
        warnings.warn(heavy(flagged, k, a.shape[0]), SltWarning, stacklevel=2)
    elif flagged.size and refit is not None:
        terms[flagged] = _refitted(refit, flagged, k.size)
    return jnp.asarray(terms, dtype=a.dtype) if isinstance(a, jax.Array) else terms.astype(a.dtype)


def pareto_k(log_lik: LogLik, *, beta: Beta = 1.0) -> np.ndarray:
    r"""Shape $\hat k$ of the tail of the importance weights of leave-one-out, one per observation.

    $$p(X_i \mid w_s)^{-\beta} \text{ has a finite moment of order } r \text{ iff (nearly) } k_i < 1/r$$

    **Arguments:** `log_lik`, `beta`: as in `cv_loss`.
    **Returns:** shape `(n,)`, no unit. Below 0.5 the weights have a finite variance; above
    $\min(1 - 1/\log_{10} S, 0.7)$ the term of `cv_loss` cannot be trusted: refit without that observation.
    **Raises:** `ValueError` as in `waic_loss`, for fewer than 25 draws, and under `jit`.
    **Source:** Vehtari, Simpson, Gelman, Yao and Gabry (2024); the fit is that of Zhang and Stephens (2009).

    >>> rng = np.random.default_rng(0)
    >>> tail = np.log(1 - rng.random((4000, 1))) * 0.4  # 1/p is Pareto distributed with k = 0.4
    >>> bool(abs(pareto_k(tail)[0] - 0.4) < 0.15)
    True
    """
    check_beta(beta)
    return _smoothed(check_log_lik(log_lik), beta)[1]


def _smoothed(log_lik: Any, beta: Any) -> tuple[np.ndarray, np.ndarray]:
    if is_tracer(log_lik, beta):
        raise ValueError('Pareto smoothing runs outside jit and vmap; inside them use cv_loss(..., method="plain").')
    return smoothed_cv(np.asarray(log_lik), beta=float(beta))


def _refitted(refit: Callable[[np.ndarray], Any], flagged: np.ndarray, n: int) -> np.ndarray:
    if (of := getattr(refit, "n", n)) != n:
        raise ValueError(
            f"log_lik has {n} columns, and refit leaves out one of {of} observations. If the columns are groups, say "
            "so there too: slt.refit(model, ..., groups=)."
        )
    seconds = getattr(refit, "seconds", None)
    cost = "" if seconds is None else f", about {seconds(flagged.size):.0f} s"
    say(f"refitting {flagged.size} of {n} observations{cost}")
    terms = np.asarray(refit(flagged), dtype=np.float64)
    if terms.shape != flagged.shape or not np.isfinite(terms).all():
        raise ValueError(
            f"refit must return one finite leave-one-out term for each of the {flagged.size} indices it is given; got "
            f"shape {terms.shape}{'' if np.isfinite(terms).all() else ' with entries that are not finite'}."
        )
    return terms
