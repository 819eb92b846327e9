"""Free energy from draws: values, errors that cover the truth, and every refusal."""

import itertools
import warnings

import numpy as np
import pytest
from energy_targets import TARGETS, X
from scipy import stats

import slt
from slt import FreeEnergy, SltWarning, bic, log_bayes_factor, quadrature, sbic, wbic
from slt.energy import (
    bridge_sampling,
    importance_sampling,
    optimal_beta,
    power_ladder,
    reweight,
    stepping_stone,
    thermodynamic_integration,
)

F, WBIC = 9.00981102774222, 8.19446972263033  # of X under N(mu, 1), mu ~ N(0, 4)
SEEDS = 100
# A correct error covers the truth within two of itself in 95.4 % of the seeds and within one in 68.3 %. Of 100 seeds
# the share then has standard deviations 0.0210 and 0.0465; four of them are allowed on the sides that matter.
# Kills, for every estimator: an error of half its size (68 % within two), of twice its size (95 % within one).
TWO, ONE = 0.954 - 4 * 0.0210, (0.683 - 4 * 0.0465, 0.683 + 4 * 0.0465)


def assert_covers(errors):
    """`errors`: (estimate - truth) / standard error of each seed."""
    z = np.abs(np.asarray(errors))
    assert (z < 2).mean() >= TWO
    assert ONE[0] <= (z < 1).mean() <= ONE[1]


def ladder_of(target, rng, betas, draws):
    return np.stack([target.total(target.draws(rng, b, draws)) for b in betas])


def by_ladder(estimator):
    def run(target, seed, beta):
        betas = beta * np.linspace(0, 1, 21) ** 5 if target.dimension > 1 else power_ladder(13, beta=beta)
        return estimator(ladder_of(target, np.random.default_rng(seed), betas, 500), betas, beta=beta)

    return run


def log_ratio(target, proposal, w, beta):
    return target.log_prior(w) + beta * target.total(w) - proposal.logpdf(w)


def fitted(w):
    return stats.multivariate_normal(w.mean(0), np.atleast_2d(np.cov(w.T)))


def by_bridge(target, seed, beta):
    rng = np.random.default_rng(seed)
    w = target.draws(rng, beta, 1000)
    g = fitted(w[:500])
    v = np.atleast_2d(g.rvs(1000, rng).reshape(1000, -1))
    return bridge_sampling(log_ratio(target, g, w[500:], beta), log_ratio(target, g, v, beta), beta=beta)


def by_importance(target, seed, beta):
    rng = np.random.default_rng(seed)
    w = target.draws(np.random.default_rng(0), beta, 4000)
    g = stats.multivariate_t(w.mean(0), np.atleast_2d(np.cov(w.T)), df=5)
    return importance_sampling(log_ratio(target, g, g.rvs(1000, rng).reshape(1000, -1), beta), beta=beta)


METHODS = {
    "thermodynamic integration": by_ladder(thermodynamic_integration),
    "stepping stone": by_ladder(stepping_stone),
    "bridge sampling": by_bridge,
    "importance sampling": by_importance,
}


def test_the_oracles_agree_with_each_other():
    assert abs(TARGETS["normal mean"].log_evidence(1.0) + F) < 1e-12
    target = TARGETS["singular"]
    for beta in (0.3, 1.0):  # one-dimensional quadrature over ab, and two-dimensional over (a, b), good to 5e-6
        exact = quadrature.posterior(
            target.triple, *target.data, bounds={"a": (-6.5, 6.5), "b": (-6.5, 6.5)}, beta=beta
        )
        assert abs(exact.log_evidence - target.log_evidence(beta)) < 1e-5


