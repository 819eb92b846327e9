"""Posteriors on a grid, against closed forms and SciPy's integrators."""

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import integrate, stats

import slt
from slt import conjugate, quadrature

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
    with pytest.raises(ValueError, match="points must be at least 5; got 4"):
        quadrature.grid({"a": (0, 1)}, points=4)


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
