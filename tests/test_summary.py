"""The summary of a fit against the closed forms of a normal mean, whose draws come from the exact posterior."""

import tracemalloc
import warnings
from types import SimpleNamespace

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from summary_targets import LADDER, LOW, SD, N, X, exact, fit

import slt
from slt import _summary, _table


@pytest.mark.filterwarnings("ignore::slt.SltWarning")  # of lambda: squares of energies are heavy-tailed at n = 8
def test_every_figure_is_right_and_its_error_as_large_as_it_says(rng):
    # With 60 runs of true errors the sum of squares is 60 with standard error sqrt(120), 11: bounds at four.
    # Kills: an error from draws as if independent (sum 180 at rho = 0.5), T, C or W with the error of V, V without the
    # factor 2 (its mean is off by half), C with the influence of T, W without that of V, F at the low rung.
    truth, z = exact(), []
    for _ in range(60):
        found = slt.summary_from({beta: fit(rng, beta) for beta in LADDER}).figures
        z.append([(found[name].value - truth[name]) / found[name].draws for name in truth])
    sums = dict(zip(truth, (np.array(z) ** 2).sum(0), strict=True))
    assert all(60 - 44 < total < 60 + 44 for total in sums.values()), sums


def test_the_error_of_the_data_is_that_over_observations(rng):
    a = fit(rng, 1.0)
    found = slt.summary_from(a).figures
    terms = -np.log(np.exp(a.reshape(-1, N)).mean(0))  # Kills: ddof=0, a sum in the place of the mean.
    np.testing.assert_allclose(found["training"].data, np.sqrt(((terms - terms.mean()) ** 2).sum() / (N * (N - 1))))
    assert np.isnan(found["variance"].data)


@pytest.mark.filterwarnings("ignore::slt.SltWarning")
def test_a_fit_may_be_a_matrix_a_tree_or_a_ladder_and_what_is_missing_is_named(rng):
    a, low = fit(rng, 1.0), fit(rng, LOW)
    alone = slt.summary_from(a)
    for same in (a.reshape(-1, N), {"log_likelihood": {"y": a}}, {1: a}, {1: {"log_likelihood": {"y": a}}}):
        assert repr(slt.summary_from(same, chains=4)) == repr(alone)  # Kills: chains of a tree forgotten (other errors)
    assert [note[:6] for note in alone.notes] == ["F is m", "WBIC a"]
    both = slt.summary_from({LOW: low, 1: a}, free_energy=slt.FreeEnergy(14.0, 0.01, method="by hand"))
    assert both.figures["free_energy"][:2] == (14.0, 0.01)
    assert list(both.figures)[-2:] == ["wbic", "rlct"]
    assert "F by by hand" in repr(both)


def test_a_posterior_brings_its_temperature_and_its_chains(rng):
    # Kills: its chains taken for one, its beta (a Posterior's, a tree's) for 1.
    a, low = fit(rng, 1.0), fit(rng, LOW)
    one, tempered = (
        slt.Posterior({}, x.reshape(-1, N), beta, diagnostics=SimpleNamespace(chains=4))
        for x, beta in ((a, 1.0), (low, LOW))
    )
    assert repr(slt.summary_from(one)) == repr(slt.summary_from({1: one})) == repr(slt.summary_from(a))
    with pytest.raises(ValueError, match=r"one of them at beta=1; got beta=0.4809"):
        slt.summary_from(tempered)
    for said in (tempered, slt.data.fit("pymc", wbic=True)):
        with pytest.raises(ValueError, match=r"for beta=1, but says that it is at beta=0.480898"):
            slt.summary_from({1: said})
    with pytest.raises(ValueError, match=r"one of them at beta=1; got beta=0.4809"):
        slt.summary_from(slt.data.fit("pymc", wbic=True))
    with pytest.raises(ValueError, match="equally weighted draws"):
        slt.summary_from(slt.Posterior({}, a.reshape(-1, N), 1.0, np.zeros(4000)))


def test_what_cannot_be_summarized_says_why(rng):
    a, low = fit(rng, 1.0), fit(rng, LOW)
    with pytest.raises(ValueError, match=r"one of them at beta=1; got beta=0.4809 with 8 observations"):
        slt.summary_from({LOW: low})
    with pytest.raises(ValueError, match=r"on the same data.*with 7, 8 observations"):
        slt.summary_from({LOW: low[..., 1:], 1: a})
    with pytest.raises(ValueError, match=r"equally many chains and draws; got \[\(4, 1000\), \(4, 1000\), \(4, 500\)"):
        slt.summary_from({0: fit(rng, 0.0), LOW: low, 1: a[:, :500]})
    with pytest.raises(ValueError, match=r"chains must divide the 4000 draws"):
        slt.summary_from(a.reshape(-1, N), chains=7)


