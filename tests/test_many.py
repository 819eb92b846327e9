"""Chains side by side against exact posteriors: several data sets at once, weights, inverse temperatures, programs."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import integrate, special, stats

from slt import Triple, _hmc, _many
from slt._mixing import ess
from slt._target import target

TRACED = []


def line(x, a, b):
    TRACED.append(None)
    return dist.Normal(a + b * x, 0.7)


LINE = Triple(
    lambda x: dist.Normal(x, 1),
    line,
    {"a": dist.Normal(1, 2), "b": dist.Normal(-1, 0.5)},
    inputs=dist.Normal(0, 1),
)
WIDTH = Triple(dist.Uniform(0, 3), lambda b: dist.Uniform(0, b), {"b": dist.LogNormal(0.3, 0.6)})


def draw(key, triple, data, weights, beta=1.0, **options):
    """Draws of each data set, name to `(R, chains, draws)`; `data` without the first axis if shared."""
    one = data if options.get("shared") else [a[0] for a in data]
    density, _ = target(triple, tuple(map(jnp.asarray, one)), {})
    keys = jax.random.split(key, len(weights))
    data = list(map(jnp.asarray, data))
    u = _many.run(keys, density, data, jnp.asarray(weights), beta, **options).u
    flat = jax.vmap(lambda u: density.constrain(u, one))(u.reshape(-1, u.shape[-1]))
    return {name: np.asarray(a).reshape(u.shape[:3]) for name, a in flat.items()}


def check_mean(draws, want):
    """Within 4.5 standard errors, by the effective number of draws, and those are good for something."""
    se = draws.std() / np.sqrt(ess(draws, method="mean"))
    assert abs(draws.mean() - want) < 4.5 * se, (draws.mean(), want, se)
    return se


@pytest.fixture(scope="module", params=[False, True], ids=["fixed", "nuts"])
def lines(request):
    """Three regressions with weights and beta = 0.6, and their draws."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(3, 9))
    y = np.array([[-2.0], [0.5], [3.0]]) + np.array([[1.0], [-2.0], [0.0]]) * x + rng.normal(size=(3, 9))
    weights = np.ones((3, 9))
    weights[0, 4], weights[2, 8], weights[2, 0] = 0, 2, 0
    return x, y, weights, partial(draw, triple=LINE, weights=weights, beta=0.6, nuts=request.param)


@pytest.fixture(scope="module")
def drawn(lines):
    x, y, _, again = lines
    return again(jax.random.key(1), data=(x, y))


@pytest.mark.parametrize("r", [0, 1, 2])
def test_regressions_side_by_side_reach_their_closed_forms(lines, drawn, r):
    # Kills: beta or a weight ignored, data set 0 for all, the prior tempered along.
    (x, y, weights, _), draws = lines, drawn
    design, c = np.stack([np.ones(9), x[r]], 1), 0.6 * weights[r] / 0.7**2
    precision = (design.T * c) @ design + np.diag([1 / 4, 4])
    cov = np.linalg.inv(precision)
    mean = cov @ (design.T @ (c * y[r]) + np.array([1 / 4, -4.0]))
    for k, name in enumerate("ab"):
        se = check_mean(draws[name][r], mean[k])
        assert se < 0.06 * np.sqrt(cov[k, k])  # an effective number of at least 280 of 2000
        check_mean((draws[name][r] - mean[k]) ** 2, cov[k, k])
    check_mean((draws["a"][r] - mean[0]) * (draws["b"][r] - mean[1]), cov[0, 1])


def test_the_same_key_gives_the_same_draws_and_each_data_set_its_own(lines, drawn):
    x, y, weights, again = lines
    np.testing.assert_array_equal(again(jax.random.key(1), data=(x, y))["a"], drawn["a"])
    assert not np.any(again(jax.random.key(2), data=(x, y))["a"] == drawn["a"])
    same = again(jax.random.key(1), data=(x[[0, 0, 0]], y[[0, 0, 0]]), weights=weights[[0, 0, 0]])["a"]
    assert not np.any(same[0] == same[1])  # kills: one key for all data sets
    assert not np.any(same[0, 0] == same[0, 1])  # kills: one key for all chains


