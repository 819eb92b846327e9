"""Posteriors on a grid, against closed forms and SciPy's integrators."""

import warnings

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import integrate, stats

import slt
from slt import _work, conjugate, quadrature

X = np.array([0.3, 1.9, -0.4, 1.1])
NORMAL = slt.Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1.7), {"mu": dist.Normal(-0.5, 0.9)})


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_one_parameter_against_the_conjugate_posterior(beta):
    family = conjugate.normal_mean(1.7, -0.5, 0.9)
    post = quadrature.posterior(NORMAL, X, bounds={"mu": (-8, 8)}, beta=beta)
    assert post.beta == beta
    assert post.log_evidence == pytest.approx(float(conjugate.log_evidence(family, X, beta=beta)), abs=1e-9)
    for loss in ("training_loss", "functional_variance"):
        found = getattr(slt, loss)(post.log_lik, log_weights=post.log_weights)
        assert found == pytest.approx(getattr(conjugate, loss)(family, X, beta=beta), rel=1e-8)
    cv = slt.cv_loss(post.log_lik, beta=beta, method="plain", log_weights=post.log_weights)
    assert cv == pytest.approx(conjugate.cv_loss(family, X, beta=beta), rel=1e-8)


def test_two_parameters_against_the_conjugate_evidence():
    triple = slt.Triple(
        dist.Normal(0, 1),
        lambda mu, precision: dist.Normal(mu, precision**-0.5),
        {"mu": dist.Normal(0.5, 1.0), "precision": dist.Gamma(3.0, 2.0)},
    )
    post = quadrature.posterior(triple, X, bounds={"mu": (-6, 7), "precision": (0, 16)}, points=200)

    def joint(mu, s):
        return stats.norm.pdf(X, mu, s**-0.5).prod() * stats.norm.pdf(mu, 0.5) * stats.gamma.pdf(s, 3.0, scale=0.5)

    exact, _ = integrate.dblquad(joint, 0, 16, -6, 7, epsabs=1e-12, epsrel=1e-9)
    assert post.log_evidence == pytest.approx(np.log(exact), abs=1e-7)


def test_three_parameters_against_a_product_of_one_dimensional_integrals():
    # The likelihood depends on w1 alone, on w2 alone and on w3 alone, through three observations.
    def model(a, b, c):
        return dist.Normal(jax.numpy.stack([a, b, c]), 1.0)

    triple = slt.Triple(
        dist.Normal(0, 1), model, {name: dist.Normal(0, scale) for name, scale in zip("abc", (1, 2, 3), strict=True)}
    )
    x = np.array([0.5, -1.0, 2.0])
    post = quadrature.posterior(triple, x, bounds={"a": (-5, 5.5), "b": (-7.2, 5.6), "c": (-5, 8.6)}, points=50)
    exact = stats.norm.logpdf(x, 0, np.sqrt(1 + np.array([1.0, 4.0, 9.0]))).sum()
    assert post.log_evidence == pytest.approx(exact, abs=1e-6)


def test_the_rule_integrates_polynomials_of_degree_nine_exactly():
    w, log_volume = quadrature.grid({"a": (-1.0, 2.0), "b": (0.0, 3.0)}, points=10)
    volume = np.exp(log_volume)
    assert volume @ (w["a"] ** 9 * w["b"] ** 8) == pytest.approx((2**10 - 1) / 10 * 3**9 / 9, rel=1e-12)


def test_conditional_triples():
    x, y = np.array([-1.0, 0.5, 2.0]), np.array([-0.3, 0.9, 1.1])
    triple = slt.Triple(
        lambda x: dist.Normal(x, 1.0), lambda x, a: dist.Normal(a * x, 1.0), {"a": dist.Normal(0, 2)}, dist.Normal(0, 1)
    )
    post = quadrature.posterior(triple, x, y, bounds={"a": (-4, 5)})
    exact = stats.multivariate_normal(np.zeros(3), np.eye(3) + 4 * np.outer(x, x)).logpdf(y)
    assert post.log_evidence == pytest.approx(exact, abs=1e-9)


def test_float64_survives_without_x64():
    with_x64 = quadrature.posterior(NORMAL, X, bounds={"mu": (-8, 8)}).log_evidence
    with jax.enable_x64(False):
        assert quadrature.posterior(NORMAL, X, bounds={"mu": (-8, 8)}).log_evidence == pytest.approx(
            with_x64, abs=1e-12
        )


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"nu": (-8, 8)}, r"parameters \['mu'\]; got \['nu'\]"),
        ({"mu": (-8, np.inf)}, r"low < high, both finite; got \(-8, inf\)"),
        ({"mu": (2, 2)}, "low < high"),
    ],
)
def test_bad_bounds(bounds, message):
    with pytest.raises(ValueError, match=message):
        quadrature.posterior(NORMAL, X, bounds=bounds)


def test_four_parameters_are_too_many():
    with pytest.raises(ValueError, match=r"one to three parameters; got 4 \(a, b, c, d\).*slt.nuts"):
        quadrature.grid(dict.fromkeys("abcd", (0, 1)))


