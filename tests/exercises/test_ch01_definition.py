"""The graders of chapter 1: solutions pass, stubs fail, and each misconception fails with the message meant for it."""

from types import MappingProxyType

import jax.numpy as jnp
import numpy as np
import sympy
from grading_sets import check_set
from scipy.special import logsumexp, rel_entr, softmax
from scipy.stats import hmean

a, b, c, k, n, s, t, x = sympy.symbols("a b c k n s t x", positive=True)
i, whole_k, whole_n = sympy.symbols("i k n", integer=True, nonnegative=True)


def steps_9(**changed):
    right = {"gap": t - 1 - sympy.log(t), "derivative": 1 - 1 / t, "minimizer": 1, "bound": 1 - c}
    return lambda: right | changed


def steps_12(**changed):
    def answer(p):
        right = {
            "training": -np.log(p.mean()),
            "cv": np.log((1 / p).mean()),
            "product": p.mean() * (1 / p).mean(),
            "equality": bool(np.ptp(p) == 0),
        }
        return right | {key: f(p) for key, f in changed.items()}

    return answer


def waic_terms(log_lik, draws=None):
    """The two parts of the terms of W_n."""
    return np.log(draws or len(log_lik)) - logsumexp(log_lik, axis=0), log_lik.var(0)


def log_mean_exp_around(values, level):
    return np.log(np.mean(np.exp(values - level), axis=0)) + level


def log_mean_exp(values):
    return np.log(np.mean(np.exp(values), axis=0))


def normal_loss(value, mean, variance):
    return 0.5 * np.log(2 * np.pi * variance) + (value - mean) ** 2 / (2 * variance)


def kl_normal(m0, v0, m, v):
    return 0.5 * np.log(v / v0) + (v0 + (m - m0) ** 2) / (2 * v) - 0.5


def leverage(x, y):
    h = x**2 / (x @ x)
    return h, y - x * (x @ y) / (x @ x)


def leverage_terms(x, y, variance):
    h, residual = leverage(x, y)
    return normal_loss(residual / (1 - h), 0, variance / (1 - h))


def exact_terms(x, precision, variance):
    """`variance` of the predictive density as a function of the precision without x_i."""
    return normal_loss(x, (x.sum() - x) / precision, variance(precision))


def normalized(weight):
    return weight / weight.sum()


def integrated_lomax():
    """What sympy.integrate makes of theta exp(-theta x) against the posterior of exercise 1.5."""
    turned = sympy.principal_branch(sympy.exp_polar(sympy.I * sympy.pi) * sympy.polar_lift(-b - s), 2 * sympy.pi)
    gammas = sympy.gamma(a + n + 1) / sympy.gamma(a + n)
    return gammas * (b + s) ** (a + n - 1) * (x / turned + 1) ** (-a - n - 1) * turned ** (-a - n)


def left_out_slopes(x, y):
    return ((x @ y) - x * y) / ((x @ x) - x**2)


def frequencies(counts):
    return counts / counts.sum()


