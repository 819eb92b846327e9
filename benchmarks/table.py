"""What a benchmark script is made of: `race` times contestants in turn, `report` prints rows that `run.py` collects.

A script `bench_x.py` reads like this::

    from benchmarks.table import quick, race, report

    def main():
        contestants = {"slt": lambda: slt.criteria(a), "NumPy": lambda: a.sum()}
        report(race("criteria, 4000 x 1000", contestants))

The first contestant is ours; every ratio is against it. A contestant is a function without arguments that returns its
result, or a `Timed` result where it was timed elsewhere (a peer in an environment of its own, see `peers.py`).
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

MARK = "row:"  # a line of a script's output that carries a row
WARM = 0.2  # seconds of untimed calls before one that takes less


class Row(NamedTuple):
    """One line of the table. Seconds are per unit of `unit`; `ratio` is seconds over those of the first contestant."""

    task: str
    who: str
    seconds: float  # median after the first call: compilation out
    first: float | None  # the first call: compilation in
    ratio: float
    memory: float | None  # largest extra memory after the first call, in MB
    unit: str = "call"
    note: str = ""


class Timed(NamedTuple):
    """A result that was timed where it was computed."""

    seconds: float
    memory: float | None
    value: Any


def quick() -> bool:
    """Whether smaller sizes and fewer problems are asked for (`make bench-quick`)."""
    return "--quick" in sys.argv


def race(
    task: str,
    contestants: Mapping[str, Callable[[], Any]],
    *,
    repeats: int = 5,
    work: Mapping[str, float] | None = None,
    unit: str = "call",
    check: Callable[[Any, Any], None] | None = None,
    once: Collection[str] = (),
) -> list[Row]:
    """Run the contestants in turn, several times, and return a row for each.

    Before a short call is timed, the same contestant is called, untimed, for `WARM` seconds: memory that waited while
    others computed has lost its place in caches and page tables, and to find it again takes longer than many a call.

    **Arguments:** `task`: what is computed, with its sizes. `contestants`: name to function; the first is ours.
    `repeats`: rounds after the first one. `work`: how many units (effective draws, steps) a call of each makes, the
    unit named by `unit`; `None` where a call is the unit. `check`: called with each other result and the first one's
    before the times count; it raises where they disagree. `once`: names of those whose first call is the only one,
    because it takes long; its row says so.
    """
    calls = {name: [] for name in contestants}
    results = {}
    for turn in range(repeats + 1):
        for name, run in contestants.items():
            if turn and name in once:
                continue
            warm = time.perf_counter() + WARM
            while turn and calls[name][-1].seconds < WARM and time.perf_counter() < warm:
                run()
            calls[name].append(timed(run))
            results.setdefault(name, calls[name][0].value)
            calls[name][-1] = calls[name][-1]._replace(value=None)
    ours, *others = contestants
    for other in others if check else ():
        check(results[other], results[ours])
    rows = []
    for name, runs in calls.items():
        amount = work[name] if work else 1
        seconds = statistics.median(r.seconds for r in runs[1:] or runs) / amount
        known = [r.memory for r in runs[1:] or runs if r.memory is not None]
        reference = rows[0].seconds if rows else seconds
        memory = max(known) if known else None
        first, note = (None, "one call") if name in once else (runs[0].seconds / amount, "")
        rows.append(Row(task, name, seconds, first, seconds / reference, memory, unit, note))
    return rows


def timed(run: Callable[[], Any]) -> Timed:
    """Seconds and extra memory of one call."""
    before = _reset_peak()
    start = time.perf_counter()
    value = run()
    for leaf in value if isinstance(value, tuple) and not isinstance(value, Timed) else (value,):
        getattr(leaf, "block_until_ready", lambda: None)()
    seconds = time.perf_counter() - start
    if isinstance(value, Timed):
        return value
    peak = _status("VmHWM")
    return Timed(seconds, None if before is None or peak is None else max(0.0, peak - before), value)


def _reset_peak() -> float | None:
    """Set the peak of resident memory to its present value, which is returned in MB; `None` where that is not known."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _status("VmRSS")


def _status(name: str) -> float | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name + ":")), None)


def report(rows: Iterable[Row]) -> None:
    """Print the rows: one line each for `run.py`, and a table for people on standard error."""
    rows = list(rows)
    for row in rows:
        print(MARK, json.dumps(row._asdict()), flush=True)
    if "BENCH_COLLECT" not in os.environ:
        print(render(rows), file=sys.stderr)


def parse(output: str) -> list[Row]:
    """The rows among the lines of a script's output."""
    lines = [line.removeprefix(MARK) for line in output.splitlines() if line.startswith(MARK)]
    return [Row(**json.loads(line)) for line in lines]


def render(rows: Iterable[Row]) -> str:
    """A Markdown table; a row that is faster than ours (ratio below 1) is in bold."""
    lines = [
        "| task | who | seconds | with compilation | ratio | extra memory | |",
        "|---|---|--:|--:|--:|--:|---|",
    ]
    for row in rows:
        per = "" if row.unit == "call" else f" per {row.unit}"
        first = "" if row.first is None else f"{row.first:.3g}"
        memory = "" if row.memory is None else f"{row.memory:.0f} MB"
        ratio = f"{row.ratio:.3g} ×"
        cells = [row.task, row.who, f"{row.seconds:.3g}{per}", first, ratio, memory, row.note]
        if row.ratio < 1 and "yardstick" not in row.note:
            cells[1], cells[4] = f"**{row.who}**", f"**{ratio}**"
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
