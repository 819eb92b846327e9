"""Solutions of chapter 1. Each is one way; "Shown" in the grader's message names another."""

import numpy as np
import sympy
from scipy.special import logsumexp


def kl_from_empirical(counts: np.ndarray, p: np.ndarray) -> float:
    r"""The divergence is a sum over the values that occur; the others contribute nothing, since $0 \log 0 = 0$."""
    f = counts / counts.sum()
    seen = f > 0
    return float(np.sum(f[seen] * (np.log(f[seen]) - np.log(p[seen]))))


def variance_of_empirical_entropy() -> float:
    r"""$-\log q(X) = \log 6 + |X|/3$, and $|X|/3$ is standard exponential with variance 1. So $V[S_n] = 1/n$."""
    return 1 / 50


def log_predictive(log_lik: np.ndarray) -> np.ndarray:
    """The mean over draws of the density, in logarithms: log-sum-exp takes the largest entry out first."""
    return logsumexp(log_lik, axis=0) - np.log(len(log_lik))


def improper_prior_with_a_posterior() -> str:
    r"""c: the likelihood $N(x \mid w, 1)$ of one observation is integrable in $w$. In a the integral diverges at
    $\theta = 1$, in b (over $\mu$ first) at $\sigma = 0$ and $\infty$, and in d the likelihood does not decay as
    $|b| \to \infty$.
    """
    return "c"


def exponential_predictive() -> sympy.Expr:
    r"""With $z = \Gamma(A) / B^A$ the ratio is $\Gamma(A+1) B^A / \{\Gamma(A) (B + x)^{A+1}\}$, where $A = a + n$ and
    $B = b + s$.
    """
    a, b, n, s, x = sympy.symbols("a b n s x", positive=True)
    return (a + n) * (b + s) ** (a + n) / (b + s + x) ** (a + n + 1)


def tempered_coin(a: float, b: float, x: np.ndarray, beta: float) -> tuple[float, float]:
    r"""Exponents add: $(a - 1) + \beta s$ for $\theta$ and $(b - 1) + \beta (n - s)$ for $1 - \theta$."""
    ones = np.sum(x)
    return a + beta * ones, b + beta * (len(x) - ones)


def mixture_kl_order() -> sympy.Expr:
    r"""With $u = e^{bx - b^2/2} - 1$: $K = -E[\log(1 + au)] = -a E[u] + \tfrac12 a^2 E[u^2] - \dots$, where $E[u] = 0$
    and $E[u^2] = e^{b^2} - 1 = b^2 + \dots$.
    """
    a, b = sympy.symbols("a b", positive=True)
    return a**2 * b**2 / 2


def generalization_error(m: float, s: float, m0: float, s0: float) -> float:
    r"""$E_q[\log q] - E_q[\log p^*]$ with $E_q[(X - m)^2] = s_0^2 + (m - m_0)^2$."""
    return float(np.log(s / s0) + (s0**2 + (m - m0) ** 2) / (2 * s**2) - 0.5)


def gibbs_inequality() -> dict[str, object]:
    r"""The gap falls until $t = 1$, where it is 0, and rises afterwards. With $t = p/q$ the bound integrates to
    $\int_{q > 0} (q - p) = 1 - c \ge 0$.
    """
    t, c = sympy.symbols("t c", positive=True)
    gap = t - 1 - sympy.log(t)
    return {"gap": gap, "derivative": sympy.diff(gap, t), "minimizer": sympy.Integer(1), "bound": 1 - c}


def importance_cv(log_lik: np.ndarray) -> np.ndarray:
    r"""$C_i = \log E_w[e^{-\log p(X_i \mid w)}]$, a log-mean-exp of minus the matrix."""
    return logsumexp(-log_lik, axis=0) - np.log(len(log_lik))


def exact_cv(x: np.ndarray, tau: float) -> np.ndarray:
    r"""Without $x_i$ the posterior is $N(m, 1/P)$ with $P = \tau^{-2} + n - 1$; the predictive density is
    $N(m, 1 + 1/P)$.
    """
    precision = 1 / tau**2 + len(x) - 1
    mean, variance = (np.sum(x) - x) / precision, 1 + 1 / precision
    return 0.5 * np.log(2 * np.pi * variance) + (x - mean) ** 2 / (2 * variance)


def cv_exceeds_training(p: np.ndarray) -> dict[str, object]:
    r"""$C - T = \log(E_w[p] E_w[1/p])$, and by Jensen's inequality for the convex $1/p$ the product is at least 1."""
    product = np.mean(p) * np.mean(1 / p)
    equal = bool(np.ptp(p) == 0)
    return {"training": -np.log(np.mean(p)), "cv": np.log(np.mean(1 / p)), "product": product, "equality": equal}


def waic(log_lik: np.ndarray, beta: float) -> np.ndarray:
    r"""$T_i + \beta V_i$: the mean of these $n$ terms is $T_n + \frac{\beta}{n} \sum_i V_i$."""
    training = np.log(len(log_lik)) - logsumexp(log_lik, axis=0)
    return training + beta * np.var(log_lik, axis=0)


def coin_evidence() -> sympy.Expr:
    r"""$\int \theta^{a + k - 1} (1 - \theta)^{b + n - k - 1} d\theta / B(a, b)$, a ratio of two beta functions."""
    a, b, k, n = sympy.symbols("a b k n", positive=True)
    return sympy.beta(a + k, b + n - k) / sympy.beta(a, b)


def pair_probabilities(free_energy: np.ndarray, prior: np.ndarray) -> np.ndarray:
    r"""Proportional to $\pi_k e^{-F_k}$; normalized before the exponential is taken."""
    log_weight = np.log(prior) - free_energy
    return np.exp(log_weight - logsumexp(log_weight))


def leverage_cv(x: np.ndarray, y: np.ndarray, sigma: float) -> np.ndarray:
    r"""Without observation $i$ the residual is $r_i / (1 - h_i)$ and the predictive variance $\sigma^2 / (1 - h_i)$."""
    h = x**2 / np.sum(x**2)
    residual = y - x * np.sum(x * y) / np.sum(x**2)
    return 0.5 * np.log(2 * np.pi * sigma**2 / (1 - h)) + residual**2 / (2 * sigma**2 * (1 - h))