@pytest.mark.parametrize("beta", [1.0, 0.3])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("method", METHODS)
def test_the_truth_lies_within_the_reported_error(method, target, beta):
    # Kills: 1/beta forgotten (F(0.3) is wrong by a factor 3), the sign of log Z, a proposal's normalizer left out,
    # weights of the wrong rung (e^(Delta l) of the upper one), and the two wrong errors named at SEEDS.
    case = TARGETS[target]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SltWarning)  # a false alarm is rare, and counted below
        found = [METHODS[method](case, seed, beta) for seed in range(SEEDS)]
    truth = -case.log_evidence(beta) / beta
    assert_covers([(e.value - truth) / e.se for e in found])
    assert all(e.beta == beta and e.method == method for e in found)
    assert beta * np.mean([e.se for e in found]) < 0.2  # and the error is worth having
    assert np.mean([e.ok for e in found]) >= 0.95


def autoregressive(rng, rho, chains, draws):
    z = rng.normal(size=(chains, draws))
    for t in range(1, draws):
        z[:, t] = rho * z[:, t - 1] + np.sqrt(1 - rho**2) * z[:, t]
    return z


def test_wbic_reaches_the_closed_form_and_counts_autocorrelation():
    # Kills: an error of independent draws (too small by sqrt((1 + rho)/(1 - rho)) = 3), a mean instead of a sum over
    # observations, WBIC of the prior tempered too. Four chains of 500 correlated draws of the tempered posterior.
    beta, errors = 1 / np.log(5), []
    precision = beta * 5 + 1 / 4
    for seed in range(SEEDS):
        z = autoregressive(np.random.default_rng(seed), 0.8, 4, 500)
        mu = beta * X.sum() / precision + z.reshape(-1, 1) * precision**-0.5
        found = wbic(stats.norm(mu, 1).logpdf(X), beta=beta, chains=4)
        errors.append((found.value - WBIC) / found.se)
    assert_covers(errors)
    assert found.beta == 1.0


def test_wbic_wants_draws_at_its_own_temperature():
    log_lik = np.random.default_rng(0).normal(size=(100, 20))
    with pytest.raises(ValueError, match=r"beta = 1/log n = 0\.333808 for n = 20; these draws are at beta=1"):
        wbic(log_lik, beta=1.0)
    with pytest.raises(ValueError, match="at least three observations; got n=2"):
        wbic(log_lik[:, :2], beta=1.0)
    with pytest.raises(ValueError, match="chains must divide the 100 draws"):
        wbic(log_lik, beta=1 / np.log(20), chains=3)
    stuck = np.repeat(np.arange(4.0), 50)[:, None] + np.zeros(20)
    with pytest.warns(SltWarning, match="worth .* independent ones"):
        assert not wbic(stuck, beta=1 / np.log(20), chains=4).ok


def test_optimal_beta_solves_its_equation():
    # E^b[nL_n] of the normal mean in closed form; its root where it equals F. Kills: the root for WBIC's own value
    # (beta = 1/log 5 = 0.62 instead of 0.44), the derivative's sign in the error.
    case, betas, errors = TARGETS["normal mean"], power_ladder(25, power=3.0), []

    def energy(b):
        precision = 5 * b + 1 / 4
        mean = b * X.sum() / precision
        return ((X - mean) ** 2).sum() / 2 + 5 / (2 * precision) + 2.5 * np.log(2 * np.pi)

    low, high = 0.1, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if energy(middle) > F else (low, middle)
    for seed in range(SEEDS):
        found = optimal_beta(ladder_of(case, np.random.default_rng(seed), betas, 1000), betas)
        errors.append((found.mean - low) / found.se)
    # The spread of 100 such ratios has a standard deviation of 1/sqrt(200). Kills: the errors of F and of the energy
    # added as if independent (a spread of 0.6), and the energy's error of one rung where two are averaged.
    assert_covers(errors)
    assert abs(np.mean(errors)) < 4 / np.sqrt(SEEDS)
    assert abs(np.std(errors) - 1) < 4 / np.sqrt(2 * SEEDS)
    assert abs(low - 1 / np.log(5)) > 10 * found.se


