"""Figures of estimated learning coefficients: what is random in them, and what no simulation removes."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from slt.estimate import expected
from slt.plots._style import COLORS, GREY, style


def systematic(
    n: Any, estimates: Sequence[Any], *, rlct: float, multiplicity: int = 1, method: str = "temperatures"
) -> Axes:
    r"""Estimates of $\lambda$ against $n$, between the curves on which theory expects them.

    $$\mathbb{E}[\hat\lambda_n] \approx \lambda - \frac{m - 1}{\log n\beta + a}, \qquad 0 \le a \le \frac1\lambda$$

    to leading order; the curves are those of `slt.estimate.expected` for the method.

    **Arguments:** `n`: sizes, shape `(k,)`. `estimates`: one `slt.estimate.Estimate` (or anything with `value` and
    `se`) for each. `rlct`, `multiplicity`: the true pair $(\lambda, m)$. `method`: which curve, as in
    `slt.estimate.expected`.
    **Returns:** the axes: bars of two standard errors, the band of the theory, and $\lambda$ as a dashed line.
    **Raises:** `ValueError` if there are not as many estimates as sizes, or as `slt.estimate.expected` does.
    **Source:** `slt.estimate.expected`.

    >>> from slt.estimate import Estimate
    >>> estimates = [Estimate(v, 0.01, "variance") for v in (0.32, 0.37, 0.40)]
    >>> axis = systematic([10**3, 10**4, 10**5], estimates, rlct=0.5, multiplicity=2, method="variance")
    >>> axis.get_xscale()
    'log'
    >>> plt.close(axis.figure)
    """
    size = np.asarray(n, dtype=np.float64)
    if size.ndim != 1 or len(size) != len(estimates):
        raise ValueError(f"n must have one size for each estimate; got shape {size.shape} and {len(estimates)}.")
    fine = np.geomspace(min(size.min(), max(3.0, size.min() / 1.5)), size.max() * 1.5, 200)
    low, high = expected(rlct, fine, multiplicity=multiplicity, method=method)  # pyright: ignore[reportArgumentType]
    with plt.rc_context(style()):
        _, axis = plt.subplots()
        axis.axhline(rlct, color=GREY, linestyle="--", label=f"λ = {rlct:.4g}")
        axis.fill_between(fine, low, high, color=COLORS[1], alpha=0.25, label="expected at this n")
        axis.plot(fine, low, color=COLORS[1], linewidth=1)
        axis.plot(fine, high, color=COLORS[1], linewidth=1)
        axis.errorbar(
            size,
            [e.value for e in estimates],
            yerr=[2 * e.se for e in estimates],
            fmt="o",
            color=COLORS[0],
            markersize=4,
            capsize=3,
            label="estimate ± 2 se",
        )
        axis.set(xscale="log", xlabel="n", ylabel="estimate of λ")
        axis.legend()
    return axis


def volume_scaling(volumes: Any, estimate: Any) -> Figure:
    r"""The volume of $\{K < \epsilon\}$ on logarithmic axes, and below it its slope from level to level.

    $$\frac{\Delta \log V}{\Delta \log\epsilon} \to \lambda \qquad (\epsilon \to 0)$$

    A straight line above is $m = 1$; a slope that still climbs below is $m > 1$, which the fit allows for, or a further
    term, which it does not.

    **Arguments:** `volumes`: from `slt.estimate.volumes`. `estimate`: from `slt.estimate.from_volumes`.
    **Returns:** the figure: bars of two standard errors, the fitted $\lambda$ as a dashed line, the interval of the
    estimate as a band.
    **Source:** Watanabe (2009), theorem 7.1.

    >>> from slt.estimate import Volumes, from_volumes
    >>> epsilon = np.exp(-np.arange(1.0, 30.0))
    >>> found = Volumes(epsilon, np.log(epsilon) / 2 + np.array([[0.01], [-0.01]] * 6), np.ones(29), 1)
    >>> figure = volume_scaling(found, from_volumes(found, multiplicity=1))
    >>> len(figure.axes)
    2
    >>> plt.close(figure)
    """
    x, y = np.log(volumes.epsilon), volumes.log_mean
    steps = np.diff(volumes.log_volume, axis=1)  # of each replica
    slope = np.diff(y) / np.diff(x)
    error = steps.std(0, ddof=1) / np.sqrt(len(steps)) / np.abs(np.diff(x))
    middle = np.exp((x[1:] + x[:-1]) / 2)
    low, high = estimate.interval
    with plt.rc_context(style()):
        figure, (top, bottom) = plt.subplots(
            2, 1, sharex=True, figsize=(6.0, 4.8), gridspec_kw={"height_ratios": (3, 2)}
        )
        v = np.exp(y)
        top.errorbar(volumes.epsilon, v, yerr=2 * volumes.se * v, fmt="o", color=COLORS[0], markersize=3)
        line = np.exp(y[-1] + estimate.value * (x - x[-1]))
        top.plot(volumes.epsilon, line, "--", color=COLORS[1], label=f"slope {estimate.value:.4f}")
        top.set(xscale="log", yscale="log", ylabel="V(ε)")
        top.legend()
        bottom.axhspan(low, high, color=COLORS[1], alpha=0.25)
        bottom.axhline(estimate.value, color=COLORS[1], linestyle="--")
        bottom.errorbar(middle, slope, yerr=2 * error, fmt="o", color=COLORS[0], markersize=3)
        bottom.set(xlabel="ε", ylabel="local slope")
    return figure
