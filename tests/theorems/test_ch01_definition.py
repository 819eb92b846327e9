"""The numbered claims of chapter 1: both sides computed, by independent means.

Monte Carlo comparisons allow 4.5 standard errors: with fixed seeds a correct program passes, and the effect that each
mutant has is many standard errors.
"""

import itertools
import math

import jax
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


def placeholder_triple(truth):
    return slt.Triple(truth, lambda mu: dist.Normal(mu, 1.0), {"mu": dist.Normal(0.0, 10.0)})


# --- Two frameworks ---------------------------------------------------------------------------------------------------


def divergence(q, p):
    """The definition, literally: a sum over {q > 0}, infinite where p = 0 < q."""
    inside = q > 0
    with np.errstate(divide="ignore"):
        return float(np.sum(q[inside] * (np.log(q[inside]) - np.log(p[inside]))))


def test_lem_01_kl():
    # Mutants: the sum over {p > 0} (then the third claim fails), the roles of q and p exchanged (fourth claim).
    rng = np.random.default_rng(1)
    for _ in range(200):
        q, p = rng.dirichlet(np.full(5, 0.4), size=2)
        assert divergence(q, p) >= 0.5 * np.abs(q - p).sum() ** 2 - 1e-12  # Pinsker's inequality, stronger than >= 0
        assert divergence(q, p) == pytest.approx(special.rel_entr(q, p).sum())
        assert divergence(q, q) == 0
    assert divergence(np.array([0.5, 0.5]), np.array([1.0, 0.0])) == np.inf
    assert divergence(np.array([1.0, 0.0]), np.array([0.5, 0.5])) == pytest.approx(math.log(2))


def test_thm_01_ml_kl():
    # Mutant: KL(p || q_hat) in place of KL(q_hat || p): other values, and another minimizer.
    x = np.random.default_rng(2).poisson(3.0, size=30)
    values, frequency = np.unique(x, return_counts=True)
    q_hat = frequency / 30
    rates = np.linspace(1.5, 5.0, 3501)
    triple = slt.Triple(dist.Poisson(3.0), lambda rate: dist.Poisson(rate), {"rate": dist.Gamma(1.0, 1.0)})
    loss = np.array([-float(np.mean(slt.log_density(triple, {"rate": r}, x))) for r in rates[::50]])
    kl = special.rel_entr(q_hat, stats.poisson.pmf(values, rates[:, None])).sum(1)
    np.testing.assert_allclose(loss, stats.entropy(q_hat) + kl[::50], rtol=1e-12)
    assert rates[kl.argmin()] == pytest.approx(x.mean(), abs=0.0006)  # half a grid step
    # Both sides are infinite where the model forbids an observation.
    assert np.isinf(special.rel_entr(q_hat, np.where(values == x[0], 0.0, q_hat)).sum())


def test_lem_01_rounding():
    # Mutant: log h left out: the left side then drifts to +infinity like -log h.
    x, h_values = np.array([-0.3, 0.4, 1.7, 2.2, 2.2]), np.array([0.1, 0.01, 0.001])
    loss = -stats.norm.logpdf(x, 0.8, 1.3).mean()
    for h in h_values:
        cells, count = np.unique(np.floor(x / h), return_counts=True)
        q_hat = count / count.sum()
        mass = stats.norm.cdf((cells + 1) * h, 0.8, 1.3) - stats.norm.cdf(cells * h, 0.8, 1.3)
        left = stats.entropy(q_hat) + special.rel_entr(q_hat, mass).sum() + math.log(h)
        assert abs(left - loss) < 2 * h  # |d log p / dx| <= 1.1 / 1.3**2 + ... < 2 on the cells


def test_thm_01_loss_kl():
    # Mutant: KL(p || q) in place of KL(q || p); q is skewed, so the two differ by far more than the tolerance.
    q, w, sd = stats.gumbel_r(), 0.3, 1.3
    log_loss = 0.5 * math.log(2 * math.pi * sd**2) + (np.pi**2 / 6 + (np.euler_gamma - w) ** 2) / (2 * sd**2)
    kl = integrate.quad(lambda x: q.pdf(x) * (q.logpdf(x) - stats.norm.logpdf(x, w, sd)), -5, 60, limit=400)[0]
    triple = slt.Triple(dist.Gumbel(0.0, 1.0), lambda mu: dist.Normal(mu, sd), {"mu": dist.Normal(0.0, 10.0)})
    assert slt.entropy(triple) + kl == pytest.approx(log_loss, abs=1e-7)
    (x,) = slt.draw_data(jax.random.key(3), triple, 100_000)
    assert near(-slt.log_density(triple, {"mu": w}, x), log_loss)


