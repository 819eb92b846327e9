"""The targets of `bench_energy.py` in plain JAX: both sides of the race see the same densities, data and exact values.

Each is a log prior and a log-likelihood of one vector of real numbers, and draws from the prior.
"""

from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jax.scipy.stats import norm
from scipy import integrate, stats


class Normals:
    """Independent normal priors of standard deviation `sd`."""

    dimension: int
    sd = 1.0

    def draw_prior(self, key: Any) -> Any:
        return self.sd * jax.random.normal(key, (self.dimension,))

    def log_prior(self, u: Any) -> Any:
        return norm.logpdf(u, 0, self.sd).sum()


class Regression(Normals):
    """Five features, two hundred observations, noise 0.7."""

    dimension, sd = 5, 1.5

    def __init__(self):
        rng = np.random.default_rng(1)
        x = rng.normal(size=(200, 5))
        self.data = x, x @ np.array([1.0, -0.5, 0.0, 2.0, 0.3]) + 0.7 * rng.normal(size=200)

    def log_lik(self, u: Any) -> Any:
        x, y = self.data
        return norm.logpdf(y, x @ u, 0.7).sum()

    @cached_property
    def log_evidence(self) -> float:
        """All observations at once are normal."""
        x, y = self.data
        return float(stats.multivariate_normal(np.zeros(200), 0.49 * np.eye(200) + 2.25 * x @ x.T).logpdf(y))


class Schools:
    """Eight schools, mu ~ N(0, 5), tau ~ HalfCauchy(5), theta ~ N(mu, tau): the vector is mu, log tau, theta."""

    dimension = 10
    data = (
        np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]),
        np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]),
    )

    def draw_prior(self, key: Any) -> Any:
        keys = jax.random.split(key, 3)
        mu, tau = 5 * jax.random.normal(keys[0]), 5 * jnp.abs(jax.random.cauchy(keys[1]))
        return jnp.concatenate([jnp.stack([mu, jnp.log(tau)]), mu + tau * jax.random.normal(keys[2], (8,))])

    def log_prior(self, u: Any) -> Any:
        tau = jnp.exp(u[1])
        log_tau = jnp.log(2 / (5 * jnp.pi)) - jnp.log1p((tau / 5) ** 2) + u[1]
        return norm.logpdf(u[0], 0, 5) + log_tau + norm.logpdf(u[2:], u[0], tau).sum()

    def log_lik(self, u: Any) -> Any:
        y, sd = self.data
        return norm.logpdf(y, u[2:], sd).sum()

    @cached_property
    def log_evidence(self) -> float:
        """Given tau, the eight observations are normal together: one integral is left."""
        y, sd = self.data

        def joint(s):
            tau = np.exp(s)
            given = stats.multivariate_normal(np.zeros(8), np.diag(sd**2 + tau**2) + 25)
            return given.pdf(y) * stats.halfcauchy(scale=5).pdf(tau) * tau

        return float(np.log(integrate.quad(joint, -25, 20, limit=500, points=[0, 2, 4], epsabs=0)[0]))


class Singular(Normals):
    """x ~ N(ab, 1), forty observations, standard normal priors, the truth near the crossing of two lines."""

    dimension = 2
    data = (np.random.default_rng(2).normal(0.1, 1, 40),)

    def log_lik(self, u: Any) -> Any:
        return norm.logpdf(self.data[0], u[0] * u[1], 1).sum()

    @cached_property
    def log_evidence(self) -> float:
        """Over the product alone, whose prior density is K0(|ab|) / pi."""
        from scipy.special import k0

        x = self.data[0]
        top = stats.norm(x.mean(), 1).logpdf(x).sum()
        joint = lambda p: k0(abs(p)) / np.pi * np.exp(stats.norm(p, 1).logpdf(x).sum() - top)  # noqa: E731
        both = lambda p: joint(p) + joint(-p)  # noqa: E731
        return float(np.log(integrate.quad(both, 0, 30, limit=500, points=[0.1, 1.0])[0]) + top)


class Labels(Normals):
    """0.4 N(a, 1) + 0.6 N(b, 1), twenty observations, priors N(0, 3): two modes of unequal mass."""

    dimension, sd = 2, 3.0
    data = (np.concatenate([np.random.default_rng(3).normal(m, 1, 10) for m in (-2.5, 2.5)]),)

    def log_lik(self, u: Any) -> Any:
        parts = norm.logpdf(self.data[0][:, None], u, 1) + jnp.log(jnp.array([0.4, 0.6]))
        return logsumexp(parts, axis=1).sum()

    @cached_property
    def log_evidence(self) -> float:
        """A sum over a fine grid, exact to rounding for a smooth integrand that vanishes at its edge."""
        w = np.linspace(-12, 12, 601)
        each = stats.norm(w[:, None], 1).pdf(self.data[0])  # (grid, n)
        total = np.log(0.4 * each[:, None] + 0.6 * each[None]).sum(2)
        prior = stats.norm(0, 3).logpdf(w)
        return float(_log_sum(total + prior[:, None] + prior) + 2 * np.log(w[1] - w[0]))


class ReducedRank(Normals):
    """y = B A x + noise of 0.5, A of 1 x 2 and B of 3 x 1, eighty observations; the truth is B A = 0: rank 0 of 1."""

    dimension, sd = 5, 1.0

    def __init__(self):
        rng = np.random.default_rng(4)
        self.data = rng.normal(size=(80, 2)), 0.5 * rng.normal(size=(80, 3))

    def log_lik(self, u: Any) -> Any:
        x, y = self.data
        return norm.logpdf(y, (x @ u[:2])[:, None] * u[2:], 0.5).sum()

    @cached_property
    def log_evidence(self) -> float:
        """Given A, the model is linear in B, column by column of y; A is summed over a fine grid."""
        x, y = self.data
        a = np.linspace(-8, 8, 401)
        grid = np.stack(np.meshgrid(a, a, indexing="ij"), -1).reshape(-1, 2)
        hidden = grid @ x.T  # (grid, n)
        precision = 1 + (hidden**2).sum(1) / 0.25
        total = stats.norm(0, 0.5).logpdf(y).sum() - 1.5 * np.log(precision)
        total = total + 0.5 * ((hidden @ y / 0.25) ** 2).sum(1) / precision
        return float(_log_sum(total + stats.norm(0, 1).logpdf(grid).sum(1)) + 2 * np.log(a[1] - a[0]))


def _log_sum(a: Any) -> float:
    return float(np.log(np.exp(a - a.max()).sum()) + a.max())


TARGETS: dict[str, Any] = {
    "regression": Regression(),
    "eight schools": Schools(),
    "singular": Singular(),
    "mixture": Labels(),
    "reduced rank": ReducedRank(),
}
