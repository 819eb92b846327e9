"""The generated notebooks: clean, complete, and running with nothing but the wheel."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("pybtex", reason="pip install -e '.[book]'")
from ext import COMPILED, PROJECT, REPOSITORY, VERSION, myst
from ext import notebooks as generator

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted(p.stem for p in (ROOT / "book").glob("ch[0-9][0-9]_*.md"))


def chapter(notebooks, stem):
    return nbformat.read(notebooks / f"{stem}.ipynb", as_version=4)


def test_one_notebook_for_each_chapter(notebooks):
    assert sorted(p.stem for p in notebooks.glob("*.ipynb")) == CHAPTERS


@pytest.mark.parametrize("stem", CHAPTERS)
def test_a_notebook_is_valid_and_has_no_outputs(notebooks, stem):
    made = chapter(notebooks, stem)
    nbformat.validate(made)
    code = [cell for cell in made.cells if cell.cell_type == "code"]
    assert len(code) > 3
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


@pytest.mark.parametrize("stem", CHAPTERS)
def test_the_first_cell_is_one_line_that_installs_the_release(notebooks, stem):
    first = chapter(notebooks, stem).cells[0]
    assert first.cell_type == "code"
    assert "\n" not in first.source
    assert f"{PROJECT['name']} @ git+{REPOSITORY}@v{VERSION}" in first.source
    assert 'find_spec("slt") or' in first.source


@pytest.mark.parametrize("stem", CHAPTERS)
def test_no_markup_of_the_book_is_left(notebooks, stem):
    for cell in chapter(notebooks, stem).cells:
        source = cell.source
        if cell.cell_type == "markdown":
            prose = re.sub(r"```.*?```|`[^`\n]*`", "", source, flags=re.S)
            for mark in (":::", "```{", "{prf:", "{eq}", "{ref}", "{cite", "{glue", ":label:", "(computed above)"):
                assert mark not in source, f"{mark} in {source[:200]}"
            assert not re.search(r"^\([\w-]+\)=", source, re.M), source[:200]
            assert not re.search(r"\\(E|V|Ew|Vw|KL|R|N|dd|argmin)(?![A-Za-z])", prose), source[:200]
            assert prose.count("$$") % 2 == 0, source[:200]
        else:
            assert "glue" not in source
            assert "myst_nb" not in source


@pytest.mark.parametrize("stem", CHAPTERS)
def test_nothing_of_the_chapter_is_lost(notebooks, stem):
    """Every statement, exercise, caption and code line of the source is in the notebook."""
    source = (ROOT / "book" / f"{stem}.md").read_text(encoding="utf-8")
    made = chapter(notebooks, stem)
    text = "\n".join(c.source for c in made.cells if c.cell_type == "markdown")
    code = "\n".join(c.source for c in made.cells if c.cell_type == "code")
    labels = json.loads((notebooks.parent / "labels.json").read_text(encoding="utf-8"))
    named = re.findall(r"^:label: ((?:def|thm|lem|exm|rem|ex)-[\w-]+)", source, re.M)
    assert named
    for label in named:
        assert f"**{labels[label]}" in text, label
    for number in re.findall(r"^:label: ex-(\d+-\d+)", source, re.M):
        assert f'slt.check("{number.replace("-", ".")}"' in code
    for heading in re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", source, flags=re.S), re.M):
        assert heading.split("$")[0].split("{")[0].strip() in text


# The converter, on small texts. Mutants that these kill: a role left as it is; a macro not expanded, or expanded
# inside code or inside a longer command; the number of an equation lost; a nested directive closed by the wrong fence.
BOOK = myst.Book(
    labels={"thm-a": "Theorem 1.1", "eq-a": "(1.7)", "ex-1-2": "Exercise 1.2", "sec-a": "Data", "fig-a": "Figure 1.3"},
    glued={"k": "0.70312", "word": "'about two'"},
    citations={"a": ("Ada", "1843"), "b": ("Bayes and Price", "1763")},
    macros={"E": "\\mathbb{E}", "dd": "\\,\\mathrm{d}"},
    stubs={"1.2": "def half(x):\n    raise NotImplementedError"},
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("see {prf:ref}`thm-a` and {eq}`eq-a`", "see Theorem 1.1 and (1.7)"),
        ("{cite:p}`a,b` or {cite:t}`b`", "(Ada, 1843; Bayes and Price, 1763) or Bayes and Price (1763)"),
        ("it is {glue:text}`k:.2f`, {glue:text}`word`", "it is 0.70, about two"),
        ("[](#sec-a), [there](#sec-a), {ref}`over there <sec-a>`", "*Data*, there, over there"),
        (r"$\E[X] + \Else$ and `\E`", r"${\mathbb{E}}[X] + \Else$ and `\E`"),
        (r"a role over a line: {prf:ref}`the theorem" + "\n<thm-a>`", "a role over a line: the theorem"),
        ("(sec-a)=\n## Data", "## Data"),
        ("$$\nx\n$$ (eq-a)", "$$\nx \\qquad (1.7)\n$$"),
        ("$$x$$ (eq-a)", "$$\nx \\qquad (1.7)\n$$"),
        ("```{math}\n:label: eq-a\n\nx\n```", "$$\nx \\qquad (1.7)\n$$"),
        (":::{note}\nBeware.\n:::", "**Note.**\n\nBeware."),
        ("```python\n{eq}`x`\n```", "```python\n{eq}`x`\n```"),
    ],
)
def test_plain_markdown_of(text, wanted):
    assert myst.cells(text, BOOK)[0] == [("markdown", wanted)]


def test_nested_directives_and_exercises_become_cells_of_their_own():
    text = """before