def test_eq_01_optimism():
    # Normal mean, n = 5: E[L_n(w_hat)] = S - 1/(2n) and E[L(w_hat)] = S + 1/(2n). Mutant: the inequalities reversed.
    n, x = 5, np.random.default_rng(4).normal(size=(40_000, 5))
    entropy = 0.5 * math.log(2 * math.pi * math.e)
    at_minimum = -stats.norm.logpdf(x, x.mean(1, keepdims=True)).mean(1)
    population = 0.5 * math.log(2 * math.pi) + 0.5 * (1 + x.mean(1) ** 2)
    assert near(at_minimum, entropy - 1 / (2 * n))
    assert near(population, entropy + 1 / (2 * n))


# --- True distribution ------------------------------------------------------------------------------------------------

ENTROPIES = [
    (dist.Normal(2.0, 3.0), stats.norm(2, 3), 0.5),
    (dist.Exponential(0.5), stats.expon(scale=2), 1.0),
    (dist.Uniform(0.0, 4.0), stats.uniform(0, 4), 0.0),
]


@pytest.mark.parametrize(("truth", "reference", "variance"), ENTROPIES)
def test_thm_01_entropy(truth, reference, variance):
    # Mutants: V[S_n] = V/n^2 or V (off by a factor 40); log2 in place of log.
    n, datasets = 40, 20_000
    triple = placeholder_triple(truth)
    (x,) = slt.draw_data(jax.random.key(5), triple, n * datasets)
    terms = np.asarray(slt.empirical_entropy(triple, x), dtype=np.float64).reshape(datasets, n).mean(1)
    # The uniform truth has no fluctuation: 1e-6 covers float32, which cannot be blamed on Monte Carlo.
    assert abs(terms.mean() - reference.entropy()) <= SIGMAS * slt.mean_se(terms).se + 1e-6
    squares = n * (terms - reference.entropy()) ** 2
    assert abs(squares.mean() - variance) <= SIGMAS * slt.mean_se(squares).se + 1e-6


@pytest.mark.parametrize(("truth", "reference", "variance"), ENTROPIES)
def test_exm_01_entropies(truth, reference, variance):
    # Mutant: V[Z^2] = 1 in the normal case.
    assert slt.entropy(placeholder_triple(truth)) == pytest.approx(float(reference.entropy()), abs=1e-6)
    second = reference.expect(lambda x: (reference.logpdf(x) + reference.entropy()) ** 2)
    assert second == pytest.approx(variance, abs=1e-6)


def test_exm_01_entropies_unit():
    # Entropy of aX is S + log a. Mutant: S - log a.
    a = 2.5
    assert stats.gumbel_r(scale=a).entropy() - stats.gumbel_r().entropy() == pytest.approx(math.log(a))
    assert stats.uniform(0, 0.5).entropy() < 0


def test_rem_01_entropy_heavy():
    # Mutant: the factor 5/2 of log log x forgotten in -log q.
    density = lambda t: 1.5 * t**-2.5  # noqa: E731
    assert integrate.quad(density, 1, np.inf)[0] == pytest.approx(1)
    q = lambda x: 1.5 / (x * np.log(x) ** 2.5)  # noqa: E731
    integrand = lambda t: -np.log(q(np.exp(t))) * q(np.exp(t)) * np.exp(t)  # noqa: E731 - with t = log x
    tail = 500.0  # beyond it use the antiderivatives of t, log t and 1 against the density
    beyond = 3 * tail**-0.5 + 2.5 * tail**-1.5 * (np.log(tail) + 2 / 3) - np.log(1.5) * tail**-1.5
    assert integrate.quad(integrand, 1, tail, limit=200)[0] + beyond == pytest.approx(14 / 3 - np.log(1.5), abs=1e-8)
    moments = [integrate.quad(lambda t: t**2 * density(t), 1, m, limit=200)[0] for m in (1e2, 1e4)]
    np.testing.assert_allclose(moments, 3 * (np.sqrt([1e2, 1e4]) - 1), rtol=1e-6)  # E[T^2; T < m] grows without limit


@pytest.mark.parametrize(("fixed", "variance"), [(True, 0.5), (False, 1.5)])
def test_thm_01_conditional_entropy(fixed, variance):
    # Mutant: the term V[s(X)] left out (0.5 for both) or counted in a fixed design (1.5 or more for both).
    n, datasets = 25, 8_000
    inputs = np.linspace(-2.0, 1.0, n) if fixed else dist.Normal(0.0, 1.0)
    triple = slt.Triple(
        lambda x: dist.Normal(0.0, jax.numpy.exp(x)),
        lambda x, a: dist.Normal(a * x, 1.0),
        {"a": dist.Normal(0, 1)},
        inputs,
    )
    entropy = 0.5 * math.log(2 * math.pi * math.e) + (-0.5 if fixed else 0.0)  # the mean of s(x)
    assert slt.entropy(triple) == pytest.approx(entropy, abs=1e-6)
    one = lambda key: slt.empirical_entropy(triple, *slt.draw_data(key, triple, n)).mean()  # noqa: E731
    s_n = np.asarray(jax.vmap(one)(jax.random.split(jax.random.key(6), datasets)), dtype=np.float64)
    assert near(s_n, entropy)
    assert near(n * (s_n - entropy) ** 2, variance)