def test_reweighting_to_a_neighbour_and_its_failure():
    case, rng = TARGETS["normal mean"], np.random.default_rng(3)
    w = case.draws(rng, 1.0, 4000)
    near = reweight(case.log_lik(w), beta=1.0, to=1.3)
    precision = 1.3 * 5 + 1 / 4
    mean, weights = 1.3 * X.sum() / precision, np.exp(near.log_weights)
    # Kills: the direction of the weights. Four errors of a weighted mean; the untempered mean is two sd/10 away.
    assert abs(weights @ w[:, 0] - mean) < 4 * precision**-0.5 / np.sqrt(near.ess)
    variance = weights @ (w[:, 0] - mean) ** 2
    assert abs(variance - 1 / precision) < 4 * np.sqrt(2 / near.ess) / precision
    assert abs(w.var() - 1 / precision) > 8 * np.sqrt(2 / near.ess) / precision
    np.testing.assert_allclose(reweight(case.total(w), beta=1.0, to=1.3).log_weights, near.log_weights, atol=1e-12)
    assert near.ess > 3000
    # From beta = 0.01 the posterior at 1 is out of reach in five dimensions: few of the draws come near.
    far = TARGETS["regression"]
    with pytest.warns(SltWarning, match=r"worth \d+\.\d there \(Pareto k = .*put rungs between"):
        assert reweight(far.total(far.draws(rng, 0.01, 500)), beta=0.01, to=1.0).ess < 50


def test_ladder_methods_agree_for_a_perfect_sampler_without_noise():
    # Energy constant at every draw: F is that constant, whatever the ladder, without error.
    flat = np.full((5, 40), -3.0)
    for method in (thermodynamic_integration, stepping_stone):
        found = method(flat, power_ladder(5))
        assert found.value == pytest.approx(3.0, abs=1e-12)
        assert found.se == pytest.approx(0.0, abs=1e-12)


def test_chains_of_a_ladder_are_counted():
    # Kills: (rungs, chains, draws) flattened across chains. Chains that disagree make the error larger.
    rng = np.random.default_rng(4)
    apart = rng.normal(size=(3, 4, 200)) * 0.1 + np.arange(4)[:, None]
    together = rng.permuted(apart.reshape(3, 800), axis=1)
    betas = np.array([0.0, 0.5, 1.0])
    wide, narrow = (thermodynamic_integration(a, betas).diagnostics["monte_carlo"] for a in (apart, together))
    assert wide > 5 * narrow


def test_a_first_order_transition_is_named():
    # Energies jump from 50 to 10 between neighbouring rungs, with nothing in between: no ladder can tell the ratio.
    rng, betas = np.random.default_rng(5), np.linspace(0, 1, 11)
    energy = np.where(betas < 0.55, 50.0, 10.0)[:, None] + rng.normal(size=(11, 400))
    for method in (thermodynamic_integration, stepping_stone):
        with pytest.warns(
            SltWarning, match=r"at beta=0\.5 and 0\.6 do not overlap \(50\.\d and 10\.\d nats.*first-order"
        ):
            found = method(-energy, betas)
        assert not found.ok
    assert found.diagnostics["overlap"].argmin() == 5


def test_a_rung_that_has_not_settled_is_named():
    # Gamma energies of Z(b) = (1 + b)^-8; one rung has the draws of a lower one. Forward and backward disagree there.
    rng, betas = np.random.default_rng(6), power_ladder(12, power=2.0)
    energy = rng.gamma(8.0, 1.0, (12, 2000)) / (1 + betas[:, None])
    assert stepping_stone(-energy, betas).ok  # kills: an alarm that always rings
    energy[8] = rng.gamma(8.0, 1.0, 2000) / (1 + betas[6])
    with pytest.warns(SltWarning, match="forwards and .* backwards, .* standard errors apart"):
        stepping_stone(-energy, betas)


