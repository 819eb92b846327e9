"""Training, cross-validation and WAIC losses from a matrix of 4000 draws: slt and SciPy in turn."""

import statistics
import time
from importlib.metadata import version

import numpy as np
from scipy.special import logsumexp

import slt

DRAWS, OBSERVATIONS, REPEATS = 4000, 2000, 7


def with_slt(log_lik):
    cv = slt.cv_loss(log_lik, method="plain")
    return np.stack([slt.training_loss(log_lik), cv, slt.waic_loss(log_lik)])


def with_scipy(log_lik):
    draws = np.log(len(log_lik))
    training = draws - logsumexp(log_lik, axis=0)
    return np.stack([training, logsumexp(-log_lik, axis=0) - draws, training + log_lik.var(axis=0)])


def race(contestants, log_lik):
    """Median seconds of each, run in turn; the first round compiles and is not counted."""
    results = {name: run(log_lik) for name, run in contestants.items()}
    first, *others = results.values()
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-5, atol=1e-5)
    seconds = {name: [] for name in contestants}
    for _ in range(REPEATS):
        for name, run in contestants.items():
            start = time.perf_counter()
            run(log_lik)
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def main():
    rng = np.random.default_rng(1)
    log_lik = -0.5 * (rng.normal(size=OBSERVATIONS) + 0.2 * rng.normal(size=(DRAWS, 1))) ** 2
    names = ("slt-textbook", "jax", "numpy", "scipy")
    print(", ".join(f"{name} {version(name)}" for name in names), f"; {DRAWS} draws x {OBSERVATIONS} observations")
    medians = race({"slt": with_slt, "SciPy": with_scipy}, log_lik)
    for name, seconds in medians.items():
        print(f"{name:8s} {seconds:8.4f} s   {seconds / medians['slt']:6.1f} x slt")


if __name__ == "__main__":
    main()
