"""NUTS at several temperatures against closed forms and quadrature; its verdict on chains; every refusal."""

import io
import re
import sys
import types
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas
import pytest
from scipy import stats

import slt
from slt import SltWarning, Triple, _mixing, _work, nuts
from slt.posterior import Diagnostics

X = np.array([-1.2, 0.3, 0.5, 1.1, -0.4, 2.0, 0.1, -0.7])
PRIOR_MEAN, PRIOR_SD = 1.5, 0.5  # informative and off the data: a tempered prior gives another posterior


def normal_mean(x):
    mu = numpyro.sample("mu", dist.Normal(PRIOR_MEAN, PRIOR_SD))
    with numpyro.plate("n", len(x)):
        numpyro.sample("x", dist.Normal(mu, 1), obs=x)


NORMAL_TRIPLE = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(PRIOR_MEAN, PRIOR_SD)})


def closed_form(beta, prior_power=1.0):
    """Posterior mean and variance for likelihood power beta and prior power prior_power (1 is right)."""
    precision = beta * len(X) + prior_power / PRIOR_SD**2
    return (beta * X.sum() + prior_power * PRIOR_MEAN / PRIOR_SD**2) / precision, 1 / precision


def mean_and_mcse(values, chains=4):
    """Mean of a function of the draws and its Monte Carlo standard error, by the effective sample size."""
    v = np.asarray(values, dtype=float)
    return v.mean(), v.std() / np.sqrt(_mixing.ess(v.reshape(chains, -1), method="mean"))


def assert_within_noise(values, want, not_this=None):
    """Four standard errors (a correct sampler fails once in 16,000 seeds); a named wrong value must be ten away."""
    got, se = mean_and_mcse(values)
    assert abs(got - want) < 4 * se, f"{got} +- {se}, wanted {want}"
    assert not_this is None or abs(got - not_this) > 10 * se


@pytest.mark.parametrize("model", [normal_mean, NORMAL_TRIPLE], ids=["model", "triple"])
@pytest.mark.parametrize("beta", [0.3, 1.0, 2.0])
def test_moments_of_the_tempered_normal_mean(beta, model, key):
    # Kills: handlers.scale in place of the tempering of observed sites (the prior to the power beta: `wrong` below);
    # beta applied twice; 1/beta.
    fit = nuts(key, model, jnp.asarray(X), beta=beta)
    mean, variance = closed_form(beta)
    wrong = None if beta == 1.0 else closed_form(beta, prior_power=beta)[0]
    assert_within_noise(fit.draws["mu"], mean, not_this=wrong)
    assert_within_noise((fit.draws["mu"] - mean) ** 2, variance)
    np.testing.assert_allclose(fit.log_lik, stats.norm(np.asarray(fit.draws["mu"])[:, None], 1).logpdf(X), rtol=1e-11)
    assert fit.beta == beta
    assert fit.log_lik.shape == (4000, 8)


def test_an_asymmetric_posterior_beyond_its_mean(key):
    # Exponential likelihood, gamma prior: Gamma(a + beta n, b + beta sum x), skewed (shape 3.5). A reflected or
    # symmetrized target has the same mean and variance: the third moment and a tail probability tell them apart.
    x, beta, a, b = np.array([0.2, 1.9, 0.4, 5.0, 0.1]), 0.5, 1.0, 0.3
    triple = Triple(dist.Exponential(1.0), lambda rate: dist.Exponential(rate), {"rate": dist.Gamma(a, b)})
    fit = nuts(key, triple, jnp.asarray(x), beta=beta, draws=2000)
    exact = stats.gamma(a + beta * len(x), scale=1 / (b + beta * x.sum()))
    rate = np.asarray(fit.draws["rate"])
    assert_within_noise(rate, exact.mean())
    assert_within_noise((rate - exact.mean()) ** 2, exact.var())
    skew = float(exact.stats("s")) * exact.std() ** 3
    assert_within_noise((rate - exact.mean()) ** 3, skew, not_this=-skew)
    assert_within_noise(rate > exact.ppf(0.9), 0.1)


