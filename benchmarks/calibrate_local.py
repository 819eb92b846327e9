r"""The local learning coefficient beside exact ones: linear networks and normal crossings.

The inputs have covariance one and the outputs are those of w* itself, so that the mean loss is K and what is left
beside the noise of the chains is finite n. *Finite* is that expectation, computed apart: by Gibbs draws of whole layers
for a network, by quadrature for a crossing; z is the distance from it in standard errors of both, and a Student's t
with fifteen degrees of freedom at the widest: 2.1 at 5 %, 2.9 at 1 %.
Chains are NUTS, 16 x 500 draws (crossings, which cost little, 16 x 2,000), n = 10^5, gamma = 1.
Minutes, not seconds: `python -m benchmarks.calibrate_local`, or with the beginnings of the rows that are wanted.

`python -m benchmarks.calibrate_local errors` asks of the standard error of four chains whether it is one: a run of 160
chains is cut into forty estimates, and their distances from the expectation are counted in their own errors.
"""

import dataclasses
import itertools
import sys
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import stdtrit

import slt
from benchmarks.gibbs_networks import gibbs
from slt.local import Settings, quadratic_expectation
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


def few_chains(name, expected, loss, weights, data, settings, **numbers):
    """One line: forty estimates of four chains each, with the error between the chains alone and with `se`."""
    settings = dataclasses.replace(settings, chains=160)
    whole = slt.local_learning_coefficient(jax.random.key(5), loss, weights, data, settings=settings, **numbers)
    traces = zip(np.split(whole.excess, 40), np.split(whole.distance, 40), strict=True)
    fits = [dataclasses.replace(whole, excess=e, distance=d) for e, d in traces]
    away = np.array([f.estimate for f in fits]) - expected
    columns = []
    for errors in (np.array([f.per_chain.std(ddof=1) / 2 for f in fits]), np.array([f.se for f in fits])):
        z = abs(away / errors)
        covered = (z < stdtrit(3, 0.975)).mean()
        columns.append(f"{np.median(errors):9.3f} {np.sqrt((z**2).mean()):6.1f} {z.max():6.1f} {covered:6.2f}")
    print(f"{name:26s} {away.std(ddof=1):6.3f} {'  '.join(columns)}", flush=True)


def quadratic_loss(w, batch):
    return 0.5 * (jnp.array([2.0, 0.3, 0.05]) * w**2).sum() + 0 * batch.sum()


def means_loss(w, x):
    return 0.5 * ((x - w) ** 2).sum(1).mean()


def errors_of_few_chains():
    n, gamma, step, size = 500, 5.0, 2e-3, 50
    x = np.random.default_rng(5).normal(size=(n, 2)) * np.array([1.0, 2.0])
    print(f"{'':26s} spread {'between the chains alone':>30s}  {'the larger of the two':>30s}")
    print(f"{'':33s} " + "  ".join(["median se  rms z  max z  cover"] * 2))
    exact = quadratic_expectation([2.0, 0.3, 0.05], n, gamma=1.0, step=8e-3)
    sgld = Settings(burn_in=500, draws=1000)
    few_chains("quadratic, SGLD", exact, quadratic_loss, np.zeros(3), x, sgld, step=8e-3, gamma=1.0)
    noise = x.var(0) / size
    exact = quadratic_expectation([1.0, 1.0], n, gamma=gamma, step=step, gradient_variance=noise)
    batches = Settings(burn_in=100, draws=200, batch_size=size, eval_size=n)
    few_chains("two means, batches of 50", exact, means_loss, x.mean(0), x, batches, step=step, gamma=gamma)
    for powers in CROSSINGS[:2]:
        signs = np.array([[1.0], [-1.0]] * 2)
        exact, name = crossing_expectation(powers), f"w1^{powers[0]} w2^{powers[1]}, NUTS"
        numbers = {"step": 1e-4, "gamma": GAMMA, "beta": N_BETA / 4}
        few_chains(name, exact, crossing_loss(powers), np.zeros(2), signs, SETTINGS, **numbers)
    weights, data = network([4, 2, 4], 0)
    numbers = {"step": 1e-4, "gamma": GAMMA, "beta": N_BETA / len(data[0])}
    few_chains(
        "4-2-4 rank 0, NUTS", gibbs(weights, N_BETA, GAMMA).mean(), network_loss, weights, data, SETTINGS, **numbers
    )


def main(wanted=("",)):
    jax.config.update("jax_enable_x64", True)
    warnings.simplefilter("ignore", slt.SltWarning)
    if "errors" in wanted:
        return errors_of_few_chains()
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