# --- Model, prior, posterior ------------------------------------------------------------------------------------------


def laplace_partition(x):
    """Z_n of the model Laplace(w, 1) with prior N(0.5, 2^2): not conjugate; a fine trapezoid rule in plain NumPy."""
    w = np.linspace(-16, 17, 33_001)
    log_lik = sum(-np.abs(x_i - w) for x_i in x) - len(x) * math.log(2)
    return float(integrate.trapezoid(np.exp(log_lik - 0.5 * ((w - 0.5) / 2) ** 2) / math.sqrt(8 * math.pi), w))


LAPLACE = slt.Triple(dist.Laplace(0.0, 1.0), lambda w: dist.Laplace(w, 1.0), {"w": dist.Normal(0.5, 2.0)})


def test_lem_01_exists():
    # Mutants: Z integrates to 2^-n or to n; the bound with a minimum in place of the supremum.
    family, n = conjugate.bernoulli(1.5, 0.7), 4
    sequences = np.array(list(itertools.product([0.0, 1.0], repeat=n)))
    log_z = np.array([float(conjugate.log_evidence(family, x)) for x in sequences])
    assert np.exp(log_z).sum() == pytest.approx(1, abs=1e-6)
    assert np.isclose(integrate.quad(lambda x: laplace_partition([x]), -40, 40, limit=100)[0], 1, atol=1e-5)
    assert laplace_partition([-1.0, 0.2, 3.0]) <= 0.5**3  # sup of the Laplace density is 1/2
    # Z = 0: the model U(0, w) with prior w ~ U(1, 2) forbids x = 3; and allows x = 1.5 for w > 1.5 only.
    uniform = lambda x: integrate.quad(lambda w: float(0 <= x <= w) / w, 1, 2, points=[1.5])[0]  # noqa: E731
    assert uniform(3.0) == 0
    assert uniform(1.5) == pytest.approx(math.log(2 / 1.5))


