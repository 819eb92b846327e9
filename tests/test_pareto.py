"""The vectorized smoothing against ArviZ's, column by column, and against exact Pareto tails."""

import arviz
import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy import stats

from slt import SltWarning, _arviz, _pareto, _tail, cv_loss, pareto_k


def columns(rng, draws):
    """Well-behaved, skewed, heavy-tailed up to k = 110, far away, nearly constant: more than one tile."""
    normal = rng.normal(size=(draws, 60))
    return np.hstack([
        0.3 * normal - 1,
        -0.5 * normal**2 * rng.gamma(1, 1, size=60),
        np.log(rng.random((draws, 60))) * np.linspace(0.05, 110, 60),
        normal - 2500,
        1e-9 * normal + 3,
        np.log(rng.random((draws, 4))) * 500,
    ])  # fmt: skip


def arviz_terms(log_lik):
    """ArviZ's weights, one column after the other, and the weighted mean of the definition."""
    found = [array_stats.psislw(column[None], r_eff=1.0) for column in log_lik.T]
    log_weights, k = (np.concatenate([np.atleast_1d(f[j].squeeze()) if j else f[j].T for f in found], axis=-1)
                      for j in range(2))  # fmt: skip
    most = (log_weights + log_lik).max(0)
    return -np.log(np.exp(log_weights + log_lik - most).sum(0)) - most, k


@pytest.mark.parametrize("draws", [25, 100, 226, 1000])
def test_smoothing_is_arvizs_on_columns_of_every_kind(draws, rng):
    # Kills: the tail one draw too long, a quartile off by one, the prior of k left out, the cap at the largest weight
    # left out, products of factors that overflow, the cutoff not subtracted or not added back.
    log_lik = columns(rng, draws)
    terms, k = _pareto.smoothed_cv(log_lik)
    with np.errstate(all="ignore"):
        want, want_k = arviz_terms(log_lik)
    np.testing.assert_allclose(k, want_k, atol=1e-6)
    np.testing.assert_allclose(terms, want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("draws", [25, 226, 1000])
def test_the_tail_of_one_column_is_arvizs(draws, rng):
    # As in diagnostics of free energies. Kills: the tail one draw too long, its cutoff not subtracted, the lower tail.
    log_w = -columns(rng, draws).T
    want = [_arviz.psis(w[:, None])[1][0] for w in log_w]
    np.testing.assert_allclose([_tail.shape(w) for w in log_w], want, atol=1e-6)
    assert _tail.shape(np.zeros(draws)) == -np.inf


def test_smoothing_is_arviz_loos_front_door(rng):
    log_lik = stats.norm(rng.normal(1, 0.4, size=(4, 500, 1)), 1).logpdf([-0.5, 0.1, 1.0, 8.0])
    tree = arviz.from_dict({"posterior": {"mu": log_lik[..., 0]}, "log_likelihood": {"x": log_lik}})
    with pytest.warns(UserWarning, match="shape parameter of Pareto"):
        want = arviz.loo(tree, pointwise=True, reff=1.0)
    flat = log_lik.reshape(-1, 4)
    with pytest.warns(SltWarning, match="indices 3"):
        np.testing.assert_allclose(-cv_loss(flat), want.elpd_i.values, atol=1e-8)
    np.testing.assert_allclose(pareto_k(flat), want.pareto_k.values, atol=1e-8)


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_other_temperatures_are_the_weighted_mean_of_the_adapters_weights(beta, rng):
    # Kills: the constant body of beta = 1 used at every beta.
    log_lik = -0.5 * rng.normal(size=(500, 5)) ** 2
    log_weights, k = _arviz.psis(-beta * log_lik)
    terms, got_k = _pareto.smoothed_cv(log_lik, beta=beta)
    np.testing.assert_allclose(got_k, k, atol=1e-9)
    np.testing.assert_allclose(terms, -np.log(np.exp(log_weights + log_lik).sum(0)), rtol=1e-11)


def test_float32_is_fitted_in_float64(rng):
    log_lik = columns(rng, 1000)[:, :180].astype(np.float32)
    terms, k = _pareto.smoothed_cv(log_lik)
    want, want_k = _pareto.smoothed_cv(log_lik.astype(float))
    assert terms.dtype == k.dtype == np.float64
    np.testing.assert_allclose(k, want_k, atol=1e-6)
    np.testing.assert_allclose(terms, want, atol=1e-6)


@pytest.mark.parametrize("layout", ["transposed", "every second column", "read-only"])
def test_any_memory_layout_and_the_input_is_left_alone(layout, rng):
    # Kills: the partition done in the caller's array.
    a = rng.normal(size=(100, 6))
    other = {"transposed": np.asfortranarray(a), "every second column": np.repeat(a, 2, 1)[:, ::2],
             "read-only": a.copy()}[layout]  # fmt: skip
    other.flags.writeable = layout != "read-only"
    before = other.copy()
    for got, want in zip(_pareto.smoothed_cv(other), _pareto.smoothed_cv(a), strict=True):
        np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(other, before)


def test_bounded_weights_are_left_alone():
    two = np.repeat([[0.0], [-1.0]], 50, axis=0)
    constant = np.zeros((100, 1))
    terms, k = _pareto.smoothed_cv(np.hstack([constant, two]))
    np.testing.assert_allclose(terms, [0.0, np.log((1 + np.e) / 2)], atol=1e-12)
    assert k.tolist() == [-np.inf, -np.inf]


@pytest.mark.parametrize(("k", "scale"), [(-0.2, 1.0), (0.0, 3.0), (0.6, 0.5)])
def test_fit_of_exact_quantiles(k, scale):
    # SciPy's quantiles have no noise; 1000 of them pull k towards one half by 10/1010 of the distance.
    x = stats.genpareto(k, scale=scale).ppf((np.arange(1000) + 0.5) / 1000)
    got, got_scale = _pareto.fit(np.stack([x, 7 * x]))
    np.testing.assert_allclose(got, (1000 * k + 5) / 1010, atol=0.01)
    np.testing.assert_allclose(got_scale, [scale, 7 * scale], rtol=0.02)


def test_too_few_draws():
    with pytest.raises(ValueError, match=r'at least 25 draws to see a tail; got 24.*method="plain"'):
        _pareto.smoothed_cv(np.zeros((24, 2)))