SCHOOLS_Y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
SCHOOLS_SD = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def eight_schools(sd, y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("schools", len(sd)):
        z = numpyro.sample("z", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(numpyro.deterministic("theta", mu + tau * z), sd), obs=y)


def schools_expected_tau(beta):
    """E[tau] by quadrature: the rest integrates out. A normal density to the power beta has sd / sqrt(beta)."""
    u = (np.arange(4000) + 0.5) / 4000
    tau = stats.halfcauchy(scale=5).ppf(u)  # equal prior weight
    log_p = [
        stats.multivariate_normal(np.zeros(8), np.diag(SCHOOLS_SD**2 / beta + t**2) + 25.0).logpdf(SCHOOLS_Y)
        for t in tau
    ]
    w = np.exp(np.array(log_p) - max(log_p))
    return (w @ tau) / w.sum()


def blocks_se(statistic, matrix, blocks=20):
    """Standard error of a statistic of all draws from its spread over long consecutive blocks of them."""
    values = [statistic(part) for part in np.split(np.asarray(matrix), blocks)]
    return np.std(values, ddof=1) / np.sqrt(blocks)


def test_eight_schools_reach_the_exact_criteria(key):
    # A plain hierarchical NumPyro model; exact values by one-dimensional quadrature (priors N(0, 5), HalfCauchy(5)).
    # Block standard errors were 0.009 (WAIC) and 0.017 (leave-one-out); the two criteria differ by 0.076.
    fit = nuts(key, eight_schools, SCHOOLS_SD, y=SCHOOLS_Y, draws=5000)
    assert_within_noise(fit.draws["tau"], 3.5977)
    theta = [6.212, 4.940, 3.927, 4.757, 3.615, 4.043, 6.297, 4.854]
    for j, want in enumerate(theta):
        assert_within_noise(fit.draws["theta"][:, j], want)
    elpd_waic = lambda a: -slt.waic_loss(a).sum()  # noqa: E731
    elpd_loo = lambda a: -slt.cv_loss(a, method="plain").sum()  # noqa: E731
    assert abs(elpd_waic(fit.log_lik) - -30.6658) < 4 * blocks_se(elpd_waic, fit.log_lik) < 0.06
    assert abs(elpd_loo(fit.log_lik) - -30.7419) < 4 * blocks_se(elpd_loo, fit.log_lik) < 0.076
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SltWarning)  # k of one school lies at the threshold
        terms = np.asarray(slt.cv_loss(fit.log_lik))
    assert abs(-terms.sum() - -30.7419) < 4 * blocks_se(elpd_loo, fit.log_lik)
    assert abs(terms.std() * np.sqrt(8) - 1.362) < 0.01  # ArviZ's se; its own Monte Carlo error is below 0.003


def test_eight_schools_at_another_temperature(key):
    # Kills: the prior of tau or z tempered too (E[tau] moves by far more than ten standard errors).
    np.testing.assert_allclose(schools_expected_tau(1.0), 3.5977, rtol=2e-3)  # the oracle against the published value
    fit = nuts(key, eight_schools, SCHOOLS_SD, y=SCHOOLS_Y, beta=4.0, draws=2500)
    assert_within_noise(fit.draws["tau"], schools_expected_tau(4.0), not_this=schools_expected_tau(1.0))


def test_float32_and_float64(key):
    with jax.enable_x64(False):
        fit = nuts(jax.random.key(1), normal_mean, X, beta=2.0)
        assert fit.draws["mu"].dtype == fit.log_lik.dtype == jnp.float32
    assert_within_noise(np.asarray(fit.draws["mu"], dtype=float), closed_form(2.0)[0])
    assert (X - jnp.asarray(0.0)).dtype == jnp.float64  # kills: data left as NumPy, after which JAX 0.12 crashes here


