"""A figure with a slider that needs no server: its frames are computed beforehand, plotly.js draws them in the browser.

The slider is the browser's own `<input type="range">`: fingers, mouse and keyboard move it, and a screen reader says
its value. Without JavaScript the first frame stands there as a picture.
"""

import base64
import hashlib
import html
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from slt.plots._style import COLORS, GREY, style

CDN = "https://cdn.plot.ly/plotly-3.0.1.min.js"  # for notebooks; the built book brings its own copy
DIGITS = 6  # significant digits sent to the browser

_PAGE = """<div class="slt-slider" data-slt="{id}" style="max-width:100%">
<div class="plotly-graph-div" role="img" aria-label="{alt}" style="width:100%;height:340px;overflow:hidden">
<img src="data:image/png;base64,{picture}" alt="{alt}" style="max-width:100%;max-height:100%"></div>
<div style="padding:0 1em 0.5em">{title}: <output aria-live="off">{first}</output>
<input type="range" min="0" max="{last}" step="1" value="0" aria-label="{title}" aria-valuetext="{first}"
style="display:block;width:100%;margin:0"></div>
<noscript><p>{alt} (The slider needs JavaScript.)</p></noscript>
<script type="application/json">{data}</script>
<script>{script}</script>
</div>"""

_SCRIPT = """
(() => {
  const draw = (root) => {
    root.setAttribute("data-ready", "");
    const { traces, frames, labels, layout } = JSON.parse(root.querySelector('[type="application/json"]').textContent);
    const [plot, input, output] = [".plotly-graph-div", "input", "output"].map((s) => root.querySelector(s));
    const show = () => {
      const k = Number(input.value);
      output.textContent = labels[k];
      input.setAttribute("aria-valuetext", labels[k]);
      const data = traces.map((trace, j) => ({ ...trace, y: frames[k][j] }));
      Plotly.react(plot, data, layout, { displayModeBar: false, responsive: true });
    };
    plot.replaceChildren();
    input.addEventListener("input", show);
    show();
  };
  const wait = (left) => {
    if (window.Plotly) document.querySelectorAll('[data-slt="ID"]:not([data-ready])').forEach(draw);
    else if (left > 0) setTimeout(wait, 100, left - 1);
  };
  LOAD
  if (document.readyState === "complete") wait(300);
  else window.addEventListener("load", () => wait(300));
})();
"""

# In a notebook plotly.js comes from its host, once. A page with RequireJS would otherwise keep it from `window`.
_LOAD = """if (!window.Plotly && !window.sltPlotly) {
    const define = window.define;
    window.sltPlotly = document.createElement("script");
    window.define = undefined;
    window.sltPlotly.src = "CDN";
    window.sltPlotly.onload = window.sltPlotly.onerror = () => { window.define = define; };
    document.head.append(window.sltPlotly);
  }"""


@dataclass(frozen=True)
class Slider:
    r"""A figure with a slider; a notebook shows it by itself.

    **Arguments:** `data`: what the browser draws, as JSON can carry it: `traces`, `frames`, `labels`, `layout`.
    `title`: what the slider moves. `alt`: the text alternative.

    **Source:** the figure functions of plotly.js, `Plotly.react`.

    >>> lines = slider([{"line": [0, 1]}, {"line": [0, 2]}], [0, 1], labels=["1", "2"], title="slope", alt="Two lines.")
    >>> lines.data["frames"]
    [[[0.0, 1.0]], [[0.0, 2.0]]]
    """

    data: Mapping[str, Any]
    title: str
    alt: str

    def _repr_html_(self) -> str:
        """HTML for a notebook, or, where the environment has `SLT_BOOK`, for a page that holds plotly.js itself."""
        book = os.environ.get("SLT_BOOK", "0") not in ("", "0")
        data = json.dumps(self.data, allow_nan=False, ensure_ascii=False).replace("<", "\\u003c")
        name = hashlib.sha256((data + self.title + self.alt).encode()).hexdigest()[:12]
        labels = self.data["labels"]
        return _PAGE.format(
            id=name,
            title=html.escape(self.title),
            alt=html.escape(self.alt),
            picture=self._picture(),
            first=html.escape(labels[0]),
            last=len(labels) - 1,
            data=data,
            script=_SCRIPT.replace("ID", name).replace("LOAD", "" if book else _LOAD.replace("CDN", CDN)),
        )

    def _picture(self) -> str:
        """The first frame, drawn by matplotlib, as base64 of a PNG."""
        layout = self.data["layout"]
        with plt.rc_context(style()):
            figure, axis = plt.subplots(figsize=(6, 3.4))
            for trace, y in zip(self.data["traces"], self.data["frames"][0], strict=True):
                values = [np.nan if v is None else v for v in y]
                axis.plot(trace["x"], values, color=trace["line"]["color"], label=trace["name"])
            axis.set(xlabel=layout["xaxis"]["title"]["text"], ylabel=layout["yaxis"]["title"]["text"])
            axis.set(ylim=layout["yaxis"]["range"])
            axis.legend()
            file = io.BytesIO()
            figure.savefig(file, format="png", dpi=80, metadata={"Software": None})
            plt.close(figure)
        return base64.b64encode(file.getvalue()).decode()


