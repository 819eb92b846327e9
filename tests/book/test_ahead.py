"""Pages are executed side by side, once each, and only those that the cache lacks."""

import threading
from types import SimpleNamespace

import pytest

pytest.importorskip("sphinx", reason="pip install -e '.[book]'")
from jupyter_cache.executors.utils import ExecutionResult
from myst_nb.core.config import NbParserConfig
from myst_nb.core.execute import cache
from myst_parser.config.main import MdParserConfig

from ext import ahead

HEAD = """---
jupytext:
  text_representation:
    format_name: myst
kernelspec:
  name: python3
  display_name: Python 3
---
"""
PAGES = {name: f"{HEAD}# {name}\n\n```{{code-cell}} ipython3\n{name} = 1\n```\n" for name in ("one", "two")}


@pytest.fixture
def env(tmp_path):
    """Two pages with code, one without any, one that is no notebook, beside an empty cache."""
    for name, text in (PAGES | {"prose": f"{HEAD}# Prose\n", "text": "# Text\n"}).items():
        (tmp_path / f"{name}.md").write_text(text)
    config = NbParserConfig(execution_mode="cache", execution_cache_path=str(tmp_path / "cache"))
    return SimpleNamespace(
        doc2path=lambda name: tmp_path / f"{name}.md", mystnb_config=config, myst_config=MdParserConfig()
    )


def test_pages_run_side_by_side_and_each_once(env, monkeypatch):
    # Kills: one page after the other (the barrier breaks), a page executed again when it is asked for, outputs of
    # another page, outputs that do not arrive, a page without code that is executed.
    together, seen = threading.Barrier(2, timeout=20), []

    def execute(notebook, cwd, **options):
        together.wait()
        seen.append(ahead.code(notebook))
        notebook.cells[-1]["outputs"] = [f"ran {notebook.cells[-1]['source']}"]
        return ExecutionResult(notebook, cwd, 1.0)

    monkeypatch.setattr(cache, "single_nb_execution", execute)
    monkeypatch.setattr(ahead.os, "cpu_count", lambda: 2)
    events = {}
    ahead.setup(SimpleNamespace(connect=events.__setitem__))
    pages = dict(ahead.without_outputs(env, ["one", "prose", "text", "two"]))
    events["env-before-read-docs"](None, env, ["one", "prose", "text", "two"])
    for path, notebook in pages.items():
        cache.single_nb_execution(notebook, cwd="here")
        assert notebook.cells[-1]["outputs"] == [f"ran {path.stem} = 1"]
    assert sorted(seen) == [("one = 1",), ("two = 1",)]


def test_a_page_in_the_cache_is_left_alone(env):
    # Kills: a cache that is not asked, or asked for another page.
    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn

    (_, one), _ = ahead.without_outputs(env, ["one", "two"])
    bundle = CacheBundleIn(one, str(env.doc2path("one")), data={})
    kept = get_cache(env.mystnb_config.execution_cache_path)
    kept.cache_notebook_bundle(bundle, check_validity=False)
    kept.db.dispose()
    assert [path.stem for path, _ in ahead.without_outputs(env, ["one", "two"])] == ["two"]
