"""Figures of the local learning coefficient: the grid of a sweep with its verdicts, and the trace of the chains."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from slt.plots._style import COLORS, GREY, style


def sweep(result: Any, *, exact: float | None = None) -> Axes:
    r"""The estimates of a sweep over the step, one line for each localization, with the verdict of each.

    $$\varepsilon \mapsto \hat\lambda(w^*;\, \varepsilon, \gamma) \pm \mathrm{se}$$

    A figure to trust lies on a plateau: level in the step, the same for neighbouring $\gamma$, and filled. Hollow marks
    have a diagnostic that failed (`check()` says which); crosses at the top are chains that diverged.

    **Arguments:** `result`: an `slt.local.Sweep`. `exact`: a $\lambda$ to compare with, drawn as a dashed line.
    **Returns:** the axes, logarithmic in $\varepsilon$.
    **Raises:** `ValueError` for a sweep without a pair.
    **Source:** Lau, Furman, Wang, Murfet and Wei (2025), on the choice of step and localization.

    >>> import jax, slt
    >>> x = np.random.default_rng(0).normal(size=(100, 1))
    >>> loss = lambda w, x: 0.5 * ((x - w) ** 2).sum(1).mean()
    >>> grid = slt.local.sweep(jax.random.key(0), loss, x.mean(0), x, steps=[0.01, 0.02], gammas=[1.0])
    >>> axis = sweep(grid, exact=0.5)
    >>> axis.get_xscale()
    'log'
    >>> plt.close(axis.figure)
    """
    if not (result.steps and result.gammas):
        raise ValueError(
            f"sweep wants at least one step and one gamma; got {len(result.steps)} x {len(result.gammas)}."
        )
    estimate, error = result.values("estimate"), result.values("se")
    good = np.array([[not e.problems() for e in row] for row in result.estimates])
    spread = (np.arange(len(result.gammas)) - (len(result.gammas) - 1) / 2) * 0.03  # neighbours do not hide each other
    with plt.rc_context(style()):
        _, axis = plt.subplots()
        for j, gamma in enumerate(result.gammas):
            x, color = np.asarray(result.steps) * 10 ** spread[j], COLORS[j % len(COLORS)]
            marker, line = "os^Dv"[j % 5], ("-", "--", ":")[j // len(COLORS) % 3]
            axis.errorbar(
                x, estimate[:, j], error[:, j], color=color, linestyle=line, capsize=2, label=f"γ = {gamma:g}"
            )
            for filled in (True, False):
                at = good[:, j] == filled
                face: Any = {} if filled else {"markerfacecolor": "none"}
                axis.plot(x[at], estimate[at, j], marker, color=color, linestyle="none", **face)
            lost = ~np.isfinite(estimate[:, j])
            axis.plot(x[lost], np.full(lost.sum(), 0.97), "x", color=color, transform=axis.get_xaxis_transform())
        if exact is not None:
            axis.axhline(exact, color=GREY, linestyle="--", label="exact λ")
        axis.set(xscale="log", xlabel="step ε", ylabel="local learning coefficient")
        axis.set_xticks(result.steps, [f"{step:g}" for step in result.steps])  # the steps themselves, and no others
        axis.set_xticks([], minor=True)
        axis.plot([], [], "o", color=GREY, label="every diagnostic holds")
        axis.plot([], [], "o", color=GREY, markerfacecolor="none", label="look: one fails")
        axis.plot([], [], "x", color=GREY, label="diverged")
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small")
    return axis


def trace(estimate: Any, *, exact: float | None = None) -> Axes:
    r"""The running mean of each chain, over its draws: chains that have arrived come together.

    $$t \mapsto \frac{n\beta}{t} \sum_{s \le t} \bigl(L_n(w_s) - L_n(w^*)\bigr)$$

    **Arguments:** `estimate`: an `slt.local.Estimate`. `exact`: a $\lambda$ to compare with, drawn as a dashed line.
    **Returns:** the axes, with a band of one standard error around the final estimate.
    **Source:** the means of `slt.local.Estimate.per_chain` as they come about.

    >>> import jax, slt
    >>> x = np.random.default_rng(0).normal(size=(100, 1))
    >>> loss = lambda w, x: 0.5 * ((x - w) ** 2).sum(1).mean()
    >>> fit = slt.local_learning_coefficient(jax.random.key(0), loss, x.mean(0), x, step=0.01)
    >>> axis = trace(fit)
    >>> bool(np.isclose(axis.lines[0].get_ydata()[-1], fit.per_chain[0]))
    True
    >>> plt.close(axis.figure)
    """
    nats = estimate.n * estimate.beta * estimate.excess
    count = np.arange(1, nats.shape[1] + 1)
    with plt.rc_context(style()):
        _, axis = plt.subplots()
        for k, chain in enumerate(np.cumsum(nats, axis=1) / count):
            axis.plot(count, chain, color=COLORS[k % len(COLORS)], alpha=0.8, linewidth=1)
        low, high = estimate.estimate - estimate.se, estimate.estimate + estimate.se
        if np.isfinite(low):
            axis.axhspan(low, high, color=GREY, alpha=0.2, label=f"{estimate.estimate:.3g} ± {estimate.se:.2g}")
        if exact is not None:
            axis.axhline(exact, color=GREY, linestyle="--", label="exact λ")
        axis.set(xlabel="draws", ylabel="mean of a chain so far", title=f"R-hat {estimate.rhat:.3f}")
        if axis.get_legend_handles_labels()[0]:
            axis.legend()
    return axis
