"""The figure of a comparison of models."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from slt.plots._style import COLORS, GREY, style


def compare(comparison: Any) -> Axes:
    r"""Losses of models relative to the best one, with two standard errors *of the difference*.

    $$\Delta_k \pm 2\, \mathrm{se}(\Delta_k)$$

    A triangle marks a model some of whose terms have a Pareto $k$ that is too large: its place may be wrong.

    **Arguments:** `comparison`: from `slt.compare`.
    **Returns:** the axes; best model on top.
    **Source:** Vehtari, Gelman and Gabry (2017), section 5.2.

    >>> import slt
    >>> axis = compare(slt.compare({"a": np.array([1.0, 2.0, 3.0]), "b": np.array([1.5, 2.7, 3.3])}))
    >>> [label.get_text() for label in axis.get_yticklabels()]
    ['a', 'b']
    >>> plt.close(axis.figure)
    """
    at = np.arange(len(comparison.names))
    doubtful = np.array([bool(k) for k in comparison.flagged])
    with plt.rc_context(style()):
        _, axis = plt.subplots(figsize=(6, 0.8 + 0.4 * len(at)))
        axis.axvline(0, color=GREY, linestyle="--")
        for chosen, color, marker in ((~doubtful, COLORS[0], "o"), (doubtful, COLORS[1], "^")):
            if chosen.any():
                axis.errorbar(
                    comparison.difference[chosen],
                    at[chosen],
                    xerr=2 * comparison.difference_se[chosen],
                    fmt=marker,
                    color=color,
                    markersize=5,
                    capsize=3,
                )
        axis.set_yticks(at, comparison.names)
        axis.invert_yaxis()
        axis.set(xlabel="loss minus that of the best model (nats per observation)")
    return axis