def test_exm_01_posterior_mean():
    # Mutants: V[E_w[w]] = c/n (the posterior variance) or c^2/n (the model's variance): sigma_0 = 2 separates them.
    mu, sigma, tau, n = 1.5, 2.0, 0.7, 8
    c = n * tau**2 / (1 + n * tau**2)
    x = np.random.default_rng(7).normal(mu, sigma, size=(20_000, n))
    w = np.linspace(-6, 6, 1201)
    log_density = stats.norm.logpdf(x[:50, :, None], w, 1).sum(1) + stats.norm.logpdf(w, 0, tau)
    weights = np.exp(log_density - log_density.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    np.testing.assert_allclose(weights @ w, c * x[:50].mean(1), atol=1e-10)
    np.testing.assert_allclose(weights @ w**2 - (weights @ w) ** 2, c / n, atol=1e-10)
    means = c * x.mean(1)
    assert near(means, c * mu)
    assert near((means - c * mu) ** 2, c**2 * sigma**2 / n)


def test_thm_01_predictive_ratio():
    # Mutants: Z(x^n)/Z(x^n, x); a predictive density with the prior in place of the posterior.
    x, new = np.array([-0.4, 1.1, 2.0]), np.linspace(-3, 5, 9)
    fit = quadrature.posterior(LAPLACE, x, bounds={"w": (-16.0, 17.0)}, points=20_000)
    log_lik_new = stats.laplace.logpdf(new, np.asarray(fit.draws["w"])[:, None])
    by_posterior = np.exp(-slt.generalization_loss(log_lik_new, log_weights=np.asarray(fit.log_weights)))
    ratios = np.array([laplace_partition([*x, z]) for z in new]) / laplace_partition(x)
    np.testing.assert_allclose(by_posterior, ratios, rtol=1e-4)
    density = lambda z: laplace_partition([*x, z]) / laplace_partition(x)  # noqa: E731
    assert integrate.quad(density, -30, 30, limit=100)[0] == pytest.approx(1, abs=1e-5)


def test_thm_01_predictive_ratio_chain():
    # Z_n as a product of one-step predictions. Mutant: the product over k >= 2 (an improper prior).
    x, w = np.array([-0.4, 1.1, 2.0, 0.3]), np.linspace(-16, 17, 400_001)
    weights, product = stats.norm.pdf(w, 0.5, 2), 1.0
    weights /= weights.sum()
    for value in x:
        p = stats.laplace.pdf(value, w)
        product *= weights @ p
        weights = weights * p / (weights @ p)
    assert product == pytest.approx(laplace_partition(x), rel=1e-6)
    fit = quadrature.posterior(LAPLACE, x, bounds={"w": (-16.0, 17.0)}, points=20_000)
    assert float(fit.log_evidence) == pytest.approx(math.log(product), abs=1e-5)


def test_thm_01_improper_flat():
    # Mutant: posterior variance 1/(n+1), as if the flat prior were worth one observation.
    x = np.array([0.2, 1.4, 3.1])
    likelihood = lambda w: np.exp(stats.norm.logpdf(x, w, 1).sum())  # noqa: E731
    z = integrate.quad(likelihood, -20, 20, points=[x.mean()])[0]
    a = ((x - x.mean()) ** 2).sum()
    assert z == pytest.approx((2 * math.pi) ** -1.5 * math.exp(-a / 2) * math.sqrt(2 * math.pi / 3))
    for w in (0.0, 1.3, 2.5):
        assert likelihood(w) / z == pytest.approx(stats.norm.pdf(w, x.mean(), 3**-0.5))
    family = conjugate.normal_mean(1.0, 0.0, np.inf)
    predictive = np.asarray(conjugate.log_predictive(family, conjugate.posterior(family, x), np.array([0.7, 4.0])))
    np.testing.assert_allclose(predictive, stats.norm.logpdf([0.7, 4.0], x.mean(), math.sqrt(1 + 1 / 3)), rtol=1e-6)


def test_thm_01_improper_scale():
    # Mutants: prior 1/sigma^2 (exponent n in place of n - 1); existence claimed at n = 1.
    x = np.array([0.2, 1.4, 3.1])
    n, a = 3, ((x - x.mean()) ** 2).sum()
    joint = lambda mu, sigma: np.exp(stats.norm.logpdf(x, mu, sigma).sum()) / sigma  # noqa: E731
    inner = lambda sigma: integrate.quad(joint, x.mean() - 12 * sigma, x.mean() + 12 * sigma, args=(sigma,))[0]  # noqa: E731
    z = integrate.quad(inner, 0.05, 1, epsrel=1e-7)[0]
    z += integrate.quad(lambda t: inner(1 / t) / t**2, 1e-5, 1, epsrel=1e-7)[0]
    closed = math.sqrt(2 * math.pi / n) * 0.5 * math.gamma((n - 1) / 2) * (2 / a) ** ((n - 1) / 2)
    assert z * (2 * math.pi) ** (n / 2) == pytest.approx(closed, rel=1e-4)
    # One observation: the integral over sigma > epsilon and over mu is sqrt(2 pi) log(1/epsilon) + const.
    cut = lambda low: integrate.quad(lambda s: 1 / s, low, 1)[0]  # noqa: E731
    assert cut(1e-8) - cut(1e-4) == pytest.approx(4 * math.log(10))


def test_thm_01_improper_mixture():
    # Mutant: "flat on the centre is harmless": then the integral over |b| <= B would stop growing.
    x = np.array([0.9, -0.3, 1.8, 0.4])
    a, a_weights = np.polynomial.legendre.leggauss(20)
    a, a_weights = (a + 1) / 2, a_weights / 2  # exact for polynomials in a of degree n = 4

    def integral(low, high, points=4001):
        b = np.linspace(low, high, points)
        p = (1 - a) * stats.norm.pdf(x)[:, None, None] + a * stats.norm.pdf(x[:, None], b)[:, :, None]
        return integrate.trapezoid(p.prod(0) @ a_weights, b)

    floor = stats.norm.pdf(x).prod() / (len(x) + 1)
    growth = [integral(-2 * c, 2 * c) - integral(-c, c) for c in (20.0, 40.0)]
    np.testing.assert_allclose(growth, 2 * np.array([20.0, 40.0]) * floor, rtol=1e-6)  # linear in B, for ever
    assert integral(-20, 20) > 40 * floor


# --- Exponential family -----------------------------------------------------------------------------------------------


def unit_interval(points=400):
    x, weights = np.polynomial.legendre.leggauss(points)
    return (x + 1) / 2, weights / 2


def bernoulli_case():
    w, weights = unit_interval()
    log_p = lambda x: np.where(np.asarray(x)[:, None] == 1, np.log(w), np.log1p(-w))  # noqa: E731
    return (
        conjugate.bernoulli(2.5, 1.7),
        np.array([1, 0, 0, 1, 0]),
        np.array([0, 1]),
        weights * stats.beta.pdf(w, 2.5, 1.7),
        log_p,
    )


def multinomial_case():
    t, weights = unit_interval(120)
    u, v = np.meshgrid(t, t, indexing="ij")
    w = np.stack([u, (1 - u) * v, (1 - u) * (1 - v)], axis=-1).reshape(-1, 3)
    alpha = np.array(
        [2.0, 1.0, 3.0]
    )  # whole numbers and even counts: the integrands are polynomials and the rule is exact
    log_prior = special.gammaln(alpha.sum()) - special.gammaln(alpha).sum() + np.log(w) @ (alpha - 1)
    prior = np.exp(log_prior) * np.outer(weights * (1 - t), weights).ravel()
    return (
        conjugate.multinomial(alpha),
        np.array([2, 0, 2, 1, 2, 0, 1, 2]),
        np.arange(3),
        prior,
        lambda x: np.log(w[:, x]).T,
    )


def poisson_case():
    t, weights = unit_interval()
    w = 40 * t
    log_p = lambda x: stats.poisson.logpmf(np.asarray(x)[:, None], w)  # noqa: E731
    prior = 40 * weights * stats.gamma.pdf(w, 2.5, scale=1 / 0.8)
    return conjugate.poisson(2.5, 0.8), np.array([4, 1, 7, 3]), np.array([0, 2, 9]), prior, log_p


def normal_case():
    # precision s in (0, 12), mean within 9 prior standard deviations: a product rule that is exact to rounding
    t, weights = unit_interval(200)
    s = 12 * t
    z = 18 * t - 9
    m = 0.5 + z[None, :] / np.sqrt(2.0 * s)[:, None]
    prior = np.outer(12 * weights * stats.gamma.pdf(s, 3.0, scale=1 / 2.0), 18 * weights * stats.norm.pdf(z)).ravel()
    m, s = m.ravel(), np.broadcast_to(s[:, None], m.shape).ravel()
    log_p = lambda x: stats.norm.logpdf(np.asarray(x)[:, None], m, s**-0.5)  # noqa: E731
    return (
        conjugate.normal(0.5, 2.0, 3.0, 2.0),
        np.array([0.3, 1.9, -0.4, 1.1]),
        np.array([-2.0, 0.0, 3.5]),
        prior,
        log_p,
    )


CASES = [bernoulli_case, multinomial_case, poisson_case, normal_case]
BETAS = [0.5, 1.0, 2.0]


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("case", CASES)
def test_thm_01_conjugacy(case, beta):
    # Mutants: the prior tempered too; beta left out of eta-hat; v without its power beta (Poisson, normal).
    family, x, _, prior, log_p = case()
    likelihood = np.exp(beta * log_p(x).sum(0))
    assert prior.sum() == pytest.approx(1.0, rel=1e-7)  # the nodes resolve the prior
    assert conjugate.log_evidence(family, x, beta=beta) == pytest.approx(math.log(prior @ likelihood), rel=1e-7)


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("case", CASES)
def test_thm_01_conjugate_predictive(case, beta):
    # Mutant: z(eta-hat + beta g(x)) in place of z(eta-hat + g(x)), right at beta = 1 alone.
    family, x, new, prior, log_p = case()
    posterior = prior * np.exp(beta * log_p(x).sum(0))
    expected = np.exp(log_p(new)) @ posterior / posterior.sum()
    found = np.exp(conjugate.log_predictive(family, conjugate.posterior(family, x, beta=beta), new))
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("case", CASES)
def test_thm_01_cumulants(case, beta):
    # Mutant: the Hessian at eta instead of at eta-hat.
    family, x, _, prior, log_p = case()
    posterior = prior * np.exp(beta * log_p(x).sum(0))
    posterior = posterior / posterior.sum()
    mean = log_p(x) @ posterior
    variance = (log_p(x) - mean[:, None]) ** 2 @ posterior
    assert conjugate.functional_variance(family, x, beta=beta) == pytest.approx(variance, rel=1e-5)


def predictive(family, x, new, beta):
    return np.exp(conjugate.log_predictive(family, conjugate.posterior(family, x, beta=beta), np.array(new)))


@pytest.mark.parametrize("beta", BETAS)
def test_exm_01_bernoulli(beta):
    found = predictive(conjugate.bernoulli(2.5, 1.7), np.array([1, 0, 0, 1, 0]), [1], beta)
    assert found == pytest.approx([(2.5 + 2 * beta) / (4.2 + 5 * beta)], rel=1e-12)


def test_exm_01_bernoulli_improper():
    haldane = conjugate.bernoulli(0.0, 0.0)
    assert conjugate.posterior(haldane, np.array([1, 0])).tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="improper"):
        conjugate.posterior(haldane, np.array([1, 1]))