def test_a_coarse_ladder_is_named():
    rng, betas = np.random.default_rng(7), np.array([0.0, 0.1, 1.0])
    energy = rng.gamma(8.0, 1.0, (3, 2000)) / (0.02 + betas[:, None])
    with pytest.warns(SltWarning, match="the ladder of 3 rungs is too coarse"):
        thermodynamic_integration(-energy, betas)


def test_proposals_that_miss_the_posterior_are_named():
    rng = np.random.default_rng(8)
    narrow = stats.norm(0, 0.2)
    v, w = narrow.rvs(500, rng), rng.normal(size=500)
    with pytest.warns(SltWarning, match="the proposal misses a part of the posterior"):
        importance_sampling(stats.norm.logpdf(v) - narrow.logpdf(v))
    away = stats.norm(12, 1)
    with pytest.warns(SltWarning, match="hardly meet"):
        bridge_sampling(
            stats.norm.logpdf(w) - away.logpdf(w), stats.norm.logpdf(v := away.rvs(500, rng)) - away.logpdf(v)
        )


def test_bridge_counts_correlated_draws():
    # Z = sqrt(2 pi); correlated draws worth a ninth of their number, and as many proposals as that. The share within
    # two errors has standard deviation 0.0105 in 400 seeds, the spread of (estimate - truth)/error one of 0.035.
    # Kills: the error of independent draws, for which the spread is 1.4.
    g, errors = stats.norm(0.5, 1.3), []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        w, v = autoregressive(rng, 0.8, 4, 500).ravel(), g.rvs(250, rng)
        found = bridge_sampling(-(w**2) / 2 - g.logpdf(w), -(v**2) / 2 - g.logpdf(v), chains=4)
        errors.append((found.value + np.log(2 * np.pi) / 2) / found.se)
    assert (np.abs(errors) < 2).mean() > 0.954 - 4 * 0.0105
    assert abs(np.std(errors) - 1) < 4 * 0.035 + 0.05  # the error is itself estimated, to a few percent


def test_bridge_is_exact_when_the_proposal_is_the_posterior():
    found = bridge_sampling(np.full(100, -7.0), np.full(50, -7.0))
    assert found.value == pytest.approx(7.0, abs=1e-12)
    assert found.se == pytest.approx(0.0, abs=1e-9)
    assert found.diagnostics["overlap"] == pytest.approx(1.0)


def test_weights_of_zero_count_as_zero():
    # Half of the proposals fall where the joint density vanishes: Z is half as large. Kills: dropping them.
    log_ratio = np.tile([0.0, -np.inf], 500)
    found = importance_sampling(log_ratio)
    assert found.value == pytest.approx(np.log(2))
    assert found.se == pytest.approx(1 / np.sqrt(1000))  # a share of one half: sqrt(1/4 / n) / (1/2)


def test_bayes_factor_and_its_error():
    a, b = FreeEnergy(10.0, 0.3), FreeEnergy(12.5, 0.4)
    assert log_bayes_factor(a, b) == pytest.approx((2.5, 0.5))  # kills: the sign, errors added without squares
    with pytest.raises(ValueError, match=r"b is at beta=0\.5"):
        log_bayes_factor(a, FreeEnergy(1.0, 0.1, beta=0.5))
    with pytest.raises(ValueError, match="free energy of a is not to be trusted: too few"):
        log_bayes_factor(FreeEnergy(1.0, 0.1, problems=("too few",)), b)
    assert "! too few" in str(FreeEnergy(1.0, 0.1, problems=("too few",)))


# Factor analysis of six exchange rates (Lopes and West), 0 to 3 factors; Drton and Plummer (2017), table 2.
EXCHANGE = np.array([-429.0000, -191.6116, -69.9988, -68.9378])
FACTORS = np.full((4, 4), np.nan)
FACTORS[np.tril_indices(4)] = [3, 9 / 2, 6, 6, 29 / 4, 17 / 2, 15 / 2, 17 / 2, 19 / 2, 21 / 2]


def probabilities(criterion, weights=1.0):
    p = weights * np.exp(-(criterion - criterion.min()))
    return p / p.sum()