# id: (a wrong answer, a part of the message meant for it)
WRONG = {
    "1.1": [
        (lambda counts, p: np.sum(p * np.log(p / frequencies(counts))), "arguments are exchanged"),
        (lambda counts, p: np.sum(frequencies(counts) * np.log2(frequencies(counts) / p)), "in bits"),
        (lambda counts, p: np.sum(counts * np.log(counts / p)), "divided by n first"),
        (lambda counts, p: np.sum(frequencies(counts) * np.log(frequencies(counts) / p)), "0 log 0 = 0"),
    ],
    "1.2": [
        (lambda: 50**-0.5, "standard deviation of S_n"),
        (lambda: 1.0, "S_n is a mean of n terms"),
        (lambda: 18 / 50, "variance of the mean of X"),
        (lambda: 1 / 49, "not of n - 1"),
        (lambda: 0.0203, "return the exact number"),
        (lambda: 0, "wanted    another number"),
    ],
    "1.3": [
        (lambda log_lik: log_lik.mean(0), "averages log p"),
        (lambda log_lik: np.log(np.exp(log_lik).sum(0)), "sum over draws"),
        (log_mean_exp, "log-sum-exp"),
        (lambda log_lik: log_mean_exp_around(log_lik, log_lik.max()), "largest entry of each column"),
        (lambda log_lik: log_mean_exp_around(log_lik, log_lik.mean(0)), "largest entry of each column"),
        (lambda log_lik: log_mean_exp_around(log_lik, log_lik[0]), "largest entry of each column"),
        (lambda log_lik: log_mean_exp_around(log_lik, log_lik.min(0)), "largest entry of each column"),
        (lambda log_lik: logsumexp(log_lik, axis=0) - np.log(40), "mean over draws"),
    ],
    "1.4": [
        (lambda: "a", "all tosses are heads"),
        (lambda: "b", "nothing holds sigma away from 0"),
        (lambda: "d", "does not depend on b"),
        (lambda: 3, "one letter of a, b, c, d"),
    ],
    "1.5": [
        (lambda: (a + n) / (b + s) * sympy.exp(-x * (a + n) / (b + s)), "plugs the posterior mean"),
        (lambda: a * b**a / (b + x) ** (a + 1), "the data are missing"),
        (lambda: (b + s) ** (a + n) / (b + s + x) ** (a + n + 1), "Gamma(a + n + 1)/Gamma(a + n)"),
        (lambda: (a + n - 1) / (b + s) * sympy.exp(-x * (a + n - 1) / (b + s)), "plugs the posterior mode"),
        (lambda: n / s * sympy.exp(-x * n / s), "plugs the maximum likelihood estimate"),
        (lambda: (a + n) * (1 / b + s) ** (a + n) / (1 / b + s + x) ** (a + n + 1), "b is a rate, not a scale"),
    ],
    "1.6": [
        (lambda a, b, x, beta: (a + x.sum(), b + (1 - x).sum()), "beta is ignored"),
        (lambda a, b, x, beta: (beta * (a + x.sum() - 1) + 1, beta * (b + (1 - x).sum() - 1) + 1), "prior is tempered"),
        (lambda a, b, x, beta: (b + beta * (1 - x).sum(), a + beta * x.sum()), "parameters are exchanged"),
        (lambda a, b, x, beta: (str(a + beta * x.sum()), str(b + beta * (1 - x).sum())), "a tuple"),
        (lambda a, b, x, beta: (a + beta * x.sum(), b + beta * (12 - x.sum())), "each toss counts beta times"),
        (lambda a, b, x, beta: None, "None (is the return missing?)"),
    ],
    "1.7": [
        (lambda: a * b**2 / 2, "by convexity only an upper bound"),
        (lambda: (a * b) ** 2, "factor 1/2"),
        (lambda: a**2 * (sympy.exp(b**2) - 1) / 2, "not yet the leading term"),
        (lambda: a**2 * b**2 / 2 + sympy.O(b**4), "drop the O"),
        (lambda: a**2 / 2 + b**2 / 2, "vanishes at one point only"),
    ],
    "1.8": [
        (lambda m, s, m0, s0: kl_normal(m, s**2, m0, s0**2), "the average is over the truth"),
        (lambda m, s, m0, s0: kl_normal(m0, s0, m, s), "took them for variances"),
        (lambda m, s, m0, s0: kl_normal(m0, s0**2, m, s**2) / np.log(2), "in bits"),
        (lambda m, s, m0, s0: kl_normal(m0, s0**2, m, s**2) + 0.5, "-1/2 of the entropy is missing"),
    ],
    "1.9": [
        (steps_9(gap=1 - t + sympy.log(t)), "the sign: the gap"),
        (steps_9(derivative=1 + 1 / t), "derivative of -log t"),
        (steps_9(minimizer=sympy.E), "vanishes at t = 1"),
        (steps_9(bound=c - 1), "the integral of q - p is 1 - c"),
        (steps_9(bound=0), "that is the conclusion"),
        (steps_9(gap=sympy.Abs(t - 1) - sympy.log(t)), "-log t minus (1 - t)"),
        (steps_9(derivative=sympy.Abs(1 - 1 / t)), "the derivative of t - 1 - log t"),
        (steps_9(minimizer=[sympy.Integer(1)]), "return its element: solve(...)[0]"),
        (steps_9(minimizer=sympy.FiniteSet(1)), "return its element"),
        (lambda: [t - 1 - sympy.log(t), 1 - 1 / t, 1, 1 - c], "a dict with gap, derivative, minimizer, bound"),
    ],
    "1.10": [
        (lambda log_lik: -log_mean_exp(log_lik), "X_i is still in the posterior"),
        (lambda log_lik: -log_mean_exp(-log_lik), "the sign"),
        (lambda log_lik: -log_lik.mean(0), "Gibbs loss"),
        (lambda log_lik: log_mean_exp(-log_lik), "logsumexp of -log_lik"),
        (lambda log_lik: log_mean_exp_around(-log_lik, -log_lik.min()), "largest entry of each column"),
        (lambda log_lik: logsumexp(-log_lik, axis=0) - np.log(50), "E_w[1 / p(X_i|w)]"),
    ],
    "1.11": [
        (
            lambda x, tau: normal_loss(x, x.sum() / (tau**-2 + len(x)), 1 + 1 / (tau**-2 + len(x))),
            "still in the posterior",
        ),
        (lambda x, tau: normal_loss(x, (x.sum() - x) / (tau**-2 + len(x) - 1), 1.0), "uncertainty of w is missing"),
        (lambda x, tau: normal_loss(x, (x.sum() - x) / (len(x) - 1), 1 + 1 / (len(x) - 1)), "the prior is missing"),
        (lambda x, tau: exact_terms(x, 1 / tau + len(x) - 1, lambda P: 1 + 1 / P), "the prior's precision is 1/tau^2"),
        (lambda x, tau: exact_terms(x, tau**-2 + len(x) - 1, lambda P: 1 / P), "this is the posterior of w"),
        (lambda x, tau: -exact_terms(x, tau**-2 + len(x) - 1, lambda P: 1 + 1 / P), "minus log densities"),
    ],
    "1.12": [
        (steps_12(cv=lambda p: -np.log(p.mean())), "the training term again"),
        (steps_12(product=lambda p: 1.0), "the product of the two averages is not"),
        (steps_12(training=lambda p: -np.log(p).mean()), "the Gibbs loss"),
        (steps_12(product=lambda p: np.log(p.mean() / hmean(p))), "C - T itself"),
        (steps_12(product=lambda p: hmean(p) / p.mean()), "upside down"),
        (steps_12(training=lambda p: -np.log(p.sum() / 30)), "the log of the mean of p"),
        (steps_12(equality=lambda p: False), "and only then"),
        (steps_12(equality=lambda p: True), "and only then"),
        (steps_12(equality=lambda p: p[0] == p[-1]), "and only then"),
        (steps_12(equality=lambda p: p.max() < 1.05 * p.min()), "compare the draws of p"),
        (steps_12(equality=lambda p: np.isclose(p.mean(), np.median(p))), "compare the draws of p"),
        (steps_12(equality=lambda p: abs(np.log(p.mean() / hmean(p))) < 1e-4), "a tolerance may be too wide"),
        (steps_12(equality=lambda p: str(np.ptp(p) == 0)), "return True or False, not str"),
        (steps_12(equality=lambda p: int(np.ptp(p) == 0)), "return True or False, not int"),
        (steps_12(equality=lambda p: p == p[0]), "return True or False, not ndarray"),
        (lambda p: (1.0, 1.0, 1.0, True), "a dict with training, cv, product, equality"),
    ],
    "1.13": [
        (lambda log_lik, beta: -log_mean_exp(log_lik) + beta * log_lik.var(0, ddof=1), "ddof=0"),
        (lambda log_lik, beta: -log_mean_exp(log_lik) + beta * log_lik.var(0) / log_lik.shape[1], "divided out twice"),
        (lambda log_lik, beta: -log_mean_exp(log_lik) + 2 * beta * log_lik.var(0), "deviance scale"),
        (lambda log_lik, beta: -log_mean_exp(log_lik) + log_lik.var(0), "beta is missing"),
        (lambda log_lik, beta: -log_mean_exp(log_lik) + beta * np.exp(log_lik).var(0), "not of p"),
        (lambda log_lik, beta: -log_mean_exp(log_lik) + beta * log_lik.var(0), "largest entry of each column"),
        (lambda log_lik, beta: waic_terms(log_lik)[0] - beta * log_lik.var(0), "the sign of V_i"),
        (lambda log_lik, beta: -waic_terms(log_lik)[0] - beta * log_lik.var(0), "minus the loss (elpd)"),
        (lambda log_lik, beta: beta * sum(waic_terms(log_lik)), "beta multiplies V_i only"),
        (lambda log_lik, beta: waic_terms(log_lik)[0] + (beta * log_lik).var(0), "not of beta log p"),
        (lambda log_lik, beta: waic_terms(log_lik)[0] + beta * log_lik.var(0).mean(), "not the mean of them all"),
        (lambda log_lik, beta: waic_terms(log_lik, 25)[0] + beta * log_lik.var(0), "T_i + beta V_i"),
    ],
    "1.14": [
        (lambda: sympy.binomial(n, k) * sympy.beta(a + k, b + n - k) / sympy.beta(a, b), "probability of the count"),
        (lambda: sympy.beta(a + k, b + n - k), "prior's own normalizer"),
        (lambda: sympy.beta(a + n - k, b + k) / sympy.beta(a, b), "k and n - k are exchanged"),
        (lambda: -sympy.log(sympy.beta(a + k, b + n - k) / sympy.beta(a, b)), "the free energy"),
        (lambda: sympy.beta(a + k, b + n) / sympy.beta(a, b), "B(a + k, b + n - k)"),
    ],
    "1.15": [
        (lambda F, prior: normalized(prior * np.exp(F - F.max())), "the sign: Z = exp(-F)"),
        (lambda F, prior: softmax(-F), "prior weights of the pairs are missing"),
        (lambda F, prior: prior * np.exp(-F), "add up to one"),
        (lambda F, prior: prior * softmax(-F), "normalize after the prior is in"),
        (lambda F, prior: prior * np.exp(F.min() - F), "subtracting the smallest F does not do it"),
        (lambda F, prior: normalized(prior * np.exp(-F)), "subtract the smallest"),
        (lambda F, prior: normalized(prior * np.exp(F.max() - F)), "subtract the smallest"),
        (lambda F, prior: normalized(prior * np.exp(F[0] - F)), "subtract the smallest"),
        (lambda F, prior: normalized(prior * np.exp(F.mean() - F)), "subtract the smallest"),
    ],
    "1.16": [
        (lambda x, y, sigma: normal_loss(leverage(x, y)[1], 0, sigma**2 * (1 + leverage(x, y)[0])), "still in the fit"),
        (lambda x, y, sigma: normal_loss(y, left_out_slopes(x, y) * x, sigma**2), "uncertainty of a is missing"),
        (lambda x, y, sigma: normal_loss(leverage(x, y)[1], 0, sigma**2 / (1 - leverage(x, y)[0])), "by 1 - h_i too"),
        (lambda x, y, sigma: leverage_terms(x, y, sigma), "sigma is a standard deviation"),
        (lambda x, y, sigma: leverage_terms(abs(x), y, sigma**2), "without i the residual is r_i / (1 - h_i)"),
    ],
}


