r"""The local learning coefficient beside exact ones: linear networks and normal crossings.

The inputs have covariance one and the outputs are those of w* itself, so that the mean loss is K and what is left
beside the noise of the chains is finite n: about (m - 1)/log(n beta) is missing where the multiplicity m exceeds one.
Chains are NUTS, 4 x 1,000 draws, n = 10^5, gamma = 1. Minutes, not seconds; `--quick` takes one of each kind.
"""

import itertools
import sys
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np

import slt
from benchmarks.table import Row, quick, report
from slt.local import Settings
from slt.rlct import deep_linear, normal_crossing

N, GAMMA = 10**5, 1.0
N_BETA = N / np.log(N)
SETTINGS = Settings(sampler="nuts", chains=4, burn_in=500, draws=1000)
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


def row(name, exact, loss, weights, data):
    """One row of the table, compilation in; few rows of data stand for N of them, through the inverse temperature."""
    rows = len(jax.tree.leaves(data)[0])
    start = time.perf_counter()
    fit = slt.local_learning_coefficient(
        jax.random.key(1), loss, weights, data, step=1e-4, gamma=GAMMA, beta=N_BETA / rows, settings=SETTINGS
    )
    expected = float(exact.rlct) - (exact.multiplicity - 1) / np.log(N_BETA)
    taken = time.perf_counter() - start
    flags = ", ".join(text.split()[0].rstrip(":") for text in fit.problems() if not text.startswith("beta"))
    note = (
        f"λ {float(exact.rlct):.3f}, m {exact.multiplicity}; at this n {expected:.3f}; "
        f"found {fit.estimate:.3f} ± {fit.se:.3f} (z {(fit.estimate - expected) / fit.se:+.1f}); "
        f"R-hat {fit.rhat:.3f}, ESS {fit.ess:.0f}; flagged: {flags or 'nothing'}"
    )
    report([Row(f"local learning coefficient: {name}", "slt, NUTS", taken, taken, 1.0, None, note=note)])


def main():
    jax.config.update("jax_enable_x64", True)
    warnings.simplefilter("ignore", slt.SltWarning)
    for widths, rank in NETWORKS[:1] if quick() else NETWORKS:
        name = "-".join(map(str, widths)) + f" rank {rank}"
        row(name, deep_linear(widths, rank), network_loss, *network(widths, rank))
    for powers in CROSSINGS[:1] if quick() else CROSSINGS:
        exact = normal_crossing(powers, (0,) * len(powers))
        data = np.array([[1.0], [-1.0], [1.0], [-1.0]])
        row(f"w1^{powers[0]} w2^{powers[1]}", exact, crossing_loss(powers), np.zeros(2), data)


if __name__ == "__main__":
    sys.exit(main())