def test_same_key_same_draws_and_chains_are_apart(key):
    first, again = (nuts(key, NORMAL_TRIPLE, jnp.asarray(X), draws=400, chains=2) for _ in range(2))
    np.testing.assert_array_equal(first.draws["mu"], again.draws["mu"])
    one, two = np.split(np.asarray(first.draws["mu"]), 2)
    assert not np.intersect1d(one, two).size  # kills: one key for all chains


def test_diagnostics_are_those_of_the_chains_and_travel_to_arviz(key):
    fit = nuts(key, eight_schools, SCHOOLS_SD, SCHOOLS_Y, draws=500, chains=2)
    assert set(fit.draws) == {"mu", "tau", "z", "theta"}
    assert set(fit.diagnostics.rhat) == {"mu", "tau", "z"}
    chains = np.asarray(fit.draws["z"]).reshape(2, 500, 8)
    np.testing.assert_allclose(fit.diagnostics.rhat["z"], _mixing.rhat(chains))
    np.testing.assert_allclose(
        fit.diagnostics.ess["z"], np.minimum(_mixing.ess(chains), _mixing.ess(chains, method="tail"))
    )
    assert "2 chains x 500 draws" in repr(fit)
    tree = slt.to_datatree(fit)
    np.testing.assert_array_equal(tree.posterior["z"].values, chains)
    with pytest.raises(AttributeError):
        fit.diagnostics.chains = 3


def funnel(x):
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("n", len(x)):
        numpyro.sample("x", dist.Normal(numpyro.sample("theta", dist.Normal(0, tau)), 20), obs=x)


def test_divergences_warn_with_number_and_fix(key):
    with pytest.warns(SltWarning, match=r"\d+ of 2000 transitions diverged.*Reparametrize \(non-centred"):
        fit = nuts(key, funnel, jnp.asarray(X), draws=500)
    assert fit.diagnostics.divergences > 0
    assert any("diverged" in problem for problem in fit.diagnostics.problems())


def test_two_modes_warn_of_rhat(key):
    triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu**2, 1), {"mu": dist.Normal(0, 10)})
    with pytest.warns(SltWarning, match=r"R-hat is \d+\.\d+ for mu \(threshold 1.01\)"):
        nuts(key, triple, 25 + jnp.asarray(X))  # modes at -5 and 5, which NUTS does not cross


def test_one_chain_gets_a_verdict_of_its_own(key):
    # Kills: R-hat NaN, and a warning, for every single chain (warnings are errors here).
    fit = nuts(key, NORMAL_TRIPLE, X.tolist(), draws=2000, chains=1)
    assert fit.diagnostics.rhat["mu"] < 1.01
    problem = Diagnostics({"mu": 1.2}, {"mu": 999.0}, {"mu": 999.0}, divergences=0, chains=1, draws=999).problems()[0]
    assert "R-hat is 1.200 for mu (threshold 1.01): the halves of the chain (chains=4 shows more) have" in problem


def test_an_old_style_key_is_the_same_key():
    # Kills: typed keys only.
    old, new = (nuts(k, NORMAL_TRIPLE, X, draws=400) for k in (jax.random.PRNGKey(3), jax.random.key(3)))
    np.testing.assert_array_equal(old.draws["mu"], new.draws["mu"])


