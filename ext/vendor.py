"""The book's JavaScript and CSS, copied from installed packages and from `ext/static`: nothing comes from a network.

MathJax 3 with its fonts comes from the package `sphinx-mathjax-offline`, plotly.js from `plotly`. A page loads
plotly.js only if it holds a Plotly figure.
"""

import importlib.metadata
import shutil
from importlib.resources import files
from pathlib import Path

STATIC = Path(__file__).parent / "static"
MATHJAX = "mathjax/tex-chtml-full.js"


def mathjax() -> Path:
    """The folder of MathJax that the package `sphinx-mathjax-offline` brings."""
    for path in importlib.metadata.files("sphinx-mathjax-offline") or ():
        if path.name == "tex-chtml-full.js":
            return Path(str(path.locate())).parent
    raise FileNotFoundError("sphinx-mathjax-offline holds no tex-chtml-full.js; reinstall it: pip install -e '.[book]'")


def configure(app, config):
    """Point Sphinx at the vendored MathJax."""
    config.mathjax_path = MATHJAX


def copy(app, error):
    """Copy everything into the built book's `_static`."""
    if error is None and app.builder.format == "html":
        static = Path(app.outdir) / "_static"
        fonts = Path("output/chtml/fonts/woff-v2")
        shutil.copytree(mathjax() / fonts, static / "mathjax" / fonts, dirs_exist_ok=True)
        shutil.copyfile(mathjax() / "tex-chtml-full.js", static / MATHJAX)
        shutil.copyfile(str(files("plotly") / "package_data" / "plotly.min.js"), static / "plotly.min.js")


def choose_scripts(app, pagename, templatename, context, doctree):
    """Load plotly.js, in the page's head, where the page holds a figure of it; never load Thebe, which needs a host."""
    context["script_files"][:] = [s for s in context["script_files"] if "thebe" not in f"{s}{vars(s)}".lower()]
    if "plotly-graph-div" in context.get("body", ""):
        app.add_js_file("plotly.min.js", priority=200)


def setup(app):
    app.connect("config-inited", configure, priority=1)
    app.connect("builder-inited", lambda app: app.config.html_static_path.append(str(STATIC)))
    app.add_css_file("slt.css")
    app.add_js_file("slt.js", priority=300)
    app.connect("html-page-context", choose_scripts, priority=900)
    app.connect("build-finished", copy)
