r"""The local learning coefficient beside exact ones: linear networks and normal crossings.

The inputs have covariance one and the outputs are those of w* itself, so that the mean loss is K and what is left
beside the noise of the chains is finite n. *Finite* is that expectation, computed apart: by Gibbs draws of whole layers
for a network, by quadrature for a crossing; z is the distance from it in standard errors of both, and a Student's t
with fifteen degrees of freedom at the widest: 2.1 at 5 %, 2.9 at 1 %.
Chains are NUTS, 16 x 500 draws (crossings, which cost little, 16 x 2,000), n = 10^5, gamma = 1.
Minutes, not seconds: `python -m benchmarks.calibrate_local`, or with the beginnings of the rows that are wanted.
"""

import dataclasses
import itertools
import sys
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np

import slt
from benchmarks.gibbs_networks import gibbs
from slt.local import Settings
from slt.rlct import deep_linear, normal_crossing

N, GAMMA = 10**5, 1.0
N_BETA = N / np.log(N)
SETTINGS = Settings(sampler="nuts", chains=16, burn_in=400, draws=500)
LONG = dataclasses.replace(SETTINGS, draws=2000)
NETWORKS = [  # widths, rank of w*; the first five are reduced rank regressions that other packages test at 40 %
    ([5, 3, 5], 0),
    ([5, 4, 5], 0),
    ([4, 3, 8], 0),
    ([8, 3, 4], 0),
    ([3, 8, 4], 0),
    ([4, 2, 4], 0),
    ([4, 2, 4], 1),
    ([6, 4, 3], 2),
    ([3, 3, 3, 3], 0),
    ([4, 3, 5, 2], 1),
    ([2, 5, 3, 4], 2),
    ([3, 4, 2, 4, 3], 1),
]
CROSSINGS = [(1, 1), (1, 2), (2, 2), (1, 3)]


def network_loss(weights, batch):
    """Half the mean squared error: a Gaussian negative log-likelihood less its constant."""
    x, y = batch
    for w in weights:
        x = x @ w
    return 0.5 * ((y - x) ** 2).sum(1).mean()


def network(widths, rank):
    """w* with products of the given rank at its most singular point, and as few observations as have covariance one."""
    weights = [np.zeros(shape) for shape in itertools.pairwise(widths)]
    for w in weights:
        w[np.arange(rank), np.arange(rank)] = 1 + 0.2 * np.arange(rank)
    x = np.tile(np.sqrt(widths[0]) * np.linalg.qr(np.random.default_rng(0).normal(size=(widths[0],) * 2))[0], (2, 1))
    y = x
    for w in weights:
        y = y @ w
    return weights, (x, y)


def crossing_loss(powers):
    return lambda w, x: 0.5 * (jnp.prod(w ** np.array(powers)) * x**2).mean() * jnp.prod(w ** np.array(powers))


def crossing_expectation(powers):
    """Mean of n beta K over the orthant, in logarithms of the coordinates: smooth, and it decays at both ends."""
    t = np.linspace(-60.0, 3.0, 2001)
    w = np.meshgrid(*[np.exp(t)] * len(powers), indexing="ij")
    k = N_BETA / 2 * np.prod([a ** (2 * p) for a, p in zip(w, powers, strict=True)], axis=0)
    density = np.exp(-k - GAMMA / 2 * sum(a * a for a in w)) * np.prod(w, axis=0)
    return (k * density).sum() / density.sum()


def row(name, exact, finite, loss, weights, data, settings=SETTINGS):
    """One line; few rows of data stand for N of them, through the inverse temperature."""
    rows = len(jax.tree.leaves(data)[0])
    start = time.perf_counter()
    fit = slt.local_learning_coefficient(
        jax.random.key(1), loss, weights, data, step=1e-4, gamma=GAMMA, beta=N_BETA / rows, settings=settings
    )
    expected, error = finite
    z = (fit.estimate - expected) / np.hypot(fit.se, error)
    flags = ", ".join(text.split()[0].rstrip(":") for text in fit.problems() if not text.startswith("beta"))
    print(
        f"{name:18s} {float(exact.rlct):7.3f} {exact.multiplicity:2d} {expected:7.3f} {fit.estimate:7.3f}"
        f" ± {fit.se:.3f} {fit.estimate / float(exact.rlct):7.3f} {fit.estimate / expected:7.3f} {z:+5.1f}"
        f" {fit.rhat:6.3f}"
        f" {fit.ess:6.0f} {time.perf_counter() - start:5.1f} s  {flags}",
        flush=True,
    )


def main(wanted=("",)):
    jax.config.update("jax_enable_x64", True)
    warnings.simplefilter("ignore", slt.SltWarning)
    print("w*                  lambda  m  finite        estimate  /lambda /finite     z  R-hat    ESS    time  flagged")
    for widths, rank in NETWORKS:
        name = "-".join(map(str, widths)) + f" rank {rank}"
        if not name.startswith(tuple(wanted)):
            continue
        weights, data = network(widths, rank)
        means = gibbs(weights, N_BETA, GAMMA).mean(0)
        finite = means.mean(), means.std(ddof=1) / np.sqrt(len(means))
        row(name, deep_linear(widths, rank), finite, network_loss, weights, data)
    for powers in CROSSINGS:
        name = f"w1^{powers[0]} w2^{powers[1]}"
        if not name.startswith(tuple(wanted)):
            continue
        exact = normal_crossing(powers, (0,) * len(powers))
        data = np.array([[1.0], [-1.0], [1.0], [-1.0]])
        row(
            name,
            exact,
            (crossing_expectation(powers), 0.0),
            crossing_loss(powers),
            np.zeros(2),
            data,
            LONG,
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or [""]))
