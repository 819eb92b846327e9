"""Exercises of chapter 1. The full statements stand in the chapter; write your answers here.

`pytest exercises` grades them all, `slt check 1.3` one, `slt hint 1.3` helps, `slt next` leads on. All logarithms are
natural, all losses in nats. Every answer is a function: a number or a letter is what it returns.
"""

import numpy as np
import sympy


def kl_from_empirical(counts: np.ndarray, p: np.ndarray) -> float:
    """1.1 KL divergence from the empirical distribution of `counts`, shape `(K,)`, to `p`, shape `(K,)`, in nats."""
    raise NotImplementedError


def variance_of_empirical_entropy() -> float:
    """1.2 The exact value of V[S_n], n = 50 independent draws from q(x) = exp(-|x|/3)/6, in nats squared."""
    raise NotImplementedError


def log_predictive(log_lik: np.ndarray) -> np.ndarray:
    """1.3 log p*(x_j) of m points from `log_lik[s, j] = log p(x_j | w_s)`, shape `(draws, m)`; returns `(m,)`."""
    raise NotImplementedError


def improper_prior_with_a_posterior() -> str:
    """1.4 The letter of the one improper prior that has a posterior."""
    raise NotImplementedError


def exponential_predictive() -> sympy.Expr:
    """1.5 The predictive density p*(x) of the exponential model, in the symbols below."""
    a, b, n, s, x = sympy.symbols("a b n s x", positive=True)
    raise NotImplementedError


def tempered_coin(a: float, b: float, x: np.ndarray, beta: float) -> tuple[float, float]:
    """1.6 The two parameters of the Beta posterior of tosses `x`, shape `(n,)`, at inverse temperature `beta`."""
    raise NotImplementedError


def mixture_kl_order() -> sympy.Expr:
    """1.7 The leading term of K(a, b) for small b, an expression in the symbols below."""
    a, b = sympy.symbols("a b", positive=True)
    raise NotImplementedError


def generalization_error(m: float, s: float, m0: float, s0: float) -> float:
    """1.8 G - S of the predictive density N(m, s^2) when the truth is N(m0, s0^2), in nats."""
    raise NotImplementedError


def gibbs_inequality() -> dict[str, object]:
    """1.9 Four steps of the proof that KL(q || p) >= 0: keys "gap", "derivative", "minimizer", "bound"."""
    t, c = sympy.symbols("t c", positive=True)
    raise NotImplementedError


def importance_cv(log_lik: np.ndarray) -> np.ndarray:
    """1.10 The n terms of importance-sampling C_n at beta = 1 from `log_lik`, shape `(draws, n)`; returns `(n,)`."""
    raise NotImplementedError


def exact_cv(x: np.ndarray, tau: float) -> np.ndarray:
    """1.11 The n exact terms of C_n for the model N(w, 1), prior w ~ N(0, tau^2), data `x`, shape `(n,)`, beta = 1."""
    raise NotImplementedError


def cv_exceeds_training(p: np.ndarray) -> dict[str, object]:
    """1.12 Steps of the proof that C_n >= T_n at one observation, `p[s] = p(X_i | w_s)`, shape `(draws,)`.

    Keys "training", "cv", "product", "equality"; the draws have equal weights.
    """
    raise NotImplementedError


def waic(log_lik: np.ndarray, beta: float) -> np.ndarray:
    """1.13 The n terms of W_n at inverse temperature `beta` from `log_lik`, shape `(draws, n)`; returns `(n,)`."""
    raise NotImplementedError


def coin_evidence() -> sympy.Expr:
    """1.14 Z_n of a sequence of n tosses with k ones under a Beta(a, b) prior, in the symbols below."""
    a, b, k, n = sympy.symbols("a b k n", positive=True)
    raise NotImplementedError


def pair_probabilities(free_energy: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """1.15 P(pair | data) from the free energies of K pairs and their prior weights, both `(K,)`; returns `(K,)`."""
    raise NotImplementedError


def leverage_cv(x: np.ndarray, y: np.ndarray, sigma: float) -> np.ndarray:
    """1.16 The n exact terms of C_n for y = a x + N(0, sigma^2), flat prior on a, beta = 1; `x`, `y` are `(n,)`."""
    raise NotImplementedError
