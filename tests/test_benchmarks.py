"""The benchmarks' harness without its clock: rows travel unchanged, and the README shows what is stored."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import run, table  # noqa: E402


def stored():
    return json.loads(run.RESULTS.read_text())


def test_the_readme_shows_the_stored_results():
    # Kills: a table edited by hand, results stored without the README.
    assert run.with_block(run.README.read_text(), run.document(stored())) == run.README.read_text()
    assert run.TABLE.read_text() == run.document(stored()) + "\n"


def test_every_stored_result_has_its_script_date_machine_and_versions():
    assert stored()
    for name, found in stored().items():
        assert (run.HERE / f"{name}.py").exists(), f"{name} is gone: delete its results"
        assert found["rows"]
        assert found["date"][:2] == "20"
        assert "cores" in found["machine"]
        assert "jax" in found["versions"]


def test_rows_survive_the_pipe_among_other_output(capsys):
    # Kills: a field that is dropped, None that becomes a string, a line of a library taken for a row.
    rows = [
        table.Row("a | task", "slt", 0.25, 1.5, 1.0, None),
        table.Row("t", "peer", 1e-7, None, 0.5, 3.0, "draw", "é"),
    ]
    print("a library says hello")
    table.report(rows)
    assert table.parse(capsys.readouterr().out) == rows


def test_a_winning_peer_is_printed_in_bold_and_a_yardstick_is_not():
    row = table.Row("t", "peer", 1.0, None, 0.5, None)
    assert "**peer**" in table.render([row])
    assert "**" not in table.render([row._replace(ratio=1.5)])
    assert "**" not in table.render([row._replace(note="yardstick")])


def test_ratios_are_medians_per_unit_of_work(monkeypatch):
    # Times are given, not measured. Kills: a mean for the median, the first call counted, work multiplied, the
    # quotient upside down: (2 / 10) / (8 / 4) = 0.1.
    given = {"slt": iter([90.0, 7.0, 8.0, 50.0]), "peer": iter([95.0, 2.0, 2.0, 2.0])}
    contestants = {name: lambda name=name: table.Timed(next(given[name]), None, 0) for name in given}
    ours, peer = table.race("t", contestants, repeats=3, work={"slt": 4, "peer": 10}, unit="draw")
    assert (ours.seconds, ours.first, ours.ratio) == (2.0, 22.5, 1.0)
    assert (peer.seconds, peer.ratio) == (0.2, pytest.approx(0.1))


def test_what_takes_long_is_called_once_and_its_row_says_so():
    # Kills: a slow peer called in every round, its only call thrown away as a first one, a note left out.
    given = {"slt": iter([90.0, 2.0, 4.0]), "peer": iter([30.0])}
    contestants = {name: lambda name=name: table.Timed(next(given[name]), 5.0, 0) for name in given}
    ours, peer = table.race("t", contestants, repeats=2, once=["peer"])
    assert (ours.seconds, ours.first, ours.note) == (3.0, 90.0, "")
    assert peer[2:6] == (30.0, None, 10.0, 5.0)
    assert peer.note == "one call"


def test_short_calls_are_timed_warm(monkeypatch):
    # What paused for others would be timed cold. Kills: no calls before the timed one, the same before a long one.
    monkeypatch.setattr(table, "WARM", 0.05)
    given = {"short": [], "long": []}

    def call(name, seconds):
        given[name].append(seconds)
        return table.Timed(seconds, None, 0)

    table.race("t", {"short": lambda: call("short", 0.01), "long": lambda: call("long", 0.06)}, repeats=2)
    assert len(given["long"]) == 3
    assert len(given["short"]) > 100


def test_contestants_that_disagree_do_not_race():
    contestants = {"slt": lambda: np.ones(2), "peer": lambda: np.ones(2) + 1e-3}
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        table.race("t", contestants, repeats=1, check=np.testing.assert_allclose)


def test_a_script_that_fails_or_prints_nothing_has_no_result(monkeypatch, tmp_path):
    for code in ("raise SystemExit(1)", "print(1)"):
        done = subprocess.CompletedProcess([], int("Exit" in code), stdout="row: {}\n" if "Exit" in code else "1\n")
        monkeypatch.setattr(run.subprocess, "run", lambda *a, done=done, **k: done)
        monkeypatch.setattr(run, "parse", table.parse if "print" in code else lambda output: [1])
        assert run.run(tmp_path / "bench_none.py") is None


def test_peers_pin_every_package():
    lists = sorted((run.HERE / "peers").glob("*.txt"))
    assert lists
    for path in lists:
        for line in path.read_text().splitlines():
            assert line.startswith("#") or "==" in line, f"{path.name}: {line}"