def test_every_problem_is_warned_of_once_and_stands_in_the_table(rng):
    a = fit(rng, 1.0)
    a[0, :, 3] -= 3.0  # one chain elsewhere
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = slt.summary_from({1: a, LOW: a})
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert {p.split(":")[0] for p in found.problems} >= {"nu", "lambda"}
    assert all(f"! {p}" in repr(found) and p in str(caught[0].message) for p in found.problems)


@pytest.mark.filterwarnings("ignore::slt.SltWarning")
def test_several_observed_variables_are_put_together_as_one_says(rng):
    # Kills: one variable taken for all, chains of a variable forgotten, sum and concat exchanged.
    y, z = fit(rng, 1.0), 0.5 * fit(rng, 1.0)
    tree = {"log_likelihood": {"y": y, "z": z}, "posterior": {}}
    for several in (tree, {"y": y, "z": z}, {1: tree}, {1: {"y": y.reshape(-1, N), "z": z.reshape(-1, N)}}):
        for combine, whole in (("sum", y + z), ("concat", np.concatenate([y, z], -1))):
            found = slt.summary_from(several, combine=combine, chains=4)
            assert repr(found) == repr(slt.summary_from(whole))
        with pytest.raises(ValueError, match=r"2 observed variables \(y: \(4000, 8\), z.*combine="):
            slt.summary_from(several)


@pytest.mark.filterwarnings("ignore::slt.SltWarning")
def test_a_model_with_two_observed_sites_says_what_an_observation_is(rng, monkeypatch):
    # x ~ N(mu, 1) and y ~ N(mu, 2) of the same units; exact posterior draws stand in for NUTS. Kills: the likelihood of
    # one site alone at 1 / log n (WBIC 16 off), 1 / log n of the values where units are meant, draws of beta = 1 twice.
    y = np.array([0.9, -2.0, 3.1, 0.2, 1.5, 4.0, -1.0, 2.0])
    whole, scale = np.concatenate([X, y]), np.repeat([1.0, 2.0], N)

    def model(x, y):
        mu = numpyro.sample("mu", dist.Normal(0, SD))
        numpyro.sample("x", dist.Normal(mu, 1), obs=x)
        numpyro.sample("y", dist.Normal(mu, 2), obs=y)

    def moments(beta):
        variance = 1 / (SD**-2 + beta * (scale**-2).sum())
        return variance * beta * (whole / scale**2).sum(), variance

    def exact_draws(key, model, *data, beta, draws, site):
        assert site == "x"
        mean, variance = moments(beta)
        return slt.Posterior({"mu": rng.normal(mean, variance**0.5, 4 * draws)}, None, beta)

    monkeypatch.setattr(_summary, "nuts", exact_draws)
    monkeypatch.setattr(_summary, "free_energy", lambda *_: slt.FreeEnergy(30.0, 0.1))
    with pytest.raises(
        ValueError, match=r"2 observed variables \(x: .*y: .*combine=None\. Choose what one observation"
    ):
        slt.summary(jax.random.key(0), model, X, y)
    triple = slt.Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, SD)})
    with pytest.raises(ValueError, match=r"combine='sum' has no meaning for a Triple"):
        slt.summary(jax.random.key(0), triple, X, combine="sum")
    for combine, n in (("sum", N), ("concat", 2 * N)):
        found = slt.summary(jax.random.key(0), model, X, y, combine=combine)
        mean, variance = moments(1 / np.log(n))
        wbic = (np.log(2 * np.pi * scale**2) / 2 + ((whole - mean) ** 2 + variance) / (2 * scale**2)).sum()
        assert found.n == n
        assert abs(found.figures["wbic"].value - wbic) < 4 * found.figures["wbic"].draws, combine
        mean, variance = moments(1.0)
        terms = ((whole - mean) ** 2 / scale**4 * variance + variance**2 / scale**4 / 2).sum()
        if_units = 2 * (variance * (X - mean) * (y - mean) / 4 + variance**2 / 8).sum()  # covariances of x and y
        want = terms + {"sum": if_units, "concat": 0.0}[combine]
        assert abs(found.figures["variance"].value - want) < 4 * found.figures["variance"].draws, combine


def test_the_figures_of_a_wide_matrix_need_no_second_one(monkeypatch):
    # Kills: weights of all observations at once (three times the matrix).
    monkeypatch.setattr(_table, "ENTRIES", 2**14)
    a = np.random.default_rng(0).normal(-1, 0.1, (100, 8000))
    tracemalloc.start()
    found = _table._influences(a)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < a.nbytes / 4
    np.testing.assert_allclose(found[2], ((a - a.mean(0)) ** 2).mean(1))
    likelihood = np.exp(a)
    np.testing.assert_allclose(
        found[:2], [-(likelihood / likelihood.mean(0)).mean(1), ((1 / likelihood) / (1 / likelihood).mean(0)).mean(1)]
    )
