"""Figures: what is drawn is what was passed, in colours that can be seen, with a text alternative."""

import base64
import html.parser
import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import sympy

import slt
from slt import plots
from slt.experiment import Observables

X = np.linspace(-1.0, 2.0, 7)
FRAMES = [{"truth": X**2, "predictive": X**2 + 0.1 * k} for k in range(3)]
LABELS = ["n = 1", "n = 10", "n = 100"]
ALT = 'Two parabolas, "close" & <closer> as n grows.'


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def make(**change):
    options = {"labels": LABELS, "title": "sample size", "alt": ALT, "axes": ("x", "density")} | change
    return plots.slider(options.pop("frames", FRAMES), options.pop("x", X), **options)


class Page(html.parser.HTMLParser):
    """Elements with their attributes, and the text of each script, as a browser would read them."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.elements and self.lasttag == "script":
            self.scripts.append(data)
        self.text += data

    def find(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


# --- Colours ----------------------------------------------------------------------------------------------------------


def luminance(color):
    """Relative luminance, WCAG 2.1: linear light, weighted as the eye does."""
    channels = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_formula():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)  # the WCAG's own example of an AA grey


@pytest.mark.parametrize("color", [*plots.COLORS, plots.GREY])
@pytest.mark.parametrize("ground", ["#ffffff", "#121212"])
def test_every_colour_is_seen_on_white_and_on_a_dark_page(color, ground):
    assert contrast(color, ground) >= 3


def test_style_is_transparent_and_changes_nothing_by_itself():
    before = dict(plt.rcParams)
    settings = plots.style()
    plots.densities(X, {"a": X})
    assert dict(plt.rcParams) == before
    assert {settings[key] for key in ("figure.facecolor", "axes.facecolor", "savefig.facecolor")} == {"none"}
    with plt.rc_context(settings):
        assert plt.rcParams["axes.prop_cycle"].by_key()["color"] == list(plots.COLORS)


FIGURES = {
    "posterior_panels": lambda: plots.posterior_panels([(X, X**2)], names=["w"]),
    "scatter_errors": lambda: plots.scatter_errors(Observables(*np.random.default_rng(0).normal(size=(7, 9))), 0.0),
    "densities": lambda: plots.densities(X, {"a": X}).figure,
    "pareto_k": lambda: plots.pareto_k([0.2, 0.8]).figure,
    "compare": lambda: plots.compare(slt.compare({"a": X, "b": X + X**2})).figure,
    "estimates_with_error": lambda: plots.estimates_with_error([1, 2], [3, 4], [1, 1]).figure,
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_can_be_read_on_both_grounds(name):
    figure = FIGURES[name]()
    assert figure.get_facecolor()[3] == 0
    for axis in figure.axes:
        axis.set(xlabel="x", title="t")  # written later, outside the function's own settings
        assert axis.get_facecolor()[3] == 0
        for text in (axis.xaxis.label, axis.yaxis.label, axis.title, *axis.get_xticklabels()):
            assert plt.matplotlib.colors.to_hex(text.get_color()).upper() == plots.GREY


# --- What is drawn is what was passed ---------------------------------------------------------------------------------


def test_posterior_panels_in_one_dimension():
    panels = [(X, X**2 + k) for k in range(6)]
    figure = plots.posterior_panels(panels, names=["w"], truth=0.5)
    assert len(figure.axes) == 6
    for axis, (w, density) in zip(figure.axes, panels, strict=True):
        curve, truth = axis.lines
        assert np.array_equal(curve.get_xydata(), np.column_stack([w, density]))
        assert truth.get_xdata() == [0.5, 0.5]
    assert figure.get_supxlabel() == "w"
    below = [axis.xaxis.get_tick_params()["labelbottom"] for axis in figure.axes]
    assert below == [False, False, True, True, True, True]  # 4 + 2: the lowest panel of each column has numbers


def test_posterior_panels_in_two_dimensions_are_not_transposed():
    u, v = np.linspace(0, 1, 4), np.linspace(5, 9, 3)
    density = np.arange(12.0).reshape(4, 3)  # density[i, j] at u[i], v[j]
    figure = plots.posterior_panels([(u, v, density)] * 2, names=["a", "b"], truth=(0.2, 6.0))
    axis = figure.axes[1]
    (mesh,) = axis.collections
    centre = mesh.get_coordinates()
    assert np.array_equal(np.asarray(mesh.get_array()), density.T)
    assert (centre[..., 0].min() < 0) & (centre[..., 0].max() < 2)  # u lies along the horizontal axis
    assert centre[..., 1].min() > 3
    assert axis.lines[0].get_xydata().tolist() == [[0.2, 6.0]]
    assert (figure.get_supxlabel(), figure.get_supylabel()) == ("a", "b")


def test_scatter_errors_subtracts_each_entropy_from_its_loss():
    # Mutants: S from C_n, or S_n from G_n; the constants 0.3 and S_n differ.
    seven = Observables(*np.random.default_rng(5).normal(size=(7, 30)))
    figure = plots.scatter_errors(seven, 0.3)
    for axis, loss in zip(figure.axes, (seven.training, seven.cv, seven.waic), strict=True):
        expected = np.column_stack([seven.generalization - 0.3, loss - seven.empirical_entropy])
        assert np.array_equal(axis.collections[0].get_offsets(), expected)
        r = ((expected - expected.mean(0)) / expected.std(0)).prod(1).mean()
        assert axis.get_title() == f"correlation {r:.2f}"


def test_densities_draws_each_curve_in_its_own_way():
    curves = {f"curve {k}": X**k for k in range(6)}
    lines = plots.densities(X, curves).lines
    for line, (name, values) in zip(lines, curves.items(), strict=True):
        assert line.get_label() == name
        assert np.array_equal(line.get_xydata(), np.column_stack([X, values]))
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 6


def test_pareto_k_flags_above_the_first_limit():
    k = np.array([0.1, 0.71, -0.2, 1.4, 0.7])
    axis = plots.pareto_k(k)
    low, high, fine, flagged = axis.lines
    assert [line.get_ydata()[0] for line in (low, high)] == [0.7, 1.0]
    assert fine.get_xydata().tolist() == [[0, 0.1], [2, -0.2], [4, 0.7]]
    assert flagged.get_xydata().tolist() == [[1, 0.71], [3, 1.4]]
    assert [(text.get_text(), text.xy) for text in axis.texts] == [("1", (1, 0.71)), ("3", (3, 1.4))]


def test_estimates_have_bars_of_two_standard_errors():
    axis = plots.estimates_with_error([1, 2], [0.5, 0.25], [0.1, 0.05], exact=([1, 1.5, 2], [0.6, 0.4, 0.3]))
    (bars,) = axis.containers
    assert bars.lines[0].get_xydata().tolist() == [[1, 0.5], [2, 0.25]]
    segments = np.array(bars.lines[2][0].get_segments())
    assert segments[:, :, 1] == pytest.approx(np.array([[0.3, 0.7], [0.15, 0.35]]))
    assert axis.lines[0].get_xydata().tolist() == [[1, 0.6], [1.5, 0.4], [2, 0.3]]


def test_estimates_with_one_exact_value():
    axis = plots.estimates_with_error([1, 2], [0.5, 0.25], [0.1, 0.05], exact=0.4)
    assert set(axis.lines[0].get_ydata()) == {0.4}


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.posterior_panels([], names=["w"]), "panels is empty"),
        (lambda: plots.posterior_panels([(X, X[1:])], names=["w"]), r"shape \(7,\).*got \(6,\)"),
        (lambda: plots.posterior_panels([(X, X[1:], np.ones((6, 7)))], names=["a", "b"]), r"\(7, 6\).*got \(6, 7\)"),
        (lambda: plots.posterior_panels([(X, X)], names=["a", "b"]), "2 parameters a, b"),
        (lambda: plots.densities(X, {"p": X[1:]}), r"'p' must have the shape \(7,\) of x; got \(6,\)"),
        (lambda: plots.pareto_k(np.ones((2, 3))), r"shape \(n,\).*got \(2, 3\)"),
        (lambda: plots.estimates_with_error(X, X, 1.0), r"one shape \(m,\)"),
        (lambda: plots.estimates_with_error([1.0], [1.0], [-0.5]), "negative; got -0.5"),
    ],
)
def test_bad_input(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


# --- The slider -------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["book", "notebook"])
def page(request, monkeypatch):
    monkeypatch.setenv("SLT_BOOK", "1" if request.param == "book" else "0")
    return Page(make()._repr_html_())


def test_the_slider_sends_what_it_was_given(page):
    data = json.loads(page.scripts[0])
    for k, frame in enumerate(FRAMES):
        for j, (name, y) in enumerate(frame.items()):
            assert data["traces"][j]["name"] == name
            assert data["traces"][j]["x"] == pytest.approx(X, rel=1e-5)  # six digits
            assert data["frames"][k][j] == pytest.approx(y, rel=1e-5, abs=1e-15)
    assert data["labels"] == LABELS
    assert data["layout"]["xaxis"]["title"]["text"] == "x"
    low, high = data["layout"]["yaxis"]["range"]
    assert low < min(f.min() for frame in FRAMES for f in frame.values())
    assert high > max(f.max() for frame in FRAMES for f in frame.values())


def test_the_slider_can_be_reached_by_keyboard_and_read_aloud(page):
    (control,) = page.find("input")
    assert control["type"] == "range"
    assert (control["min"], control["max"], control["value"], control["step"]) == ("0", "2", "0", "1")
    assert (control["aria-label"], control["aria-valuetext"]) == ("sample size", "n = 1")
    (figure,) = [a for a in page.find("div") if a.get("role") == "img"]
    assert figure["aria-label"] == ALT  # escaped on the way, so that it arrives whole
    assert page.find("noscript")
    assert "sample size: n = 1" in page.text


def test_the_slider_shows_a_picture_without_javascript(page):
    (picture,) = page.find("img")
    assert picture["alt"] == ALT
    head, body = picture["src"].split(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(body).startswith(b"\x89PNG")


def test_the_slider_is_drawn_on_the_pages_own_ground(page):
    layout = json.loads(page.scripts[0])["layout"]
    assert layout["paper_bgcolor"] == layout["plot_bgcolor"] == "rgba(0,0,0,0)"
    assert layout["font"]["color"] == plots.GREY
    assert layout["dragmode"] is False  # a finger on the figure scrolls the page
    assert not [a for _, a in page.elements if re.search(r"width:\s*\d+px", a.get("style", ""))]


def test_the_book_asks_no_other_host(monkeypatch):
    monkeypatch.setenv("SLT_BOOK", "1")
    text = make()._repr_html_()
    assert "//" not in re.sub(r"base64,[^\"]*", "", text)
    assert "plotly-graph-div" in text  # the mark by which the book gives a page plotly.js
    assert not [a for a in Page(text).find("script") if "src" in a]


def test_a_notebook_fetches_plotly(monkeypatch):
    monkeypatch.delenv("SLT_BOOK", raising=False)
    assert re.search(r"https://cdn\.plot\.ly/plotly-\d+\.\d+\.\d+\.min\.js", make()._repr_html_())


def test_the_same_slider_gives_the_same_page():
    assert make()._repr_html_() == make()._repr_html_()
    assert re.findall('data-slt="(.*?)"', make()._repr_html_()) != re.findall(
        'data-slt="(.*?)"', make(title="other")._repr_html_()
    )


def test_gaps_and_hostile_names_survive_json(monkeypatch):
    monkeypatch.setenv("SLT_BOOK", "1")
    values = np.array([1.0, np.nan, -np.inf, 2.0])
    page = Page(plots.slider([{"</script><b>": values}], np.arange(4), labels=["1"], title="k", alt="a")._repr_html_())
    data = json.loads(page.scripts[0])
    assert data["frames"] == [[[1.0, None, None, 2.0]]]
    assert data["traces"][0]["name"] == "</script><b>"
    assert not page.find("b")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": [], "labels": []}, "at least one frame"),
        ({"labels": LABELS[1:]}, "got 3 and 2 labels"),
        ({"alt": " "}, "alt is empty"),
        ({"x": X[None]}, r"of shape \(m,\); got shape \(1, 7\)"),
        ({"frames": [*FRAMES[:2], {"truth": X}]}, r"curves \['truth', 'predictive'\]; frame 2 has \['truth'\]"),
        ({"x": X[1:]}, r"'truth' of frame 0 must have the shape \(6,\) of x; got \(7,\)"),
        ({"frames": [{"a": X * np.nan}], "labels": ["1"]}, "no frame has a finite value"),
    ],
)
def test_bad_frames(change, message):
    with pytest.raises(ValueError, match=message):
        make(**change)


def test_newton_polyhedron_shows_the_deciding_face_and_the_diagonal_point():
    # mutants killed: lambda in place of 1/lambda on the ray; another face highlighted; h left out of the ray
    a, b = sympy.symbols("a b")
    axis = plots.newton_polyhedron(a**8 + a**4 * b**2 + a**2 * b**4 + b**10)
    drawn = {line.get_label(): line.get_xydata() for line in axis.get_lines()}
    assert sorted(map(tuple, drawn["deciding face"])) == [(2, 4), (4, 2)]
    np.testing.assert_allclose(drawn["(h + 1)/λ"], [[3, 3]])
    assert sorted(map(tuple, drawn["exponents of K"])) == [(0, 10), (2, 4), (4, 2), (8, 0)]
    tilted = plots.newton_polyhedron(slt.rlct.newton(a**8 + a**4 * b**2 + b**10, prior=a**2))
    point = {line.get_label(): line.get_xydata() for line in tilted.get_lines()}["(h + 1)/λ"][0]
    assert point[0] == pytest.approx(3 * point[1])
    assert point @ [1, 2] == pytest.approx(8)  # the edge from (8, 0) to (4, 2)


@pytest.mark.parametrize(
    ("exponents", "ends"),
    [
        ([(3, 0), (0, 2)], [(0, 4), (6, 0)]),  # the square of x**3 - y**2: three exponents on one edge
        ([(2, 0), (3, 1)], [(4, 0), (4, 4.6)]),  # an edge that goes on to the border of the picture
        ([(1, 1, 0), (0, 0, 2)], [(0, 0, 4), (2, 2, 0)]),  # the same in space
        ([(1, 1, 0), (2, 0, 1)], [(2, 2, 0), (2, 2, 4.6)]),
    ],
)
def test_the_deciding_face_is_drawn_whole(exponents, ends):
    # mutants killed: a polygon wherever three exponents lie on the face; no line where the face is unbounded
    symbols = sympy.symbols("x y z")[: len(exponents[0])]
    first, second = (sympy.prod(s**e for s, e in zip(symbols, powers, strict=True)) for powers in exponents)
    axis = plots.newton_polyhedron((first - second) ** 2)
    lines = [np.array(getattr(line, "_verts3d", line.get_data())).T for line in axis.get_lines()]
    assert any(np.shape(line) == np.shape(ends) and np.allclose(line, ends) for line in lines)


def test_newton_polyhedron_in_space():
    a, b, c = sympy.symbols("a b c")
    axis = plots.newton_polyhedron([a**3, a * b, b**2 * c, c**4])
    face = next(line for line in axis.get_lines() if line.get_label() == "deciding face")
    assert sorted(zip(*face.get_data_3d(), strict=True)) == [(0, 0, 8), (2, 2, 0)]
    assert axis.get_title() == "λ = 5/8, m = 2"
    with pytest.raises(ValueError, match="two or three variables; got 4"):
        plots.newton_polyhedron(a**2 + b**2 + c**2 + sympy.Symbol("d") ** 2)


def test_pictures_name_what_they_need():
    a, b = sympy.symbols("a b")
    with pytest.raises(ValueError, match="found by blow-ups or in parts: pass K itself"):
        plots.newton_polyhedron(slt.rlct.learning_coefficient(a**2 + b**4))
    with pytest.raises(ValueError, match="Resolution; got Pow"):
        plots.chart_tree(a**2)
    with pytest.raises(ValueError, match="half the side of the picture, must be positive; got -1"):
        plots.strata(a**2 * b**2, width=-1)


def test_strata_are_drawn_where_k_vanishes():
    # mutants killed: coordinates exchanged; two pairs in one colour; the least pair not first
    a, b = sympy.symbols("a b")
    axis = plots.strata((a**2 - b**3) ** 2 * (b - 1) ** 4)
    colors = {}
    for line in axis.get_lines():
        u, v = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        assert np.abs((u**2 - v**3) * (v - 1)).max() < 2e-3
        colors.setdefault(line.get_color(), []).append(len(u))
    texts = [text.get_text() for text in axis.figure.legends[0].get_texts()]
    assert texts == ["λ = 1/4, m = 1", "λ = 5/12, m = 1", "λ = 1/2, m = 1"]
    assert colors[plots.COLORS[1]] == [1]  # the cusp
    assert sorted(colors) == sorted(plots.COLORS[:3])


def test_strata_show_all_points_and_no_point_outside():
    # mutants killed: a fixed width of 2, which draws the marker at (5, 1) beside the axes, or not at all
    a, b = sympy.symbols("a b")
    K = (a - 5) ** 2 * (b - 1) ** 2
    markers = lambda axis: [line.get_xydata().tolist() for line in axis.get_lines() if line.get_marker() != "None"]  # noqa: E731
    axis = plots.strata(K)
    assert markers(axis) == [[[5, 1]]]
    assert axis.get_xlim() == axis.get_ylim() == (-6.25, 6.25)
    assert not markers(plots.strata(K, width=3))


def test_strata_in_space_follow_a_curve_with_a_pole():
    # mutant killed: a warning of numpy where b = 1/a has its pole (warnings are errors)
    a, b, c = sympy.symbols("a b c")
    axis = plots.strata((a * b - 1) ** 2 * c**2)
    u, v, w = np.hstack([line.get_data_3d() for line in axis.get_lines() if line.get_gid()])
    assert np.nanmax(abs(u * v - 1)) < 1e-12
    assert np.nanmin(u) < 0 < np.nanmax(u)
    assert not np.nansum(abs(w))


def test_strata_in_space_follow_the_conditions():
    a, b, c = sympy.symbols("a b c")
    axis = plots.strata((a**2 - b**2 * c) ** 2)
    rays = {line.get_color(): np.array(line.get_data_3d()) for line in axis.get_lines() if line.get_gid()}
    double, single = plots.COLORS[:2]
    assert np.nanmin(rays[double][2]) > 0 > np.nanmax(rays[single][2])
    assert not np.nansum(abs(rays[double][:2]))
    for path in axis.collections[0]._segments3d:
        u, v, w = np.asarray(path).T
        assert np.abs(u**2 - v**2 * w).max() < 0.02


def test_chart_tree_highlights_what_decides():
    # mutants killed: the root highlighted; K o g of the parent beside a chart; rows that overlap
    a, b = sympy.symbols("a b")
    resolution = slt.rlct.resolve((b**2 - a**3) ** 2 + a**8)
    axis = plots.chart_tree(resolution)
    nodes = [node for _, node in resolution.tree.walk()]
    assert len(axis.texts) == len(nodes)
    marked = [text for text in axis.texts if text.get_color() == plots.COLORS[1]]
    assert [t.get_text().splitlines()[0] for t in marked] == [f"{resolution.deciding().label}: λ = 5/12, m = 1"]
    heights = [text.get_position()[1] for text in axis.texts]
    assert heights == [-n for n in range(len(nodes))]
    for text, node in zip(axis.texts, nodes, strict=True):
        kl = text.get_text().splitlines()[1].partition(";")[0].removeprefix("K∘g = ")
        shown = sympy.sympify(kl.replace("^", "**").replace(" ", "*").replace("*+*", "+").replace("*-*", "-"))
        powers = [g.as_expr() ** k for g, k in zip(node.pair.ring.gens, node.pair.k, strict=True)]
        powers += [f.poly.as_expr() ** f.k for f in node.pair.factors]
        assert sympy.expand(shown - sympy.prod(powers)) == 0


# --- Local learning coefficient ---------------------------------------------------------------------------------------


def estimate(step, gamma, *, good, level=1.0):
    """Four chains of independent draws around a level; a poor acceptance is the diagnostic that fails."""
    from slt.local import Estimate, Settings

    nats = level / 5 * (np.random.default_rng(0).normal(size=(4, 1000, 10)) ** 2).sum(2) / 2
    figures = {"bias": np.zeros((4, 1000)), "baseline": 1.0, "gradient_norm": 0.0, "descent": 0.0, "dimension": 10}
    run = {"n": 100, "beta": 0.2, "gamma": gamma, "step": step, "settings": Settings()}
    distance = np.random.default_rng(1).normal(size=(4, 1000)) ** 2
    return Estimate(excess=nats / 20, distance=distance, acceptance=0.95 if good else 0.5, **figures, **run)


def test_a_sweep_is_drawn_with_its_verdicts():
    # Kills: steps and localizations exchanged, filled and hollow exchanged, a diverged pair that vanishes.
    from slt.local import Sweep

    made = [[estimate(s, g, good=s < 0.1, level=1 + s + g) for g in (0.5, 2.0)] for s in (0.01, 0.1, 1.0)]
    made[2][1] = estimate(1.0, 2.0, good=True, level=np.nan)
    sweep = Sweep((0.01, 0.1, 1.0), (0.5, 2.0), tuple(map(tuple, made)))
    axis = plots.sweep(sweep, exact=2.0)
    filled = [line for line in axis.lines if line.get_marker() in "os" and line.get_linestyle() == "None"]
    drawn = [line for line in filled if len(line.get_xdata()) and line.get_color() != plots.GREY]
    hollow = {(line.get_marker(), len(line.get_xdata())): line.get_markerfacecolor() == "none" for line in drawn}
    assert hollow == {("o", 1): False, ("o", 2): True, ("s", 1): False, ("s", 2): True}
    np.testing.assert_allclose(drawn[0].get_ydata(), [made[0][0].estimate])
    np.testing.assert_allclose(drawn[1].get_ydata(), [made[1][0].estimate, made[2][0].estimate])
    assert [text.get_text() for text in axis.get_xticklabels(which="both")] == ["0.01", "0.1", "1"]
    crosses = [line for line in axis.lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert len(crosses) == 1
    assert "exact λ" in [text.get_text() for text in axis.get_legend().get_texts()]
    with pytest.raises(ValueError, match="at least one step and one gamma; got 1 x 0"):
        plots.sweep(Sweep((0.1,), (), ((),)))


def test_a_trace_ends_at_the_estimate_of_its_chain():
    # Kills: cumulative sums without their division; draws and chains exchanged.
    fit = estimate(0.01, 1.0, good=True)
    axis = plots.trace(fit, exact=5.0)
    ends = [line.get_ydata()[-1] for line in axis.lines[:4]]
    np.testing.assert_allclose(ends, fit.per_chain)
    assert list(axis.lines[4].get_ydata()) == [5.0, 5.0]