def test_too_few_points():
    with pytest.raises(ValueError, match="points must be a whole number, at least 5; got 4"):
        quadrature.grid({"a": (0, 1)}, points=4)
    with pytest.raises(ValueError, match=r"points must be a whole number, at least 5; got 100\.5"):
        quadrature.grid({"a": (0, 1)}, points=100.5)


def test_a_box_that_cuts_the_posterior_off_warns_with_the_mass():
    with pytest.warns(slt.SltWarning, match=r"mass lies in the outermost panel of mu at 0"):
        quadrature.posterior(NORMAL, X, bounds={"mu": (0, 8)})


def test_a_prior_without_mass_in_the_box_is_an_error():
    coin = slt.Triple(
        dist.Bernoulli(0.5), lambda p: dist.Bernoulli(p), {"p": dist.Uniform(0, 0.5, validate_args=False)}
    )
    with pytest.raises(ValueError, match=r"no mass in the box \{'p': \(0.6, 0.9\)\}.*Move the box"):
        quadrature.posterior(coin, np.array([1, 1, 1]), bounds={"p": (0.6, 0.9)})


def test_a_box_at_the_end_of_the_support_does_not_warn():
    coin = slt.Triple(dist.Bernoulli(0.5), lambda p: dist.Bernoulli(p), {"p": dist.Uniform(0, 1)})
    post = quadrature.posterior(coin, np.array([1, 1, 1]), bounds={"p": (0, 1)})
    assert post.log_evidence == pytest.approx(-np.log(4), abs=1e-12)


@pytest.mark.parametrize("beta", [0.0, -1.0, np.nan])
def test_bad_beta(beta):
    with pytest.raises(ValueError, match="beta must be a positive number"):
        quadrature.posterior(NORMAL, X, bounds={"mu": (-8, 8)}, beta=beta)


def test_nan_data_is_refused():
    with pytest.raises(ValueError, match=r"no mass|NaN"):
        quadrature.posterior(NORMAL, np.array([0.1, np.nan]), bounds={"mu": (-8, 8)})


# --- What a grid cannot see -------------------------------------------------------------------------------------------

UNIT = slt.Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 10)})
UNIT_FAMILY = conjugate.normal_mean(1.0, 0.0, 10.0)


@pytest.mark.parametrize("seed", range(5))
def test_a_posterior_narrower_than_the_grid_warns_with_the_error(seed):
    # Mutant: no look at the panels: the posterior's sd is 0.03, a panel 0.4, and log Z off by 0.01 to 0.1 in silence.
    x = np.random.default_rng(seed).normal(size=1000)
    exact = float(conjugate.log_evidence(UNIT_FAMILY, x))
    with pytest.warns(slt.SltWarning, match=r"log Z_n is wrong by about \d\.\de.*Raise points or narrow bounds"):
        coarse = quadrature.posterior(UNIT, x, bounds={"mu": (-8, 8)})
    assert abs(coarse.log_evidence - exact) > 1e-3
    assert quadrature.posterior(UNIT, x, bounds={"mu": (-8, 8)}, points=4000).log_evidence == pytest.approx(exact)
    assert quadrature.posterior(UNIT, x, bounds={"mu": (-1, 1)}).log_evidence == pytest.approx(exact)


def test_the_estimate_of_the_error_is_of_the_size_of_the_error():
    # It may exceed the error, by up to 4 powers of ten far below the threshold; it must not fall short by ten.
    for n, seed in [(n, seed) for n in (10, 40, 100, 400) for seed in range(5)]:
        x = np.random.default_rng(seed).normal(size=n)
        w, log_volume = quadrature.grid({"mu": (-8, 8)})
        _, log_weights, log_evidence = quadrature.weigh(UNIT, w, log_volume, (x,), 1.0)
        error = abs(float(log_evidence) - float(conjugate.log_evidence(UNIT_FAMILY, x)))
        assert error / 10 < float(quadrature.accuracy(log_weights, 1)) < error * 1e5


def test_a_ridge_that_is_narrow_in_one_of_two_parameters_is_seen():
    # Mutant: only the first axis is looked at.
    both = {"a": dist.Normal(0, 1), "b": dist.Normal(0, 1)}
    triple = slt.Triple(dist.Normal(0, 1), lambda a, b: dist.Normal(b + 0 * a, 0.02), both)
    with pytest.warns(slt.SltWarning, match="Raise points or narrow bounds"):
        quadrature.posterior(triple, np.array([0.3, 0.31]), bounds={"a": (-8, 8), "b": (-8, 8)}, points=50)


@pytest.mark.parametrize("n", [5, 100, 2000])
def test_a_singular_posterior_on_a_fine_grid_does_not_warn(n):
    # Warnings are errors here. The set a b = 0 carries the posterior.
    triple = slt.Triple(
        dist.Normal(0, 1),
        lambda a, b: dist.Normal(a * b, 1),
        {"a": dist.Uniform(-1, 1), "b": dist.Uniform(-1, 1)},
    )
    x = np.random.default_rng(1).normal(size=n)
    quadrature.posterior(triple, x, bounds={"a": (-1, 1), "b": (-1, 1)}, points=300)