````{prf:theorem} A title with $\\E$
:label: thm-a
It holds.
```{math}
:label: eq-a
x
```
````
:::{dropdown} Proof
```{prf:proof}
By {eq}`eq-a`.
```
:::
```{exercise} Half
:label: ex-1-2
Halve it.
```
```{code-cell} ipython3
---
tags: [hide-input]
mystnb:
  figure:
    name: fig-a
    caption: |
      A line, {cite:t}`a`.
---
plot()
```
"""
    found, cited = myst.cells(text, BOOK)
    assert [kind for kind, _ in found] == ["markdown", "markdown", "markdown", "markdown", "code", "code", "markdown"]
    assert found[1][1] == "**Theorem 1.1 (A title with ${\\mathbb{E}}$).**\n\nIt holds.\n\n$$\nx \\qquad (1.7)\n$$"
    assert found[2][1] == "**Proof.**\n\n*Proof.*\nBy (1.7).\n\n∎"
    assert found[4][1].startswith("def half(x):")
    assert '# slt.check("1.2", half)' in found[4][1]
    assert found[5][1] == "plot()"
    assert found[6][1] == "*Figure 1.3.* A line, Ada (1843)."
    assert cited == ["a"]


@pytest.mark.parametrize("text", ["```{unheard-of}\n```", "{unheard}`x`", "```{note}\nnever closed"])
def test_what_has_no_plain_form_is_an_error(text):
    with pytest.raises(ValueError, match=r"no plain form|never closed"):
        myst.cells(text, BOOK)


def test_a_reference_to_nothing_is_an_error():
    with pytest.raises(KeyError, match="thm-nowhere"):
        myst.cells("{prf:ref}`thm-nowhere`", BOOK)


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("from myst_nb import glue\nx = 1\nglue('x', x, display=False)", "x = 1"),
        ("x = 1\nglue(\n    'x',\n    x,\n)\ny = 2", "x = 1\ny = 2"),
        ("for k in range(3):\n    glue(f'x{k}', k)", "for k in range(3):\n    pass"),
        ("for k in range(3):\n    y = k\n    glue(f'x{k}', y)", "for k in range(3):\n    y = k"),
        ("x = 1", "x = 1"),
    ],
)
def test_glue_is_taken_out_of_the_code(source, wanted):
    assert generator.without_glue(source) == wanted


RUN = """
import sys, nbformat, nbclient
made = nbformat.read(sys.argv[1], as_version=4)
place = {"metadata": {"path": sys.argv[2]}}
nbclient.NotebookClient(made, timeout=900, kernel_name="python3", resources=place).execute()
first = made.cells[0].outputs[0]["text"]
import slt
print(first.strip(), "|", slt.__file__)
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The built wheel, from a copy of what goes into it, so that nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "slt", folder / "slt", ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", "dist", "."]
    subprocess.run(build, cwd=folder, check=True)
    (found,) = (folder / "dist").glob("*.whl")
    return found


def environment(folder):
    """A new virtual environment; returns a function that runs its Python there, away from the repository.

    Of the settings here only the folder of compiled programs goes along: what the book has compiled with the same
    versions is not compiled again.
    """
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "JUPYTER", "JAX", "SLT_", "MPL"))}
    clean |= {name: os.environ[name] for name in COMPILED} | {"PATH": f"{python.parent}{os.pathsep}{clean['PATH']}"}

    def run(*arguments):
        done = subprocess.run([python, *arguments], cwd=folder, env=clean, capture_output=True, text=True)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        return done.stdout

    return run


def execute(run, notebooks, folder):
    for stem in CHAPTERS:
        shutil.copy(notebooks / f"{stem}.ipynb", folder)
        versions = run("-c", RUN, f"{stem}.ipynb", str(folder))
        assert f"slt-textbook {VERSION}" in versions
        assert str(ROOT / "slt") not in versions, "the notebook ran the checkout and not the wheel"


def pip(run, *arguments):
    return run("-m", "pip", "install", "--quiet", "--disable-pip-version-check", *map(str, arguments))


@pytest.mark.slow
def test_the_notebooks_run_with_only_the_wheel(notebooks, wheel, tmp_path):
    run = environment(tmp_path)
    pip(run, "-c", ROOT / "constraints.txt", wheel)
    assert run(ROOT / "tests" / "core_install.py").strip() == f"core {VERSION}"  # before anything else is installed
    pip(run, "-c", ROOT / "constraints.txt", "ipykernel", "nbclient")
    execute(run, notebooks, tmp_path)


# Older than the pins and inside the ranges of pyproject.toml, as a hosted notebook may have them.
OLDER = {"numpy": "numpy<2.4", "jax": "jax<0.10"}


@pytest.mark.slow
def test_the_notebooks_run_beside_other_versions_and_leave_them(notebooks, wheel, tmp_path):
    """The wheel's ranges have no upper caps: installing it must not replace the reader's own numpy and jax."""
    run = environment(tmp_path)
    pip(run, *OLDER.values())
    versions = "from importlib.metadata import version; print(version('numpy'), version('jax'), version('jaxlib'))"
    before = run("-c", versions)
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    free = ("numpy", "jax", "jaxlib", "ml_dtypes", "scipy", "numpyro", "opt_einsum")
    others = tmp_path / "constraints.txt"
    others.write_text("\n".join(line for line in pinned if line.partition("==")[0] not in free))
    pip(run, "-c", others, wheel, "ipykernel", "nbclient")
    assert run("-c", versions) == before
    for name, got in zip(("numpy", "jax"), before.split(), strict=False):
        assert got != importlib.metadata.version(name), f"{name} is the pinned version: take an older one in OLDER"
    execute(run, notebooks, tmp_path)