@pytest.mark.parametrize("beta", BETAS)
def test_exm_01_multinomial(beta):
    found = predictive(conjugate.multinomial([2.0, 1.5, 3.0]), np.array([2, 0, 2, 1, 2]), [0, 1, 2], beta)
    counts = np.array([2.0, 1.5, 3.0]) + beta * np.array([1, 1, 3])
    assert found == pytest.approx(counts / counts.sum(), rel=1e-12)


@pytest.mark.parametrize("beta", BETAS)
def test_exm_01_poisson(beta):
    shape, rate = 2.5 + 15 * beta, 0.8 + 4 * beta
    found = predictive(conjugate.poisson(2.5, 0.8), np.array([4, 1, 7, 3]), [0, 2, 9], beta)
    negative_binomial = stats.nbinom(shape, rate / (rate + 1))
    assert found == pytest.approx(negative_binomial.pmf([0, 2, 9]), rel=1e-10)
    assert negative_binomial.var() == pytest.approx(shape / rate * (1 + 1 / rate))
    assert negative_binomial.mean() == pytest.approx(shape / rate)


@pytest.mark.parametrize("beta", BETAS)
def test_exm_01_normal(beta):
    # Student's t with the normal-gamma update written from the raw moments. Mutant: 2 A - 1 degrees of freedom.
    x, new = np.array([0.3, 1.9, -0.4, 1.1]), [-2.0, 0.0, 3.5]
    n, mean = 4 * beta, x.mean()
    k, A = 2.0 + n, 3.0 + n / 2
    B = 2.0 + beta * ((x - mean) ** 2).sum() / 2 + 2.0 * n * (mean - 0.5) ** 2 / (2 * k)
    t = stats.t(2 * A, loc=(2.0 * 0.5 + n * mean) / k, scale=math.sqrt(B * (k + 1) / (A * k)))
    found = predictive(conjugate.normal(0.5, 2.0, 3.0, 2.0), x, new, beta)
    assert found == pytest.approx(t.pdf(new), rel=1e-10)


