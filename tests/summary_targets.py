"""Draws of the exact posteriors of a normal mean on eight observations, and every quantity in closed form."""

import numpy as np
from scipy import stats

import slt

X = np.array([0.3, 1.9, -0.4, 2.2, 1.1, 3.0, 0.8, 1.7])
N, SD = X.size, 2.0
LOW = 1 / np.log(N)
LADDER = [*slt.energy.power_ladder(6), LOW]


def posterior(beta, x=X):
    """Mean and variance of mu ~ N(0, SD^2) given x_i ~ N(mu, 1) at the power beta."""
    variance = 1 / (beta * x.size + SD**-2)
    return variance * beta * x.sum(), variance


def exact():
    (m, v), (low, u) = posterior(1.0), posterior(LOW)
    training = -stats.norm.logpdf(X, m, np.sqrt(1 + v)).mean()
    variance = (v * (X - m) ** 2 + v**2 / 2).sum()
    left_out = [(X[i], *posterior(1.0, np.delete(X, i))) for i in range(N)]
    return {
        "training": training,
        "cv": -np.mean([stats.norm.logpdf(x, a, np.sqrt(1 + b)) for x, a, b in left_out]),
        "waic": training + variance / N,
        "variance": variance,
        "singular_fluctuation": variance / 2,
        "free_energy": -stats.multivariate_normal.logpdf(X, np.zeros(N), np.eye(N) + SD**2),
        "wbic": (0.5 * np.log(2 * np.pi) + ((X - low) ** 2 + u) / 2).sum(),
        "rlct": LOW**2 * N**2 / 4 * (4 * (low - X.mean()) ** 2 * u + 2 * u**2),
    }


def fit(rng, beta, draws=1000, rho=0.5):
    """Four chains of an autoregression that has the posterior as its stationary distribution: `(4, draws, n)`."""
    m, v = posterior(beta)
    z = rng.normal(size=(draws, 4))
    for t in range(1, draws):
        z[t] = rho * z[t - 1] + np.sqrt(1 - rho**2) * z[t]
    return stats.norm.logpdf(X, (m + np.sqrt(v) * z.T)[..., None], 1.0)
