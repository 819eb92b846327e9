r"""$\lambda$ and $m$ from the volume of $\{K < \epsilon\}$ as $\epsilon$ falls."""

from typing import Any

import numpy as np

from slt._arrays import MeanSE
from slt.estimate.record import Estimate, check_one, finish
from slt.estimate.volume import Volumes, log_mean

DECIDED = 6.0  # by which the criterion of one multiplicity must be below that of another
MOST = 3  # multiplicities that are compared, if there are as many parameters
REPLICAS = 11  # for ten degrees of freedom
DECADES = 4.0  # of epsilon that the window should span


def from_volumes(volumes: Volumes, *, multiplicity: int | None = None, largest: float = 0.05) -> Estimate:
    r"""$\lambda$, and $m$ if it is not given, from prior volumes.

    $$\log V(\epsilon) = c + \lambda \log\epsilon + (m - 1) \log(-\log\epsilon + a) + o(1)$$

    fitted by least squares to the increments between levels, which is generalized least squares: the errors of
    $\log \hat V$ add up from level to level. The error comes from leaving out one replica at a time. Without
    `multiplicity` the candidates $m = 1, \dots, \min(d, 3)$ are compared by the misfit plus two for each parameter;
    an $m$ of four and more has to be given.

    The systematic part is read off the bend that is left: with $\hat\lambda'$ from the deeper half of the levels alone
    (and the same $a$), it lies between $0$ and $2(\hat\lambda - \hat\lambda')$, give or take the standard error of
    that. It covers a correction $\epsilon^{\delta}$ if the window spans more than $2 \log 3/\delta$ in $\log\epsilon$.
    Where candidates for $m$ are undecided, the estimates that belong to them are covered too. And since a close next
    pole bends the curve as $m > 1$ does, as with $\epsilon^{5/12}$ and $\epsilon^{1/2}$ of $(x^2 - y^3)^2$, what
    $m = 1$ would give is covered whenever $m$ was not given. Give it where you know it.

    **Arguments:** `volumes`: from `slt.estimate.volumes`. `multiplicity`: $m$ if known. `largest`: levels with
    $\hat V$ above this are left out.
    **Returns:** `Estimate` of $\lambda$; `multiplicity` is the chosen $m$ (with error 0 if decided, 1 if not) where it
    was not given; `diagnostics` has `misfit` and `rlct` by $m$, and the `window` of $\epsilon$.
    **Raises:** `ValueError` if fewer than six levels or two replicas are left, a replica died out, or `multiplicity` is
    above $d$. Warns (`SltWarning`) if the window spans less than four decades of $\epsilon$, if $m$ is undecided or may
    be above three, or if there are fewer than eleven replicas.
    **Source:** Watanabe (2009), theorem 7.1 for $V$; the fit as derived here.

    >>> epsilon = np.exp(-np.arange(1.0, 30.0))  # twelve replicas around V = ε^(3/4)
    >>> log_v = 0.75 * np.log(epsilon) + np.cumsum(np.full((12, 29), 0.001) * ([[1], [-1]] * 6), axis=1)
    >>> estimate = from_volumes(Volumes(epsilon, log_v, np.ones(29), 1), multiplicity=1)
    >>> round(estimate.value, 3), round(estimate.se, 4)
    (0.75, 0.0003)
    """
    if not (np.ndim(largest) == 0 and 0 < largest <= 1):
        raise ValueError(f"largest must be a volume, between 0 and 1; got {largest!r}.")
    y, d = volumes.log_volume, volumes.dimension
    if len(y) < 2:
        raise ValueError(f"the error is that between replicas, of which there is {len(y)}. Raise replicas.")
    if dead := int(np.isneginf(y).any(1).sum()):
        raise ValueError(f"{dead} of {len(y)} replicas died out: their log V is -inf. Raise particles, or smallest.")
    inside = volumes.log_mean < np.log(largest)
    x, y = np.log(volumes.epsilon[inside]), y[:, inside]
    if len(x) < 6:
        raise ValueError(
            f"{len(x)} levels have a volume below largest={largest}: at least six are wanted. Lower smallest=, or "
            "raise largest=."
        )
    candidates = range(1, min(d, MOST) + 1) if multiplicity is None else [check_one(multiplicity)]
    if candidates[-1] > d:
        raise ValueError(f"multiplicity is at most the number of parameters, {d}; got {multiplicity}.")
    rows = np.stack([log_mean(y), *(log_mean(np.delete(y, r, 0)) for r in range(len(y)))])
    unit = _unit(y)  # variance of an increment of the mean
    fits = {m: _fit(rows, x, m, _constants(x, m)) for m in candidates}
    misfit = {m: float(left[0] / unit + 2 * (1 + (m > 1))) for m, (_, left, _) in fits.items()}
    best = min(misfit, key=lambda m: misfit[m])
    rival = [m for m in candidates if m != best and misfit[m] < misfit[best] + DECIDED]
    value, left_out = fits[best][0][0], fits[best][0][1:]
    se = float(np.sqrt((len(y) - 1) * left_out.var()))
    # A close next pole under m = 1 bends the curve as m > 1 does: where m was chosen, m = 1 stays possible.
    possible = [best, *rival, *([1] if multiplicity is None else [])]
    ends = [end for m in possible for end in _extrapolated(rows, x, m, fits[m])]
    window = (float(np.exp(x[-1])), float(np.exp(x[0])))
    problems = []
    decades = (x[0] - x[-1]) / np.log(10)
    if decades < DECADES:
        problems.append(
            f"the window spans {decades:.1f} decades of epsilon (at least {DECADES:.0f} wanted): the slope is not yet "
            "the exponent. Lower smallest=."
        )
    if rival:
        text = ", ".join(f"m = {m}: rlct {fits[m][0][0]:.4f}" for m in sorted([best, *rival]))
        problems.append(
            f"the multiplicity is not decided ({text}): lower smallest=, raise particles=, or give multiplicity=."
        )
    if multiplicity is None and best == MOST < d:
        problems.append(
            f"m = {MOST} fits best and is the largest that is tried, but {d} parameters allow more: give multiplicity=."
        )
    if len(y) < REPLICAS:
        problems.append(
            f"the error comes from {len(y)} replicas (at least {REPLICAS} wanted): two standard errors cover less than "
            "95 per cent. Raise replicas."
        )
    chosen = None if multiplicity is not None else MeanSE(float(best), float(bool(rival)))
    return finish(
        value,
        se,
        "volume scaling",
        problems,
        systematic=(float(value - max(ends)), float(value - min(ends))),
        reason=f"m = {best}, epsilon from {window[0]:.2g} to {window[1]:.2g}",
        multiplicity=chosen,
        diagnostics={"misfit": misfit, "rlct": {m: float(fits[m][0][0]) for m in candidates}, "window": window},
    )