# --- Marginal likelihood ----------------------------------------------------------------------------------------------


def coin_sequences(n):
    return np.array(list(itertools.product([0, 1], repeat=n)))


def coin_evidence(x, a, b):
    """Z_n of a sequence of tosses, by the beta function of SciPy."""
    ones = x.sum(-1)
    return special.beta(a + ones, b + x.shape[-1] - ones) / special.beta(a, b)


@pytest.mark.parametrize("n", [1, 4, 9])
def test_thm_01_evidence_density(n):
    # Mutant: a binomial coefficient in Z_n (the density of the count, not of the sequence): the sum exceeds one.
    family = conjugate.bernoulli(0.7, 2.1)
    total = sum(math.exp(conjugate.log_evidence(family, x)) for x in coin_sequences(n))
    assert total == pytest.approx(1.0, rel=1e-12)
    assert coin_evidence(coin_sequences(n), 0.7, 2.1).sum() == pytest.approx(total, rel=1e-12)


def test_thm_01_evidence_density_continuous():
    # The same for a density on the line, two observations, by quadrature over the plane.
    family = conjugate.normal_mean(0.8, 0.5, 1.5)
    x = np.linspace(-14.0, 15.0, 291)
    pairs = np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2)
    z = np.exp(jax.vmap(lambda pair: conjugate.log_evidence(family, pair))(pairs))
    assert z.sum() * (x[1] - x[0]) ** 2 == pytest.approx(1.0, rel=1e-9)


def test_thm_01_free_energy_kl():
    # Mutant: KL(Z || q) in place of KL(q || Z). Both sides by listing 2^8 data sets; neither is symmetric.
    n, theta = 8, 0.3
    x = coin_sequences(n)
    q = theta ** x.sum(1) * (1 - theta) ** (n - x.sum(1))
    family = conjugate.bernoulli(1.0, 3.0)
    free_energy = np.array([-conjugate.log_evidence(family, row) for row in x])
    z = coin_evidence(x, 1.0, 3.0)
    entropy = special.entr(theta) + special.entr(1 - theta)
    divergence = special.rel_entr(q, z).sum()
    assert q @ free_energy == pytest.approx(n * entropy + divergence, rel=1e-12)
    assert abs(special.rel_entr(z, q).sum() - divergence) > 0.05


def bernoulli_losses(n, theta, a, b, beta):
    """E[G_n] and E[F_n] at inverse temperature beta by the beta-binomial formulas, summed over the number of ones."""
    ones = np.arange(n + 1)
    weight = stats.binom.pmf(ones, n, theta)
    p = (a + beta * ones) / (a + b + beta * n)
    loss = -(theta * np.log(p) + (1 - theta) * np.log1p(-p))
    energy = -(special.betaln(a + beta * ones, b + beta * (n - ones)) - special.betaln(a, b)) / beta
    return weight @ loss, weight @ energy


@pytest.mark.parametrize("n", [0, 1, 5, 20])
def test_thm_01_increment_coin(n):
    # Mutant: F_n - F_{n-1} (shifted index). The formulas are SciPy's; the experiment is the library's, below.
    loss, energy = bernoulli_losses(n, 0.3, 2.0, 0.5, 1.0)
    _, next_energy = bernoulli_losses(n + 1, 0.3, 2.0, 0.5, 1.0)
    assert next_energy - energy == pytest.approx(loss, rel=1e-12)
    _, after = bernoulli_losses(n + 2, 0.3, 2.0, 0.5, 1.0)
    assert abs((after - next_energy) - loss) > 1e-4


def test_rem_01_increment_beta():
    # At beta = 2 the identity fails, by more than a tenth of a nat here.
    loss, energy = bernoulli_losses(1, 0.3, 1.0, 1.0, 2.0)
    _, next_energy = bernoulli_losses(2, 0.3, 1.0, 1.0, 2.0)
    assert abs(next_energy - energy - loss) > 0.01