# Other right answers: another route, type or form must pass as well.
ALSO_RIGHT = {
    "1.1": [lambda counts, p: rel_entr(counts / counts.sum(), p).sum()],
    "1.2": [lambda: np.float32(0.02), lambda: [1 / 50], lambda: sympy.Rational(1, 50)],
    "1.3": [
        lambda log_lik: list(np.logaddexp.reduce(log_lik, axis=0) - np.log(len(log_lik))),
        lambda log_lik: logsumexp(log_lik.astype(np.float32), axis=0) - np.log(np.float32(len(log_lik))),
        lambda log_lik: jnp.asarray(log_mean_exp_around(log_lik, log_lik.max(0))),
    ],
    "1.4": [lambda form=form: form for form in ("C", " (c) ", "( c )", "c:", "[c]", "'c'", "**c**", "c\n")],
    "1.5": [
        lambda: (a + n) / (b + s + x) * ((b + s) / (b + s + x)) ** (a + n),
        lambda: -sympy.Derivative(((b + s) / (b + s + x)) ** (a + n), x),
        integrated_lomax,
    ],
    "1.6": [
        lambda a, b, x, beta: np.array([a + beta * x.sum(), b + beta * (len(x) - x.sum())]),
        lambda a, b, x, beta: (np.float32(a + beta * x.sum()), np.float32(b + beta * (1 - x).sum())),
    ],
    "1.7": [lambda: (sympy.Symbol("a") * sympy.Symbol("b")) ** 2 / 2, lambda: 0.5 * a**2 * b**2],
    "1.8": [lambda m, s, m0, s0: np.float32(kl_normal(m0, s0**2, m, s**2))],
    "1.9": [
        steps_9(minimizer=1.0, derivative=(t - 1) / t),
        steps_9(minimizer=np.int64(1)),
        steps_9(minimizer=np.float32(1)),
        steps_9(bound=sympy.Max(0, 1 - c), gap=sympy.log(1 / t) - 1 + t),
        lambda: MappingProxyType(steps_9()()),
    ],
    "1.10": [lambda log_lik: -logsumexp(log_lik, axis=0, b=softmax(-log_lik, axis=0))],
    "1.12": [
        steps_12(equality=lambda p: jnp.all(jnp.asarray(p) == p[0])),
        steps_12(equality=lambda p: np.array((p == p[0]).all())),
        steps_12(equality=lambda p: jnp.allclose(p, p[0])),
        steps_12(equality=lambda p: np.isclose(p.mean() * (1 / p).mean(), 1)),
        steps_12(equality=lambda p: p.mean() * (1 / p).mean() == 1),
        steps_12(equality=lambda p: np.log((1 / p).mean()) == -np.log(p.mean())),
        steps_12(equality=lambda p: p.std() == 0),
    ],
    "1.13": [lambda log_lik, beta: np.float32(waic_terms(log_lik)[0] + beta * waic_terms(log_lik)[1])],
    "1.14": [
        lambda: sympy.gamma(a + k) * sympy.gamma(b + n - k) * sympy.gamma(a + b)
        / (sympy.gamma(a + b + n) * sympy.gamma(a) * sympy.gamma(b)),
        lambda: sympy.factorial(n) / sympy.factorial(k) / sympy.factorial(n - k)
        * sympy.beta(a + k, b + n - k) / sympy.beta(a, b) / sympy.binomial(n, k),
        lambda: sympy.gamma(a + k) * sympy.hyper((a + k, 1 - b + k - n), (a + k + 1,), 1)
        / (sympy.beta(a, b) * sympy.gamma(a + k + 1)),
        lambda: sympy.rf(a, whole_k) * sympy.rf(b, whole_n - whole_k) / sympy.rf(a + b, whole_n),
        lambda: sympy.product(a + i, (i, 0, k - 1)) * sympy.product(b + i, (i, 0, n - k - 1))
        / sympy.product(a + b + i, (i, 0, n - 1)),
    ],
    "1.15": [
        lambda F, prior: normalized(prior * np.exp(F.min() - F)),
        lambda F, prior: [1 / sum(p / prior[i] * np.exp(F[i] - f) for f, p in zip(F, prior, strict=True))
                          for i in range(len(F))],
    ],
}  # fmt: skip

globals().update(check_set("ch01_definition", WRONG, ALSO_RIGHT))
