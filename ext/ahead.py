"""Pages are executed side by side, ahead of Sphinx, which reads them one after the other.

When Sphinx knows which pages it will read, every one that the cache lacks is given to a pool with one worker per core.
The execution that MyST-NB asks for later is then a wait for what is already under way.
"""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path


def code(notebook) -> tuple[str, ...]:
    """The code of a notebook: what decides what its execution gives."""
    return tuple(cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code")


def without_outputs(env, docnames: list[str]) -> list[tuple[Path, object]]:
    """The pages with code that the cache of executed pages does not hold, as notebooks."""
    from jupyter_cache import get_cache
    from myst_nb.core.read import create_nb_reader

    kept, found = get_cache(env.mystnb_config.execution_cache_path), []
    for path in (Path(env.doc2path(name)) for name in docnames):
        text = path.read_text(encoding="utf-8")
        reader = create_nb_reader(str(path), env.myst_config, env.mystnb_config, text)
        notebook = reader and reader.read(text)
        if notebook and code(notebook):
            try:
                kept.match_cache_notebook(notebook)
            except KeyError:
                found.append((path, notebook))
    kept.db.dispose()
    return found


def setup(app):
    """Execute ahead, and hand over what was executed to whoever asks."""
    from myst_nb.core.execute import cache

    execute = cache.single_nb_execution
    running: dict[tuple[str, ...], Future] = {}

    def start(app, env, docnames):
        pool = ThreadPoolExecutor(os.cpu_count())
        settings = {"allow_errors": False, "timeout": env.mystnb_config.execution_timeout, "record_timing": True}
        for path, notebook in without_outputs(env, docnames):
            running[code(notebook)] = pool.submit(execute, notebook, cwd=str(path.parent), **settings)
        pool.shutdown(wait=False)

    def awaited(notebook, **options):
        if (future := running.pop(code(notebook), None)) is None:
            return execute(notebook, **options)
        result = future.result()
        notebook.clear()
        notebook.update(result.nb)
        return result

    cache.single_nb_execution = awaited
    app.connect("env-before-read-docs", start)
