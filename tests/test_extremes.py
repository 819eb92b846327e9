"""Log-likelihoods from -1e5 to 1e3, up to a million observations, 2 to 100 000 draws, float32 and float64.

The oracle is mpmath with fifty digits, applied to the very numbers that the library is given.
"""

import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import slt

mpmath.mp.dps = 50
CRITERIA = ["training", "cv", "waic", "variance"]


def exact(column, beta=1.0):
    """Training term, plain leave-one-out term, WAIC term and variance of one column, rounded at the very end."""
    a = [mpmath.mpf(float(v)) for v in column]
    mean = lambda values: mpmath.fsum(values) / len(a)  # noqa: E731
    b = mpmath.mpf(float(beta))
    training = -mpmath.log(mean([mpmath.exp(v) for v in a]))
    cv = mpmath.log(mean([mpmath.exp(-b * v) for v in a])) - mpmath.log(mean([mpmath.exp((1 - b) * v) for v in a]))
    centre = mean(a)
    variance = mean([(v - centre) ** 2 for v in a])
    return np.array([float(training), float(cv), float(training + b * variance), float(variance)])


def one_by_one(a, beta):
    """The same four numbers from the separate functions."""
    terms = (
        slt.training_loss(a), slt.cv_loss(a, beta=beta, method="plain"),
        slt.waic_loss(a, beta=beta), slt.functional_variance(a),
    )  # fmt: skip
    return np.stack([np.asarray(t) for t in terms])


def together(a, beta):
    """The same from one pass."""
    return np.stack([np.asarray(t) for t in slt.criteria(a, beta=beta)])


# name: level, spread over the draws
LEVELS = {
    "far below": (-1e5, 3.0),
    "far below, wide": (-5e4, 2e4),
    "far below, nearly equal": (-1e5, 1e-3),
    "ordinary": (-2.0, 0.5),
    "a density of 1e-304": (-700.0, 10.0),
    "a density of e^1000": (1e3, 2.0),
    "e^1000, wide": (0.0, 1e3),
}


