"""Three models whose free energy is known at every beta, with exact draws at every rung: what the estimators must meet.

A normal mean and a regression in closed form (`slt.conjugate`), and N(ab, 1), which is singular on ab = 0, on a grid
(`slt.quadrature`). Draws are independent and exact, so that an estimate errs by its own error alone.
"""

from functools import cached_property

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy import stats

from slt import Triple, conjugate, quadrature

X = np.array([-1.0, 0.0, 0.5, 1.5, 2.0])


class NormalMean:
    """The oracle of the library: F = 9.00981102774222 and WBIC = 8.19446972263033."""

    dimension, prior_sd, x = 1, 2.0, X
    family, data = conjugate.normal_mean(1.0, 0.0, 2.0), (X,)

    def log_evidence(self, beta):
        return float(conjugate.log_evidence(self.family, *self.data, beta=beta))

    def draws(self, rng, beta, size):
        precision = beta * len(X) + 1 / 4
        return rng.normal(beta * X.sum() / precision, precision**-0.5, (size, 1))

    def log_lik(self, w):
        return stats.norm(w, 1).logpdf(X)

    def total(self, w):
        return self.log_lik(w).sum(1)

    def log_prior(self, w):
        return stats.norm(0, 2).logpdf(w).sum(1)


class Regression:
    """Five features, two hundred observations."""

    dimension, noise_sd, prior_sd = 5, 0.7, 1.5
    family = conjugate.linear_regression(0.7, 1.5, 5)

    def __init__(self):
        rng = np.random.default_rng(1)
        x = rng.normal(size=(200, 5))
        self.data = (x, x @ np.array([1.0, -0.5, 0.0, 2.0, 0.3]) + 0.7 * rng.normal(size=200))

    log_evidence = NormalMean.log_evidence

    def draws(self, rng, beta, size):
        x, y = self.data
        precision = beta * x.T @ x / 0.7**2 + np.eye(5) / 1.5**2
        mean = np.linalg.solve(precision, beta * x.T @ y / 0.7**2)
        return mean + rng.normal(size=(size, 5)) @ np.linalg.inv(np.linalg.cholesky(precision))

    def total(self, w):
        x, y = self.data
        residual = ((y - w @ x.T) ** 2).sum(1)
        return -residual / (2 * 0.7**2) - 200 * np.log(0.7 * np.sqrt(2 * np.pi))

    def log_prior(self, w):
        return stats.norm(0, 1.5).logpdf(w).sum(1)


class Singular:
    """N(ab, 1), standard normal priors, truth on the singular set."""

    dimension = 2
    triple = Triple(dist.Normal(0, 1), lambda a, b: dist.Normal(a * b, 1), dict.fromkeys("ab", dist.Normal(0, 1)))

    def __init__(self):
        self.data = (np.random.default_rng(2).normal(0.1, 1, 40),)
        self.x = self.data[0]

    @cached_property
    def _grid(self):
        w, log_volume = quadrature.grid({"a": (-6.5, 6.5), "b": (-6.5, 6.5)}, points=260)
        points = np.stack([w["a"], w["b"]], 1)
        return points, self.log_prior(points) + log_volume, self.total(points)

    def log_evidence(self, beta):
        """By quadrature over the one number u = ab that the likelihood sees, whose prior density is K0(|u|) / pi."""
        from scipy.integrate import quad
        from scipy.special import k0

        def mass(u):
            total = stats.norm(u, 1).logpdf(self.x).sum()
            return k0(u) / np.pi * np.exp(beta * (total - self.shift))

        def both(u):
            return mass(u) + k0(u) / np.pi * np.exp(beta * (stats.norm(-u, 1).logpdf(self.x).sum() - self.shift))

        return np.log(quad(both, 0, 30, limit=500, points=[0.1, 1.0])[0]) + beta * self.shift

    @cached_property
    def shift(self):
        return stats.norm(self.x.mean(), 1).logpdf(self.x).sum()

    def draws(self, rng, beta, size):
        points, log_mass, total = self._grid
        log_w = log_mass + beta * total
        cumulative = np.cumsum(np.exp(log_w - log_w.max()))
        return points[np.searchsorted(cumulative, rng.random(size) * cumulative[-1])]

    def total(self, w):
        mean = w[:, 0] * w[:, 1]
        square = ((self.x - self.x.mean()) ** 2).sum() + 40 * (mean - self.x.mean()) ** 2
        return -square / 2 - 20 * np.log(2 * np.pi)

    def log_prior(self, w):
        return stats.norm(0, 1).logpdf(w).sum(1)


TARGETS = {"normal mean": NormalMean(), "regression": Regression(), "singular": Singular()}


def as_jax(target):
    return tuple(jnp.asarray(a) for a in target.data)