def test_sbic_of_the_exchange_rates():
    found = sbic(EXCHANGE, FACTORS, np.ones((4, 4)), n=143)
    np.testing.assert_allclose(found, [443.889, 221.389, 112.183, 116.104], atol=5e-4)
    np.testing.assert_allclose(probabilities(found)[2:], [0.98057, 0.01943], atol=1e-5)
    plain = bic(EXCHANGE, 2 * np.diag(FACTORS), 143)
    np.testing.assert_allclose(plain, [443.889, 221.389, 112.183, 121.048], atol=5e-4)
    np.testing.assert_allclose(probabilities(plain)[2:], [0.99986, 0.00014], atol=1e-5)


def sbic_by_iteration(maximum, rlct, multiplicity, n, p):
    """The fixed point of the averaging equations, by iterating them from the regular values; nothing shared."""
    below = np.isfinite(rlct)
    local = maximum[:, None] - rlct * np.log(n) + (multiplicity - 1) * np.log(np.log(n))
    shift = maximum.max()
    local = np.where(below, np.exp(local - shift), 0.0)
    evidence = np.diag(local).copy()
    for _ in range(20_000):
        evidence = np.sqrt(evidence * (local @ (p * evidence)) / (below @ (p * evidence)))
    return -np.log(evidence) - shift


@pytest.mark.parametrize("seed", range(5))
def test_sbic_solves_its_equations_for_any_partial_order(seed):
    # Kills: the sign of lambda or m, m instead of m - 1, weights left out, the i-th term left out of an average, an
    # order in which a model comes before its submodels. Five models: 0 < 1, 2; 1, 2 < 3; 4 alone; shuffled.
    rng = np.random.default_rng(seed)
    below = np.eye(5, dtype=bool)
    for i, j in ((1, 0), (2, 0), (3, 0), (3, 1), (3, 2)):
        below[i, j] = True
    order = rng.permutation(5)
    below = below[np.ix_(order, order)]
    rlct = np.where(below, rng.uniform(0.5, 4, (5, 5)), np.nan)
    multiplicity = rng.integers(1, 4, (5, 5)).astype(float)
    maximum, p = rng.uniform(-12, -5, 5), rng.uniform(0.5, 2, 5)
    found = sbic(maximum, rlct, multiplicity, n=100, weights=p)
    np.testing.assert_allclose(found, sbic_by_iteration(maximum, rlct, multiplicity, 100, p), rtol=1e-8)


def test_sbic_does_not_overflow_and_a_lone_model_is_bic():
    assert sbic([-1e5], [[2.5]], [[1.0]], n=50)[0] == bic(-1e5, 5, 50)
    # A submodel that is far better: L solves L^2 + (a - b) L = c with c/a^2 = e^-4000.
    far = sbic([-10.0, -4010.0], [[0.5, np.nan], [0.75, 1.0]], np.ones((2, 2)), n=50)
    assert far[1] == pytest.approx(4010 + 0.75 * np.log(50), abs=1e-9)


BAD_LADDERS = [
    (np.zeros(5), np.zeros(5), r"got \(5,\) and \(5,\)"),
    (np.zeros((3, 10)), [0, 1], "one number per rung"),
    (np.zeros((2, 3)), [0, 1], "at least four draws"),
    (np.zeros((2, 10)), [0.1, 1], r"rises from beta=0, the prior, .*got 0\.1 to 1"),
    (np.zeros((2, 10)), [1, 0], "got 1 to 0"),
    (np.zeros((2, 10)), [0, 0.9], r"no rung at beta=1, only \[0\.0, 0\.9\]"),
    (np.array([[0.0] * 9 + [np.nan], [0.0] * 10]), [0, 1], r"1 of 20 entries are not \(first at \(0, 0, 9\)\)"),
]


