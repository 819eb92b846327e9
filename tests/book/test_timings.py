"""The list of the slowest cells: what is read from a page, what is kept, what is shown."""

import json

import pytest

pytest.importorskip("sphinx", reason="pip install -e '.[book]'")
from ext import timings


def cell(begin, end, source):
    stamps = {"iopub.execute_input": f"2026-01-01T{begin}Z", "shell.execute_reply": f"2026-01-01T{end}Z"}
    return {"source": source, "metadata": {"tags": ["hide-input"], "execution": stamps}}


def test_cells_are_timed_from_input_to_reply_and_lose_their_stamps():
    # Kills: the difference upside down, minutes dropped, stamps that stay in the cached page, prose that is timed.
    cells = [cell("10:59:58.500000", "11:01:00.000000", "\na = 1\nb"), {"source": "text", "metadata": {}}]
    assert timings.seconds(cells) == [[61.5, "a = 1"]]
    assert [c["metadata"] for c in cells] == [{"tags": ["hide-input"]}, {}]


def test_the_slowest_come_first_and_a_page_replaces_its_own(tmp_path, monkeypatch):
    # Kills: fastest first, a page that forgets the others, old seconds that stay, a list without end.
    monkeypatch.setattr(timings, "path", lambda: tmp_path / "cache" / "cells.json")
    assert timings.listing() == ""
    timings.store("ch01", [[50.0, "old"]])
    timings.store("ch02", [[3.0, "middle"], [0.5, "fast"]])
    timings.store("ch01", [[9.0, "slow"], *([[0.1, "tiny"]] * timings.SLOWEST)])
    head, *rows = timings.listing().splitlines()
    assert head == f"The slowest cells, of {9 + 3.5 + 0.1 * timings.SLOWEST:.0f} s in all:"
    assert [row.split()[-1] for row in rows] == ["slow", "middle", "fast", *["tiny"] * (timings.SLOWEST - 3)]
    assert rows[1].split()[:3] == ["3.0", "s", "ch02"]


def test_a_page_that_is_executed_leaves_its_seconds(tmp_path, monkeypatch):
    # Kills: a wrapper that is not put in, does not ask for stamps, or names the wrong page.
    from myst_nb.core.execute import cache

    def execute(notebook, record_timing=False, **options):
        notebook.cells = [cell("00:00:00.0", "00:00:02.0", "x = 1")] if record_timing else []
        return options

    monkeypatch.setattr(timings, "path", lambda: tmp_path / "cells.json")
    monkeypatch.setattr(cache, "single_nb_execution", execute)
    app = type("App", (), {"env": type("Env", (), {"docname": "book/ch01"})})
    timings.setup(app)
    timings.setup(app)
    assert cache.single_nb_execution(type("Notebook", (), {})(), cwd="here") == {"cwd": "here"}
    assert json.loads((tmp_path / "cells.json").read_text()) == {"ch01": [[2.0, "x = 1"]]}