def diagnostics(rhat=1.0, bulk=4000.0, tail=4000.0, divergences=0):
    ones = np.ones(3)
    return Diagnostics(
        {"mu": 1.0, "theta": np.array([1.0, rhat, 1.0])},
        {"mu": 4000.0, "theta": np.array([4000.0, 4000.0, bulk])},
        {"mu": tail, "theta": 4000.0 * ones},
        divergences=divergences,
        chains=4,
        draws=1000,
    )


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"rhat": 1.0101}, r"R-hat is 1.010 for theta\[1\]"),
        ({"rhat": np.nan}, r"R-hat is nan for theta\[1\]"),
        ({"bulk": 399.0}, r"sample size is 399 for theta\[2\] \(wanted 400.*draws=2000"),
        ({"tail": 10.0}, "sample size is 10 for mu .* Reparametrize"),
        ({"divergences": 1}, "1 of 4000 transitions diverged"),
    ],
)
def test_each_problem_is_named_with_its_number(bad, message):
    (problem,) = diagnostics(**bad).problems()
    assert re.search(message, problem)


def test_no_problem_no_sentence():
    assert diagnostics(rhat=1.0099, bulk=400.0, tail=400.0).problems() == []
    assert repr(diagnostics(rhat=1.004, bulk=500.0)) == (
        "Diagnostics(4 chains x 1000 draws; R-hat <= 1.004 (theta[1]); ESS >= 500 bulk (theta[2]), "
        "4000 tail (mu); 0 divergences)"
    )


def poisson(x):
    numpyro.sample("x", dist.Poisson(numpyro.sample("rate", dist.Gamma(1, 1))), obs=x)


def discrete(x):
    z = numpyro.sample("z", dist.Bernoulli(0.5))
    numpyro.sample("x", dist.Normal(z, 1), obs=x)


def no_parameter(x):
    numpyro.sample("x", dist.Normal(0, 1), obs=x)


def only_factor(x):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    numpyro.factor("ll", dist.Normal(mu, 1).log_prob(x).sum())


def no_scale(x):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    numpyro.sample("x", dist.Normal(mu, -jnp.exp(mu)), obs=x)


DISCRETE_TRIPLE = Triple(dist.Normal(0, 1), lambda z: dist.Normal(z, 1), {"z": dist.Bernoulli(0.5)})
RATE_TRIPLE = Triple(dist.Exponential(1.0), lambda r: dist.Exponential(r), {"r": dist.Gamma(1, 1)})


@pytest.mark.parametrize(
    ("model", "data", "options", "message"),
    [
        (normal_mean, X, {"beta": 0.0}, "beta must be a positive number .* got 0.0"),
        (normal_mean, X, {"beta": -1.0}, "got -1.0"),
        (normal_mean, X, {"beta": np.nan}, "got nan"),
        (normal_mean, X, {"draws": 3}, "draws must be a whole number, at least 4; got 3"),
        (normal_mean, X, {"draws": 7, "chains": 1}, "draws must be a whole number, at least 8; got 7"),
        (normal_mean, X, {"beta": "1"}, "beta must be a positive number .* got '1'"),
        (NORMAL_TRIPLE, X, {"site": "zz"}, "site='zz' has no meaning for a Triple"),
        (NORMAL_TRIPLE, X, {"y": X}, "has no meaning for a Triple"),
        (normal_mean, [[1.0], [1.0, 2.0]], {}, "a list of 2 entries that differ in length"),
        (normal_mean, X, {"chains": 1.5}, "chains must be a whole number, at least 1; got 1.5"),
        (normal_mean, X[:0], {}, "plate without entries: no observations"),
        (poisson, X[:0], {}, r"no observations: shape \(0,\)"),
        (NORMAL_TRIPLE, X[:0], {}, "at least one observation"),
        (normal_mean, np.array([0.0, np.nan]), {}, "1 of 2 observations are NaN or infinite"),
        (NORMAL_TRIPLE, np.array([0.0, np.inf]), {}, r"data array 0 .* 1 of 2 entries .*first at 1"),
        (eight_schools, SCHOOLS_SD, {}, "the model observes nothing; its sites are mu, tau, z, y"),
        (no_parameter, X, {}, "samples nothing that is not observed"),
        (discrete, X, {}, "z is discrete.*MixtureSameFamily"),
        (DISCRETE_TRIPLE, X, {}, "z is discrete"),
        (only_factor, X, {}, "numpyro.factor"),
        (
            poisson,
            np.array([1, 2, -3]),
            {},
            r"not finite at any starting point: .* x \(1 of 3 terms, first at 2: -inf\)",
        ),
        (RATE_TRIPLE, np.array([1.0, -2.0]), {}, r"the data \(1 of 2 terms, first at 1: -inf\)"),
        (normal_mean, 1e200 * X, {}, r"not finite at any starting point: .* x \(8 of 8 terms"),
        (no_scale, X, {}, "invalid scale parameter"),
    ],
)
def test_nuts_refuses_with_the_fix(model, data, options, message, key):
    with pytest.raises(ValueError, match=message):
        nuts(key, model, data, **options)


