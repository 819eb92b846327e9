"""`make bench`: every `bench_*.py` here, one table.

`--quick` takes smaller sizes and fewer problems; names run some only.

What was measured is kept in `results.json`, script by script, with its date and machine; the table is in `results.md`
and in the README. A script that fails keeps its old rows, says so, and makes the exit status 1.
"""

import datetime
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.table import Row, parse, quick, render

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS, TABLE, README = HERE / "results.json", HERE / "results.md", ROOT / "README.md"
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
PACKAGES = ("jax", "numpy", "scipy", "numpyro")


def machine() -> str:
    """Cores, memory, architecture and system; never a name."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"


def run(script: Path) -> dict | None:
    """What one script measured, or `None` where it failed."""
    command = [sys.executable, "-m", f"benchmarks.{script.stem}", *(["--quick"] if quick() else [])]
    environment = os.environ | {"BENCH_COLLECT": "1"}
    found = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    rows = parse(found.stdout)
    if found.returncode or not rows:
        return None
    return {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "rows": [row._asdict() for row in rows],
    }


def document(results: dict) -> str:
    """The table of all scripts, each with its date, machine and versions."""
    parts = []
    for name, found in sorted(results.items()):
        head = f"`{name}.py`, {found['date']}; {found['machine']}; {found['versions']}"
        parts.append(f"{head}\n\n{render(Row(**row) for row in found['rows'])}")
    return "\n\n".join(parts)


def with_block(text: str, block: str) -> str:
    """The text with what stands between the markers replaced."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{block}\n{END}{after}"


def main() -> int:
    wanted = [a.removesuffix(".py") for a in sys.argv[1:] if not a.startswith("-")]
    every = sorted(HERE.glob("bench_*.py"))
    scripts = [p for p in every if not wanted or p.stem in wanted]
    if not scripts:
        print("No benchmark yet: benchmarks/bench_*.py." if not wanted else f"none of {wanted} is a script here.")
        return int(bool(wanted))
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() and not quick() else {}
    failed = []
    for script in scripts:
        print(f"== {script.name}", flush=True)
        found = run(script)
        if found is None:
            failed.append(script.stem)
            print(f"{script.name} failed or printed no row: see above; its old rows are kept.", file=sys.stderr)
            continue
        results[script.stem] = found
        print(render(Row(**row) for row in found["rows"]), flush=True)
    if not quick():  # the small sizes are for a look, not for the table
        RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
        TABLE.write_text(document(results) + "\n")
        README.write_text(with_block(README.read_text(), document(results)))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
