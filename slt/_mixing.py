r"""Whether chains have mixed: R-hat and the effective number of draws, of all quantities at once (floor 0).

ArviZ takes one quantity after the other; here sorting, transforms and sums go over all of them, to the same figures. It
matters where thousands of data sets are judged, and nothing heavy is loaded.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from scipy.fft import next_fast_len
from scipy.special import ndtri

TAIL = (0.05, 0.95)


def rhat(x: Any) -> Any:
    r"""Split, rank-normalized $\hat R$ of one quantity or of many.

    $$\hat R = \sqrt{\frac{\frac{S-1}{S} W + \frac1S B}{W}}$$

    where $W$ is the variance within half-chains and $B/S$ the one between their means, the larger of the figures
    for the ranks and for the ranks of the distances from the median.

    **Arguments:** `x`: shape `(chains, draws)` or `(chains, draws, ...)`, at least four draws. One chain, of at least
    eight draws, is judged as two: its first and its second half.
    **Returns:** a float, or an array of the remaining shape; near 1 when the chains agree, NaN when nothing moved.
    **Raises:** `ValueError` if the first two axes are missing or there are too few draws.
    **Source:** Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021).

    >>> bool(rhat(np.random.default_rng(0).normal(size=(4, 500))) < 1.01)
    True
    """
    a, shape = _columns("rhat", x)
    halves = _split(_split(a)) if a.shape[1] == 1 else _split(a)
    if a.shape[1] == 1 and a.shape[2] < 8:
        return _back(np.full(len(a), np.nan), a, shape)
    middle = np.median(halves, axis=(1, 2), keepdims=True)
    bulk, spread = _between(_scores(halves)), _between(_scores(abs(halves - middle)))
    return _back(np.where(spread > bulk, spread, bulk), a, shape)


def ess(x: Any, *, method: str = "bulk") -> Any:
    r"""Effective sample size: how many independent draws the chains are worth.

    $$\mathrm{ESS} = \frac{S}{1 + 2 \sum_{t \ge 1} \hat\rho_t}$$

    summed over Geyer's initial monotone sequence.

    **Arguments:** `x`: as in `rhat`. `method`: `"bulk"` (ranks), `"tail"` (the worse of the 5 % and 95 % quantiles) or
    `"mean"` (the values themselves, for the standard error of a posterior mean).
    **Returns:** a float, or an array of the remaining shape.
    **Raises:** `ValueError` as in `rhat`.
    **Source:** Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021).

    >>> bool(1500 < ess(np.random.default_rng(0).normal(size=(4, 500))) < 2500)
    True
    """
    a, shape = _columns("ess", x)
    if method == "tail":
        cuts = np.quantile(a, TAIL, axis=(1, 2), keepdims=True)
        low, high = (_effective(_split((a <= cut).astype(np.float64))) for cut in cuts)
        return _back(np.where(high < low, high, low), a, shape)
    halves = _split(a)
    return _back(_effective(_scores(halves) if method == "bulk" else halves), a, shape)


def _columns(name: str, x: Any) -> tuple[np.ndarray, tuple[int, ...]]:
    """Shape `(quantities, chains, draws)`, and the shape of the quantities."""
    a = np.asarray(x, dtype=np.float64)
    if a.ndim < 2 or a.shape[1] < 4:
        raise ValueError(f"{name} needs shape (chains, draws, ...) with at least four draws; got {a.shape}.")
    return np.ascontiguousarray(np.moveaxis(a.reshape(*a.shape[:2], -1), -1, 0)), a.shape[2:]


def _back(found: np.ndarray, a: np.ndarray, shape: tuple[int, ...]) -> Any:
    """A float or an array, NaN where a draw is."""
    found = np.where(np.isnan(a).any((1, 2)), np.nan, found)
    return found.reshape(shape) if shape else float(found[0])


def _split(a: np.ndarray) -> np.ndarray:
    """Halves as chains; of an odd number the middle draw is left out."""
    half = a.shape[2] // 2
    return np.concatenate([a[:, :, :half], a[:, :, -half:]], axis=1)


def _scores(a: np.ndarray) -> np.ndarray:
    """Normal scores of the ranks among all draws of a quantity; equal draws share the mean of their ranks."""
    flat = a.reshape(len(a), -1)
    size = flat.shape[1]
    order = np.argsort(flat, axis=1)
    ascending = np.take_along_axis(flat, order, axis=1)
    new = np.ones(flat.shape, bool)  # where a run of equal draws begins
    new[:, 1:] = ascending[:, 1:] != ascending[:, :-1]
    starts = np.flatnonzero(new)
    lengths = np.diff(starts, append=flat.size)
    scores = np.empty_like(flat)
    of_runs = _quantiles(size)[2 * (starts % size) + lengths - 1]
    np.put_along_axis(scores, order, np.repeat(of_runs, lengths).reshape(flat.shape), axis=1)
    return scores.reshape(a.shape)


@lru_cache(maxsize=8)
def _quantiles(size: int) -> np.ndarray:
    """Normal scores of the ranks 1, 1.5, 2, ..., `size`."""
    return ndtri((1 + 0.5 * np.arange(2 * size - 1) - 3 / 8) / (size + 1 / 4))


def _between(a: np.ndarray) -> np.ndarray:
    """The square root of the variance with the one between chains over the variance within."""
    size = a.shape[2]
    within, between = a.var(2, ddof=1).mean(1), size * a.mean(2).var(1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt((between / within + size - 1) / size)


def _effective(a: np.ndarray) -> np.ndarray:
    """The effective number of draws of each quantity."""
    _, chains, size = a.shape
    every = chains * size
    still = a.max((1, 2)) - a.min((1, 2)) < 1e-15
    with np.errstate(divide="ignore", invalid="ignore"):
        centred = a - a.mean(2, keepdims=True)
        spectrum = np.fft.rfft(centred, n=next_fast_len(2 * size, real=True), axis=2)
        power = (spectrum.real**2 + spectrum.imag**2).mean(1)
        lags = np.fft.irfft(power, n=next_fast_len(2 * size, real=True), axis=1)[:, :size] / size
        within = lags[:, :1] * size / (size - 1)
        total = lags[:, :1] + (a.mean(2).var(1, ddof=1)[:, None] if chains > 1 else 0)
        rho = 1 - (within - lags) / total
    rho[:, 0] = 1
    count = max((size - 3) // 2, 0) + 1  # pairs of lags
    even = rho[:, : 2 * count : 2]
    pairs = even + rho[:, 1 : 2 * count : 2]
    stops = ~(pairs > 0)
    last = np.where(stops.any(1), stops.argmax(1), count - 1)  # the pair that is not positive, or the last one
    summed = np.where(np.arange(count) < last[:, None], np.minimum.accumulate(pairs, axis=1), 0).sum(1)
    there = np.arange(len(a)), last
    rest = np.where((even[there] > 0) | (pairs[there] >= 0), even[there], 0)
    time = np.maximum(2 * summed + rest - 1, 1 / np.log10(every))
    time = np.where(np.isnan(pairs[there]), np.nan, time)
    return np.where(still, every, every / time)
