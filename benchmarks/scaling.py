"""How the cost grows: measured exponents of seconds in the observations and in the draws, and the memory of each entry.

`python -m benchmarks.scaling` prints the table of the README. An exponent is the slope of log seconds on log size over
the last three of four sizes, each twice the one before; a call's fixed cost pulls it below its limit. Memory is what a
call takes beyond the matrix, per entry at the largest size.
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import slt
from benchmarks.table import quick, timed

DRAWS, N, REPEATS = (1000, 1000, 3) if quick() else (2000, 2500, 5)
SIZES = (1, 2, 4, 8)


def matrix(draws: int, n: int) -> np.ndarray:
    """Normal terms in float32: every column has its own mean and spread."""
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=n).astype(np.float32), (0.2 * rng.normal(size=(draws, 1))).astype(np.float32)
    return np.float32(-0.5) * (x - w) ** 2


def on_matrix(function: Callable[..., Any]) -> Callable[[int, int], Callable[[], Any]]:
    """Sizes to a call: the matrix is made outside the clock."""

    def prepare(draws, n):
        a = matrix(draws, n)
        return lambda: function(a)

    return prepare


def streamed(draws: int, n: int) -> Callable[[], Any]:
    """Sizes to a call in which the log-likelihood is a function."""
    w = jnp.asarray(0.2 * np.random.default_rng(1).normal(size=(draws, 1)), jnp.float32)
    x = np.random.default_rng(2).normal(size=n).astype(np.float32)
    log_lik = jax.jit(lambda x: -0.5 * (x - w) ** 2)
    return lambda: slt.stream_criteria(log_lik, x)


TASKS = {
    "`slt.criteria`": on_matrix(slt.criteria),
    "`slt.cv_loss` (smoothed)": on_matrix(slt.cv_loss),
    "`slt.stream_criteria`": streamed,
}


def measure(prepare: Callable[[int, int], Callable[[], Any]], sizes: list[tuple[int, int]]) -> tuple[float, float, Any]:
    """Exponent of the cost along the sizes, seconds at the largest and its extra memory in MB."""
    seconds, memory = [], None
    for draws, n in sizes:
        call = prepare(draws, n)
        call()  # compiles
        found = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            call()
            found.append(time.perf_counter() - start)
        seconds.append(statistics.median(found))
        memory = timed(call).memory
    slope = np.polyfit(np.log([d * n for d, n in sizes[1:]]), np.log(seconds[1:]), 1)[0]
    return float(slope), seconds[-1], memory


def main() -> int:
    print(
        "| function | grows | exponent | largest | seconds | extra memory, bytes per entry |\n|---|---|--:|---|--:|--:|"
    )
    for name, prepare in TASKS.items():
        paths = {"n": [(DRAWS, N * k) for k in SIZES], "draws": [(DRAWS * k, N) for k in SIZES]}
        for axis, sizes in paths.items():
            slope, seconds, memory = measure(prepare, sizes)
            draws, n = sizes[-1]
            each = "" if memory is None else f"{memory * 2**20 / (draws * n):.1f}"
            print(f"| {name} | {axis} | {slope:.2f} | {draws} × {n} | {seconds:.3g} | {each} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
