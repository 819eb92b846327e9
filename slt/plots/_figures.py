"""Static figures. Each function draws what it is given, computes nothing but positions, and returns what it drew."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure

from slt.plots._style import COLORS, GREY, style

COLUMNS = 4  # panels side by side
_DENSITY = LinearSegmentedColormap.from_list("slt", [to_rgba(COLORS[0], 0.0), to_rgba(COLORS[0], 1.0)])


def posterior_panels(panels: Sequence[tuple], *, names: Sequence[str], truth: Any = None) -> Figure:
    r"""One small picture for each posterior: a curve for one parameter, a shaded map for two.

    $$p(w \mid X^n_{(r)}), \qquad r = 1, \dots, R$$

    **Arguments:** `panels`: for each data set `(w, density)`, both `(m,)`, or `(u, v, density)` with shapes `(m,)`,
    `(k,)` and `(m, k)`. `names`: the parameter's name, or both names. `truth`: the parameter that is marked in every
    panel; for two parameters a pair of numbers, or of arrays when the optimum is a curve.
    **Returns:** the figure, four panels in a row, all on the same axes.
    **Raises:** `ValueError` for no panel or for a density whose shape is not that of its grid.
    **Source:** after the figures of Watanabe (2018), section 1.2.

    >>> w = np.linspace(0, 1, 50)
    >>> figure = posterior_panels([(w, 2 * w), (w, 2 - 2 * w)], names=["w"])
    >>> len(figure.axes)
    2
    >>> plt.close(figure)
    """
    if not panels:
        raise ValueError("panels is empty; wanted at least one (w, density) or (u, v, density)")
    for panel in panels:
        shape = tuple(len(axis) for axis in panel[:-1])
        if len(shape) != len(names) or np.shape(panel[-1]) != shape:
            raise ValueError(
                f"density must have shape {shape} for the {len(names)} parameters {', '.join(names)}; "
                f"got {np.shape(panel[-1])}. Give one grid axis a parameter: density[i, j] at u[i], v[j]."
            )
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    with plt.rc_context(style()):
        figure, grid = plt.subplots(
            rows, columns, figsize=(2.2 * columns, 1.9 * rows), sharex=True, sharey=True, squeeze=False
        )
        for axis, panel in zip(grid.flat, panels, strict=False):
            if len(panel) == 2:
                axis.plot(*panel)
                axis.fill_between(*panel, alpha=0.2)
                if truth is not None:
                    axis.axvline(truth, color=COLORS[1], linestyle="--")
            else:
                u, v, density = panel
                axis.pcolormesh(u, v, np.asarray(density).T, cmap=_DENSITY, shading="nearest", rasterized=True)
                if truth is not None:
                    axis.plot(*np.atleast_1d(*truth), ".--", color=COLORS[1])
        for axis in grid.flat[len(panels) :]:
            axis.remove()
        for axis in grid.flat[len(panels) - columns : len(panels)]:  # the lowest of each column
            axis.tick_params(labelbottom=True)
        figure.supxlabel(names[0])
        figure.supylabel(names[1] if len(names) == 2 else "density")
    return figure


def scatter_errors(observables: Any, entropy: float) -> Figure:
    r"""The generalization error against the three errors that can be computed from data, one dot a data set.

    $$\big(G_n - S,\; T_n - S_n\big), \quad \big(G_n - S,\; C_n - S_n\big), \quad \big(G_n - S,\; W_n - S_n\big)$$

    **Arguments:** `observables`: an `slt.experiment.Observables`. `entropy`: $S$ of the truth, in nats.
    **Returns:** the figure: three panels on common axes, each with its correlation as title.
    **Source:** Watanabe (2018), sections 1.6 and 1.7.

    >>> from slt.experiment import Observables
    >>> figure = scatter_errors(Observables(*np.eye(7)), 0.0)
    >>> [axis.get_ylabel() for axis in figure.axes]
    ['training', 'cross-validation', 'WAIC']
    >>> plt.close(figure)
    """
    error = np.asarray(observables.generalization) - entropy
    with plt.rc_context(style()):
        figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), sharex=True, sharey=True)
        for axis, color, (name, loss) in zip(
            axes,
            COLORS,
            {
                "training": observables.training,
                "cross-validation": observables.cv,
                "WAIC": observables.waic,
            }.items(),
            strict=False,
        ):
            other = np.asarray(loss) - np.asarray(observables.empirical_entropy)
            axis.scatter(error, other, s=8, color=color, alpha=0.6)
            axis.set(xlabel="generalization", ylabel=name)
            axis.set_title(f"correlation {np.corrcoef(error, other)[0, 1]:.2f}", fontsize="medium")
    return figure


def densities(x: Any, curves: Mapping[str, Any]) -> Axes:
    r"""Curves over a common axis, each with its name.

    $$x \mapsto p_k(x)$$

    **Arguments:** `x`: shape `(m,)`. `curves`: name to values, each of shape `(m,)`.
    **Returns:** the axes, to be labelled with `.set(xlabel=..., ylabel=...)`.
    **Raises:** `ValueError` for a curve of another shape.
    **Source:** plain curves; the palette of `style`.

    >>> axis = densities([0.0, 1.0], {"truth": [1.0, 2.0], "predictive": [2.0, 1.0]})
    >>> [line.get_label() for line in axis.lines]
    ['truth', 'predictive']
    >>> plt.close(axis.figure)
    """
    for name, values in curves.items():
        if np.shape(values) != np.shape(x):
            raise ValueError(f"the curve {name!r} must have the shape {np.shape(x)} of x; got {np.shape(values)}")
    with plt.rc_context(style()):
        _, axis = plt.subplots()
        for k, (name, values) in enumerate(curves.items()):
            # after four colours the dashes tell curves apart
            axis.plot(x, values, color=COLORS[k % 4], linestyle=("-", "--", ":")[k // 4 % 3], label=name)
        axis.legend()
    return axis


def pareto_k(k: Any) -> Axes:
    r"""Pareto's $\hat k$ of each observation, with the two limits; those above 0.7 carry their index.

    $$\hat k_i \le 0.7:\ \text{reliable}; \qquad \hat k_i > 1:\ \text{the importance weights have no mean}$$

    **Arguments:** `k`: shape `(n,)`, from `slt.pareto_k`.
    **Returns:** the axes.
    **Raises:** `ValueError` if `k` is not one-dimensional.
    **Source:** Vehtari, Simpson, Gelman, Yao and Gabry (2024), Journal of Machine Learning Research 25(72).

    >>> axis = pareto_k([0.1, 0.9, 0.3])
    >>> [text.get_text() for text in axis.texts]
    ['1']
    >>> plt.close(axis.figure)
    """
    k = np.asarray(k)
    if k.ndim != 1:
        raise ValueError(f"k must have shape (n,), one value an observation; got {k.shape}")
    with plt.rc_context(style()):
        _, axis = plt.subplots()
        for limit, dashes in ((0.7, "--"), (1.0, ":")):
            axis.axhline(limit, color=GREY, linestyle=dashes, label=f"k = {limit:g}")
        for flagged, color, marker in ((k <= 0.7, COLORS[0], "o"), (~(k <= 0.7), COLORS[1], "^")):
            axis.plot(np.flatnonzero(flagged), k[flagged], marker, color=color, markersize=4)
        for i in np.flatnonzero(~(k <= 0.7)):
            axis.annotate(str(i), (i, k[i]), textcoords="offset points", xytext=(5, 3))
        axis.set(xlabel="observation (index from 0)", ylabel=r"Pareto $\hat k$")
        axis.legend()
    return axis


def estimates_with_error(x: Any, means: Any, ses: Any, *, exact: Any = None) -> Axes:
    r"""Estimates as dots with bars of two standard errors, and the exact value as a line.

    $$\hat\mu_j \pm 2\, \mathrm{SE}_j$$

    **Arguments:** `x`, `means`, `ses`: shape `(m,)`. `exact`: a number, or a pair of arrays: the line's points.
    **Returns:** the axes, to be labelled with `.set(xlabel=..., ylabel=...)`.
    **Raises:** `ValueError` for unequal shapes or a negative standard error.
    **Source:** `slt.mean_se` gives means and standard errors.

    >>> axis = estimates_with_error([1, 2], [0.5, 0.25], [0.1, 0.1], exact=0.3)
    >>> axis.get_legend_handles_labels()[1]
    ['exact', 'estimate ± 2 SE']
    >>> plt.close(axis.figure)
    """
    x, means, ses = np.asarray(x), np.asarray(means), np.asarray(ses)
    if not x.shape == means.shape == ses.shape:
        raise ValueError(f"x, means and ses must have one shape (m,); got {x.shape}, {means.shape}, {ses.shape}")
    if (ses < 0).any():
        raise ValueError(f"standard errors must not be negative; got {ses.min()}")
    with plt.rc_context(style()):
        _, axis = plt.subplots()
        if exact is not None and np.ndim(exact) == 0:
            axis.axhline(exact, color=COLORS[1], label="exact")
        elif exact is not None:
            axis.plot(*exact, color=COLORS[1], label="exact")
        axis.errorbar(x, means, 2 * ses, fmt="o", color=COLORS[0], markersize=4, capsize=3, label="estimate ± 2 SE")
        axis.legend()
    return axis