@pytest.mark.parametrize(
    ("key", "model", "message"),
    [
        (0, normal_mean, "JAX key.*got int. Use jax.random.key"),
        (jnp.zeros(3, jnp.uint32), normal_mean, "must be a JAX key"),
        (jax.random.key(0), X, "a function; got ndarray"),
    ],
)
def test_nuts_refuses_other_types(key, model, message):
    with pytest.raises(TypeError, match=message):
        nuts(key, model, X)


def test_several_observed_sites_need_a_name_and_are_all_tempered(key):
    def model(x, y):
        mu = numpyro.sample("mu", dist.Normal(PRIOR_MEAN, PRIOR_SD))
        numpyro.sample("x", dist.Normal(mu, 1), obs=x)
        numpyro.sample("y", dist.Normal(mu, 1), obs=y)

    with pytest.raises(ValueError, match="several sites"):
        nuts(key, model, X[:3], X[3:])
    fit = nuts(key, model, X[:3], X[3:], beta=2.0, site="y")
    assert fit.log_lik.shape == (4000, 5)
    assert_within_noise(fit.draws["mu"], closed_form(2.0)[0])


def test_no_observed_site_may_stand_under_a_scale(key):
    # Kills: the check for the named site alone, which then samples the other one at beta times its scale.
    def model(x, y):
        mu = numpyro.sample("mu", dist.Normal(PRIOR_MEAN, PRIOR_SD))
        with numpyro.handlers.scale(scale=0.5):
            numpyro.sample("x", dist.Normal(mu, 1), obs=x)
        numpyro.sample("y", dist.Normal(mu, 1), obs=y)

    with pytest.raises(ValueError, match=r"'x' stands under handlers\.scale"):
        nuts(key, model, X[:3], X[3:], site="y")


def test_pandas_columns_are_data(key):
    fit = nuts(key, normal_mean, pandas.Series(X, index=list("abcdefgh")), draws=500)
    np.testing.assert_array_equal(fit.draws["mu"], nuts(key, normal_mean, X, draws=500).draws["mu"])


def test_the_bar_shows_in_a_notebook(monkeypatch):
    # Kills: a bar in terminals only; a bar in every IPython shell, one without a terminal included.
    monkeypatch.delenv("SLT_BOOK", raising=False)
    monkeypatch.setattr(_work.sys, "stderr", io.StringIO())
    for name, shows in (("ZMQInteractiveShell", True), ("TerminalInteractiveShell", False)):
        shell = types.SimpleNamespace(get_ipython=type(name, (), {}))
        monkeypatch.setitem(sys.modules, "IPython", shell)
        assert _work.show_progress() is shows


def test_the_bar_shows_in_a_terminal_and_not_in_the_book(monkeypatch):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.delenv("SLT_BOOK", raising=False)
    monkeypatch.setattr(_work.sys, "stderr", Terminal())
    assert _work.show_progress()
    monkeypatch.setenv("SLT_BOOK", "1")
    assert not _work.show_progress()
    monkeypatch.setenv("SLT_BOOK", "0")
    monkeypatch.setattr(Terminal, "isatty", lambda self: False)
    assert not _work.show_progress()
