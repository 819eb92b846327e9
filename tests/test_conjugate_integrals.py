"""Closed forms against integrals over the parameter: prior and model from SciPy, the trapezoidal rule, no family.

After a change of variable to the whole line every integrand is analytic and falls off exponentially, so that the
trapezoidal rule converges faster than any power of its step.
"""

import numpy as np
import pytest
from scipy import special, stats

from slt import conjugate

LINE = np.linspace(-30.0, 30.0, 3001)
PLANE = np.linspace(-24.0, 24.0, 481)
INPUTS = np.array([[1.0, -1.1], [1.0, 0.4], [1.0, 2.3]])


def simplex(s, t):
    """Stick-breaking: a point of the simplex, and the logarithm of the density of (s, t) under its flat measure."""
    a, b = special.expit(s), special.expit(t)
    log_jacobian = special.log_expit(s) + 2 * special.log_expit(-s) + special.log_expit(t) + special.log_expit(-t)
    return np.stack([a, (1 - a) * b, (1 - a) * (1 - b)]), log_jacobian


def dirichlet(p, alpha):
    log_gammas = special.gammaln(alpha).sum() - special.gammaln(sum(alpha))
    return ((np.array(alpha) - 1)[:, None] * np.log(p)).sum(0) - log_gammas


# name: (family, data, grids, map from the grid to (parameter, log Jacobian), log prior, log density of observation i)
CASES = {
    "bernoulli": (
        conjugate.bernoulli(2.5, 1.7),
        (np.array([1, 0, 0, 1, 0]),),
        [LINE],
        lambda t: (special.expit(t), special.log_expit(t) + special.log_expit(-t)),
        lambda w: special.xlog1py(0.7, -w) + special.xlogy(1.5, w) - special.betaln(2.5, 1.7),
        lambda w, x: np.log(w) if x else np.log1p(-w),
    ),
    "multinomial": (
        conjugate.multinomial([2.0, 1.5, 3.0]),
        (np.array([2, 0, 2, 1, 2]),),
        [PLANE, PLANE],
        simplex,
        lambda p: dirichlet(p, [2.0, 1.5, 3.0]),
        lambda p, x: np.log(p[x]),
    ),
    "poisson": (
        conjugate.poisson(2.5, 0.8),
        (np.array([4, 1, 7]),),
        [LINE / 3],
        lambda t: (np.exp(t), t),
        lambda w: stats.gamma.logpdf(w, 2.5, scale=1 / 0.8),
        lambda w, x: stats.poisson.logpmf(x, w),
    ),
    "normal_mean": (
        conjugate.normal_mean(1.7, -0.5, 0.9),
        (np.array([0.3, -2.0, 3.1, 1.4]),),
        [LINE / 3],
        lambda t: (t, 0.0 * t),
        lambda w: stats.norm.logpdf(w, -0.5, 0.9),
        lambda w, x: stats.norm.logpdf(x, w, 1.7),
    ),
    "normal": (
        conjugate.normal(0.5, 2.0, 3.0, 2.0),
        (np.array([0.3, -2.0, 3.1, 1.4]),),
        [np.linspace(-40, 40, 3201), np.linspace(-12, 4, 161)],
        lambda mu, t: ((mu, np.exp(t)), t),
        lambda w: stats.gamma.logpdf(w[1], 3.0, scale=0.5) + stats.norm.logpdf(w[0], 0.5, (2.0 * w[1]) ** -0.5),
        lambda w, x: stats.norm.logpdf(x, w[0], w[1] ** -0.5),
    ),
    "linear_regression": (
        conjugate.linear_regression(1.3, 0.9, 2),
        (INPUTS, np.array([0.2, 1.9, -1.5])),
        [PLANE / 2.4, PLANE / 2.4],
        lambda a, b: ((a, b), 0.0 * a),
        lambda w: stats.norm.logpdf(w[0], 0, 0.9) + stats.norm.logpdf(w[1], 0, 0.9),
        lambda w, x, y: stats.norm.logpdf(y, x[0] * w[0] + x[1] * w[1], 1.3),
    ),
}


def integrals(name, beta):
    """log Z_n(beta), and of each observation: minus log of its posterior mean density, and the variance of its log.

    With `-inf` for its own likelihood, the third: leave-one-out.
    """
    _, data, grids, change, log_prior, log_density = CASES[name]
    t = [axis.ravel() for axis in np.meshgrid(*grids, indexing="ij")]
    w, log_jacobian = change(*t)
    step = np.prod([grid[1] - grid[0] for grid in grids])
    log_lik = np.stack([log_density(w, *row) for row in zip(*data, strict=True)])
    log_joint = log_prior(w) + log_jacobian + np.log(step) + beta * log_lik.sum(0)
    log_evidence = special.logsumexp(log_joint)
    posterior = np.exp(log_joint - log_evidence)
    mean = log_lik @ posterior
    training = -special.logsumexp(log_joint + log_lik, axis=1) + log_evidence
    without = log_joint - beta * log_lik
    cv = special.logsumexp(without, axis=1) - special.logsumexp(without + log_lik, axis=1)
    return {
        "log_evidence": log_evidence,
        "training_loss": training,
        "functional_variance": ((log_lik - mean[:, None]) ** 2) @ posterior,
        "cv_loss": cv,
    }


@pytest.fixture(scope="module")
def found():
    return {}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("quantity", ["log_evidence", "training_loss", "functional_variance", "cv_loss"])
def test_against_the_integral_over_the_parameter(name, beta, quantity, found):
    # Mutants: beta missing from v(x) in Z_n(beta); V at eta instead of eta-hat; beta on the new observation.
    if (name, beta) not in found:
        found[name, beta] = integrals(name, beta)
    family, data, *_ = CASES[name]
    closed = getattr(conjugate, quantity)(family, *data, beta=beta)
    assert closed == pytest.approx(found[name, beta][quantity], rel=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_the_grid_holds_the_whole_prior(name):
    # The oracle itself: the prior integrates to one.
    _, _, grids, change, log_prior, _ = CASES[name]
    w, log_jacobian = change(*[axis.ravel() for axis in np.meshgrid(*grids, indexing="ij")])
    step = np.prod([grid[1] - grid[0] for grid in grids])
    assert np.exp(log_prior(w) + log_jacobian).sum() * step == pytest.approx(1, abs=1e-8)
