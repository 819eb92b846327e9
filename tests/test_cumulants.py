"""Gibbs losses, the quartet, cumulants and the criteria of point estimates against closed forms and differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import slt
from slt import aic, bayes_quartet, bic, cumulant_function, cv_loss, dic, functional_variance, gibbs_loss, tic

X = np.array([-1.2, 0.3, 0.5, 1.1, -0.4, 2.0, 0.1, -0.7])


def posterior_nodes(x, beta=1.0):
    """Flat prior, N(w, 1): w ~ N(mean(x), 1/(n beta)), as weighted draws."""
    z, weights = np.polynomial.hermite_e.hermegauss(60)
    return x.mean() + z / np.sqrt(len(x) * beta), np.log(weights)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_the_quartet_of_a_normal_mean_in_closed_form(beta):
    # Kills: signs, training exchanged with generalization, Bayes with Gibbs, weights dropped.
    w, log_weights = posterior_nodes(X, beta)
    new = np.array([0.4, -2.0, 1.0])
    density = lambda x: stats.norm(w[:, None], 1).logpdf(x)  # noqa: E731
    best = stats.norm(0, 1)
    got = bayes_quartet(
        density(X), density(new), best=best.logpdf(X), best_new=best.logpdf(new), log_weights=log_weights
    )
    mean, s2 = X.mean(), 1 / (len(X) * beta)
    predictive = stats.norm(mean, np.sqrt(1 + s2))
    gibbs = lambda x: (mean**2 + s2) / 2 - x * mean  # noqa: E731
    np.testing.assert_allclose(got.bayes_generalization, best.logpdf(new) - predictive.logpdf(new), atol=1e-12)
    np.testing.assert_allclose(got.bayes_training, best.logpdf(X) - predictive.logpdf(X), atol=1e-12)
    np.testing.assert_allclose(got.gibbs_generalization, gibbs(new), atol=1e-12)
    np.testing.assert_allclose(got.gibbs_training, gibbs(X), atol=1e-12)
    # lambda = nu = 1/2, exactly: n E[Gg] = 1/(2 beta) + 1/2 and n E[Gt] = 1/(2 beta) - 1/2 when mean ~ N(0, 1/n)
    np.testing.assert_allclose(len(X) * (gibbs(0.0) - mean**2 / 2), 1 / (2 * beta))


def test_equations_of_state_over_data_sets(rng):
    # E[Bg] - E[Bt] = E[Gg] - E[Gt] = 2 beta (E[Gt] - E[Bt]) for N(w, 1), truth N(0, 1), flat prior: exact posteriors
    # and integrals over the truth by Gauss-Hermite nodes, so that only the data sets vary. The equations hold up to
    # O(1/n), 2 % here; the paired standard errors come on top. Kills: beta forgotten, training and generalization
    # exchanged.
    n, beta = 50, 0.7
    z, weights = np.polynomial.hermite_e.hermegauss(20)
    log_weights, share = np.log(weights), weights / weights.sum()
    q = lambda x: -(x**2) / 2  # noqa: E731

    @jax.jit
    @jax.vmap
    def quartet(x):
        w = (x.mean() + z / np.sqrt(n * beta))[:, None]
        best = {"best": q(x), "best_new": q(jnp.asarray(z))}
        found = bayes_quartet(q(x - w), q(jnp.asarray(z) - w), **best, log_weights=jnp.asarray(log_weights))
        return n * jnp.stack([share @ found[0], found[1].mean(), share @ found[2], found[3].mean()])

    bg, bt, gg, gt = np.asarray(quartet(jnp.asarray(rng.normal(size=(4000, n))))).T
    for gap in ((bg - bt) - (gg - gt), (gg - gt) - 2 * beta * (gt - bt)):
        assert abs(gap.mean()) < 0.02 + 4 * gap.std() / np.sqrt(4000)
    assert abs((gg - gt).mean() - 1) < 4 * (gg - gt).std() / np.sqrt(4000)  # 2 nu = 1, exactly


def test_gibbs_loss_is_the_mean_and_at_least_the_training_loss(rng):
    log_lik = rng.normal(-2, 1, size=(30, 5))
    np.testing.assert_allclose(gibbs_loss(log_lik), -log_lik.mean(0), rtol=1e-13)
    assert (gibbs_loss(log_lik) > slt.training_loss(log_lik)).all()
    assert gibbs_loss(log_lik.astype(np.float32)).dtype == np.float32
    weighted = gibbs_loss(log_lik, log_weights=np.log(np.arange(1.0, 31)))
    np.testing.assert_allclose(weighted, -np.arange(1, 31) @ log_lik / 465, rtol=1e-12)


@pytest.mark.parametrize(("alpha", "weighted"), [(0.0, False), (-0.6, True)])
def test_derivatives_are_those_of_automatic_differentiation(alpha, weighted, rng):
    # Kills: any coefficient of a cumulant, the tilt by alpha left out, weights dropped.
    log_lik = rng.gamma(0.7, size=(40, 3)) - 3
    log_weights = np.log(rng.gamma(1.0, size=40)) if weighted else np.zeros(40)

    def value(alpha, column):
        return jnp.log(jnp.sum(jax.nn.softmax(jnp.asarray(log_weights)) * jnp.exp(alpha * column)))

    derivative = value
    for order in range(7):
        want = jax.jit(jax.vmap(derivative, (None, 1)))(alpha, jnp.asarray(log_lik))
        got = cumulant_function(log_lik, alpha, order=order, log_weights=log_weights if weighted else None)
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-8, err_msg=str(order))
        derivative = jax.jacfwd(derivative)


def test_the_losses_are_points_of_the_curve(rng):
    log_lik = rng.normal(-2, 1, size=(50, 4))
    np.testing.assert_allclose(cumulant_function(log_lik, 1.0), -slt.training_loss(log_lik), rtol=1e-12)
    np.testing.assert_allclose(cumulant_function(log_lik, -1.0), cv_loss(log_lik, method="plain"), rtol=1e-12)
    np.testing.assert_allclose(cumulant_function(log_lik, 0.0, order=2), functional_variance(log_lik), rtol=1e-12)
    np.testing.assert_allclose(cumulant_function(log_lik, 0.0, order=1), -gibbs_loss(log_lik), rtol=1e-12)


def test_cv_minus_waic_is_the_series_of_even_cumulants():
    # Bernoulli, uniform prior, n = 10 with 3 ones: C - W and its partial sums, computed apart from this library.
    theta, weight = np.polynomial.legendre.leggauss(400)
    theta = (1 + theta) / 2
    log_weights = np.log(weight) + 3 * np.log(theta) + 7 * np.log1p(-theta)
    log_lik = np.stack([np.log(theta)] * 3 + [np.log1p(-theta)] * 7, axis=1)
    even = [float(cumulant_function(log_lik, 0.0, order=k, log_weights=log_weights).mean()) for k in (4, 6)]
    plain = cv_loss(log_lik, method="plain", log_weights=log_weights).mean()
    gap = plain - slt.waic_loss(log_lik, log_weights=log_weights).mean()
    assert abs(gap - 0.00132430) < 6e-9
    assert abs(even[0] / 12 - 0.00128658) < 6e-9
    assert abs(even[0] / 12 + even[1] / 360 - 0.00132281) < 6e-9


Y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
SIGMA = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def test_eight_schools_aic_and_dic():
    # AIC and DIC of no and complete pooling (facts: Gelman, Hwang and Vehtari 2014, recomputed exactly).
    precision = 1 / SIGMA**2
    mu = (Y * precision).sum() / precision.sum()
    pooled = stats.norm(mu, SIGMA).logpdf(Y)
    assert abs(16 * aic(stats.norm(Y, SIGMA).logpdf(Y), 8).mean() - 70.64) < 0.005
    assert abs(16 * aic(pooled, 1).mean() - 61.35) < 0.005
    z, weights = np.polynomial.hermite_e.hermegauss(40)
    draws = mu + z / np.sqrt(precision.sum())
    log_lik = stats.norm(draws[:, None], SIGMA).logpdf(Y)
    assert abs(16 * dic(log_lik, pooled, log_weights=np.log(weights)).mean() - 61.35) < 0.005
    twice = np.repeat(log_lik[18:22], 2, axis=0)
    np.testing.assert_allclose(dic(twice, pooled), pooled - 2 * log_lik[18:22].mean(0), rtol=1e-12)


def test_bic_is_the_free_energy_up_to_a_bounded_term():
    # Normal mean, prior N(0, 1): F_n - BIC tends to a constant; halving or doubling the penalty would leave log n.
    gaps = []
    for n in (100, 10_000):
        x = stats.norm(0.4, 1).ppf((np.arange(n) + 0.5) / n)
        free = -float(slt.conjugate.log_evidence(slt.conjugate.normal_mean(1.0, 0.0, 1.0), x))
        gaps.append(free - bic(stats.norm(x.mean(), 1).logpdf(x).sum(), 1, len(x)))
    assert abs(gaps[1] - gaps[0]) < 0.02
    assert abs(gaps[1] - 0.4**2 / 2) < 0.01  # (1/2) log(J/2 pi) - log phi(w_0), with J = 1 and a standard normal prior


def test_tic_of_a_normal_is_its_kurtosis(rng):
    # Mean and variance both fitted: tr(I J^-1) = 1 + (kurtosis - 1)/2, from the moments alone.
    # Kills: I and J exchanged, the factor 1/n^2, AIC's d in its place.
    x = rng.standard_t(6, size=200)
    mu, v = x.mean(), x.var()
    scores = np.stack([(x - mu) / v, (x - mu) ** 2 / (2 * v**2) - 1 / (2 * v)], axis=1)
    hessian = np.diag([1 / v, 1 / (2 * v**2)])
    log_p = stats.norm(mu, v**0.5).logpdf(x)
    kurtosis = ((x - mu) ** 4).mean() / v**2
    np.testing.assert_allclose(tic(log_p, scores, hessian), -log_p + (1 + (kurtosis - 1) / 2) / 200, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cumulant_function(np.zeros((3, 2)), np.inf), "alpha must be a finite number; got inf"),
        (lambda: cumulant_function(np.zeros((3, 2)), 0.0, order=7), "from 0 to 6; got 7"),
        (lambda: gibbs_loss(np.zeros((1, 2))), r"1 draw\(s\)"),
        (lambda: bayes_quartet(*[np.zeros((3, 2))] * 2, best=np.zeros(2), best_new=np.zeros(3)), r"best_new .*\(2,\)"),
        (lambda: aic(np.zeros((2, 2)), 1), r"shape \(n,\), floating point; got \(2, 2\)"),
        (lambda: aic(np.zeros(2), -1), "must not be negative; got -1"),
        (lambda: tic(np.zeros(3), np.zeros((2, 1)), np.eye(1)), r"scores must have shape \(3, d\)"),
        (lambda: tic(np.zeros(3), np.zeros((3, 2)), np.diag([1.0, 0.0])), "least eigenvalue is 0"),
        (lambda: dic(np.zeros((3, 2)), np.zeros(3)), r"shape \(2,\); got \(3,\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
