"""Floor 0: averages against NumPy and SciPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import logsumexp

from slt import MeanSE, log_mean_exp, mean_se


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
