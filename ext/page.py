"""`python -m ext.page study_local`: one page of the book by itself, without the book.

The cells run one after the other in this process and print what they print on the page; the figures are saved in
`_build/pages/`, under the names that they have on the page.
"""

import ast
import builtins
import re
import sys
import types
from pathlib import Path

from ext import ROOT
from ext.myst import options

CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```", re.M | re.S)


def run(page: Path, out: Path) -> list[Path]:
    """The figures of a page, saved in `out`; its cells share one namespace, and the last value of each is printed."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    out.mkdir(parents=True, exist_ok=True)
    module, saved = types.ModuleType("__main__"), []
    for number, match in enumerate(CELL.finditer(page.read_text()), 1):
        about, body = options(match[1].split("\n"))
        source = "\n".join(body)
        if "glue" in source:  # numbers on their way into the book's text
            continue
        tree = ast.parse(source)
        silent = source.rstrip().endswith(";")
        last = tree.body[-1] if tree.body else None
        if isinstance(last, ast.Expr):
            tree.body.pop()
        builtins.exec(compile(tree, f"{page.name}, cell {number}", "exec"), module.__dict__)
        if isinstance(last, ast.Expr):
            value = builtins.eval(
                compile(ast.Expression(last.value), f"{page.name}, cell {number}", "eval"), module.__dict__
            )
            if value is not None and not silent:
                print(value)
        name = about.get("mystnb", {}).get("figure", {}).get("name", f"{page.stem}-{number}")
        for figure in map(plt.figure, plt.get_fignums()):
            saved.append(out / f"{name}.png")
            figure.savefig(saved[-1], dpi=150, facecolor="white")
        plt.close("all")
    return saved


if __name__ == "__main__":
    for figure in run(ROOT / "book" / f"{sys.argv[1]}.md", ROOT / "_build" / "pages"):
        print(figure.relative_to(ROOT))