def test_new_data_of_the_same_shape_compile_nothing(lines, drawn, rng):
    # Kills: the data, the weights or beta a static argument.
    density, _ = target(LINE, (jnp.zeros(9), jnp.zeros(9)), {})
    nuts = lines[-1].keywords["nuts"]
    keys, before, size = jax.random.split(jax.random.key(1), 3), len(TRACED), _many.run._cache_size()
    assert before > 0
    for beta in (0.5, 2.0):
        data = [jnp.asarray(rng.normal(size=(3, 9))) for _ in range(2)]
        _many.run(keys, density, data, jnp.asarray(rng.integers(0, 2, (3, 9)) * 1.0), beta, nuts=nuts)
    assert len(TRACED) == before
    assert _many.run._cache_size() == size


def test_what_is_left_out_may_have_density_zero():
    # One data set for both refits, by quadrature. Without its largest value b may lie below that, where its log density
    # is -inf. Kills: 0 * -inf; the Jacobian of the map to the half-line forgotten; shared data taken apart.
    x = np.array([0.3, 1.9, 0.8])
    weights = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    b = draw(jax.random.key(5), WIDTH, (x,), weights, shared=True)["b"]
    prior = stats.lognorm(0.6, scale=np.exp(0.3))

    def moment(k, low):
        return integrate.quad(lambda b: b ** (k - 2) * prior.pdf(b), low, 80, epsabs=0, epsrel=1e-9, limit=300)[0]

    for r, low in enumerate((0.8, 1.9)):
        assert b[r].min() > low
        check_mean(b[r], moment(1, low) / moment(0, low))
    check_mean(b[0] < 1.9, 1 - moment(0, 1.9) / moment(0, 0.8))


def test_fixed_length_draws_have_the_moments_of_a_skewed_target():
    # u_1 is the logarithm of a gamma variable of shape 3, and u_2 given u_1 is N(u_1 / 2, 1). Kills: every proposal
    # taken, the last half of a step left out, L for its transpose, a Jacobian of the jittered step.
    def log_density(u):
        return 3 * u[0] - jnp.exp(u[0]) - 0.5 * (u[1] - 0.5 * u[0]) ** 2

    run = partial(_hmc.chains, log_density=log_density, warmup=300, draws=15000)
    u, diverged = jax.jit(run)(jax.random.key(3), start=jnp.zeros((4, 2)))
    one, two = np.moveaxis(np.asarray(u), 2, 0)
    mean, variance = special.psi(3), special.polygamma(1, 3)
    check_mean(one, mean)
    check_mean(two, mean / 2)
    assert check_mean((one - mean) ** 2, variance) < 0.01 * variance
    check_mean((two - mean / 2) ** 2, 1 + variance / 4)
    check_mean((one - mean) * (two - mean / 2), variance / 2)
    check_mean((one - mean) ** 3, special.polygamma(2, 3))
    assert not diverged.any()


def test_fixed_length_trajectories_are_neither_antithetic_nor_periodic():
    # Scales of 0.3 and 9.5, a correlation of 0.95. Kills: length pi or 2 pi (autocorrelation -1 or 1), no metric.
    scale = jnp.array([[0.3, 0.0], [9.0, 3.0]])
    inverse = jnp.linalg.inv(scale)
    run = partial(_hmc.chains, log_density=lambda u: -0.5 * ((inverse @ u) ** 2).sum(), warmup=300, draws=2000)
    u, _ = jax.jit(run)(jax.random.key(4), start=jnp.ones((4, 2)))
    z = np.asarray(u @ inverse.T)
    for series in (*np.moveaxis(z, 2, 0), (z**2).sum(-1)):  # the last is twice the energy: n L_n of a normal posterior
        centred = series - series.mean()
        lag = (centred[:, 1:] * centred[:, :-1]).mean() / centred.var()
        assert abs(lag) < 0.3
        assert 0.5 < ess(series) / series.size < 1.5