def test_thm_01_increment_simulated():
    # Mutant: G_n evaluated under the model instead of the truth. The truth N(0.4, 1.3^2) is outside the model N(w, 1).
    family, truth, n = conjugate.normal_mean(1.0, 0.0, 2.0), dist.Normal(0.4, 1.3), 6
    keys = jax.random.split(jax.random.key(31), 2)
    found = experiment.conjugate_experiment(keys[0], truth, family, n, datasets=4000)
    x = truth.sample(keys[1], (20_000, n + 1))
    increment = jax.vmap(lambda x: conjugate.log_evidence(family, x[:-1]) - conjugate.log_evidence(family, x))(x)
    s2 = 1 / (n + 1 / 4)
    mean_square = 1.3**2 + s2**2 * n * 1.3**2 + (0.4 - s2 * n * 0.4) ** 2
    exact = 0.5 * math.log(2 * math.pi * (1 + s2)) + mean_square / (2 * (1 + s2))
    assert near(found.generalization, exact)
    assert near(increment + np.asarray(truth.log_prob(x[:, -1])), exact - 0.5 * math.log(2 * math.pi * math.e * 1.3**2))


def test_eq_01_prequential():
    # Mutant: predicting each observation from all others (cross-validation) in place of those before it.
    family = conjugate.normal(0.5, 2.0, 1.5, 0.7)
    x = np.random.default_rng(32).normal(1.0, 2.0, 12)
    steps = [
        conjugate.log_predictive(family, conjugate.posterior(family, x[:k]) if k else family.eta, x[k : k + 1])[0]
        for k in range(12)
    ]
    free_energy = -float(conjugate.log_evidence(family, x))
    assert free_energy == pytest.approx(-sum(steps), rel=1e-12)
    assert abs(free_energy - 12 * conjugate.cv_loss(family, x).mean()) > 0.5


def test_thm_01_ratio():
    # Part 1, a truth that vanishes at x = 2 while the model does not: E[R_n] = integral of phi (mass on {q > 0})^n < 1.
    # Mutant: E[R_n] = 1 always.
    family, q, n = conjugate.multinomial([1.0, 2.0, 1.5]), np.array([0.4, 0.6, 0.0]), 3
    data = np.array(list(itertools.product(range(2), repeat=n)))
    total = sum(math.exp(conjugate.log_evidence(family, x)) for x in data)
    # the mass of the first two categories is Beta(1 + 2, 1.5)
    assert total == pytest.approx(special.beta(3 + n, 1.5) / special.beta(3, 1.5), rel=1e-12)
    assert total < 0.5
    ratio = [q[x].prod() * math.exp(conjugate.log_evidence(family, x)) / q[x].prod() for x in data]
    assert sum(ratio) == pytest.approx(total, rel=1e-12)


def test_thm_01_ratio_martingale():
    # Part 2: E[R_{n+1} | X^n] = R_n for every X^n. Mutant: the predictive of n - 1 observations.
    family, theta = conjugate.bernoulli(0.5, 2.0), 0.3
    ratio = lambda x: math.exp(conjugate.log_evidence(family, x)) / np.where(x == 1, theta, 1 - theta).prod()  # noqa: E731
    for x in coin_sequences(5):
        next_mean = theta * ratio(np.append(x, 1)) + (1 - theta) * ratio(np.append(x, 0))
        assert next_mean == pytest.approx(ratio(x), rel=1e-12)


@pytest.mark.parametrize(("n", "tau"), [(3, 0.5), (50, 1.3)])
def test_exm_01_ratio(n, tau):
    # Mutants: c_n = 1 (mean infinite), tau in place of tau^2.
    x = np.random.default_rng(33).normal(size=n)
    z2, c = x.sum() ** 2 / n, n * tau**2 / (1 + n * tau**2)
    family = conjugate.normal_mean(1.0, 0.0, tau)
    log_ratio = conjugate.log_evidence(family, x) - stats.norm.logpdf(x).sum()
    assert log_ratio == pytest.approx(-0.5 * math.log1p(n * tau**2) + c * z2 / 2, rel=1e-10)
    log_r = lambda z2: -0.5 * math.log1p(n * tau**2) + c * z2 / 2  # noqa: E731
    u, weights = np.polynomial.legendre.leggauss(2000)
    z = 60 * u  # E[R_n]: e^{-z^2 (1 - c)/2} is wide, so a wide interval
    mean = 60 * weights @ np.exp(log_r(z**2) + stats.norm.logpdf(z))
    assert mean == pytest.approx(1.0, rel=1e-6)
    threshold = (1 + 1 / (n * tau**2)) * math.log1p(n * tau**2)
    assert log_r(threshold) == pytest.approx(0.0, abs=1e-12)
    draws = log_r(np.random.default_rng(34).chisquare(1, 400_000))
    assert near(draws > 0, stats.chi2(1).sf(threshold))
    assert near((draws - draws.mean()) ** 2, c**2 / 2)