def _extrapolated(rows: np.ndarray, x: np.ndarray, m: int, fit: Any) -> tuple[float, float]:
    """Between which exponents the truth lies if the slope of the deeper half goes on to change as it did."""
    slopes, _, constants = fit
    deep = np.arange(len(x)) >= len(x) // 2
    half = [_fit(row[None, deep], x[deep], m, a[None])[0][0] for row, a in zip(rows, constants, strict=True)]
    bends = 2 * (slopes - half)
    doubt = np.sqrt((len(rows) - 2) * bends[1:].var())
    return float(slopes[0] - max(0.0, bends[0] + doubt)), float(slopes[0] - min(0.0, bends[0] - doubt))


def _unit(y: np.ndarray) -> float:
    """Variance of an increment of the mean of log V, from how far replicas have drifted apart over all of them."""
    last = y[:, -1] - y[:, 0]
    return float(last.var(ddof=1) / len(y) / (y.shape[1] - 1)) + np.finfo(float).tiny


def _constants(x: np.ndarray, m: int) -> np.ndarray:
    """The constants a that are tried: those that keep -log ε + a positive, up to some windows."""
    return x.max() - x.min() * np.geomspace(0.02, 3.0, 400) if m > 1 else np.zeros(1)


def _fit(y: Any, x: np.ndarray, m: int, a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each row of y the exponent, the sum of squares of what is left of the increments, and the best of `a`."""
    dx, dy = np.diff(x), np.diff(y, axis=1)
    bend = (m - 1) * np.diff(np.log(a - x[:, None]), axis=0) if m > 1 else np.zeros((len(dx), 1))
    rest = dy[:, :, None] - bend  # (rows, k - 1, choices of a)
    slope = (dx @ rest) / (dx @ dx)
    left = ((rest - dx[:, None] * slope[:, None]) ** 2).sum(1)
    chosen = left.argmin(1)[:, None]
    return np.take_along_axis(slope, chosen, 1)[:, 0], np.take_along_axis(left, chosen, 1)[:, 0], a[chosen[:, 0]]
