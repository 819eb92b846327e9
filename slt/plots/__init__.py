"""Figures: the only part of the library that imports matplotlib (floor 5).

Colours are four of the Okabe–Ito palette, told apart by colour-blind readers, and one grey; each is legible on white
and on a dark page, and the ground is transparent. `slider` draws in the browser with plotly.js.
"""

from slt.plots._charts import chart_tree
from slt.plots._compare import compare
from slt.plots._estimate import systematic, volume_scaling
from slt.plots._figures import densities, estimates_with_error, pareto_k, posterior_panels, scatter_errors
from slt.plots._local import sweep, trace
from slt.plots._rlct import newton_polyhedron, strata
from slt.plots._slider import Slider, slider
from slt.plots._style import COLORS, GREY, style

__all__ = [
    "COLORS",
    "GREY",
    "Slider",
    "chart_tree",
    "compare",
    "densities",
    "estimates_with_error",
    "newton_polyhedron",
    "pareto_k",
    "posterior_panels",
    "scatter_errors",
    "slider",
    "strata",
    "style",
    "sweep",
    "systematic",
    "trace",
    "volume_scaling",
]
