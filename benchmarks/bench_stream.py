"""The criteria where the log-likelihood is a function: time per entry beside the matrix in memory, and peak memory.

4000 draws of a normal regression in float32. The streamed pass evaluates the model and sums; the second row does the
same work in two steps, the model's evaluation alone and `slt.criteria` on a matrix that is there, per entry.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import slt
from benchmarks.table import quick, race, report
from slt._stream import ENTRIES

DRAWS = 4000
# `--full` streams 2.6 million observations: 1e10 entries, a 42 GB matrix that never exists
N = 2_600_000 if "--full" in sys.argv else 40_000 if quick() else 200_000
TILE = ENTRIES // DRAWS


def main():
    rng = np.random.default_rng(1)
    x = rng.normal(size=N).astype(np.float32)
    w = jnp.asarray(0.2 * rng.normal(size=(DRAWS, 1)), jnp.float32)
    log_lik = jax.jit(lambda x: -0.5 * (x - w) ** 2)
    tiles = [x[lo : lo + TILE] for lo in range(0, N - TILE + 1, TILE)]
    matrix = np.asarray(log_lik(x[: 10 * TILE]))
    entries = DRAWS * N
    contestants = {
        "slt.stream_criteria": lambda: slt.stream_criteria(log_lik, x),
        "the model's evaluation alone": lambda: [np.asarray(log_lik(t)).shape for t in tiles],
        "slt.criteria, matrix in memory": lambda: slt.criteria(matrix),
    }
    work = [entries, DRAWS * TILE * len(tiles), matrix.size]
    repeats = 1 if "--full" in sys.argv else 5
    rows = race(f"streamed T, C, W, V: float32, {DRAWS} × {N}", contestants, repeats=repeats,
                work=dict(zip(contestants, (e / 1e9 for e in work), strict=True)), unit="10⁹ entries")  # fmt: skip
    sum_of_parts = rows[1].seconds + rows[2].seconds
    note = f"{rows[0].seconds / sum_of_parts:.2f} × the sum of the next two"
    report([rows[0]._replace(note=note), *(r._replace(note="yardstick: part of it") for r in rows[1:])])


if __name__ == "__main__":
    main()