def test_exm_01_ratio_second_moment():
    # E[R^2] = (1 + n tau^2)^{-1} (1 - 2 c)^{-1/2} while n tau^2 < 1.
    spread = 0.6
    c = spread / (1 + spread)
    integrand = lambda z: math.exp(c * z**2) / (1 + spread) * stats.norm.pdf(z)  # noqa: E731
    exact = (1 - 2 * c) ** -0.5 / (1 + spread)
    assert 2 * integrate.quad(integrand, 0, 40)[0] == pytest.approx(exact, rel=1e-8)


# --- Pairs ------------------------------------------------------------------------------------------------------------


def test_thm_01_pairs():
    # The joint distribution drawn pair first, data second, conditioned on the data: counts against the formula.
    # Mutant: exp(+F), or the weights pi left out.
    rng = np.random.default_rng(35)
    pairs, weights, n = [(1.0, 1.0), (8.0, 2.0)], np.array([0.7, 0.3]), 4
    k = rng.choice(2, p=weights, size=400_000)
    theta = rng.beta(*np.array(pairs)[k].T)
    ones = (rng.random((400_000, n)) < theta[:, None]).sum(1)
    x = np.array([1, 1, 0, 1])
    F = np.array([-conjugate.log_evidence(conjugate.bernoulli(*pair), x) for pair in pairs])
    posterior = weights * np.exp(-F) / (weights * np.exp(-F)).sum()
    assert near(k[ones == 3] == 1, posterior[1])
    assert abs(posterior[1] - weights[1]) > 0.05
    # the predictive density of the list is the mixture of the predictives
    one = [
        math.exp(conjugate.log_predictive(f, conjugate.posterior(f, x), np.array([1]))[0])
        for f in (conjugate.bernoulli(*pair) for pair in pairs)
    ]
    joint = [weights @ coin_evidence(np.append(x, last), *np.array(pairs).T) for last in (1, 0)]
    assert posterior @ one == pytest.approx(joint[0] / sum(joint), rel=1e-12)


# --- Conditionally independent cases ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [1.0, 2.0])
@pytest.mark.parametrize("last", [1.0, 4.0])
def test_thm_01_leverage(sigma, last):
    # Mutants: h_i^2 without the factor 1/2; sigma^2 left out of the second formula; C_n at the inputs of G_n (no bias).
    # The Gaussian integrals are taken exactly: all four losses are quadratic in the noise, so two moments suffice.
    x = np.append(np.linspace(-1.0, 0.9, 9), last)
    n, h = 10, x**2 / (x**2).sum()
    family = conjugate.linear_regression(1.0, np.inf, 1)
    rng = np.random.default_rng(36)
    noise = sigma * rng.standard_normal((30_000, n))
    y = 0.7 * x + noise
    C = jax.vmap(lambda y: conjugate.cv_loss(family, x[:, None], y).mean())(y)
    W = jax.vmap(lambda y: conjugate.waic_loss(family, x[:, None], y).mean())(y)
    a_hat = y @ x / (x**2).sum()
    G = (0.5 * np.log(2 * np.pi * (1 + h)) + (sigma**2 + ((a_hat - 0.7)[:, None] * x) ** 2) / (2 * (1 + h))).mean(1)
    zero_mean = (noise**2 - sigma**2).mean(1) / 2
    assert near(C - G - zero_mean, -np.log1p(-(h**2)).mean() / 2)
    assert near(W - G - zero_mean, (h**2 / 2 - sigma**2 * h**3 / (1 + h)).mean())


def test_exm_01_time_series():
    # What section 1.11 prints: to order 1/n the criteria are right for a stationary series and wrong for a random walk.
    family, n = conjugate.linear_regression(1.0, np.inf, 1), 60
    noise = np.random.default_rng(37).standard_normal((20_000, n))

    def gap(a, noise):
        path = np.zeros((len(noise), n + 1))
        for t in range(n):
            path[:, t + 1] = a * path[:, t] + noise[:, t]
        x, y = path[:, :-1], path[:, 1:]
        W = jax.vmap(lambda x, y: conjugate.waic_loss(family, x[:, None], y).mean())(x, y)
        h = x**2 / (x**2).sum(1, keepdims=True)
        a_hat = (x * y).sum(1) / (x**2).sum(1)
        G = (0.5 * np.log(2 * np.pi * (1 + h)) + (1 + ((a_hat - a)[:, None] * x) ** 2) / (2 * (1 + h))).mean(1)
        return n * (W - G - (noise**2 - 1).mean(1) / 2)

    stationary, walk = slt.mean_se(gap(0.5, noise)), slt.mean_se(gap(1.0, noise))
    assert abs(stationary.mean) < SIGMAS * stationary.se + 2 / n  # o(1): the next order is about 2/n
    assert walk.mean < -SIGMAS * walk.se
