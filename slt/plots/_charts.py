"""The tree of charts of a resolution, drawn as an outline."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from slt import rlct
from slt.plots._style import COLORS, GREY, style
from slt.rlct._tree import as_text

MOST_ROWS = 30


def chart_tree(resolution: rlct.Resolution) -> Axes:
    r"""The tree of charts of a resolution: one row each, with $K \circ g$, the Jacobian, and what was found there.

    $$K(g(u)) = \prod_j u_j^{k_j} \prod_i f_i(u)^{k_i}, \qquad \varphi(g(u))|g'(u)| = \prod_j |u_j|^{h_j} \cdots$$

    **Arguments:** `resolution`: from `slt.rlct.resolve`.
    **Returns:** the axes; the path to the chart that decides is vermilion, with a square at its end. Of a tree with
    more than 30 charts only that path and its direct neighbours are drawn.
    **Raises:** `ValueError` if `resolution` is no `Resolution`.
    **Source:** Watanabe (2009), chapter 3.

    >>> from sympy import symbols
    >>> x, y = symbols("x y")
    >>> axis = chart_tree(rlct.resolve(x**2 + y**4))
    >>> axis.texts[0].get_text().splitlines()[0]
    'given coordinates: λ = 3/4, m = 1'
    >>> plt.close(axis.figure)
    """
    if not isinstance(resolution, rlct.Resolution):
        raise ValueError(
            f"chart_tree draws a slt.rlct.Resolution; got {type(resolution).__name__}. Pass slt.rlct.resolve(K) or the "
            "certificate of a learning coefficient that was found by blow-ups."
        )
    decides = resolution.deciding()
    rows = _rows(resolution.tree, decides, 0, sum(1 for _ in resolution.tree.walk()) <= MOST_ROWS)
    with plt.rc_context(style()):
        _, axis = plt.subplots(figsize=(9, 0.6 + 0.62 * len(rows)))
        path: list[int] = []
        for n, (depth, node) in enumerate(rows):
            path[depth:] = [n]
            on_way = any(child is decides for _, child in node.walk())
            color = COLORS[1] if on_way else GREY
            if depth:
                axis.plot([depth - 1, depth - 1, depth], [-path[-2], -n, -n], color=color, zorder=3 if on_way else 1)
            axis.plot([depth], [-n], "s" if node is decides else "o", color=color, zorder=4)
            text = f"{_shorten(as_text(node.label))}: {_value(node)}\n{_shorten(node.powers())}"
            axis.text(depth + 0.12, -n, text, va="center", fontsize=8, color=COLORS[1] if node is decides else GREY)
        deepest = max(depth for depth, _ in rows)
        axis.set(xlim=(-0.2, deepest + 6), ylim=(-len(rows) + 0.4, 0.6))
        axis.set_axis_off()
    return axis


def _rows(node, decides, depth: int, whole: bool) -> list:
    """(depth, node) in order; in a large tree only along the path to the deciding chart, with its neighbours."""
    on_way = whole or any(child is decides for _, child in node.walk())
    return [(depth, node), *(row for c in node.children if on_way for row in _rows(c, decides, depth + 1, whole))]


def _shorten(text: str, most: int = 90) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _value(node) -> str:
    if node.rlct is None:
        return "K > 0" if node.exact else "not decided"
    return f"λ = {node.rlct}, m = {node.multiplicity}" if node.exact else f"λ ≤ {node.rlct}"
