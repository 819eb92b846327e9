"""The tail of weights: how many of them it is, and a generalized Pareto distribution fitted to it (floor 0)."""

import numpy as np

FACTORS = 8  # numbers multiplied before one logarithm is taken of them
PRIOR_DRAWS, PRIOR_K = 10, 0.5  # the fit's prior: ten tail draws of a distribution with that shape
NEGLIGIBLE = 1e-12  # tail weights that agree to this are bounded


def tail_size(draws: int) -> int:
    """How many of the largest weights are smoothed."""
    return min(int(3 * np.sqrt(draws)) if draws > 225 else draws // 5, draws - 1)


def shape(log_w: np.ndarray) -> float:
    """Shape $k$ of the upper tail of weights `(draws,)`, at least 25 of them; minus infinity where it has no spread."""
    r = np.sort(log_w)[-tail_size(log_w.size) - 1 :]
    excess = np.exp(r[1:] - r[-1]) - np.exp(r[0] - r[-1])
    with np.errstate(all="ignore"):
        return float(fit(excess[None])[0][0]) if -np.expm1(r[0] - r[-1]) > NEGLIGIBLE else -np.inf


def fit(excess: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Shape $k$ and scale $\sigma$ of generalized Pareto distributions, one fit per row.

    $$F(x) = 1 - \left(1 + \frac{k x}{\sigma}\right)^{-1/k}$$

    The profile likelihood in $b = -k/\sigma$ is averaged over a grid of $b$; $k$ is drawn towards one half.

    **Arguments:** `excess`: shape `(rows, M)`, nonnegative, ascending.
    **Returns:** two arrays `(rows,)`; NaN where the lowest quarter of a row is a single value.
    **Source:** Zhang and Stephens (2009); the prior is that of Vehtari et al. (2024), appendix C.

    >>> p = (np.arange(1000) + 0.5) / 1000
    >>> k, scale = fit(np.array([np.expm1(-0.4 * np.log1p(-p)) / 0.4 * 2.0]))  # quantiles for k = 0.4, scale 2
    >>> round(float(k[0]), 1), round(float(scale[0]), 1)
    (0.4, 2.0)
    """
    m = excess.shape[1]
    grid = 30 + int(m**0.5)
    quartile, largest = excess[:, int(m / 4 + 0.5) - 1], excess[:, -1]
    b = (1 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))) / (3 * quartile[:, None]) + 1 / largest[:, None]
    mean_log = _mean_log1p(b, excess)
    log_likelihood = m * (np.log(-b / mean_log) - mean_log - 1)
    weight = np.exp(log_likelihood - log_sum_exp(log_likelihood)[:, None])
    weight = np.where(weight >= 10 * np.finfo(float).eps, weight, 0.0)
    b_mean = (b * weight).sum(1) / weight.sum(1)
    raw = np.log1p(-b_mean[:, None] * excess).mean(1)
    k = (m * raw + PRIOR_DRAWS * PRIOR_K) / (m + PRIOR_DRAWS)
    k = np.where(np.isnan(k), np.inf, k)
    return np.where(quartile > excess[:, 0], k, np.nan), -raw / b_mean


def _mean_log1p(b: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Mean over the last axis of log(1 - b x), one logarithm for several factors; shapes `(rows, g)`, `(rows, m)`."""
    rows, m = x.shape
    wide = np.flatnonzero(~(np.abs(b[:, 0] * x[:, -1]) < 1e30))  # a product of factors could overflow
    if wide.size == rows:
        return np.log1p(-b[:, :, None] * x[:, None]).mean(2)
    groups = -(-m // FACTORS)
    padded = np.zeros((rows, FACTORS, groups))
    padded.reshape(rows, -1)[:, :m] = x
    minus_b = -b[:, :, None]
    product = minus_b * padded[:, None, 0]
    product += 1
    factor = np.empty_like(product)
    for j in range(1, FACTORS):
        np.multiply(minus_b, padded[:, None, j], out=factor)
        factor += 1
        product *= factor
    mean = np.log(product, out=product).sum(2) / m
    if wide.size:
        mean[wide] = _mean_log1p(b[wide], x[wide])
    return mean


def log_sum_exp(a: np.ndarray) -> np.ndarray:
    """Of each row."""
    most = a.max(1, keepdims=True)
    return np.log(np.exp(a - most).sum(1)) + most[:, 0]
