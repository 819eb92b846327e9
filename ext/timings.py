"""Which cells of the book are slow: measured while a page is executed, kept beside the cache, listed by `make book`.

A page that comes from the cache keeps what it took when it was executed.
"""

import json
from datetime import datetime
from pathlib import Path

from ext.settings import cache_path

SLOWEST = 10  # cells listed


def path() -> Path:
    """Where the seconds are kept: with the cache, so that another library starts another list."""
    return cache_path() / "cells.json"


def seconds(cells: list) -> list[list]:
    """Seconds and first line of every executed cell, whose stamps are removed: the cached page stays without dates."""
    found = []
    for cell in cells:
        stamps = cell.get("metadata", {}).pop("execution", {})
        begin, end = stamps.get("iopub.execute_input"), stamps.get("shell.execute_reply")
        if begin and end:
            taken = datetime.fromisoformat(end) - datetime.fromisoformat(begin)
            found.append([taken.total_seconds(), cell["source"].strip().split("\n")[0]])
    return found


def store(page: str, found: list[list]) -> None:
    """Keep what a page's cells took, in place of what they took before."""
    known = json.loads(path().read_text()) if path().exists() else {}
    path().parent.mkdir(parents=True, exist_ok=True)
    path().write_text(json.dumps(known | {page: found}, indent=1, ensure_ascii=False))


def listing() -> str:
    """The slowest cells of all pages, slowest first; empty where nothing was measured."""
    known = json.loads(path().read_text()) if path().exists() else {}
    rows = sorted(((s, page, line) for page, cells in known.items() for s, line in cells), reverse=True)
    if not rows:
        return ""
    head = f"The slowest cells, of {sum(r[0] for r in rows):.0f} s in all:"
    return "\n".join([head, *(f"{s:7.1f} s  {page}  {line[:80]}" for s, page, line in rows[:SLOWEST])])


def setup(app):
    """Let the execution of a page record when its cells began and ended."""
    from myst_nb.core.execute import cache

    execute = cache.single_nb_execution

    def recorded(notebook, **options):
        result = execute(notebook, record_timing=True, **options)
        store(Path(app.env.docname).name, seconds(notebook.cells))
        return result

    if not getattr(execute, "records", False):
        recorded.records = True
        cache.single_nb_execution = recorded
