"""Floor 0: averages against NumPy and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import logsumexp

from slt import MeanSE, log_mean_exp, mean_se
from slt._arrays import check_beta, check_log_weights


@given(hnp.arrays(np.float64, st.integers(2, 30), elements=st.floats(-1e6, 1e6)))
@settings(max_examples=50, deadline=None)
def test_mean_se_is_the_textbook_formula(terms):
    got = mean_se(terms)
    np.testing.assert_allclose(got.mean, sum(terms) / len(terms), rtol=1e-9, atol=1e-6)
    spread = sum((t - got.mean) ** 2 for t in terms) / (len(terms) - 1) / len(terms)
    np.testing.assert_allclose(got.se, spread**0.5, rtol=1e-9, atol=1e-6)


def test_mean_se_covers_the_truth_as_often_as_it_should(rng):
    # 4,000 samples of 200 exponentials: |error| < 2 se in 94.3 % to 95.5 % of them (normal 95.4 %, skewness takes 0.5;
    # Monte Carlo sd 0.35 %). Kills: se without the square root of n, ddof confused with variance.
    found = [mean_se(sample) for sample in rng.exponential(size=(4000, 200))]
    share = np.mean([abs(m.mean - 1) < 2 * m.se for m in found])
    assert 0.932 < share < 0.966


def test_mean_se_prints_both_numbers():
    assert str(MeanSE(1.23456, 0.01)) == "1.2346 ± 0.0100"
    assert str(MeanSE(1.23456789, 0.0000312)) == "1.234568 ± 0.000031"
    assert str(MeanSE(1.5, 0.0)) == "1.5000 ± 0.0000"


@pytest.mark.parametrize(
    ("terms", "message"),
    [(1.0, r"got shape \(\)"), ([1.0], r"got shape \(1,\)"), ([1.0, np.nan], r"1 of 2 entries \(first at 1\)")],
)
def test_mean_se_refuses_what_has_no_spread(terms, message):
    with pytest.raises(ValueError, match=message):
        mean_se(terms)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_log_mean_exp_is_scipys_weighted_logsumexp(axis, rng):
    a = rng.normal(0, 400, size=(6, 5))
    n = a.shape[axis]
    np.testing.assert_allclose(log_mean_exp(jnp.asarray(a), axis=axis), logsumexp(a, axis=axis) - np.log(n), rtol=1e-13)
    w = rng.gamma(1.0, size=n)
    b = w[:, None] if axis == 0 else w[None, :]
    want = logsumexp(a, axis=axis, b=b / w.sum())
    np.testing.assert_allclose(log_mean_exp(jnp.asarray(a), axis=axis, log_weights=jnp.log(w)), want, rtol=1e-12)


@pytest.mark.parametrize("a", [[0, 1], np.array([0, 1]), jnp.array([0, 1]), np.array([False, True])])
def test_log_mean_exp_of_integers_and_lists(a):
    # log((1 + e) / 2) = 0.6201. Kills: log 2 rounded to the integer 0, which gives 1.3133.
    np.testing.assert_allclose(log_mean_exp(a), np.log((1 + np.e) / 2), rtol=1e-15)
    np.testing.assert_allclose(log_mean_exp(a, log_weights=a), np.log((1 + np.e**2) / (1 + np.e)), rtol=1e-15)


def test_log_mean_exp_keeps_numpy_and_its_precision_where_x64_is_off(rng):
    a, w = rng.normal(size=50), rng.gamma(1.0, size=50)
    with jax.enable_x64(False):
        plain, weighted = log_mean_exp(a), log_mean_exp(a, log_weights=jnp.log(jnp.asarray(w)))
        assert isinstance(log_mean_exp(jnp.asarray(a), log_weights=np.log(w)), jax.Array)
    assert isinstance(plain, np.ndarray)
    assert plain.dtype == weighted.dtype == np.float64
    np.testing.assert_allclose(plain, np.log(np.exp(a).mean()), rtol=1e-13)


def test_log_mean_exp_runs_under_jit_and_grad(rng):
    a, w = jnp.asarray(rng.normal(size=5)), jnp.asarray(rng.normal(size=5))
    np.testing.assert_allclose(
        jax.jit(lambda a, w: log_mean_exp(a, log_weights=w))(a, w), log_mean_exp(a, log_weights=w)
    )
    np.testing.assert_allclose(jax.grad(log_mean_exp)(a), np.exp(a) / np.exp(a).sum(), rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: log_mean_exp(np.zeros(3), log_weights=np.full(3, -np.inf)), "3 -inf among 3"),
        (lambda: log_mean_exp(np.zeros(3), log_weights=np.zeros(2)), r"must have shape \(3,\).* got \(2,\)"),
        (lambda: log_mean_exp(np.zeros((0, 2))), r"nothing to average: shape \(0, 2\), axis 0"),
        (lambda: log_mean_exp(np.zeros(3), axis=1), "axis 1 is out of bounds"),
        (lambda: log_mean_exp(1.0), "axis 0 is out of bounds"),
    ],
)
def test_log_mean_exp_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("log_weights", "message"),
    [
        ([0.0, np.nan, 0.0], r"got 1 NaN, 0 \+inf and 0 -inf among 3"),
        ([np.inf, 0.0, -np.inf], r"got 0 NaN, 1 \+inf and 1 -inf among 3"),
        ([-np.inf] * 3, "3 -inf among 3"),
        (["a", "b", "c"], "got dtype <U1"),
    ],
)
def test_log_weights_that_are_none(log_weights, message):
    # Kills: the checks for NaN and for +inf left out, one at a time.
    with pytest.raises(ValueError, match=message):
        check_log_weights(log_weights, 3)


def test_integer_log_weights_become_floats():
    assert check_log_weights(np.array([0, 1, -2]), 3).dtype == np.float64
    assert check_log_weights(jnp.array([0, 1, -2]), 3).dtype == jnp.float64
    assert check_log_weights([0.0, -np.inf, 1.0], 3).tolist() == [0.0, -np.inf, 1.0]  # weight zero is allowed


@pytest.mark.parametrize("beta", [np.array([0.5]), [0.5, 1.0], [[1], [1, 2]], None, "1", 1j, jnp.ones(1), -1.0, np.nan])
def test_beta_is_one_positive_number(beta):
    # Kills: no check that beta is a scalar (an array of one entry passes every other check).
    with pytest.raises(ValueError, match="beta must be a positive number"):
        check_beta(beta)


@pytest.mark.parametrize("beta", [1, 0.5, np.float32(0.5), np.array(0.5), jnp.asarray(0.5)])
def test_beta_may_be_any_scalar(beta):
    check_beta(beta)


def test_mean_se_under_jit_says_so():
    with pytest.raises(ValueError, match="mean_se looks at the values: it runs outside jit"):
        jax.jit(mean_se)(jnp.arange(3.0))
