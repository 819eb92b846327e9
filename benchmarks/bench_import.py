"""What `import slt` costs over `import jax`: each in a fresh process, in turn. At most 10 % is wanted.

`slt` alone loads nothing, JAX with its first name; so the first row is the import of both.
"""

import subprocess
import sys

from benchmarks.table import Timed, quick, race, report

CODE = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


def fresh(module: str) -> Timed:
    """Seconds of the import alone, as the new process measures them."""
    done = subprocess.run([sys.executable, "-c", CODE.format(module)], capture_output=True, text=True, check=True)
    return Timed(float(done.stdout), None, module)


def main() -> None:
    contestants = {"JAX and slt": lambda: fresh("jax, slt"), "JAX": lambda: fresh("jax")}
    rows = race("import", contestants, repeats=3 if quick() else 11)
    report(row._replace(note="yardstick" if row.who == "JAX" else "") for row in rows)


if __name__ == "__main__":
    main()
