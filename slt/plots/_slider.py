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
<p style="margin:0;text-align:center">{title}</p>
<div class="plotly-graph-div" role="img" aria-label="{alt}" style="width:100%;height:340px;background:transparent">
<img src="data:image/png;base64,{picture}" alt="{alt}" style="max-width:100%;max-height:340px"></div>
<label style="display:flex;flex-wrap:wrap;gap:0 1em;align-items:center">
<span style="flex:1 1 100%">{moves}: <output>{first}</output></span>
<input type="range" min="0" max="{last}" step="1" value="0" aria-valuetext="{first}" style="flex:1;min-width:0">
</label>
<noscript><p>{alt} (To move the slider, allow JavaScript.)</p></noscript>
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

# In a notebook plotly.js comes from its host. A page with RequireJS would otherwise keep it from `window`.
_LOAD = """if (!window.Plotly) {
    const [tag, define] = [document.createElement("script"), window.define];
    window.define = undefined;
    tag.src = "CDN";
    tag.onload = tag.onerror = () => { window.define = define; wait(300); };
    document.head.append(tag);
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
            title=html.escape(self.data["layout"]["meta"]),
            alt=html.escape(self.alt),
            picture=self._picture(),
            moves=html.escape(self.title),
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