@pytest.mark.parametrize("function", [one_by_one, together])
@pytest.mark.parametrize("kind", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_any_level_and_any_spread(name, kind, function, beta, rng):
    # Stated accuracy: losses to 8 units in the last place of the largest log-likelihood (a rounding of the input itself
    # is half a unit), variances to the same relative to the spread. Kills:
    # E[l^2] - E[l]^2 (loses 1e-6 at -1e5, spread 1e-3).
    level, spread = LEVELS[name]
    a = (level + spread * rng.standard_normal((37, 2)) * [1.0, 0.3]).astype(kind)
    want = np.stack([exact(a[:, i], beta) for i in range(2)], axis=1)
    got = function(a, beta)
    unit = np.finfo(kind).eps * np.abs(a).max()
    sd = a.astype(np.float64).std(0).max()
    np.testing.assert_allclose(got[:2], want[:2], rtol=0, atol=8 * unit)
    np.testing.assert_allclose(got[3], want[3], rtol=64 * np.finfo(kind).eps, atol=8 * unit * (sd + unit))
    np.testing.assert_allclose(got[2], want[2], rtol=64 * np.finfo(kind).eps, atol=8 * unit * (1 + sd + unit))


@pytest.mark.parametrize("kind", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("draws", [2, 3, 24, 25, 225, 226, 100_000])
def test_any_number_of_draws(draws, kind):
    # Column i repeats two values, so that every criterion is a closed form at any number of draws.
    low = np.array([-1.0, -3.0, -90.0])
    a = np.where(np.arange(draws)[:, None] % 2 == 0, 0.0, low).astype(kind)
    odd = (draws // 2) / draws
    found = slt.criteria(a)
    rtol = 2e-6 if kind is np.float32 else 1e-12
    np.testing.assert_allclose(found.training, -np.log1p(odd * np.expm1(low)), rtol=rtol)
    np.testing.assert_allclose(found.cv, np.logaddexp(math.log(1 - odd), math.log(odd) - low), rtol=rtol)
    np.testing.assert_allclose(found.variance, odd * (1 - odd) * low**2, rtol=rtol)
    np.testing.assert_allclose(slt.waic_loss(a), found.waic, rtol=rtol)


@pytest.mark.parametrize("draws", [2, 24])
def test_too_few_draws_for_a_tail_are_refused(draws, rng):
    with pytest.raises(ValueError, match=rf"at least 25 draws to see a tail; got {draws}"):
        slt.cv_loss(rng.normal(size=(draws, 3)))


@pytest.mark.parametrize("kind", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("n", [1, 2, 1000, 1_000_000])
def test_any_number_of_observations(n, kind):
    # Two draws; column i holds -c and -c - d with d = 1e-3 (i mod 1000): closed forms. The totals keep five digits.
    d = 1e-3 * (np.arange(n) % 1000)
    a = np.stack([np.full(n, -3.0), -3.0 - d]).astype(kind)
    found = slt.criteria(a)
    rest = a.astype(np.float64)
    gap = rest[0] - rest[1]
    want = 3.0 - np.log1p(np.expm1(-gap) / 2)
    np.testing.assert_allclose(found.training, want, rtol=4 * np.finfo(kind).eps)
    np.testing.assert_allclose(np.sum(found.training), want.sum(), rtol=1e-5)
    np.testing.assert_allclose(found.variance, gap**2 / 4, rtol=1e-5, atol=4 * np.finfo(kind).eps)
    assert slt.waic_loss(a).shape == (n,)


@pytest.mark.parametrize("kind", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("level", [-1e5, 0.0, 1e3])
def test_smoothed_leave_one_out_moves_with_the_level(level, kind, rng):
    # A shift of every log-likelihood moves each term by the shift and no k: to the rounding of the input, which at
    # 1e5 is 0.008 in float32.
    base = np.round(rng.normal(-2.0, 0.5, size=(400, 3)) * 64) / 64  # exact in float32 at any of the levels
    a, moved = base.astype(kind), (base + level).astype(kind)
    tolerance = 4 * np.finfo(kind).eps * max(abs(level), 1.0)
    np.testing.assert_allclose(slt.cv_loss(moved) + level, slt.cv_loss(a), rtol=0, atol=tolerance + 1e-6)
    np.testing.assert_allclose(slt.pareto_k(moved), slt.pareto_k(a), rtol=0, atol=1e-3 if kind is np.float32 else 1e-8)


@pytest.mark.parametrize("level", [-1e5, 0.0, 1e3])
def test_energies_of_any_level(level, rng):
    # WBIC is a mean of totals, stepping stone a sum of log means: both move by n times the shift.
    n, draws = 1000, 200
    a = rng.normal(-1.0, 0.05, size=(draws, n))
    beta = 1 / np.log(n)
    moved, still = (slt.wbic(b, beta=beta).value for b in (a + level, a))
    np.testing.assert_allclose(moved, still - n * level, rtol=1e-12)
    betas = slt.energy.power_ladder(8)
    totals = rng.normal(-50.0, 1.0, size=(8, draws))
    stepping = [slt.energy.stepping_stone(t, betas).value for t in (totals + level * n, totals)]
    np.testing.assert_allclose(stepping[0], stepping[1] - n * level, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("function", [slt.training_loss, slt.waic_loss, slt.cv_loss, slt.criteria, slt.pareto_k])
@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray], ids=["numpy", "jax"])
def test_what_is_not_finite_is_refused_with_its_place(function, kind, bad):
    a = np.full((30, 4), -1.0)
    a[7, 2] = bad
    with pytest.raises(ValueError, match=r"1 of 120 entries \(first at \(7, 2\)\) are NaN or infinite"):
        function(kind(a))


def test_float16_is_refused_or_right(rng):
    # float16 holds three digits and ends at 65504.
    a = rng.normal(-2.0, 0.5, size=(64, 3)).astype(np.float16)
    want = np.stack([exact(a[:, i]) for i in range(3)], axis=1)
    np.testing.assert_allclose(np.stack(slt.criteria(a)).astype(np.float64), want, rtol=2e-3)
    with pytest.raises(ValueError, match="NaN or infinite"), np.errstate(over="ignore"):
        slt.criteria((a.astype(np.float32) - 1e5).astype(np.float16))


def test_float64_survives_where_x64_is_off():
    a = np.array([[1000.0, -1e5], [1000.0 + 1e-9, -1e5 - 1e-9]])
    with jax.enable_x64(False):
        variance = slt.functional_variance(a)
    np.testing.assert_allclose(variance, 2.5e-19, rtol=0.2)  # one unit of 1e5 is 1.5e-11: the gap has 1.5 digits
