"""NUTS and the exact coefficients: what the estimator gives beside what theory says, singular models among them.

`benchmarks/calibrate_local.py` prints the whole table of sixteen; here stand the cases that a bug would move.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_local import CURVATURE, NOTHING, SLOPES, assert_within_noise, linear_gaussian, quadratic, quiet

from slt.local import Settings
from slt.rlct import deep_linear

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.calibrate_local import network, network_loss
from benchmarks.gibbs_networks import gibbs

NUTS = Settings(sampler="nuts", chains=32, burn_in=300, draws=500)


@pytest.mark.parametrize("free", [[True, True, True], [True, False, True]])
def test_nuts_reaches_the_expectation_of_a_quadratic_loss(free, key):
    # Both cases are one compiled program (a mask of its own). Kills: gamma for gamma / 2; the law of held coordinates
    # left in the loss or in the distance; n in place of n beta.
    gamma = 20.0
    h = np.linalg.eigvalsh(CURVATURE[np.ix_(free, free)])
    fit = quiet(key, quadratic, np.zeros(3), NOTHING, step=8e-3, gamma=gamma, mask=np.array(free), settings=NUTS)
    other = linear_gaussian(np.linalg.eigvalsh(CURVATURE), gamma) if not all(free) else linear_gaussian(h, 2 * gamma)
    assert_within_noise(fit.per_chain, linear_gaussian(h, gamma), not_this=other)
    assert_within_noise(fit.distance.mean(1), (1 / (SLOPES * h + gamma)).sum())
    assert fit.step_bias == 0
    assert fit.excess.shape == (32, 500)


class Case(NamedTuple):
    widths: list
    rank: int
    n_beta: float


@pytest.mark.parametrize("case", [Case([4, 2, 4], 0, 300.0), Case([3, 2, 2], 1, 300.0)])
def test_a_linear_network_reaches_its_expectation(case, key):
    # Against Gibbs draws of whole layers at the same n beta: four combined standard errors. Kills: the pull towards 0,
    # gamma not halved, the pull left in the energy, one noise for all chains.
    weights, data = network(case.widths, case.rank)
    settings = Settings(sampler="nuts", chains=16, burn_in=200, draws=400)
    fit = quiet(key, network_loss, weights, data, step=1e-4, beta=case.n_beta / len(data[0]), settings=settings)
    oracle = gibbs(weights, case.n_beta, 1.0, chains=100, burn_in=200, sweeps=600).mean(0)
    error = np.hypot(fit.se, oracle.std(ddof=1) / np.sqrt(len(oracle)))
    assert abs(fit.estimate - oracle.mean()) < 4 * error < 0.1 * oracle.mean()
    assert oracle.mean() == pytest.approx(float(deep_linear(case.widths, case.rank).rlct), rel=0.1)


# --- containers ------------------------------------------------------------------------------------------------------


class Named(NamedTuple):
    a: np.ndarray
    b: np.ndarray


@jax.tree_util.register_pytree_node_class
class Module:
    """What an Equinox module is to JAX: a registered class with a static field beside its arrays."""

    def __init__(self, a, b, name):
        self.a, self.b, self.name = a, b, name

    def tree_flatten(self):
        return (self.a, self.b), self.name

    @classmethod
    def tree_unflatten(cls, name, leaves):
        return cls(*leaves, name)

    def __call__(self, x):
        return 0.5 * (x[:, 0] - self.a) ** 2 + (x[:, 1] - self.b) ** 2


@pytest.mark.parametrize("kind", ["dict", "dicts", "named", "module"])
def test_each_container_gives_the_figures_of_its_vector(kind, rng, key):
    # dict: Flax; dicts, a module's path to its own: Haiku; a registered class: Equinox; the names sort as the vector
    # does. Kills: a container that comes to the loss as the list of its leaves.
    x = rng.normal(size=(200, 2))
    at = (np.asarray(x[:, 0].mean()), np.asarray(x[:, 1].mean()))
    row = lambda a, b, x: (0.5 * (x[:, 0] - a) ** 2 + (x[:, 1] - b) ** 2).mean()  # noqa: E731
    containers = {
        "dict": ({"dense": {"a": at[0], "b": at[1]}}, lambda w, x: row(w["dense"]["a"], w["dense"]["b"], x)),
        "dicts": (
            {"net/~/first": {"w": at[0]}, "net/~/second": {"w": at[1]}},
            lambda w, x: row(w["net/~/first"]["w"], w["net/~/second"]["w"], x),
        ),
        "named": (Named(*at), lambda w, x: row(w.a, w.b, x)),
        "module": (Module(*at, "dense"), lambda w, x: w(x).mean()),
    }
    params, loss = containers[kind]
    short = Settings(burn_in=20, draws=40)
    one = quiet(key, lambda w, x: row(w[0], w[1], x), jnp.stack(at), jnp.asarray(x), step=0.005, settings=short)
    two = quiet(key, loss, params, jnp.asarray(x), step=0.005, settings=short)
    np.testing.assert_allclose(two.excess, one.excess, rtol=1e-9, atol=1e-13)
