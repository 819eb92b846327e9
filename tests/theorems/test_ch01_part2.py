"""The numbered claims of chapter 1, sections 1.5 to 1.8: both sides computed, by independent means.

Monte Carlo comparisons allow 4.5 standard errors: with fixed seeds a correct program passes, and the effect that each
mutant has is many standard errors.
"""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import integrate, special, stats

import slt
from slt import conjugate, experiment, quadrature

SIGMAS = 4.5


def near(estimate, exact, sigmas=SIGMAS):
    """Whether independent terms average to `exact` within Monte Carlo error."""
    mean, se = slt.mean_se(np.asarray(estimate))
    return abs(mean - exact) <= sigmas * se


# --- Posteriors that become normal, and posteriors that never do -------------------------------------------------------


def mixture_density(x, a, b):
    return (1 - a) * stats.norm.pdf(x) + a * stats.norm.pdf(x, b)


def mixture_divergence(true, other):
    """K(a, b) by SciPy's adaptive quadrature."""
    q, p = (lambda x, w=w: mixture_density(x, *w) for w in (true, other))
    return integrate.quad(lambda x: special.kl_div(q(x), p(x)), -12, 14, points=[0, 1, 3], epsabs=1e-13, limit=200)[0]


def test_lem_01_mixture_zero_joined():
    # Mutant: the zero set {a = 0} only (or {b = 0} only). The other values lie off both lines.
    for a, b in ((0.0, 2.5), (0.0, -1.0), (0.7, 0.0), (1.0, 0.0)):
        assert mixture_divergence((0.4, 0.0), (a, b)) == pytest.approx(0.0, abs=1e-12)
    for a, b in itertools.product((0.1, 0.5, 1.0), (-1.0, 0.5, 2.0)):
        assert mixture_divergence((0.4, 0.0), (a, b)) > 1e-5


def test_lem_01_mixture_zero_apart():
    # Mutant: only the means a b compared: points on the hyperbola a b = a0 b0 would pass as zeros.
    true = (0.5, 0.9)
    assert mixture_divergence(true, true) == pytest.approx(0.0, abs=1e-13)
    for a in (0.45, 0.6, 0.8, 1.0):
        assert mixture_divergence(true, (a, 0.45 / a)) > 1e-6
    x = np.linspace(-12, 14, 4001)
    moments = [integrate.simpson(x**r * mixture_density(x, 0.3, 0.7), x=x) for r in (1, 2)]
    assert moments == pytest.approx([0.3 * 0.7, 1 + 0.3 * 0.7**2], rel=1e-9)  # the two equations of the proof


# --- Estimation and generalization --------------------------------------------------------------------------------------


def normal_divergence(m0, s0, m, s):
    return math.log(s / s0) + (s0**2 + (m0 - m) ** 2) / (2 * s**2) - 0.5


def predictive_moments(x, tau, beta):
    """Mean and standard deviation of the predictive of N(w, 1) with prior N(0, tau^2) at inverse temperature beta."""
    variance = 1 / (beta * len(x) + 1 / tau**2)
    return variance * beta * np.sum(x), math.sqrt(1 + variance)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_thm_01_generalization_kl(beta, rng):
    # Mutants: KL(p* || q) in place of KL(q || p*); S_n in place of S; a plug-in N(mean, 1) in place of the predictive.
    truth, family = dist.Normal(0.4, 1.3), conjugate.normal_mean(1.0, 0.0, 2.0)
    x = np.asarray(rng.normal(0.4, 1.3, size=6))
    exact = normal_divergence(0.4, 1.3, *predictive_moments(x, 2.0, beta))
    new, weights = quadrature.nodes(truth)
    eta_hat = conjugate.posterior(family, x, beta=beta)
    loss = -weights @ conjugate.log_predictive(family, eta_hat, new)
    entropy = slt.entropy(slt.Triple(truth, lambda mu: dist.Normal(mu, 1.0), {"mu": dist.Normal(0.0, 2.0)}))
    assert loss - entropy == pytest.approx(exact, abs=1e-9)
    draws = conjugate.sample(jax.random.key(41), family, eta_hat, 2000)
    unseen = rng.normal(0.4, 1.3, size=10_000)
    sampled = slt.generalization_loss(conjugate.log_lik(family, draws, unseen)) + truth.log_prob(unseen)
    # 2000 draws shift the log of the average by about its relative error, at most 1/sqrt(2000) * sd(p)/mean(p) < 0.01
    assert abs(np.mean(np.asarray(sampled)) - exact) < 0.01 + SIGMAS * slt.mean_se(np.asarray(sampled)).se


def test_thm_01_generalization_kl_equality():
    # Equality when p* = q: one toss of each kind and a uniform prior predict 1/2 each. Mutant: p* from MAP + 1.
    coin = conjugate.bernoulli(1.0, 1.0)
    for x, theta, zero in (([0, 1], 0.5, True), ([0, 1], 0.6, False), ([1], 2 / 3, True)):
        log_p = conjugate.log_predictive(coin, conjugate.posterior(coin, np.array(x)), np.array([0, 1]))
        loss = -((1 - theta) * log_p[0] + theta * log_p[1])
        error = loss - special.entr(theta) - special.entr(1 - theta)
        assert (abs(error) < 1e-12) == zero and error > -1e-12


def test_rem_01_generalization_inf():
    # A training error may have either sign. Mutant of the text: "G_n - S >= 0, and so is T_n - S_n".
    coin = conjugate.bernoulli(1.0, 1.0)
    found = []
    for x in (np.array([1, 1, 1, 1]), np.array([1, 0, 1, 0])):
        empirical = -np.mean(np.log(np.where(x == 1, 0.3, 0.7)))
        found.append(float(conjugate.training_loss(coin, x).mean()) - empirical)
    assert found[0] < 0 and all(error < 0 for error in found)
    far = conjugate.bernoulli(1e6, 1.0)  # a prior that insists on ones
    assert float(conjugate.training_loss(far, np.array([0, 0, 0])).mean()) + math.log(0.7) > 1
