"""Exact leave-one-out against closed forms and literal refits; the refitting of flagged observations only."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import integrate, stats

import slt
from slt import SltWarning, Triple, _refit, _refit_chains, _work, conjugate, cv_loss, exact_cv, quadrature, refit

X = np.array([-1.2, 0.3, 0.5, 1.1, -0.4, 2.0, 0.1, -0.7])
NORMAL = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 2)})


@pytest.mark.parametrize("beta", [0.5, 1.0])
def test_grid_refits_reach_the_closed_form(beta):
    # Kills: the deleted observation left in at power beta or taken out at power one.
    want = conjugate.cv_loss(conjugate.normal_mean(1.0, 0.0, 2.0), X, beta=beta)
    np.testing.assert_allclose(exact_cv(NORMAL, X, bounds={"mu": (-9, 9)}, beta=beta), want, rtol=1e-9)
    np.testing.assert_allclose(exact_cv(conjugate.normal_mean(1.0, 0.0, 2.0), X, beta=beta), want, rtol=1e-12)


def test_grid_refits_are_literal_refits_of_a_singular_model():
    # The posterior of each deleted data set by the library's quadrature, and its prediction of the deleted value.
    mixture = Triple(
        dist.Normal(0, 1),
        lambda a, b: dist.MixtureSameFamily(
            dist.Categorical(probs=jnp.stack([1 - a, a])), dist.Normal(jnp.stack([0.0 * b, b]), 1)
        ),
        {"a": dist.Uniform(0, 1), "b": dist.Normal(0, 2)},
    )
    options = {"bounds": {"a": (0, 1), "b": (-16, 16)}, "points": 80}
    got = refit(mixture, X, **options)(np.array([5, 0]))
    for i, term in zip((5, 0), got, strict=True):
        post = quadrature.posterior(mixture, np.delete(X, i), **options)
        log_p = slt.log_lik(mixture, post.draws, X[[i]])
        np.testing.assert_allclose(term, slt.training_loss(log_p, log_weights=post.log_weights)[0], rtol=1e-10)


def test_a_regression_is_refitted_with_its_inputs(rng):
    x, y = rng.normal(size=6), rng.normal(size=6)
    line = Triple(lambda x: dist.Normal(x, 1), lambda x, a: dist.Normal(a * x, 1), {"a": dist.Normal(0, 3)}, inputs=x)
    prior = stats.norm(0, 3)

    def integral(f, keep):
        density = lambda a: np.prod(stats.norm(a * x[keep], 1).pdf(y[keep])) * prior.pdf(a)  # noqa: E731
        return integrate.quad(lambda a: f(a) * density(a), -12, 12, epsabs=0, epsrel=1e-10, limit=200)[0]

    i, keep = 2, np.arange(6) != 2
    want = -np.log(integral(lambda a: stats.norm(a * x[i], 1).pdf(y[i]), keep) / integral(lambda a: 1.0, keep))
    np.testing.assert_allclose(refit(line, x, y, bounds={"a": (-12, 12)})(np.array([i])), [want], rtol=1e-8)


def flagged_case():
    """A normal mean with one outlier: draws from the exact posterior, whose weights have a heavy tail there."""
    x = np.array([1.5, 1.2, 1.8, 1.4, 8.0])
    family = conjugate.normal_mean(1.0, 0.0, 10.0)
    draws = conjugate.sample(jax.random.key(3), family, conjugate.posterior(family, x), 2000)
    return x, family, np.asarray(conjugate.log_lik(family, draws, x))


def test_cv_loss_refits_exactly_the_flagged_ones():
    # Kills: all observations refitted, the others' terms replaced, the warning still given.
    x, family, log_lik = flagged_case()
    with pytest.warns(SltWarning, match=r"indices 4; .*Refit .*refit=slt\.refit\(triple, \*data\)"):
        smoothed = cv_loss(log_lik)
    asked = []
    again = refit(family, x)
    got = cv_loss(log_lik, refit=lambda i: asked.append(i.tolist()) or again(i))
    assert asked == [[4]]
    np.testing.assert_array_equal(got[:4], smoothed[:4])
    np.testing.assert_allclose(got[4], conjugate.cv_loss(family, x)[4], rtol=1e-12)
    assert abs(got[4] - smoothed[4]) > 0.01
    np.testing.assert_allclose(cv_loss(log_lik, refit=again), got, rtol=1e-14)
    np.testing.assert_allclose(cv_loss(jnp.asarray(log_lik), refit=again), got, rtol=1e-14)


def test_nothing_flagged_nothing_refitted(rng):
    cv_loss(rng.normal(0, 0.1, size=(1000, 5)), refit=lambda i: 1 / 0)


def test_the_cost_is_said_before_the_refits_start(monkeypatch, capsys):
    x, _, log_lik = flagged_case()
    wide = Triple(NORMAL.truth, NORMAL.model, {"mu": dist.Normal(0, 10)})
    again = refit(wide, x, bounds={"mu": (-50, 50)})
    monkeypatch.setattr(_work, "show_progress", lambda: True)
    clock = iter([10.0, 12.0])
    monkeypatch.setattr(_refit.time, "perf_counter", lambda: next(clock))
    # 200 probed nodes of 5 observations took 2 s; the work is 200 nodes of 5 + 3 densities
    cv_loss(log_lik, refit=again)
    assert capsys.readouterr().err == "refitting 1 of 5 observations, about 3 s\n"
    assert refit(conjugate.bernoulli(1.0, 1.0), np.array([1, 0])).seconds(5) == 0.0
    cv_loss(log_lik, refit=lambda i: np.ones(len(i)))
    assert capsys.readouterr().err == "refitting 1 of 5 observations\n"


def test_truncated_weights_are_those_of_ionides(rng):
    # Kills: sqrt(S) forgotten, the cap applied to the density, a sum in place of the mean.
    log_lik = np.log(rng.random((400, 3))) * [0.3, 0.8, 2.0]
    for beta in (1.0, 0.5):
        weights = np.exp(-beta * log_lik)
        cut = np.minimum(weights, weights.mean(0) * np.sqrt(400))
        want = -np.log((cut * np.exp(log_lik)).sum(0) / cut.sum(0))
        np.testing.assert_allclose(cv_loss(log_lik, method="truncated", beta=beta), want, rtol=1e-12)
    assert cv_loss(log_lik, method="truncated")[2] < cv_loss(log_lik, method="plain")[2]
    jitted = jax.jit(lambda a: cv_loss(a, method="truncated"))(jnp.asarray(log_lik))
    np.testing.assert_allclose(jitted, cv_loss(log_lik, method="truncated"), rtol=1e-12)


def test_a_box_that_cuts_a_leave_one_out_posterior_off_is_said():
    x = np.array([0.0, 8.0])  # without the second value the posterior moves to the edge of this box
    with pytest.warns(SltWarning, match=r"outermost panel of mu at 1.*Widen bounds"):
        refit(NORMAL, x, bounds={"mu": (1, 12)})(np.array([1]))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: exact_cv(NORMAL, X), ValueError, r"give bounds=, name to \(low, high\), for \['mu'\]"),
        (lambda: exact_cv(NORMAL, X, bounds={"m": (0, 1)}), ValueError, r"parameters \['mu'\]; got \['m'\]"),
        (lambda: refit(lambda x: x, X), TypeError, "got function"),
        (lambda: refit(NORMAL), ValueError, "refit wants the data"),
        (lambda: exact_cv(NORMAL, X, bounds={"mu": (0, 1)}, beta=0.0), ValueError, "beta must be"),
        (lambda: refit(NORMAL, X, bounds={"mu": (-9, 9)})(np.array([8])), ValueError, "from 0 to 7"),
        (lambda: refit(NORMAL, X, bounds={"mu": (-9, 9)})([0.5]), ValueError, "whole numbers"),
        (lambda: cv_loss(np.zeros((30, 2)), method="plain", refit=len), ValueError, 'refit replaces .*method="psis"'),
        (lambda: cv_loss(np.ones((3, 2)), method="truncated", log_weights=np.ones(3)), ValueError, "equally weighted"),
        (lambda: cv_loss(flagged_case()[2], refit=lambda i: np.zeros(3)), ValueError, r"1 indices .* shape \(3,\)"),
        (lambda: cv_loss(flagged_case()[2], refit=lambda i: [np.nan]), ValueError, "entries that are not finite"),
        (lambda: exact_cv(NORMAL, np.array([0.0, np.nan]), bounds={"mu": (-9, 9)}), ValueError, "no mass in the box"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def mean_model(x, mask=None):
    mu = numpyro.sample("mu", dist.Normal(0.5, 2))
    fn = dist.Normal(mu, 1)
    numpyro.sample("x", fn if mask is None else fn.mask(mask), obs=x)


def line_model(x, y):
    a = numpyro.sample("a", dist.Normal(1, 2))
    b = numpyro.sample("b", dist.Normal(-1, 0.5))
    numpyro.sample("y", dist.Normal(a + b * x, 0.7), obs=y)


def test_chains_of_a_regression_reach_its_closed_form(rng):
    # 28 refits: a full program and a padded one. Kills: the deleted observation left in, another one's density, a sum
    # in place of the mean, the padding returned, a standard error that forgets the number of draws.
    x, y = rng.normal(size=28), rng.normal(size=28) * 2
    design = np.stack([np.ones(28), x], 1)

    def exact(out):
        precision = design[~out].T @ design[~out] / 0.49 + np.diag([1 / 4, 4])
        mean = np.linalg.solve(precision, design[~out].T @ y[~out] / 0.49 + [1 / 4, -4])
        covariance = 0.49 * np.eye(out.sum()) + design[out] @ np.linalg.solve(precision, design[out].T)
        return -stats.multivariate_normal.logpdf(y[out], design[out] @ mean, covariance)

    want = [exact(np.arange(28) == i) for i in range(28)]
    found = refit(line_model, x, y=y, key=jax.random.key(1)).judged(np.arange(28))
    z = (found.loss - want) / found.se
    assert np.abs(z).max() < 4.5
    assert 0.25 < (z**2).mean() < 2.2  # 28 independent squares: 1 within 4.5 of sqrt(2/28) above, and not below 0.25
    assert (found.rhat < 1.02).all()
    assert found.divergences.sum() == 0
    # Groups of one to three in another order, in the same program. Kills: one of a group left out, terms averaged.
    groups = np.array([10 - k for k in range(14)] + [10 - k for k in range(10)] + [10 - k for k in range(4)])
    found = refit(line_model, x, y=y, key=jax.random.key(2), groups=groups).judged(np.arange(14))
    want = [exact(groups == label) for label in np.unique(groups)]
    assert np.abs((found.loss - want) / found.se).max() < 4.5
    assert np.median(found.se) < 0.05  # some groups lie far out, and are known less well


def test_masked_entries_are_no_observations_and_beta_is_kept(rng):
    # Kills: the index of an observation taken for its entry in the site; the likelihood of the rest untempered; a
    # standard error that takes the 2000 correlated draws of a chain for independent ones.
    mask = np.array([True, False, True, True, True, False, True, True])
    again = refit(mean_model, X, mask, key=jax.random.key(2), beta=0.5)
    want = conjugate.cv_loss(conjugate.normal_mean(1.0, 0.5, 2.0), X[mask], beta=0.5)
    assert again.n == 6
    found = again.judged(np.array([3, 1]))
    assert (np.abs(found.loss - want[[3, 1]]) < 4.5 * found.se).all()
    # The spread of p in closed form; the 2000 draws are worth 100 to 1400.
    for i, se in zip((3, 1), found.se, strict=True):
        kept = np.delete(X[mask], i)
        variance = 1 / (1 / 4 + 0.5 * kept.size)
        mean = variance * (0.5 / 4 + 0.5 * kept.sum())
        first = stats.norm(mean, np.sqrt(variance + 1)).pdf(X[mask][i])
        second = stats.norm(mean, np.sqrt(variance + 0.5)).pdf(X[mask][i]) / np.sqrt(4 * np.pi)
        spread = np.sqrt(second / first**2 - 1)
        assert spread / np.sqrt(1400) < se < 0.1 * spread
    log_lik = np.where(np.arange(6) == 3, np.log(rng.random((1000, 6))) * 1.5, 0.1 * rng.normal(size=(1000, 6)))
    np.testing.assert_allclose(cv_loss(log_lik, beta=0.5, refit=again)[3], found.loss[0], atol=4.5 * found.se[0])
    assert again(np.array([], int)).shape == (0,)
    assert again.seconds(50) > 0


def test_refits_whose_chains_do_not_mix_are_named(monkeypatch):
    # With this key chains start in both modes, both times. One key in eight puts all four of a try into one mode, and
    # then no diagnostic can know.
    monkeypatch.setattr(_refit_chains, "LONGER", 1)  # the second try in the program of the first

    def two_modes(x):
        a = numpyro.sample("a", dist.Normal(0, 5))
        numpyro.sample("x", dist.Normal(jnp.stack([a**2, a]), jnp.array([0.5, 3.0])), obs=x)

    with pytest.warns(SltWarning, match=r"1 of 1 refits cannot be trusted: observations 1 \(R-hat [1-9]"):
        refit(two_modes, np.array([16.0, 4.0]), key=jax.random.key(9))(np.array([1]))


def improper(x):
    numpyro.sample(
        "x", dist.Normal(numpyro.sample("mu", dist.ImproperUniform(dist.constraints.real, (), ())), 1), obs=x
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda key: refit(improper, X, key=key), "chains from draws of the prior: the prior of 'mu' .* is improper"),
        (lambda key: refit(NORMAL, X, key=key, bounds={"mu": (-9, 9)}), "both key= and bounds="),
        (lambda key: refit(NORMAL, X, key=key, z=1), "z=1 has no meaning for a Triple"),
        (lambda key: refit(NORMAL, X, z=1), "z=1 has no meaning for a refit without chains"),
        (lambda key: refit(mean_model, X, key=key)(np.array([8])), "from 0 to 7"),
        (lambda key: refit(lambda: numpyro.sample("a", dist.Normal(0, 1)), key=key), "observes nothing"),
    ],
)
def test_what_chains_cannot_refit_is_named(call, message, key):
    with pytest.raises(ValueError, match=message):
        call(key)


@pytest.mark.parametrize("beta", [1.0, 0.6])
def test_groups_are_left_out_together(beta):
    # Their joint density is a multivariate normal. Kills: the sum of the terms of single observations (0.9 nats off),
    # groups in the order in which they first appear, padding that counts, the temperature on what is predicted.
    x = np.array([0.3, 1.9, -0.4, 2.2, 1.1, 3.0, 0.8, 1.7])
    groups = np.array(["b", "a", "c", "a", "a", "c", "b", "a"])
    want = []
    for label in ("a", "b", "c"):
        out, rest = x[groups == label], x[groups != label]
        v = 1 / (beta * rest.size + 1 / 4)
        covariance = np.eye(out.size) + v
        want.append(-stats.multivariate_normal.logpdf(out, np.full(out.size, v * beta * rest.sum()), covariance))
    triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 2)})
    family = slt.conjugate.normal_mean(1.0, 0.0, 2.0)
    np.testing.assert_allclose(slt.exact_cv(family, x, beta=beta, groups=groups), want, rtol=1e-9)
    on_grid = slt.refit(triple, x, bounds={"mu": (-3, 6)}, beta=beta, groups=groups)
    np.testing.assert_allclose(on_grid(np.array([2, 0])), [want[2], want[0]], rtol=1e-9)
    assert on_grid.n == 3
    single = slt.refit(triple, x, bounds={"mu": (-3, 6)}, beta=beta, groups=range(8))
    np.testing.assert_allclose(single(np.arange(8)), slt.exact_cv(family, x, beta=beta), rtol=1e-7)


def test_groups_of_columns_are_refitted_as_groups(rng):
    # Kills: the terms of observations 0, 1, ... in the place of those of groups 0, 1, ...
    x, groups = np.array([0.1, 30.0, -0.4, 29.0, 0.3, 0.2]), np.array([0, 1, 0, 1, 2, 2])
    family = slt.conjugate.normal_mean(1.0, 0.0, 20.0)
    draws = rng.normal(x.mean(), 6**-0.5, 1000)
    log_lik = slt.observations(stats.norm.logpdf(x, draws[:, None]), groups=groups)
    exact = slt.refit(family, x, groups=groups)
    flagged = slt.pareto_k(log_lik) > 0.7
    assert flagged.any()
    np.testing.assert_allclose(slt.cv_loss(log_lik, refit=exact)[flagged], exact(np.arange(3))[flagged])
    with pytest.raises(ValueError, match=r"3 columns, and refit leaves out one of 6 .* slt\.refit\(model, .*groups=\)"):
        slt.cv_loss(log_lik, refit=slt.refit(family, x))
    for call in (
        lambda: slt.refit(family, x, groups=[0, 1]),
        lambda: slt.exact_cv(NORMAL, x, key=jax.random.key(0), groups=[0, 1]),
    ):
        with pytest.raises(ValueError, match=r"one label per observation, shape \(6,\); got shape \(2,\)"):
            call()