def slider(
    frames: Sequence[Mapping[str, Any]],
    x: Any,
    *,
    labels: Sequence[str],
    title: str,
    alt: str,
    axes: tuple[str, str] = ("", ""),
) -> Slider:
    r"""Curves that a slider changes: frame after frame, all over the same axis and with the same scale.

    $$x \mapsto f_j(x; s_k), \qquad \text{the slider moves } k$$

    **Arguments:** `frames`: for each place of the slider a dict from a curve's name to its values, shape `(m,)`; all
    with the same names. `x`: shape `(m,)`. `labels`: what stands beside the slider at each place. `title`: what the
    slider moves. `alt`: what the figure shows, for those who do not see it. `axes`: the labels of both axes.
    Values are sent with six significant digits; those that are not finite leave a gap.
    **Returns:** a `Slider`, which a notebook and the book show by themselves.
    **Raises:** `ValueError` for no frame, unequal names or shapes, labels that do not match, or an empty `alt`.
    **Source:** the control is the element `input type="range"` of HTML.

    >>> figure = slider([{"y": [0, 1]}, {"y": [1, 0]}], [0, 1], labels=["1", "2"], title="k", alt="A line turns.")
    >>> 'type="range"' in figure._repr_html_()
    True
    """
    x = np.asarray(x, dtype=np.float64)
    _check(frames, x, labels, alt)
    values = [[np.asarray(y, dtype=np.float64) for y in frame.values()] for frame in frames]
    shown = np.concatenate([y[np.isfinite(y)] for frame in values for y in frame])
    if not shown.size:
        raise ValueError("no frame has a finite value to draw; check the curves for nan")
    margin = 0.05 * (np.ptp(shown) or 1.0)
    line = {"showline": True, "linecolor": GREY, "ticks": "outside", "showgrid": False, "zeroline": False}
    fixed = {**line, "fixedrange": True, "automargin": True}
    dashes = ("solid", "dash", "dot")
    data = {
        "traces": [
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": _numbers(x),
                "line": {"color": COLORS[j % 4], "dash": dashes[j // 4 % 3], "width": 2, "simplify": False},
            }
            for j, name in enumerate(frames[0])
        ],
        "frames": [[_numbers(y) for y in frame] for frame in values],
        "labels": list(labels),
        "layout": {
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": GREY, "size": 13},
            "margin": {"l": 50, "r": 15, "t": 10, "b": 45},
            "dragmode": False,
            "showlegend": True,
            "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
            "xaxis": {**fixed, "title": {"text": axes[0]}, "range": _numbers(np.array([x.min(), x.max()]))},
            "yaxis": {
                **fixed,
                "title": {"text": axes[1]},
                "range": _numbers(np.array([shown.min() - margin, shown.max() + margin])),
            },
        },
    }
    return Slider(data, title, alt)


def _check(frames: Sequence[Mapping[str, Any]], x: np.ndarray, labels: Sequence[str], alt: str) -> None:
    if not frames or len(labels) != len(frames):
        raise ValueError(f"wanted at least one frame and a label for each; got {len(frames)} and {len(labels)} labels")
    if not alt.strip():
        raise ValueError("alt is empty; say in a sentence what the figure shows")
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError(f"x must be finite, of shape (m,); got shape {x.shape}")
    for k, frame in enumerate(frames):
        if not frame or list(frame) != list(frames[0]):
            raise ValueError(f"all frames must have the curves {list(frames[0])}; frame {k} has {list(frame)}")
        for name, y in frame.items():
            if np.shape(y) != x.shape:
                raise ValueError(
                    f"the curve {name!r} of frame {k} must have the shape {x.shape} of x; got {np.shape(y)}"
                )


def _numbers(values: np.ndarray) -> list[float | None]:
    """Floats that JSON can carry: rounded, and `None` for what is not finite."""
    return [float(f"{v:.{DIGITS}g}") if np.isfinite(v) else None for v in values.tolist()]