@pytest.mark.parametrize(("log_lik", "betas", "message"), BAD_LADDERS)
def test_bad_ladders_name_what_was_got(log_lik, betas, message):
    for method in (thermodynamic_integration, stepping_stone, optimal_beta):
        with pytest.raises(ValueError, match=message):
            method(log_lik, betas)


def order(*missing):
    a = np.array([[1.0, np.nan, np.nan], [1.0, 2.0, np.nan], [1.0, 2.0, 3.0]])
    for i, j in missing:
        a[i, j] = np.nan
    return a


BAD_CALLS = [
    (lambda: power_ladder(1), "at least two rungs"),
    (lambda: importance_sampling(np.zeros(10)), r"at least 25 draws; got \(10,\)"),
    (lambda: importance_sampling(np.full(30, np.nan)), "30 NaN"),
    (lambda: importance_sampling(np.full(30, -np.inf)), "30 -inf among 30"),
    (lambda: bridge_sampling(np.r_[np.zeros(29), -np.inf], np.zeros(30)), "at_draws must be finite; 1 of 30"),
    (lambda: bridge_sampling(np.zeros(30), np.zeros(30), chains=7), "chains must divide the 30 draws"),
    (lambda: importance_sampling(np.zeros(30), beta=0.0), "beta must be a positive number"),
    (lambda: reweight(np.zeros((4, 3, 5)), beta=1.0, to=1.1), r"got \(4, 3, 5\)"),
    (lambda: reweight(np.zeros(10), beta=1.0, to=-1.0), "to must be an inverse temperature"),
    (lambda: reweight(np.full(10, np.inf), beta=1.0, to=1.1), "10 of 10 entries are not"),
    (lambda: optimal_beta(np.zeros((2, 10)), [0, 1]), "every beta is optimal"),
    (lambda: bic(np.inf, 2, 10), "max_log_lik must be finite"),
    (lambda: bic(-1.0, -2, 10), "dimension must be"),
    (lambda: bic(-1.0, 2, 0), "n must be the number of observations"),
    (lambda: sbic(np.zeros(2), order(), np.ones((3, 3)), n=10), r"got \(2,\), \(3, 3\)"),
    (lambda: sbic(np.zeros(3), order(), np.ones((3, 3)), n=2), "at least three observations; got n=2"),
    (lambda: sbic(np.zeros(3), order((1, 1)), np.ones((3, 3)), n=10), r"missing for model\(s\) \[1\]"),
    (lambda: sbic(np.zeros(3), np.ones((3, 3)), np.ones((3, 3)), n=10), "models 0 and 1 are submodels of each other"),
    (lambda: sbic(np.zeros(3), order((2, 0)), np.ones((3, 3)), n=10), r"rlct\[2, 0\] is missing"),
    (lambda: sbic(np.zeros(3), order(), np.zeros((3, 3)), n=10), "every multiplicity at least 1"),
    (lambda: sbic(np.zeros(3), order(), np.ones((3, 3)), n=10, weights=[1, 0, 1]), "weights must be positive"),
]


@pytest.mark.parametrize(("call", "message"), BAD_CALLS)
def test_bad_calls_name_what_was_got(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_float32_and_totals_of_extreme_size():
    # Kills: exponentials taken before the maximum is. A common shift of 1e5 nats moves F by 1e5 and nothing else.
    betas, rng = power_ladder(13), np.random.default_rng(9)
    total = ladder_of(TARGETS["normal mean"], rng, betas, 500)
    for method, shift in itertools.product((thermodynamic_integration, stepping_stone), (-1e5, 1e3)):
        plain, moved = method(total, betas), method(total + shift, betas)
        assert moved.value == pytest.approx(plain.value - shift, abs=1e-6)
        assert moved.se == pytest.approx(plain.se, rel=1e-4)
    single = stepping_stone(total.astype(np.float32), betas)
    assert single.value == pytest.approx(stepping_stone(total, betas).value, abs=1e-4)
    assert isinstance(slt.energy.wbic(np.zeros((4, 3), np.float32), beta=1 / np.log(3)).value, float)
