"""One look for every figure: the palette and matplotlib's settings."""

from typing import Any

from matplotlib.rcsetup import cycler

# Blue, vermilion, bluish green and reddish purple: the Okabe-Ito colours with a contrast of 3 or more against both
# white and #121212. (Orange, sky blue and yellow are too pale for white, black is lost on a dark page.)
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
GREY = "#767676"  # axes, text and reference lines


def style() -> dict[Any, Any]:
    r"""Matplotlib's settings for every figure of the book.

    $$\frac{L_1 + 0.05}{L_2 + 0.05} \ge 3$$

    is the contrast, from the relative luminances $L_1 > L_2$, of each colour against white and against #121212.

    **Arguments:** none.
    **Returns:** a dict for `plt.rcParams.update` or `plt.rc_context`.
    **Source:** palette: Okabe and Ito (2008), Color universal design; contrast: W3C, WCAG 2.1, criterion 1.4.11.

    >>> style()["axes.prop_cycle"].by_key()["color"][0]
    '#0072B2'
    """
    ink = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color")
    clear = ("figure.facecolor", "axes.facecolor", "savefig.facecolor", "legend.facecolor")
    return {
        **dict.fromkeys(ink, GREY),
        **dict.fromkeys(clear, "none"),
        "axes.prop_cycle": cycler(color=COLORS),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.constrained_layout.use": True,
        "figure.figsize": (6.0, 3.6),
        "legend.frameon": False,
    }