def test_leave_one_out_of_a_strong_outlier():
    # Mutant: nodes below 1e-60 of the largest weight dropped; without the outlier they hold the posterior (1126.26).
    x = np.append(np.random.default_rng(0).normal(size=10), 50.0)
    post = quadrature.posterior(UNIT, x, bounds={"mu": (-20, 60)}, points=4000)
    cv = slt.cv_loss(post.log_lik, method="plain", log_weights=post.log_weights)
    assert cv == pytest.approx(conjugate.cv_loss(UNIT_FAMILY, x), rel=1e-9)
    assert cv[-1] > 1130


MOVING = slt.Triple(dist.Uniform(0, 1), lambda b: dist.Uniform(0, b), {"b": dist.Exponential(1)})


def test_a_support_that_moves_with_the_parameter_warns_where_leave_one_out_is_wrong():
    # Mutant: silence; the importance identity gives 0.2106 for the largest of the data where 1.4374 is right.
    x = np.array([0.2, 0.5, 0.9])
    with pytest.warns(slt.SltWarning, match=r"depends on w: cv_loss .* not valid for observation\(s\) \[2\],"):
        post = quadrature.posterior(MOVING, x, bounds={"b": (0, 30)}, points=1500)  # panels end at 0.5 and at 0.9
    exact, _ = integrate.quad(lambda b: b**-3 * np.exp(-b), 0.9, 30, epsabs=1e-14)
    assert post.log_evidence == pytest.approx(np.log(exact), abs=1e-8)
    found = slt.cv_loss(post.log_lik, method="plain", log_weights=post.log_weights)
    refits = [
        np.log(integrate.quad(lambda b: b**-2 * np.exp(-b), low, 30, epsabs=1e-14)[0] / exact)
        for low in (0.9, 0.9, 0.5)
    ]
    assert found[:2] == pytest.approx(refits[:2], rel=1e-6)
    assert refits[2] == pytest.approx(1.4374, abs=5e-5)
    assert found[2] == pytest.approx(0.2106, abs=5e-5)  # what the warning is about


def test_two_equal_largest_observations_exclude_nothing_alone():
    # Mutant: any observation with density zero. Without one of two equal maxima the posterior stays where it was.
    x = np.array([0.2, 0.9, 0.9])
    quadrature.posterior(MOVING, x, bounds={"b": (0.5, 30.5)}, points=1500)


@pytest.mark.parametrize(
    ("prior", "shape"),
    [
        (dist.Normal(np.zeros(2), 1.0), r"batch shape \(2,\)"),
        (dist.Normal(0, 1).expand([2]).to_event(1), r"event shape \(2,\)"),
    ],
)
def test_a_vector_parameter_is_refused(prior, shape):
    # Mutant: no check: the prior of one number was summed over both components.
    triple = slt.Triple(dist.Normal(0, 1), lambda w: dist.Normal(w, 1), {"w": prior})
    with pytest.raises(ValueError, match=shape):
        quadrature.posterior(triple, X, bounds={"w": (-8, 8)})


@pytest.mark.parametrize(("high", "warns"), [(3.2, True), (6.0, False)])
def test_a_little_mass_at_the_edge_warns(high, warns):
    # Mutant: EDGE = 0.1. The last panel up to 3.2 holds 1e-4 to 1e-2 of the mass, the one up to 6 less than 1e-6.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        post = quadrature.posterior(NORMAL, X, bounds={"mu": (-8, high)})
    last = post.draws["mu"] > high - (high + 8) / 40
    mass = np.exp(post.log_weights[last]).sum()
    assert (1e-6 < mass < 1e-1) == warns
    assert ["outermost panel" in str(w.message) for w in caught] == [True] * warns


@pytest.mark.parametrize(("size", "most", "want"), [(300, 64, 60), (57_600, 4096, 3840), (30, 64, 64), (101, 64, 64)])
def test_tiles_are_equal_where_that_costs_little(size, most, want):
    assert _work.tile(size, most) == want


def test_a_grid_of_several_tiles_is_one_program():
    # 10,000 nodes in tiles of 2500. Kills: tiles of 4096 and a rest of 1808, which trace the model once more.
    calls = []

    def model(a, b):
        calls.append(a)
        return dist.Normal(a + b, 1.0)

    bounds = {"a": (-1.0, 2.0), "b": (-1.0, 1.0)}
    triple = slt.Triple(dist.Normal(0.5, 1.0), model, {name: dist.Uniform(*ends) for name, ends in bounds.items()})
    nodes, log_volume = quadrature.grid(bounds, points=100)
    jax.make_jaxpr(lambda x: quadrature.weigh(triple, nodes, log_volume, (x,), 1.0))(np.zeros(3))
    assert len(log_volume) == 10_000
    assert len(calls) == 1
