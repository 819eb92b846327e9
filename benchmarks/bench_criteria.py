"""T, C, W and V from a matrix of 4000 draws, and leave-one-out with smoothing: slt, ArviZ 0.23 and SciPy in turn.

The yardstick is a plain read of the matrix, `np.sum`. The matrix is float32 or float64; a contestant gets it as it is.
In float32 the peers meet it at a size that no cache holds, once each after a call on a small one: SciPy needs 9.5 GB.
"""

import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy.special import logsumexp

import slt
from benchmarks.peer import Peer
from benchmarks.table import quick, race, report

DRAWS = 4000
READ, PEERS, LARGE = (10_000, 1_000, 2_000) if quick() else (40_000, 4_000, 100_000)


def matrix(n, dtype):
    """Normal regression terms: every column has its own mean and spread."""
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=n).astype(dtype), (0.2 * rng.normal(size=(DRAWS, 1))).astype(dtype)
    a = x - w
    a *= a
    a *= dtype(-0.5)
    return a


def with_scipy(log_lik):
    draws = np.log(len(log_lik))
    training = draws - logsumexp(log_lik, axis=0)
    variance = log_lik.var(axis=0)
    return training, logsumexp(-log_lik, axis=0) - draws, training + variance, variance


def same_waic(other, ours):
    theirs = -other if isinstance(other, np.ndarray) else other[2]
    if np.size(theirs) > 1:
        np.testing.assert_allclose(theirs, ours.waic, rtol=2e-4, atol=2e-5)


def same_loo(other, ours):
    np.testing.assert_allclose(-other[0], ours, rtol=2e-4, atol=2e-5)


def main():
    for dtype in (np.float32, np.float64):
        name = dtype.__name__
        a = matrix(READ, dtype)
        contestants = {"slt.criteria": lambda a=a: slt.criteria(a), "np.sum": lambda a=a: a.sum()}
        ours, read = race(f"T, C, W, V: {name}, {DRAWS} × {READ}", contestants, repeats=7)
        report([ours, read._replace(note="yardstick: a plain read")])
    with tempfile.TemporaryDirectory() as folder, Peer("arviz") as arviz:
        for dtype, size in ((np.float32, PEERS), (np.float64, PEERS), (np.float32, LARGE)):
            name, path = dtype.__name__, str(Path(folder) / "log_lik.npy")
            a = matrix(size, dtype)
            np.save(path, a)
            arviz.call("load", path)()
            waic, loo = f"{arviz.version} waic (W)", f"{arviz.version} loo"
            scipy = f"SciPy {version('scipy')} logsumexp, var"
            once = (waic, loo, scipy) if size == LARGE else ()
            contestants = {
                "slt.criteria": lambda a=a: slt.criteria(a),
                waic: arviz.call("waic", path),
                scipy: lambda a=a: with_scipy(a),
            }
            report(race(f"T, C, W, V: {name}, {DRAWS} × {size}", contestants, check=same_waic, once=once))
            contestants = {"slt.cv_loss (smoothed)": lambda a=a: slt.cv_loss(a), loo: arviz.call("loo", path)}
            report(race(f"leave-one-out: {name}, {DRAWS} × {size}", contestants, check=same_loo, once=once))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
