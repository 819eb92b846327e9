"""The book's Sphinx extension: one `setup` for the small modules beside it, and their shared facts.

| module | what it does |
|---|---|
| `settings` | what `_config.yml` cannot say: the repository's address, the path of the execution cache |
| `vendor` | MathJax, plotly.js and the style sheet, copied into the book: it needs no network |
| `colab` | the button that opens a chapter's notebook |
| `solutions` | a page of solutions, read from `solutions/*.py` |
| `theorems` | the list of all numbered statements |
| `labels` | what each label is called in the book, written to `_build/labels.json` for the notebooks |
| `ahead` | pages executed side by side, before they are read |
| `timings` | what each cell took, beside the cache |
| `build` | `make book`, which ends with the slowest cells |
| `notebooks` | `make notebooks` (no Sphinx in it) |
"""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["Repository"].rstrip("/")
VERSION = PROJECT["version"]
# What one cell or one test has compiled, no other and no later build or test run compiles again: also the many small
# programs of single operations. XLA's own caches would write the folder's path into the programs.
COMPILED = {
    "JAX_COMPILATION_CACHE_DIR": str(ROOT / "_build" / "jax_cache"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES": "none",
}
# An entry that another process is still writing is compiled afresh: nobody need hear of it.
HALF_WRITTEN = "Error reading persistent compilation cache entry"


def is_chapter(docname: str) -> bool:
    """Whether a page is a chapter: `book/chNN_topic`."""
    path = Path(docname)
    return path.parent.name == "book" and path.name[:2] == "ch" and path.name[2:4].isdigit()


def setup(app):
    """Let every module connect what it needs."""
    from ext import ahead, colab, labels, settings, solutions, theorems, timings, vendor

    for module in (settings, vendor, colab, solutions, theorems, labels, ahead, timings):
        module.setup(app)
    return {"version": VERSION, "parallel_read_safe": False, "parallel_write_safe": True}
