r"""From draws at one inverse temperature: WBIC, and reweighting to another temperature."""

import warnings
from typing import Any, NamedTuple

import numpy as np

from slt._arrays import LogLik, SltWarning, check_beta, check_log_lik
from slt.energy.record import (
    FEW,
    HEAVY_TAIL,
    FreeEnergy,
    check_finite,
    effective_weights,
    estimate,
    mean_and_se,
    pareto_k,
    split,
)


class Reweighted(NamedTuple):
    r"""Weights that carry draws from one inverse temperature to another, and whether they can.

    `log_weights`, shape `(draws,)`, sum to one after exponentiation and serve every loss as `log_weights=`. `ess` is
    how many equal weights they are worth, `pareto_k` the shape of their tail: above 0.7 they are not to be trusted.

    **Source:** Watanabe (2013); Vehtari, Simpson, Gelman, Yao and Gabry (2024) for the diagnosis.

    >>> Reweighted(np.log([0.5, 0.5]), 2.0, 0.1).ess
    2.0
    """

    log_weights: np.ndarray
    ess: float
    pareto_k: float


def wbic(log_lik: LogLik, *, beta: float, chains: int = 1) -> FreeEnergy:
    r"""Widely applicable Bayesian information criterion, the loss at the inverse temperature $1/\log n$.

    $$\mathrm{WBIC} = \mathbb{E}_w^{\beta}[n L_n(w)] = -\mathbb{E}_w^{\beta}\Big[\sum_i \log p(X_i \mid w)\Big],
    \qquad \beta = \frac{1}{\log n}$$

    It approximates $F_n(1)$ and agrees with it in the orders $n$ and $\log n$ only: the constants (the density of the
    prior among them) and $(m - 1) \log\log n$ differ. The error here is that of the Monte Carlo average alone.

    **Arguments:** `log_lik`: $\log p(X_i \mid w_s)$, shape `(draws, n)`, untempered, draws from the posterior at
    inverse temperature `beta`, which must be $1/\log n$. `chains`: how many chains of equal length the draws are,
    one after the other.
    **Returns:** `FreeEnergy`, a total in nats, the approximation of $F_n$ at $\beta = 1$; `se` counts
    autocorrelation, by the effective sample size.
    **Raises:** `ValueError` if `log_lik` is no finite matrix, $n < 3$, `beta` is not $1/\log n$, or `chains` does not
    divide the draws. Warns (`SltWarning`) if the draws are worth fewer than 50 independent ones.
    **Source:** Watanabe (2013).

    >>> log_lik = np.log([[0.5, 0.2, 0.1], [0.4, 0.2, 0.2]] * 2)
    >>> round(wbic(log_lik, beta=1 / np.log(3)).value, 6)  # the mean of -log 0.01 and -log 0.016
    4.370168
    """
    a = np.asarray(check_log_lik(log_lik), dtype=np.float64)
    check_beta(beta)
    n = a.shape[1]
    if n < 3:
        raise ValueError(f"WBIC needs log n > 1, at least three observations; got n={n}. Compute F itself there.")
    if not np.isclose(beta * np.log(n), 1.0, rtol=1e-4):
        raise ValueError(
            f"WBIC is the average at beta = 1/log n = {1 / np.log(n):.6g} for n = {n}; these draws are at beta="
            f"{beta:.6g}. Draw there: slt.nuts(key, model, x, beta=1 / np.log({n})). Weights cannot bridge that gap."
        )
    total = split(-a.sum(1), chains)
    value, se = mean_and_se(total)
    independent = float((total.std() / se) ** 2) if se > 0 else float(total.size)
    few = [] if independent >= FEW or total.size < FEW else [_few(independent)]
    return estimate(value, se, 1.0, "WBIC", few, {"ess": independent})


def reweight(log_lik: Any, *, beta: float, to: float) -> Reweighted:
    r"""Weights that turn draws at one inverse temperature into draws at a neighbouring one.

    $$\omega_s \propto \exp\Big((\beta' - \beta) \sum_i \log p(X_i \mid w_s)\Big)$$

    **Arguments:** `log_lik`: $\log p(X_i \mid w_s)$, shape `(draws, n)`, or its sums over observations, shape
    `(draws,)`; draws at inverse temperature `beta`. `to`: $\beta'$.
    **Returns:** `Reweighted(log_weights, ess, pareto_k)`.
    **Raises:** `ValueError` for a temperature that is negative or not finite, and for log-likelihoods that are not.
    Warns (`SltWarning`) if the tail shape exceeds 0.7 or the weights are worth fewer than 50 draws: the temperatures
    are too far apart, and averages with these weights are wrong.
    **Source:** Watanabe (2013), where $\lambda$ is found from two neighbouring temperatures.

    >>> weights = reweight(np.linspace(-1.0, 1.0, 100), beta=1.0, to=1.5)
    >>> bool(np.isclose(np.exp(weights.log_weights).sum(), 1.0)), round(weights.ess)
    (True, 92)
    """
    for name, value in (("beta", beta), ("to", to)):
        if not (np.ndim(value) == 0 and np.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be an inverse temperature, a finite number >= 0; got {value!r}.")
    a = np.asarray(log_lik, dtype=np.float64)
    if a.ndim not in (1, 2) or a.shape[0] < 4:
        raise ValueError(
            f"log_lik must have shape (draws, n), or (draws,) if summed over observations; got {a.shape}. "
            "Merge chains first, and give at least four draws."
        )
    total = check_finite(a, "log_lik").reshape(len(a), -1).sum(1)
    log_w = (to - beta) * total
    log_w = log_w - log_w.max()
    log_w = log_w - np.log(np.exp(log_w).sum())
    worth, k = effective_weights(log_w), pareto_k(log_w)
    if k > HEAVY_TAIL or worth < min(FEW, len(a) / 2):
        warnings.warn(
            f"reweighting from beta={beta:.4g} to {to:.4g}: {len(a)} draws are worth {worth:.1f} there (Pareto k = "
            f"{k:.2f}, threshold {HEAVY_TAIL}). The temperatures are too far apart: put rungs between them, or draw "
            f"at beta={to:.4g} itself.",
            SltWarning,
            stacklevel=2,
        )
    return Reweighted(log_w, worth, k)


def _few(independent: float) -> str:
    return (
        f"the draws are worth {independent:.0f} independent ones (wanted {FEW}), so that the error is itself "
        "uncertain. Draw longer."
    )
