r"""Approximations of the free energy from maximized likelihoods: BIC, and sBIC for singular models."""

from typing import Any

import numpy as np


def bic(max_log_lik: Any, dimension: Any, n: int) -> Any:
    r"""Bayesian information criterion, the leading terms of $F_n$ in a regular model.

    $$\mathrm{BIC} = n L_n(\hat w) + \frac d2 \log n$$

    **Arguments:** `max_log_lik`: $\sum_i \log p(X_i \mid \hat w)$ at the maximum, nats; a number or an array, one per
    model. `dimension`: $d$, the number of parameters. `n`: observations.
    **Returns:** nats, of the shape of the inputs; half of what is printed elsewhere as $-2\log p + d \log n$. In a
    singular model $d/2$ is too large: use `sbic`, or `wbic`.
    **Raises:** `ValueError` if the maximum is not finite, the dimension negative or `n < 1`.
    **Source:** Schwarz (1978).

    >>> round(float(bic(-191.6116, 12, 143)), 3)  # one factor for six exchange rates
    221.389
    """
    maximum, d = np.asarray(max_log_lik, dtype=np.float64), np.asarray(dimension, dtype=np.float64)
    _check(maximum, n)
    if not (d >= 0).all():
        raise ValueError(f"dimension must be a number of parameters, at least 0; got {dimension!r}.")
    out = -maximum + d / 2 * np.log(n)
    return float(out) if out.ndim == 0 else out


def sbic(max_log_lik: Any, rlct: Any, multiplicity: Any, *, n: int, weights: Any = None) -> np.ndarray:
    r"""Singular BIC of models that are ordered by inclusion: each averages over what the truth may be.

    $$L'_{ij} = e^{-n L_n(\hat w_i)}\, \frac{(\log n)^{m_{ij} - 1}}{n^{\lambda_{ij}}}, \qquad
    L_i = \frac{\sum_{j \le i} L'_{ij}\, P_j L_j}{\sum_{j \le i} P_j L_j}, \qquad \mathrm{sBIC}_i = -\log L_i$$

    where $(\lambda_{ij}, m_{ij})$ belong to model $i$ when the truth lies in submodel $j$. The equations are solved
    from the smallest model upwards; each is a quadratic with one positive root.

    **Arguments:** `max_log_lik`: $\sum_i \log p(X_i \mid \hat w_i)$ of each model, shape `(models,)`, nats.
    `rlct`: $\lambda_{ij}$, shape `(models, models)`, `nan` where $j$ is not a submodel of $i$. `multiplicity`:
    $m_{ij}$, the same shape. `n`: observations. `weights`: prior weights $P_i$ of the models; `None`: equal.
    **Returns:** shape `(models,)`, nats, smaller is better; $P_i e^{-\mathrm{sBIC}_i}$, normalized, are the
    approximate posterior probabilities of the models.
    **Raises:** `ValueError` for shapes that do not fit, a relation that is no partial order, a $\lambda$ or weight that
    is not positive, a multiplicity below 1, or $n < 3$.
    **Source:** Drton and Plummer (2017).

    >>> rlct = np.array([[3.0, np.nan], [4.5, 6.0]])  # six variables, no factor or one
    >>> sbic([-429.0, -191.6116], rlct, np.ones((2, 2)), n=143).round(3).tolist()
    [443.889, 221.389]
    """
    maximum = np.asarray(max_log_lik, dtype=np.float64)
    _check(maximum, n)
    models = maximum.size
    lam, m = np.asarray(rlct, dtype=np.float64), np.asarray(multiplicity, dtype=np.float64)
    p = np.ones(models) if weights is None else np.asarray(weights, dtype=np.float64)
    if maximum.ndim != 1 or lam.shape != (models, models) or m.shape != lam.shape or p.shape != (models,):
        raise ValueError(
            "max_log_lik must have shape (models,), rlct and multiplicity (models, models), weights (models,); got "
            f"{maximum.shape}, {lam.shape}, {m.shape}, {p.shape}."
        )
    if n < 3:
        raise ValueError(f"sbic needs log n > 1, at least three observations; got n={n}.")
    if not ((p > 0) & np.isfinite(p)).all():
        raise ValueError(f"weights must be positive, one per model; got {p.tolist()}.")
    below = _check_order(lam)
    if not (lam[below] > 0).all() or not (m[below] >= 1).all():
        raise ValueError("every rlct must be positive and every multiplicity at least 1 where j is a submodel of i.")
    log_local = maximum[:, None] - lam * np.log(n) + (m - 1) * np.log(np.log(n))
    log_p, log_l = np.log(p), np.full(models, np.nan)
    for i in np.argsort(below.sum(1), kind="stable"):  # a submodel has fewer submodels
        j = np.flatnonzero(below[i] & (np.arange(models) != i))
        rest = _log_sum(log_p[j] + log_l[j])
        mixed = _log_sum(log_local[i, j] + log_p[j] + log_l[j])
        log_l[i] = _positive_root(float(rest - log_p[i]), float(log_local[i, i]), float(mixed - log_p[i]))
    return -log_l


def _positive_root(log_a: float, log_b: float, log_c: float) -> float:
    """Logarithm of the positive root of L^2 + (a - b) L - c = 0, without cancellation."""
    scale = max(log_a, log_b, log_c / 2)
    a, b, root_c = np.exp(log_a - scale), np.exp(log_b - scale), np.exp(log_c / 2 - scale)
    s = np.hypot(a - b, 2 * root_c)
    if a > b:
        return float(log_c - scale + np.log(2) - np.log(a - b + s))
    return float(scale + np.log((b - a + s) / 2))


def _check(maximum: np.ndarray, n: int) -> None:
    if maximum.size == 0 or not np.isfinite(maximum).all():
        raise ValueError(
            f"max_log_lik must be finite, a total in nats for each model; got {maximum.tolist()}. A likelihood without "
            "a maximum (a mixture with free variances) has no BIC."
        )
    if not n >= 1:
        raise ValueError(f"n must be the number of observations, at least 1; got {n!r}.")


def _check_order(lam: np.ndarray) -> np.ndarray:
    """Which j are submodels of i, after a check that this is a partial order."""
    below = np.isfinite(lam)
    models = np.arange(len(lam))
    own = np.flatnonzero(~below[models, models])
    if own.size:
        raise ValueError(f"rlct[i, i] is missing for model(s) {own.tolist()}: a model contains itself.")
    cycles = np.argwhere(below & below.T & (models[:, None] < models))
    if cycles.size:
        i, j = cycles[0]
        raise ValueError(
            f"models {i} and {j} are submodels of each other: one of rlct[{i}, {j}], rlct[{j}, {i}] is nan."
        )
    through = np.argwhere((below.astype(int) @ below.astype(int) > 0) & ~below)
    if through.size:
        i, j = through[0]
        raise ValueError(f"model {j} is a submodel of a submodel of {i}, but rlct[{i}, {j}] is missing.")
    return below


def _log_sum(a: np.ndarray) -> float:
    return float(np.logaddexp.reduce(a)) if a.size else -np.inf
