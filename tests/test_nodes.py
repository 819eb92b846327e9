"""Nodes against closed-form moments and SciPy's adaptive quadrature."""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import integrate, stats

from slt._nodes import log_prob, nodes

MIXTURE = dist.MixtureSameFamily(dist.Categorical(jnp.array([0.1, 0.9])), dist.Normal(jnp.array([0.0, 33.0]), 0.5))

# distribution, a function, its exact expectation
CASES = [
    (dist.Normal(1.0, 2.0), lambda x: x**4, 1 + 6 * 4 + 3 * 16),
    (dist.StudentT(5.0, 1.0, 2.0), lambda x: (x - 1) ** 2, 4 * 5 / 3),
    (dist.Gamma(2.0, 3.0), lambda x: x**3, 2 * 3 * 4 / 27),
    (dist.Exponential(0.5), lambda x: x**2, 8),
    (dist.Beta(0.5, 2.0), lambda x: x, 0.2),  # a pole of the density at 0
    (dist.Uniform(1.0, 4.0), lambda x: x**2, 7),
    (dist.LogNormal(0.3, 0.5), lambda x: x, np.exp(0.3 + 0.125)),
    (dist.Cauchy(0.0, 1.0), lambda x: np.log1p(x**2), 2 * np.log(2)),  # no mean
    (MIXTURE, lambda x: x, 0.9 * 33),
    (dist.Poisson(4.0), lambda x: x**2, 20),
    (dist.Binomial(10, 0.3), lambda x: x * (x - 1), 90 * 0.09),
    (dist.Bernoulli(0.3), lambda x: x, 0.3),
    (dist.Categorical(jnp.array([0.2, 0.3, 0.5])), lambda x: x, 1.3),
]


@pytest.mark.parametrize(("q", "f", "exact"), CASES, ids=lambda c: type(c).__name__)
def test_nodes_give_exact_expectations(q, f, exact):
    x, weights = nodes(q)
    np.testing.assert_allclose(weights @ f(x), exact, rtol=1e-9)
    np.testing.assert_allclose(weights.sum(), 1, rtol=1e-11)


def test_nodes_agree_with_adaptive_quadrature_on_an_entropy():
    x, weights = nodes(dist.StudentT(3.0, 0.0, 1.0))
    ours = -(weights * stats.t(3).logpdf(x)).sum()
    theirs = -2 * integrate.quad(lambda v: stats.t(3).pdf(v) * stats.t(3).logpdf(v), 0, np.inf, epsabs=1e-13)[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_a_kink_is_reported_and_not_integrated_wrongly():
    with pytest.raises(ValueError, match=r"under Laplace gives total mass 1\.0000"):
        nodes(dist.Laplace(0.0, 1.0))


@pytest.mark.parametrize(("shape", "inverse"), [(2.0, 2.0), (1.0, 1.0), (3.0, 3.0)])
def test_a_distribution_without_a_variance_has_nodes(shape, inverse):
    # Mutant: unguarded moments. NumPyro divides by zero at shape 2, and gives infinity at 1. E[1 / X] = shape / rate.
    x, weights = nodes(dist.InverseGamma(shape, 1.0))
    np.testing.assert_allclose(weights @ (1 / x), inverse, rtol=1e-9)


class Scaled(dist.Normal):
    """A normal density whose total mass is not one."""

    def __init__(self, total):
        super().__init__(0.0, 1.0)
        self.total = total

    def log_prob(self, value):
        return super().log_prob(value) + np.log(self.total)


def test_the_total_mass_is_checked_as_the_docstring_says():
    # Mutants: 1e-4 or 1e-8 in place of 1e-6 (float32 densities are off by 1e-7 and must pass).
    assert nodes(Scaled(1 + 5e-7))[1].sum() == pytest.approx(1 + 5e-7, abs=1e-10)
    with pytest.raises(ValueError, match=r"total mass 1\.0000020000.*float32 \(switch x64 on"):
        nodes(Scaled(1 + 2e-6))


def test_a_vector_distribution_is_refused():
    with pytest.raises(NotImplementedError, match=r"batch shape \(2,\)"):
        nodes(dist.Normal(jnp.zeros(2), 1.0))


def test_categories_may_be_floats_as_nodes_are():
    # Kills: the nodes handed on as floats, which NumPyro's logits refuse (`verify` of the binomial mixture failed).
    categories = dist.CategoricalLogits(np.log([0.2, 0.3, 0.5]))
    found = log_prob(categories, jnp.array([0.0, 2.0, 0.5, 3.0]))
    np.testing.assert_allclose(found, [np.log(0.2), np.log(0.5), -np.inf, -np.inf], rtol=1e-12)
