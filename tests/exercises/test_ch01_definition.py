"""The graders of chapter 1: solutions pass, stubs fail, and each misconception fails with the message meant for it."""

import numpy as np
import sympy
from grading_sets import check_set
from scipy.special import rel_entr

a, b, c, k, n, s, t, x = sympy.symbols("a b c k n s t x", positive=True)


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


def log_mean_exp(values):
    return np.log(np.mean(np.exp(values), axis=0))


def normal_loss(value, mean, variance):
    return 0.5 * np.log(2 * np.pi * variance) + (value - mean) ** 2 / (2 * variance)


def kl_normal(m0, v0, m, v):
    return 0.5 * np.log(v / v0) + (v0 + (m - m0) ** 2) / (2 * v) - 0.5


def leverage(x, y):
    h = x**2 / (x @ x)
    return h, y - x * (x @ y) / (x @ x)


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
        (lambda counts, p: np.sum(frequencies(counts) * np.log(frequencies(counts) / p)), "without NaN"),
    ],
    "1.2": [
        (lambda: 50**-0.5, "standard deviation of S_n"),
        (lambda: 1.0, "S_n is a mean of n terms"),
        (lambda: 18 / 50, "variance of the mean of X"),
    ],
    "1.3": [
        (lambda log_lik: log_lik.mean(0), "averages log p"),
        (lambda log_lik: np.log(np.exp(log_lik).sum(0)), "sum over draws"),
        (log_mean_exp, "log-sum-exp"),
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
    ],
    "1.6": [
        (lambda a, b, x, beta: (a + x.sum(), b + (1 - x).sum()), "beta is ignored"),
        (lambda a, b, x, beta: (beta * (a + x.sum() - 1) + 1, beta * (b + (1 - x).sum() - 1) + 1), "prior is tempered"),
        (lambda a, b, x, beta: (b + beta * (1 - x).sum(), a + beta * x.sum()), "parameters are exchanged"),
    ],
    "1.7": [
        (lambda: a * b**2 / 2, "by convexity only an upper bound"),
        (lambda: (a * b) ** 2, "factor 1/2"),
        (lambda: a**2 / 2 + b**2 / 2, "vanishes at one point only"),
    ],
    "1.8": [
        (lambda m, s, m0, s0: kl_normal(m, s**2, m0, s0**2), "the average is over the truth"),
        (lambda m, s, m0, s0: kl_normal(m0, s0, m, s), "took them for variances"),
    ],
    "1.9": [
        (steps_9(gap=1 - t + sympy.log(t)), "the sign: the gap"),
        (steps_9(derivative=1 + 1 / t), "derivative of -log t"),
        (steps_9(minimizer=sympy.E), "vanishes at t = 1"),
        (steps_9(bound=c - 1), "the integral of q - p is 1 - c"),
        (steps_9(bound=0), "that is the conclusion"),
    ],
    "1.10": [
        (lambda log_lik: -log_mean_exp(log_lik), "X_i is still in the posterior"),
        (lambda log_lik: -log_mean_exp(-log_lik), "the sign"),
        (lambda log_lik: -log_lik.mean(0), "Gibbs loss"),
        (lambda log_lik: log_mean_exp(-log_lik), "logsumexp of -log_lik"),
    ],
    "1.11": [
        (
            lambda x, tau: normal_loss(x, x.sum() / (tau**-2 + len(x)), 1 + 1 / (tau**-2 + len(x))),
            "still in the posterior",
        ),
        (lambda x, tau: normal_loss(x, (x.sum() - x) / (tau**-2 + len(x) - 1), 1.0), "uncertainty of w is missing"),
        (lambda x, tau: normal_loss(x, (x.sum() - x) / (len(x) - 1), 1 + 1 / (len(x) - 1)), "the prior is missing"),
    ],
    "1.12": [
        (steps_12(cv=lambda p: -np.log(p.mean())), "the training term again"),
        (steps_12(product=lambda p: 1.0), "the product of the two averages is not"),
        (steps_12(equality=lambda p: False), "the same for (almost) every draw"),
        (steps_12(equality=lambda p: True), "the same for (almost) every draw"),
    ],
    "1.13": [
        (lambda log_lik, beta: -log_mean_exp(log_lik) + beta * log_lik.var(0, ddof=1), "ddof=0"),
        (lambda log_lik, beta: -log_mean_exp(log_lik) + beta * log_lik.var(0) / log_lik.shape[1], "divided out twice"),
        (lambda log_lik, beta: -log_mean_exp(log_lik) + 2 * beta * log_lik.var(0), "deviance scale"),
        (lambda log_lik, beta: -log_mean_exp(log_lik) + log_lik.var(0), "beta is missing"),
        (lambda log_lik, beta: -log_mean_exp(log_lik) + beta * np.exp(log_lik).var(0), "not of p"),
    ],
    "1.14": [
        (lambda: sympy.binomial(n, k) * sympy.beta(a + k, b + n - k) / sympy.beta(a, b), "probability of the count"),
        (lambda: sympy.beta(a + k, b + n - k), "prior's own normalizer"),
    ],
    "1.15": [
        (lambda F, prior: prior * np.exp(F - F.max()) / (prior * np.exp(F - F.max())).sum(), "the sign: Z = exp(-F)"),
        (lambda F, prior: np.exp(F.min() - F) / np.exp(F.min() - F).sum(), "prior weights of the pairs are missing"),
        (lambda F, prior: prior * np.exp(-F), "add up to one"),
        (lambda F, prior: prior * np.exp(-F) / (prior * np.exp(-F)).sum(), "subtract the smallest"),
    ],
    "1.16": [
        (lambda x, y, sigma: normal_loss(leverage(x, y)[1], 0, sigma**2 * (1 + leverage(x, y)[0])), "still in the fit"),
        (lambda x, y, sigma: normal_loss(y, left_out_slopes(x, y) * x, sigma**2), "uncertainty of a is missing"),
        (lambda x, y, sigma: normal_loss(leverage(x, y)[1], 0, sigma**2 / (1 - leverage(x, y)[0])), "by 1 - h_i too"),
    ],
}


# Other right answers: another route, type or form must pass as well.
ALSO_RIGHT = {
    "1.1": [lambda counts, p: rel_entr(counts / counts.sum(), p).sum()],
    "1.2": [lambda: np.float32(0.02), lambda: [1 / 50], lambda: sympy.Rational(1, 50)],
    "1.4": [lambda: "C", lambda: " (c) "],
    "1.5": [lambda: (a + n) / (b + s + x) * ((b + s) / (b + s + x)) ** (a + n)],
    "1.6": [lambda a, b, x, beta: np.array([a + beta * x.sum(), b + beta * (len(x) - x.sum())])],
    "1.7": [lambda: (sympy.Symbol("a") * sympy.Symbol("b")) ** 2 / 2],
    "1.9": [steps_9(minimizer=1.0, derivative=(t - 1) / t)],
    "1.14": [
        lambda: sympy.gamma(a + k) * sympy.gamma(b + n - k) * sympy.gamma(a + b)
        / (sympy.gamma(a + b + n) * sympy.gamma(a) * sympy.gamma(b))
    ],
    "1.15": [lambda F, prior: prior * np.exp(F.min() - F) / (prior * np.exp(F.min() - F)).sum()],
}  # fmt: skip

globals().update(check_set("ch01_definition", WRONG, ALSO_RIGHT))
