"""Laws that every input obeys, for the public functions of floors 0 and 1 that have no such test beside their own."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import slt
from slt import energy
from slt._mixing import ess, rhat

pytestmark = pytest.mark.filterwarnings("ignore::slt.SltWarning")  # wild draws deserve their warnings
few = settings(max_examples=25, deadline=None)
shifts = st.floats(-1e3, 1e3)
betas = st.floats(0.1, 3.0)
seeds = st.integers(0, 2**32 - 1)


def terms(shape, low=-30.0, high=5.0):
    return hnp.arrays(np.float64, shape, elements=st.floats(low, high))


def draws(seed, shape, skew=0.0):
    """Draws without ties, autocorrelated a little, from a seed: laws of chains need no wild numbers."""
    x = np.random.default_rng(seed).normal(size=shape)
    return x + 0.3 * np.roll(x, 1, axis=-1) + skew * x**2


@given(terms((3, 6)), terms((3, 6)), st.permutations(range(6)))
@few
def test_observations_forget_the_order_and_agree_among_themselves(y, z, order):
    # Groups that join the two values of a unit are units. Kills: labels of the second variable in the order of the
    # first, a mean over a group, columns in the order in which labels first appear.
    units = slt.observations({"y": y, "z": z}, combine="sum")
    moved = slt.observations({"y": y, "z": z[:, order]}, combine="concat", groups={"y": range(6), "z": order})
    np.testing.assert_allclose(moved, units, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(slt.observations({"z": z, "y": y}, combine="sum"), units)
    whole = slt.observations(y, groups=np.zeros(6))
    np.testing.assert_allclose(whole[:, 0], y.sum(1), rtol=1e-12, atol=1e-12)


@given(terms(9), st.integers(0, 20), shifts)
@few
def test_aic_shifts_and_counts_its_parameters(log_lik, d, shift):
    # Kills: d for d / n, the likelihood with the wrong sign.
    np.testing.assert_allclose(slt.aic(log_lik + shift, d), slt.aic(log_lik, d) - shift, atol=1e-9)
    np.testing.assert_allclose(slt.aic(log_lik, d).sum(), d - log_lik.sum(), atol=1e-9)


@given(terms(9), seeds, shifts)
@few
def test_tic_forgets_the_coordinates_and_is_aic_where_information_is_curvature(log_lik, seed, shift):
    # Kills: the trace of J^-1 I^2, of I J, a transpose too many in I.
    rng = np.random.default_rng(seed)
    scores, a = rng.normal(size=(9, 3)), rng.normal(size=(3, 3)) + 3 * np.eye(3)
    information = scores.T @ scores / 9
    np.testing.assert_allclose(slt.tic(log_lik, scores, information), slt.aic(log_lik, 3), rtol=1e-6, atol=1e-6)
    hessian = np.diag([1.0, 2.0, 5.0])
    still = slt.tic(log_lik, scores, hessian)
    np.testing.assert_allclose(slt.tic(log_lik, scores @ a, a.T @ hessian @ a), still, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(slt.tic(log_lik + shift, scores, hessian), still - shift, atol=1e-8)


@given(terms((4, 5)), terms(5), st.permutations([1, 2, 2, 4]), shifts)
@few
def test_dic_shifts_and_takes_weights_for_repeated_draws(log_lik, at_mean, counts, shift):
    # Kills: twice the penalty, a sum over draws, weights as they are and not normalized.
    still = slt.dic(log_lik, at_mean)
    np.testing.assert_allclose(slt.dic(log_lik + shift, at_mean + shift), still - shift, atol=1e-9)
    repeated = slt.dic(np.repeat(log_lik, counts, axis=0), at_mean)
    np.testing.assert_allclose(slt.dic(log_lik, at_mean, log_weights=np.log(counts)), repeated, atol=1e-9)
    np.testing.assert_allclose(slt.dic(np.tile(at_mean, (4, 1)), at_mean), -at_mean, atol=1e-9)


@given(terms(4, -500, 500), st.integers(3, 10**6), shifts)
@few
def test_bic_and_sbic_shift_and_agree_where_nothing_is_singular(maxima, n, shift):
    # A chain of models whose coefficients are those of the larger one, d/2: sBIC is BIC. Kills: log n for log n / 2,
    # weights of the models counted twice, a shift lost in the quadratic.
    d = np.array([1.0, 2.0, 4.0, 7.0])
    bic = slt.bic(maxima, d, n)
    np.testing.assert_allclose(slt.bic(maxima + shift, d, n), bic - shift, atol=1e-8)
    rlct = np.where(np.tri(4) > 0, d[:, None] / 2, np.nan)
    found = slt.sbic(maxima, rlct, np.ones((4, 4)), n=n)
    np.testing.assert_allclose(found, bic, rtol=1e-9, atol=1e-8)


@given(terms(4, -30, 30), seeds, shifts, st.permutations(range(4)))
@few
def test_sbic_forgets_the_order_and_lies_between_its_coefficients(maxima, seed, shift, order):
    # L_i is an average of L'_ij. Kills: models solved in the order given, weights of other models.
    rng = np.random.default_rng(seed)
    rlct = np.where(np.tri(4) > 0, np.sort(rng.uniform(0.5, 6, (4, 4)), axis=1), np.nan)
    weights = rng.uniform(0.1, 2, 4)
    found = slt.sbic(maxima, rlct, np.ones((4, 4)), n=50, weights=weights)
    o = np.array(order)
    moved = slt.sbic(maxima[o] + shift, rlct[np.ix_(o, o)], np.ones((4, 4)), n=50, weights=weights[o])
    np.testing.assert_allclose(moved, found[o] - shift, atol=1e-8)
    each = -maxima[:, None] + rlct * np.log(50)
    assert (np.nanmin(each, axis=1) - 1e-8 <= found).all()
    assert (found <= np.nanmax(each, axis=1) + 1e-8).all()


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(0.001, 9), st.floats(0.001, 9))
@few
def test_bayes_factors_turn_with_the_sign(a, b, se, other):
    a, b = slt.FreeEnergy(a, se), slt.FreeEnergy(b, other)
    one, back = slt.log_bayes_factor(a, b), slt.log_bayes_factor(b, a)
    assert (one.mean, one.se) == (-back.mean, back.se)  # kills: F_a - F_b is caught by its doctest, a bias here
    assert max(se, other) <= one.se <= se + other  # kills: errors that add, or their mean


@given(st.integers(2, 40), betas, st.floats(0.5, 8))
@few
def test_a_power_ladder_rises_from_the_prior_and_scales(rungs, beta, power):
    ladder = energy.power_ladder(rungs, beta=beta, power=power)
    assert (ladder[0], len(ladder)) == (0, rungs)
    assert ladder[-1] == pytest.approx(beta)
    assert (np.diff(ladder) > 0).all()
    np.testing.assert_allclose(ladder, beta * energy.power_ladder(rungs, power=power), rtol=1e-12)
    np.testing.assert_allclose(ladder / beta, (energy.power_ladder(rungs, power=2 * power)) ** 0.5, rtol=1e-9)


@given(seeds, shifts, betas, st.floats(0, 3), st.floats(0, 3))
@few
def test_weights_between_temperatures_compose_and_mind_no_shift(seed, shift, beta, middle, to):
    # Kills: the ratio of the temperatures for their difference, weights that do not sum to one.
    a = draws(seed, 40)
    direct = energy.reweight(a, beta=beta, to=to).log_weights
    first, second = energy.reweight(a, beta=beta, to=middle), energy.reweight(a, beta=middle, to=to)
    both = first.log_weights + second.log_weights
    np.testing.assert_allclose(both - np.logaddexp.reduce(both), direct, atol=1e-9)
    np.testing.assert_allclose(np.logaddexp.reduce(direct), 0, atol=1e-9)
    np.testing.assert_allclose(energy.reweight(a + shift, beta=beta, to=to).log_weights, direct, atol=1e-8)
    by_observation = np.stack([a - 7, np.full(40, 7.0)], axis=1)
    np.testing.assert_allclose(energy.reweight(by_observation, beta=beta, to=to).log_weights, direct, atol=1e-9)


@given(seeds, shifts, betas)
@few
def test_sampling_ratios_shift_and_know_a_proposal_that_is_the_posterior(seed, shift, beta):
    # Kills: beta left out of the value or of the error, log Z with the other sign.
    a, b = draws(seed, 60), draws(seed + 1, 50)
    for estimate in (
        lambda s: energy.importance_sampling(a + s, beta=beta),
        lambda s: energy.bridge_sampling(a + s, b + s, beta=beta, chains=2),
    ):
        still, moved = estimate(0.0), estimate(shift)
        np.testing.assert_allclose(moved.value, still.value - shift / beta, rtol=1e-9, atol=1e-8)
        np.testing.assert_allclose(moved.se, still.se, rtol=1e-6)
    flat = energy.bridge_sampling(np.full(60, shift), np.full(50, shift), beta=beta)
    assert flat.value == pytest.approx(-shift / beta)
    assert flat.se == pytest.approx(0, abs=1e-9)


@given(seeds, shifts, st.permutations(range(3)))
@few
def test_ladders_shift_and_forget_the_order_of_their_chains(seed, shift, order):
    # Kills: the shift counted at one rung, chains laid one after the other in the wrong axis.
    ladder, total = energy.power_ladder(5), draws(seed, (5, 3, 30), skew=-0.2)
    for estimate in (energy.stepping_stone, energy.thermodynamic_integration):
        still, moved = estimate(total, ladder), estimate(total[:, list(order)] + shift, ladder)
        np.testing.assert_allclose(moved.value, still.value - shift, rtol=1e-9, atol=1e-8)
        np.testing.assert_allclose(moved.se, still.se, rtol=1e-6)
        constant = estimate(np.full((5, 30), shift), ladder)
        assert constant.value == pytest.approx(-shift)
    # Z(b) = (1 + b)^-2: a ladder of true posteriors, without which no beta need be optimal.
    total = -np.random.default_rng(seed).gamma(2.0, 1 / (1 + ladder[:, None, None]), (5, 3, 200))
    still, moved = energy.optimal_beta(total, ladder), energy.optimal_beta(total[:, list(order)] + shift, ladder)
    np.testing.assert_allclose(moved, still, rtol=1e-6)
    assert 0 <= still.mean <= 1


@given(seeds, st.permutations(range(4)), st.sampled_from([-0.125, 0.5, 4.0, 64.0]), shifts)
@few
def test_mixing_forgets_units_and_the_order_of_chains(seed, order, scale, shift):
    # Ranks mind no monotone map. Kills: R-hat of the values themselves, the first chain as a reference.
    x = draws(seed, (4, 60))
    for judge in (ess, lambda x: ess(x, method="tail"), lambda x: ess(x, method="mean")):
        np.testing.assert_allclose(judge(scale * x[list(order)] + shift), judge(x), rtol=1e-7)
    # Exact factors alone: the two middle draws are equally far from the median, a tie that rounding breaks.
    np.testing.assert_allclose(rhat(scale * x[list(order)]), rhat(x), rtol=1e-9)
    np.testing.assert_allclose(ess(np.exp(x)), ess(x), rtol=1e-9)
    np.testing.assert_allclose(ess(np.exp(x), method="tail"), ess(x, method="tail"), rtol=1e-9)
    assert rhat(x) <= rhat(x + 5 * np.arange(4)[:, None])


@given(terms((6, 4)), st.permutations([1, 1, 1, 2, 3, 4]), st.sampled_from([-1.0, 0.5, 2.0]))
@few
def test_log_mean_exp_takes_weights_for_repeated_entries(a, counts, scale):
    # Kills: weights not normalized, weights along the wrong axis.
    whole = slt.log_mean_exp(scale * a, log_weights=np.log(counts))
    np.testing.assert_allclose(slt.log_mean_exp(scale * np.repeat(a, counts, axis=0)), whole, atol=1e-9)
    np.testing.assert_allclose(np.asarray(slt.log_mean_exp(jax.numpy.asarray(scale * a))), slt.log_mean_exp(scale * a))
