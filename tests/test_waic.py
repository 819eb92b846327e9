"""WAIC of a DataTree: eight schools by quadrature, NumPy, R's convention, and what arviz.compare makes of it."""

import arviz
import numpy as np
import pytest
from scipy import stats

from slt import SltWarning, waic

Y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
SIGMA = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def tree_of(log_lik, **options):
    return arviz.from_dict({"posterior": {"mu": log_lik[..., 0]}, "log_likelihood": {"obs": log_lik}}, **options)


@pytest.fixture
def log_lik(rng):
    return stats.norm(rng.normal(0.3, 0.2, size=(4, 250, 1)), 1).logpdf(rng.normal(size=60))


def test_eight_schools_complete_pooling_on_the_deviance_scale():
    # Published 61.2 (Gelman, Hwang and Vehtari 2014), recomputed exactly: 61.089, p 0.659. Equally likely quantiles of
    # the normal posterior of the common effect stand for draws; 20 000 of them are right to 0.002.
    precision = (1 / SIGMA**2).sum()
    mu = stats.norm((Y / SIGMA**2).sum() / precision, precision**-0.5).ppf((np.arange(20_000) + 0.5) / 20_000)
    found = waic(tree_of(stats.norm(mu[:, None], SIGMA).logpdf(Y)[None]), scale="deviance")
    assert abs(found.elpd - 61.089) < 0.003
    assert abs(found.p - 0.659) < 0.002
    assert found.scale == "deviance"


@pytest.mark.parametrize("ddof", [0, 1])
def test_every_field_by_hand(ddof, log_lik):
    # Kills: ddof ignored (ArviZ 0 against R's loo 1), se with ddof=0, p of the wrong sign, chains not merged.
    tree = tree_of(log_lik, coords={"who": [f"p{i}" for i in range(60)]}, dims={"obs": ["who"]})
    found = waic(tree, ddof=ddof)
    flat = log_lik.reshape(1000, 60)
    variance = flat.var(0, ddof=ddof)
    elpd_i = np.log(np.exp(flat).mean(0)) - variance
    np.testing.assert_allclose(found.elpd_i.values, elpd_i, rtol=1e-10)
    np.testing.assert_allclose([found.elpd, found.p], [elpd_i.sum(), variance.sum()], rtol=1e-10)
    np.testing.assert_allclose(found.se, np.sqrt(60) * elpd_i.std(ddof=1), rtol=1e-10)
    assert (found.kind, found.n_samples, found.n_data_points, found.scale) == ("waic", 1000, 60, "log")
    assert found.elpd_i.dims == ("who",)
    assert found.elpd_i.coords["who"].values[3] == "p3"
    assert found.warning is False
    assert "elpd_waic" in str(found)
    assert waic(tree, pointwise=False).elpd_i is None


def test_scales_are_multiples(log_lik):
    tree = tree_of(log_lik)
    log, deviance = waic(tree), waic(tree, scale="deviance")
    np.testing.assert_allclose([deviance.elpd, deviance.se], [-2 * log.elpd, 2 * log.se])
    np.testing.assert_allclose(deviance.p, log.p)
    np.testing.assert_allclose(waic(tree, scale="negative_log").elpd, -log.elpd)


def test_arviz_compare_accepts_it(log_lik):
    found = arviz.compare({"a": waic(tree_of(log_lik)), "b": waic(tree_of(log_lik - 0.1))}, round_to="none")
    assert list(found.index) == ["a", "b"]
    np.testing.assert_allclose(found.loc["b", "elpd_diff"], -6.0, rtol=1e-9)


def test_large_variances_warn_with_the_observations(rng):
    log_lik = rng.normal(-1, 0.1, size=(2, 100, 5))
    log_lik[..., 3] *= 9
    with pytest.warns(SltWarning, match=r"exceeds 0\.4 for 1 of 5 observations \(indices 3; largest 0\.\d\d\)"):
        found = waic(tree_of(log_lik))
    assert found.warning is True


def test_axes_of_a_matrix_variable_are_kept(rng):
    log_lik = rng.normal(-1, 0.1, size=(2, 50, 3, 4))
    found = waic(arviz.from_dict({"log_likelihood": {"obs": log_lik}}))
    assert found.elpd_i.shape == (3, 4)
    flat = log_lik.reshape(100, 3, 4)
    np.testing.assert_allclose(found.elpd_i.values[2, 1], np.log(np.exp(flat[:, 2, 1]).mean()) - flat[:, 2, 1].var())


def test_several_variables_must_be_named(log_lik):
    two = arviz.from_dict({"log_likelihood": {"y": log_lik, "z": 2 * log_lik[..., :5]}})
    with pytest.raises(ValueError, match=r"y: \(4, 250, 60\), z: \(4, 250, 5\).*slt\.observations"):
        waic(two)
    assert waic(two, var_name="z").elpd_i.shape == (5,)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (np.zeros((3, 2)), {}, r"got ndarray\. For a matrix use slt\.waic_loss"),
        ({"log_likelihood": {"y": np.zeros((1, 3, 2))}}, {"scale": "nats"}, "negative_log, deviance; got 'nats'"),
        ({"log_likelihood": {"y": np.zeros((1, 3, 2))}}, {"ddof": 2}, "got 2"),
        ({"log_likelihood": {"y": np.full((1, 3, 2), np.nan)}}, {}, "6 of 6 entries"),
    ],
)
def test_bad_input_is_named(data, options, message):
    with pytest.raises(ValueError, match=message):
        waic(data, **options)
