r"""Pareto-smoothed importance sampling for leave-one-out, many observations at once (floor 1).

The importance weights of observation $i$ are $r_s = p(X_i \mid w_s)^{-\beta}$. The $M = 3\sqrt S$ largest are replaced
by quantiles of a generalized Pareto distribution fitted to them. A tile of observations goes through each step
together; tiles run side by side on the processor's cores.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from slt._tail import NEGLIGIBLE, fit, log_sum_exp, tail_size
from slt._work import workers

MINIMUM_DRAWS = 25  # the tail is a fifth of the draws and needs five of them
ENTRIES = 2**18  # of a tile: it stays in the cache
STRIP = 512


def smoothed_cv(log_lik: np.ndarray, *, beta: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    r"""Leave-one-out terms with smoothed weights, and the shape $\hat k$ of the tail of each observation's weights.

    $$-\log \frac{\sum_s \tilde\omega_{si}\, p(X_i \mid w_s)}{\sum_s \tilde\omega_{si}}$$

    **Arguments:** `log_lik`: shape `(draws, n)`, finite, float. `beta`: inverse temperature.
    **Returns:** the terms and $\hat k$, both `(n,)`, float64. A tail without spread has bounded weights: it is left as
    it is, with $\hat k = -\infty$; a tail that no generalized Pareto distribution fits likewise, with NaN.
    **Raises:** `ValueError` for fewer than 25 draws.
    **Source:** Vehtari, Simpson, Gelman, Yao and Gabry (2024); the fit is that of Zhang and Stephens (2009).

    >>> terms, k = smoothed_cv(np.full((100, 2), -1.5))
    >>> terms.round(12).tolist(), k.tolist()
    ([1.5, 1.5], [-inf, -inf])
    """
    draws, n = log_lik.shape
    if draws < MINIMUM_DRAWS:
        raise ValueError(
            f"Pareto smoothing needs at least {MINIMUM_DRAWS} draws to see a tail; got {draws}. Draw more, or use "
            'method="plain".'
        )
    dtype = np.float64 if log_lik.dtype.itemsize >= 8 else np.float32
    tail, width = tail_size(draws), max(1, ENTRIES // draws)

    def tile(lo: int) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(all="ignore"):
            log_p = np.empty((min(width, n - lo), draws), dtype)
            for s in range(0, draws, STRIP):  # strips of rows: the turned block stays in the cache
                log_p[:, s : s + STRIP] = log_lik[s : s + STRIP, lo : lo + width].T
            return _smooth(log_p, tail, beta)

    with ThreadPoolExecutor(workers()) as pool:
        terms, k = zip(*pool.map(tile, range(0, n, width)), strict=True)
    return np.concatenate(terms), np.concatenate(k)


def _smooth(log_p: np.ndarray, tail: int, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """One tile, shape `(columns, draws)`."""
    draws = log_p.shape[1]
    log_p.partition(tail, axis=1)  # the tail's weights belong to the smallest densities; entry `tail` is the cutoff
    low = np.sort(log_p[:, :tail], axis=1)[:, ::-1].astype(np.float64)  # from the cutoff to the largest weight
    least = low[:, -1:]
    ratio = -beta * (low - least)  # logarithms of weights, the largest 0
    cutoff = np.exp(-beta * (log_p[:, tail : tail + 1] - least))  # least is float64
    body = log_p[:, tail:]  # from here on in place: a fresh array of this size costs more than the arithmetic
    body -= least.astype(body.dtype)
    # log sum_s w p, less log p of the smallest density; over the body w p is a constant at beta = 1
    numerator = np.full(len(low), np.log(draws - tail))
    if beta != 1:
        numerator = log_sum_exp((1 - beta) * body.astype(np.float64))
    body *= -beta
    np.exp(body, out=body)
    body_weights = body.sum(1, dtype=np.float64)
    excess = np.exp(ratio) - cutoff
    k, scale = fit(excess)
    spread = 1 - cutoff[:, 0] > NEGLIGIBLE
    usable = spread & np.isfinite(k)
    p = (np.arange(tail) + 0.5) / tail
    quantile = scale[:, None] * np.expm1(-k[:, None] * np.log1p(-p)) / k[:, None]
    quantile = np.where(k[:, None] == 0, -scale[:, None] * np.log1p(-p), quantile)
    smoothed = np.where(usable[:, None], np.minimum(np.log(cutoff + quantile), 0.0), ratio)
    numerator = np.logaddexp(numerator, log_sum_exp(smoothed + low - least))
    denominator = np.log(body_weights + np.exp(smoothed).sum(1))
    return denominator - numerator - least[:, 0], np.where(spread, k, -np.inf)


def k_threshold(draws: int) -> float:
    """The Pareto k above which a leave-one-out term cannot be trusted."""
    return min(1 - 1 / np.log10(draws), 0.7)


def heavy(flagged: np.ndarray, k: np.ndarray, draws: int) -> str:
    """The sentence about the observations whose k is above it, and what to do."""
    shown = ", ".join(map(str, flagged[:10])) + (", ..." if flagged.size > 10 else "")
    return (
        f"Pareto k exceeds {k_threshold(draws):.2f} for {flagged.size} of {k.size} observations "
        f"(indices {shown}; largest k = {np.nanmax(k):.2f}): the posterior without such an observation is too far "
        "from the posterior with it, and its leave-one-out term is unreliable. Refit without each of them: "
        "slt.cv_loss(log_lik, refit=slt.refit(triple, *data)), where refit may be any function from these indices to "
        "exact terms."
    )
