"""The samplers to read: each kernel from exact draws, each front against quadrature, and barriers that are crossed."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import optimize, special, stats

import slt
from slt import SltWarning, Triple, _mixing, samplers
from slt.samplers import _chains, gibbs, hmc, langevin, metropolis, parallel_tempering

FRONTS = {
    "metropolis": metropolis.sample,
    "langevin": langevin.sample,
    "hmc": hmc.sample,
    "parallel tempering": lambda *a, **k: parallel_tempering.sample(*a, rungs=6, **k).posterior,
}


def near(values, want, *, chains=4, at_most=np.inf):
    """Four standard errors by effective sample size (wrong once in 16,000 seeds), which must themselves be small."""
    v = np.asarray(values, dtype=float)
    se = v.std() / np.sqrt(_mixing.ess(v.reshape(chains, -1), method="mean"))
    assert abs(v.mean() - want) < 4 * se < 4 * at_most, f"{v.mean()} +- {se}, wanted {want}"


def zero(values):
    """Independent values of mean zero, within four standard errors."""
    v = np.asarray(values, dtype=float)
    se = v.std(0) / np.sqrt(len(v))
    assert np.all(np.abs(v.mean(0)) <= 4 * se), f"{v.mean(0)} +- {se}"


# --- kernels: from exact draws, in one step -------------------------------------------------------------------------


def skewed(u):
    """Log density of (log of a gamma variable, a Gumbel variable around half of it): skewed, and not symmetric."""
    z = u[1] - 0.5 * u[0]
    return 1.5 * u[0] - jnp.exp(u[0]) - z - jnp.exp(-z)


def skewed_draws(rng, count):
    first = np.log(rng.gamma(1.5, size=count))
    return np.stack([first, 0.5 * first + rng.gumbel(size=count)], axis=1)


KERNELS = {
    "metropolis": (metropolis, {"size": 1.5}),
    "langevin": (langevin, {"size": 1.2}),
    "hmc": (hmc, {"size": 0.9, "leapfrogs": 3}),
}


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_is_in_detailed_balance(name, rng, key):
    # One step from independent exact draws u gives pairs (u, u') whose law does not change when they change places:
    # E[f(u) g(u') - f(u') g(u)] = 0, with g = 1 that the target stays as it is. No autocorrelation, exact errors.
    # Kills: Langevin's proposal ratio left out or upside down, or with the drift of the wrong end; the step size drawn
    # from a range that depends on the state; a full last kick of the leapfrog; the kinetic energy left out; the ratio
    # of Metropolis doubled or without the logarithm.
    module, options = KERNELS[name]
    count = 200_000
    u = jnp.asarray(skewed_draws(rng, count))

    @jax.jit
    @jax.vmap
    def one(key, u):
        state, log_ratio = module.step(key, module.init(skewed, u), skewed, **options)
        return state.u, jnp.exp(jnp.minimum(log_ratio, 0))

    new, chance = one(jax.random.split(key, count), u)
    assert 0.3 < float(chance.mean()) < 0.9  # the accept step has work to do
    u, new = np.asarray(u), np.asarray(new)
    f = lambda u: np.stack([u[:, 0], u[:, 1], u[:, 0] ** 2, u[:, 1] ** 2, u[:, 0] * u[:, 1]], 1)  # noqa: E731
    g = lambda u: np.stack([np.ones(len(u)), np.tanh(u[:, 0]), np.exp(u[:, 0]), u[:, 1] > 1], 1)  # noqa: E731
    zero((f(u)[:, :, None] * g(new)[:, None] - f(new)[:, :, None] * g(u)[:, None]).reshape(count, -1))


def test_leapfrog_keeps_volume_and_goes_back():
    # Kills: a full kick at either end, the gradient of the old point in the last kick.
    def flow(z):
        state, r = hmc.leapfrog(hmc.init(skewed, z[:2]), z[2:], skewed, size=0.3, leapfrogs=5)
        return jnp.concatenate([state.u, r])

    z = jnp.array([0.3, -0.4, 1.1, 0.7])
    end = flow(z)
    assert float(jnp.abs(end - z).max()) > 0.5
    np.testing.assert_allclose(flow(end * jnp.array([1, 1, -1, -1])), z * jnp.array([1, 1, -1, -1]), atol=1e-12)
    jacobian = jax.jacfwd(flow)(z)
    np.testing.assert_allclose(jnp.linalg.det(jacobian), 1.0, rtol=1e-12)
    swap = jnp.block([[jnp.zeros((2, 2)), jnp.eye(2)], [-jnp.eye(2), jnp.zeros((2, 2))]])
    np.testing.assert_allclose(jacobian.T @ swap @ jacobian, swap, atol=1e-12)  # symplectic


def test_leapfrog_loses_energy_of_second_order():
    # Kills: Euler's method (first order: halving the step halves the error).
    start, r = hmc.init(skewed, jnp.array([0.3, -0.4])), jnp.array([1.1, 0.7])

    def lost(leapfrogs):
        end, r_end = hmc.leapfrog(start, r, skewed, size=0.6 / leapfrogs, leapfrogs=leapfrogs)
        return float(end.log_density - 0.5 * (r_end**2).sum() - start.log_density + 0.5 * (r**2).sum())

    assert 3.8 < lost(20) / lost(40) < 4.2


def test_swaps_keep_every_rung(rng, key):
    # Independent exact draws of each rung; the swap must leave the law of every rung, and of pairs, as it is.
    # Kills: the sign of the ratio; the untempered ratio; the prior in the ratio; a swap that copies.
    x, betas, count = np.array([0.2, 1.9, 0.4, 5.0, 0.1]), np.array([0.0, 0.2, 0.5, 1.0]), 100_000
    rate = rng.gamma(0.7 + betas * len(x), 1 / (0.3 + betas * x.sum()), size=(count, 4))
    log_lik = len(x) * np.log(rate) - rate * x.sum()
    rate, log_lik = rate[np.isfinite(log_lik).all(1)], log_lik[np.isfinite(log_lik).all(1)]
    for first in (0, 1):
        one = jax.jit(jax.vmap(lambda k, a: parallel_tempering.swap(k, a, jnp.asarray(betas), first=first)))  # noqa: B023
        index, log_ratio = one(jax.random.split(key, len(rate)), jnp.asarray(log_lik))
        assert log_ratio.shape == (len(rate), 3)
        np.testing.assert_array_equal(np.sort(index, axis=1), np.tile(np.arange(4), (len(rate), 1)))
        moved = np.asarray(index != np.arange(4)).mean(0)
        assert np.all(np.isin(np.arange(4), [1, 2] if first else [0, 1, 2, 3]) == (moved > 0.2))
        new = np.take_along_axis(rate, np.asarray(index), axis=1)
        zero(np.concatenate([new - rate, new**2 - rate**2, new[:, 1:] * new[:, :-1] - rate[:, 1:] * rate[:, :-1]], 1))


def test_gibbs_sweep_of_a_mixture_keeps_the_joint_law(key):
    # Parameters from the prior, data from the model, one sweep: (w', x) has the law of (w, x) (Geweke 2004).
    # Kills: counts the wrong way round; labels without their weight; a precision without the prior's; the means' prior
    # exchanged.
    model, count, n = gibbs.NormalMixture(counts=(2.0, 1.0), mean=(-0.5, 1.0), sd=1.5), 20_000, 4

    @jax.jit
    @jax.vmap
    def one(key):
        key_w, key_z, key_x, key_step = jax.random.split(key, 4)
        a = jax.random.beta(key_w, 1.0, 2.0)
        b = jnp.array([-0.5, 1.0]) + 1.5 * jax.random.normal(key_z, (2,))
        z = jax.random.bernoulli(jax.random.fold_in(key_z, 1), a, (n,)).astype(int)
        x = b[z] + jax.random.normal(key_x, (n,))
        new = gibbs.step(key_step, {"a": a, "b": b}, model, x)
        f = lambda a, b: jnp.array([a, b[0], b[1], a**2, b[0] ** 2, b[1] ** 2, a * b[1], b[0] * b[1]])  # noqa: E731
        g = jnp.array([1.0, x.mean(), x.max(), (x**2).mean()])
        return jnp.outer(f(new["a"], new["b"]) - f(a, b), g).ravel()

    zero(one(jax.random.split(key, count)))


def test_gibbs_sweep_of_reduced_rank_keeps_the_joint_law(key):
    # As above. Kills: a Kronecker product the wrong way round, noise for its square, a prior of variance sd.
    model, count = gibbs.ReducedRank(rank=2, noise=0.7, sd=1.3), 20_000
    x = jax.random.normal(jax.random.key(7), (5, 3)) + 0.5

    @jax.jit
    @jax.vmap
    def one(key):
        key_w, key_y, key_step = jax.random.split(key, 3)
        w = {"A": 1.3 * jax.random.normal(key_w, (2, 3)), "B": 1.3 * jax.random.normal(key_y, (4, 2))}
        y = x @ w["A"].T @ w["B"].T + 0.7 * jax.random.normal(jax.random.fold_in(key_y, 1), (5, 4))
        new = gibbs.step(key_step, w, model, x, y)
        f = lambda w: jnp.concatenate([(w["B"] @ w["A"]).ravel(), w["A"].ravel() ** 2, w["B"].ravel() ** 2])  # noqa: E731
        g = jnp.array([1.0, y[0, 0], y.mean(), (y**2).mean()])
        return jnp.outer(f(new) - f(w), g).ravel()

    zero(one(jax.random.split(key, count)))
    # A normal likelihood to the power beta has noise / sqrt(beta). Kills: beta on the prior, beta left out.
    w = {"A": jnp.ones((2, 3)), "B": jnp.arange(8.0).reshape(4, 2)}
    data = x, jnp.cos(jnp.arange(20.0)).reshape(5, 4)
    cold = gibbs.step(key, w, model, *data, beta=0.3)
    same = gibbs.step(key, w, gibbs.ReducedRank(rank=2, noise=0.7 / np.sqrt(0.3), sd=1.3), *data)
    np.testing.assert_allclose(cold["A"], same["A"], rtol=1e-9)


# --- fronts: sampler x triple x beta against quadrature -------------------------------------------------------------


def gumbel_oracle(x, beta):
    """Weights of a grid over (location, scale) for the prior N(1, 1.5) x Exponential(0.5)."""
    mu, s = np.meshgrid(np.linspace(-12, 14, 1300), (np.arange(3000) + 0.5) * 0.01, indexing="ij")
    log_p = stats.norm(1, 1.5).logpdf(mu) - 0.5 * s
    for x_i in x:
        z = (x_i - mu) / s
        log_p += beta * (-z - np.exp(np.minimum(-z, 700)) - np.log(s))
    return {"mu": mu.ravel(), "s": s.ravel()}, special.softmax(log_p.ravel())


def exponential_oracle(x, beta):
    exact = stats.gamma(1 + beta * len(x), scale=1 / (0.3 + beta * x.sum()))
    p = (np.arange(200_000) + 0.5) / 200_000
    return {"rate": exact.ppf(p)}, np.full(len(p), 1 / len(p))


def coin_oracle(x, beta):
    exact = stats.beta(1 + beta * x.sum(), 1 + beta * (len(x) - x.sum()))
    p = (np.arange(200_000) + 0.5) / 200_000
    return {"p": exact.ppf(p)}, np.full(len(p), 1 / len(p))


# Posteriors that are skewed, in half-line, interval and mixed supports.
TRIPLES = {
    "exponential": (
        Triple(dist.Exponential(1.0), lambda rate: dist.Exponential(rate), {"rate": dist.Exponential(0.3)}),
        np.array([0.2, 1.9, 0.4, 5.0, 0.1]),
        exponential_oracle,
    ),
    "coin": (
        Triple(dist.Bernoulli(0.5), lambda p: dist.Bernoulli(p), {"p": dist.Uniform(0, 1)}),
        np.array([0.0, 0.0, 1.0, 0.0, 0.0, 0.0]),
        coin_oracle,
    ),
    "gumbel": (
        Triple(
            dist.Gumbel(0, 1),
            lambda mu, s: dist.Gumbel(mu, s),
            {"mu": dist.Normal(1, 1.5), "s": dist.Exponential(0.5)},
        ),
        np.array([-0.9, 0.2, 0.5, 1.4, 3.1]),
        gumbel_oracle,
    ),
}


@pytest.mark.parametrize("beta", [0.3, 1.0])
@pytest.mark.parametrize("triple", TRIPLES)
@pytest.mark.parametrize("sampler", FRONTS)
def test_a_front_draws_from_the_tempered_posterior(sampler, triple, beta, key):
    # Kills: the Jacobian left out (at beta = 0.3 most of all); beta on the prior too; beta left out; warmup kept.
    model, x, oracle = TRIPLES[triple]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\d+ of \d+ transitions diverged", SltWarning)
        fit = FRONTS[sampler](key, model, jnp.asarray(x), beta=beta, draws=2000)
    nodes, weights = oracle(x, beta)
    for name, exact in nodes.items():
        mean = weights @ exact
        spread = np.sqrt(weights @ (exact - mean) ** 2)
        order = np.argsort(exact)
        low, high = np.interp([0.1, 0.9], np.cumsum(weights[order]), exact[order])
        w = np.asarray(fit.draws[name])
        near(w, mean, at_most=0.05 * spread)
        near((w - mean) ** 2, spread**2, at_most=0.15 * spread**2)
        near(w < low, weights @ (exact < low), at_most=0.02)
        near(w > high, weights @ (exact > high), at_most=0.02)
    want = slt.log_density(model, {name: a[5] for name, a in fit.draws.items()}, jnp.asarray(x))
    np.testing.assert_allclose(fit.log_lik[5], want, rtol=1e-12)  # untempered
    assert fit.beta == beta
    assert fit.log_lik.shape == (8000, len(x))


def mixture_oracle(model, x, points=(60, 160)):
    """Weights of a grid over (a, b0, b1): midpoints, so that the ends of a are no trouble."""
    a = (np.arange(points[0]) + 0.5) / points[0]
    b = np.linspace(-7, 7, points[1])
    a, b0, b1 = np.meshgrid(a, b, b, indexing="ij")
    log_p = stats.beta(model.counts[1], model.counts[0]).logpdf(a)
    log_p += stats.norm(model.mean[0], model.sd).logpdf(b0) + stats.norm(model.mean[1], model.sd).logpdf(b1)
    for x_i in x:
        log_p += np.log((1 - a) * np.exp(-0.5 * (x_i - b0) ** 2) + a * np.exp(-0.5 * (x_i - b1) ** 2))
    return a.ravel(), b0.ravel(), b1.ravel(), special.softmax(log_p.ravel())


def test_gibbs_of_a_mixture_against_quadrature(key):
    # Kills: the labels' conditional without the data; draws of the start kept.
    model, x = gibbs.NormalMixture(counts=(2.0, 1.5), mean=(-1.0, 1.0), sd=1.0), np.array([-1.6, -0.2, 0.1, 0.9, 2.4])
    fit = gibbs.sample(key, model, x, draws=2000, thin=3)
    a, b0, b1, weights = mixture_oracle(model, x)
    b = np.asarray(fit.draws["b"])
    near(fit.draws["a"], weights @ a, at_most=0.01)
    near(b[:, 0], weights @ b0, at_most=0.03)
    near(b[:, 1], weights @ b1, at_most=0.03)
    near((b[:, 1] - weights @ b1) ** 2, weights @ (b1 - weights @ b1) ** 2, at_most=0.05)
    near(b[:, 0] > b[:, 1], weights @ (b0 > b1), at_most=0.02)
    np.testing.assert_allclose(
        fit.log_lik[3], slt.log_density(model.triple(), {k: v[3] for k, v in fit.draws.items()}, x)
    )


@pytest.mark.parametrize("beta", [0.3, 1.0])
def test_gibbs_of_reduced_rank_against_quadrature(beta, key):
    # One by one: y = b a x + noise, singular at a = b = 0. Kills: beta on the prior, or left out.
    x, y, sd = np.array([[-1.0], [0.5], [2.0]]), np.array([[-1.2], [0.4], [0.6]]), 0.9
    fit = gibbs.sample(key, gibbs.ReducedRank(rank=1, noise=1.0, sd=sd), x, y, beta=beta, draws=2000, thin=10)
    a, b = np.meshgrid(np.linspace(-6, 6, 801), np.linspace(-6, 6, 801), indexing="ij")
    log_p = -0.5 * (a**2 + b**2) / sd**2 - 0.5 * beta * sum((v - b * a * u) ** 2 for u, v in zip(x, y, strict=True))
    weights = special.softmax(log_p)
    A, B = (np.asarray(fit.draws[name]).ravel() for name in "AB")
    near(A * B, (weights * a * b).sum(), at_most=0.02)
    near((A * B) ** 2, (weights * (a * b) ** 2).sum(), at_most=0.05)
    near(A**2, (weights * a**2).sum(), at_most=0.05)
    near(A * B < 0, weights[a * b < 0].sum(), at_most=0.02)


def test_gibbs_of_the_published_reduced_rank_design():
    # Watanabe (2013), H = 3: WBIC - n S_n has mean 70.34 and standard deviation 3.55 over data sets. Four of them.
    # Kills: beta = 1 (27/2 lower), a noise that is not 0.1.
    n, excess = 500, []
    beta = 1 / np.log(n)
    for seed in range(4):
        keys = jax.random.split(jax.random.key(seed), 5)
        A, B = 0.2 * jax.random.normal(keys[0], (3, 6)), 0.2 * jax.random.normal(keys[1], (6, 3))
        x = 3 * jax.random.normal(keys[2], (n, 6))
        noise = 0.1 * jax.random.normal(keys[3], (n, 6))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SltWarning)  # A and B alone are not identified; the product is
            fit = gibbs.sample(
                keys[4], gibbs.ReducedRank(3), x, x @ A.T @ B.T + noise, beta=beta, draws=300, chains=1, thin=2
            )
        own = stats.norm(0, 0.1).logpdf(np.asarray(noise)).sum()
        excess.append(own - np.asarray(fit.log_lik).sum(1).mean())
    assert abs(np.mean(excess) - 70.34) < 4 * 3.55 / np.sqrt(4)


# --- barriers -------------------------------------------------------------------------------------------------------


def assert_mass(inside, want, *, groups):
    """The share of draws in one mode against quadrature, by the spread of independent groups of draws."""
    means = np.asarray(inside, dtype=float).reshape(groups, -1).mean(1)
    se = means.std(ddof=1) / np.sqrt(groups)
    t = stats.t(groups - 1).isf(3e-5)  # four standard errors' worth of confidence, with an estimated error
    assert abs(means.mean() - want) < t * se
    assert se < 0.05, se


def test_labels_of_a_mixture_are_crossed_by_tempering_and_not_by_nuts(key):
    # The prior tells the labels apart a little, so that the two modes hold different masses.
    # Kills: replicas that never change places; a swap ratio without the difference of the betas.
    model = gibbs.NormalMixture(counts=(1.0, 1.0), mean=(-0.3, 0.3), sd=2.0)
    rng = np.random.default_rng(3)
    x = jnp.asarray(np.concatenate([rng.normal(-2.2, 1, 12), rng.normal(2.2, 1, 9)]))
    _, b0, b1, weights = mixture_oracle(model, np.asarray(x), points=(50, 150))
    want = weights @ (b0 < b1)
    assert 0.55 < want < 0.9
    same = model.triple()
    triple = Triple(same.truth, same.model, {"a": dist.Uniform(0, 1), "b": same.prior["b"]})  # cheaper to draw from
    one_start = slt.nuts(key, triple, x, chains=1)  # and it does not know: no warning
    stuck = np.asarray(one_start.draws["b"][:, 0] < one_start.draws["b"][:, 1])
    assert stuck.all() or not stuck.any()
    one_start = gibbs.sample(key, model, x, chains=1, thin=2)
    stuck = np.asarray(one_start.draws["b"][:, 0] < one_start.draws["b"][:, 1])
    assert stuck.all() or not stuck.any()
    found = parallel_tempering.sample(key, triple, x, draws=2500, rungs=7)
    b = np.asarray(found.posterior.draws["b"])
    near(b[:, 0] < b[:, 1], want, at_most=0.05)
    b = np.asarray(slt.tempered_smc(key, triple, x).draws["b"])
    assert_mass(b[:, 0] < b[:, 1], want, groups=16)


CROSS = Triple(
    dist.Normal(0, 1),
    lambda w1, w2: dist.Normal(w1 * w2, 1),
    {"w1": dist.Normal(7.0, 1.0), "w2": dist.Normal(7.1, 1.0)},
)


def test_branches_of_a_singular_posterior_are_crossed_by_tempering_and_not_by_nuts(key):
    # K(w) = (w1 w2)^2 / 2: the two axes are optimal. The prior, slightly askew, wants both parameters large, so that
    # the posterior has two arms, and the way from one to the other leads past the origin, where the prior is low.
    n, mean = 100, 0.05
    x = jnp.asarray(mean + np.linspace(-1, 1, n))

    def potential(w1, w2):
        return 0.5 * ((w1 - 7.0) ** 2 + (w2 - 7.1) ** 2) + 0.5 * n * (w1 * w2 - mean) ** 2

    axis = np.linspace(-1.5, 12.5, 2500)
    w1, w2 = np.meshgrid(axis, axis, indexing="ij")
    weights = special.softmax(-potential(w1, w2))
    want = weights[w1 > w2].sum()
    assert 0.3 < want < 0.4
    # A Hamiltonian trajectory keeps its energy: to pass w1 = w2 it needs a kinetic energy above the barrier, and with
    # two momenta, whatever their masses, P(kinetic energy > h) = e^-h. 1000 steps of warmup, 1000 draws.
    top = optimize.minimize_scalar(lambda t: potential(t, t), bounds=(-2, 8), method="bounded").fun
    chance = (weights * np.exp(-np.maximum(top - potential(w1, w2), 0))).sum()
    assert 2000 * chance < 0.001
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\d+ of \d+ transitions diverged", SltWarning)
        one_start = slt.nuts(key, CROSS, x, chains=1)
        found = parallel_tempering.sample(key, CROSS, x, draws=3000, rungs=16)
    stuck = np.asarray(one_start.draws["w1"] > one_start.draws["w2"])
    assert stuck.all() or not stuck.any()
    w = found.posterior.draws
    near(w["w1"] > w["w2"], want, at_most=0.05)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"only \d+% of the moves are accepted", SltWarning)  # one scale for two arms
        w = slt.tempered_smc(key, CROSS, x).draws
    assert_mass(w["w1"] > w["w2"], want, groups=16)


def test_replicas_know_every_rung_and_the_evidence(key):
    # Each rung against its own closed form, and the free energy from all of them. Kills: rungs in the wrong order;
    # log_lik recorded before the swap and draws after it.
    triple, x, _ = TRIPLES["exponential"]
    found = parallel_tempering.sample(key, triple, jnp.asarray(x), rungs=6, draws=2000)
    assert found.betas[0] == 0
    assert found.betas[-1] == 1
    rate = np.asarray(found.draws["rate"])
    for beta, draws, log_lik in zip(found.betas, rate, found.log_lik, strict=True):
        exact = stats.gamma(1 + beta * len(x), scale=1 / (0.3 + beta * x.sum()))
        near(draws, exact.mean())
        near(draws > exact.ppf(0.9), 0.1, at_most=0.02)
        np.testing.assert_allclose(log_lik.ravel(), len(x) * np.log(draws) - draws * x.sum(), rtol=1e-9)
    np.testing.assert_array_equal(rate[-1], found.posterior.draws["rate"])
    chance = np.exp(np.minimum(np.diff(found.betas)[:, None] * np.diff(-found.log_lik.reshape(6, -1), axis=0), 0))
    assert np.all(np.abs(found.swap_rates - chance.mean(1)) < 0.03)  # stationary: before and after a swap alike
    exact = -(np.log(0.3) + special.gammaln(1 + len(x)) - (1 + len(x)) * np.log(0.3 + x.sum()))
    energy = slt.energy.stepping_stone(found.log_lik, found.betas)
    assert abs(energy.value - exact) < 4 * energy.se < 0.2


# --- doors ----------------------------------------------------------------------------------------------------------

COIN, FLIPS = TRIPLES["coin"][0], jnp.asarray(TRIPLES["coin"][1])


def test_same_key_same_draws_nothing_compiled_twice(key):
    first = hmc.sample(key, COIN, FLIPS, chains=2, leapfrogs=4)
    before = _chains.run._cache_size()
    again = hmc.sample(key, COIN, FLIPS, chains=2, leapfrogs=4)
    other = hmc.sample(key, COIN, 1 - FLIPS, chains=2, beta=0.5, leapfrogs=4)
    assert _chains.run._cache_size() == before  # kills: data, beta or a new partial as static arguments
    np.testing.assert_array_equal(first.draws["p"], again.draws["p"])
    assert not np.intersect1d(*np.split(np.asarray(other.draws["p"]), 2)).size  # kills: one key for all chains
    assert first.diagnostics.chains == 2
    assert slt.to_datatree(first).posterior["p"].shape == (2, 1000)


def test_float32_stays_float32():
    with jax.enable_x64(False):
        fit = langevin.sample(jax.random.key(0), COIN, np.asarray(FLIPS, dtype=np.float32))
        assert fit.draws["p"].dtype == fit.log_lik.dtype == jnp.float32


def test_what_is_wrong_is_said(key):
    with pytest.warns(SltWarning, match=r"effective sample size is \d+ for p \(wanted 400"):
        metropolis.sample(key, COIN, FLIPS, draws=50)
    with pytest.warns(SltWarning, match=r"replicas at beta=0 and 1 change places in \d\.\d% .*rungs=4"):
        parallel_tempering.sample(key, CROSS, jnp.linspace(-1, 1, 100), rungs=2, draws=20)
    sharp = gibbs.NormalMixture(sd=5.0)
    with pytest.warns(SltWarning, match="R-hat"):
        gibbs.sample(key, sharp, jnp.array([-5.0, -4.0, -4.5, 5.0, 5.5, 5.0]), chains=6, draws=100, thin=1)


@pytest.mark.parametrize("sampler", FRONTS)
@pytest.mark.parametrize(
    ("model", "data", "options", "error", "message"),
    [
        (lambda x: x, FLIPS, {}, TypeError, "want a Triple; got function. slt.nuts takes"),
        (COIN, FLIPS, {"beta": 0.0}, ValueError, "beta must be a positive number"),
        (COIN, FLIPS, {"draws": 3}, ValueError, "draws must be a whole number, at least 4; got 3"),
        (COIN, FLIPS, {"chains": 0}, ValueError, "chains must be a whole number"),
        (COIN, FLIPS[:0], {}, ValueError, "at least one observation"),
        (COIN, jnp.array([0.0, jnp.nan]), {}, ValueError, "1 of 2 entries are NaN"),
        (TRIPLES["exponential"][0], jnp.array([1.0, -2.0]), {"draws": 8}, ValueError, "none of 64 draws of the prior"),
    ],
)
def test_fronts_refuse_with_the_fix(sampler, model, data, options, error, message, key):
    with pytest.raises(error, match=message):
        FRONTS[sampler](key, model, data, **options)


@pytest.mark.parametrize(
    ("model", "data", "options", "error", "message"),
    [
        (COIN, (FLIPS,), {}, TypeError, "wants a NormalMixture or a ReducedRank.*got Triple"),
        (gibbs.NormalMixture(), (FLIPS,), {"beta": 0.5}, ValueError, "needs beta=1; got beta=0.5.*parallel_tempering"),
        (gibbs.NormalMixture(), (FLIPS[:, None],), {}, ValueError, r"x of shape \(n,\).*got \(6, 1\)"),
        (gibbs.ReducedRank(1), (FLIPS[:, None],), {}, ValueError, r"y of shape \(n, N\); got \[\(6, 1\)\]"),
        (gibbs.NormalMixture(), (jnp.array([1.0, jnp.inf]),), {}, ValueError, "1 of 2 entries are NaN or infinite"),
        (gibbs.NormalMixture(), (FLIPS,), {"thin": 0}, ValueError, "thin must be a whole number, at least 1"),
    ],
)
def test_gibbs_refuses_with_the_fix(model, data, options, error, message, key):
    with pytest.raises(error, match=message):
        gibbs.sample(key, model, *data, **options)


def test_every_sampler_has_the_same_doors():
    for name in samplers.__all__:
        module = getattr(samplers, name)
        assert callable(module.sample)
        assert callable(getattr(module, "step", None) or module.swap)
