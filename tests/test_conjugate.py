"""Closed forms against SciPy's distributions, brute-force refits and numerical integration, at three temperatures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from slt import conjugate

RNG = np.random.default_rng(20)
BETAS = [0.5, 1.0, 2.0]
SHAPE, RATE = 2.5, 0.8
INPUTS = np.column_stack([np.ones(7), RNG.uniform(-2, 2, 7)])

# name: (family, data, new data, one draw of the parameter, log density of the model there, by SciPy)
CASES = {
    "bernoulli": (
        conjugate.bernoulli(2.5, 1.7),
        (np.array([1, 0, 0, 1, 0]),),
        (np.array([0, 1]),),
        {"theta": 0.3},
        lambda w, x: stats.bernoulli.logpmf(x, w["theta"]),
    ),
    "multinomial": (
        conjugate.multinomial([2.0, 1.5, 3.0]),
        (np.array([2, 0, 2, 1, 2, 2]),),
        (np.array([0, 1, 2]),),
        {"p": np.array([0.2, 0.5, 0.3])},
        lambda w, x: np.log(w["p"])[x],
    ),
    "poisson": (
        conjugate.poisson(SHAPE, RATE),
        (np.array([4, 1, 7, 3]),),
        (np.array([0, 2, 11]),),
        {"lam": 3.3},
        lambda w, x: stats.poisson.logpmf(x, w["lam"]),
    ),
    "normal_mean": (
        conjugate.normal_mean(1.7, -0.5, 0.9),
        (RNG.normal(1, 2, 6),),
        (np.array([-3.0, 0.2, 4.0]),),
        {"mu": 0.8},
        lambda w, x: stats.norm.logpdf(x, w["mu"], 1.7),
    ),
    "normal": (
        conjugate.normal(0.5, 2.0, 3.0, 2.0),
        (RNG.normal(1, 2, 6),),
        (np.array([-3.0, 0.2, 4.0]),),
        {"mu": 0.8, "precision": 0.4},
        lambda w, x: stats.norm.logpdf(x, w["mu"], w["precision"] ** -0.5),
    ),
    "linear_regression": (
        conjugate.linear_regression(1.3, 0.9, 2),
        (INPUTS, INPUTS @ [0.5, -1.2] + RNG.normal(0, 1.3, 7)),
        (np.array([[1.0, 0.3], [1.0, -2.5]]), np.array([0.4, 1.0])),
        {"w": np.array([0.7, -0.4])},
        lambda w, x, y: stats.norm.logpdf(y, x @ w["w"], 1.3),
    ),
}


def log_predictive_scipy(name, data, new, beta):
    """The predictive density from the textbook formulas of each family."""
    x, n = data[-1], len(data[-1])
    if name == "bernoulli":
        p = (2.5 + beta * x.sum()) / (4.2 + beta * n)
        return stats.bernoulli.logpmf(new[0], p)
    if name == "multinomial":
        counts = np.array([2.0, 1.5, 3.0]) + beta * np.bincount(x, minlength=3)
        return np.log(counts / counts.sum())[new[0]]
    if name == "poisson":
        rate = RATE + beta * n
        return stats.nbinom.logpmf(new[0], SHAPE + beta * x.sum(), rate / (rate + 1))
    if name == "normal_mean":
        precision = 1 / 0.9**2 + beta * n / 1.7**2
        mean = (-0.5 / 0.9**2 + beta * x.sum() / 1.7**2) / precision
        return stats.norm.logpdf(new[0], mean, np.sqrt(1.7**2 + 1 / precision))
    if name == "normal":
        k, a = 2.0 + beta * n, 3.0 + beta * n / 2
        b = 2.0 + beta * ((x - x.mean()) ** 2).sum() / 2 + beta * n * (x.mean() - 0.5) ** 2 / k
        t = stats.t(2 * a, (2.0 * 0.5 + beta * x.sum()) / k, np.sqrt(b * (k + 1) / (a * k)))
        return t.logpdf(new[0])
    inputs = data[0]
    covariance = np.linalg.inv(np.eye(2) / 0.9**2 + beta * inputs.T @ inputs / 1.3**2)
    mean = covariance @ inputs.T @ x * beta / 1.3**2
    spread = np.sqrt(1.3**2 + np.einsum("ij,jk,ik->i", new[0], covariance, new[0]))
    return stats.norm.logpdf(new[1], new[0] @ mean, spread)


def without(data, i):
    return tuple(np.delete(a, i, axis=0) for a in data)


def one(data, i):
    return tuple(a[i : i + 1] for a in data)


everywhere = pytest.mark.parametrize("name", CASES)
at_every_beta = pytest.mark.parametrize("beta", BETAS)


@everywhere
@at_every_beta
def test_log_predictive(name, beta):
    family, data, new, _, _ = CASES[name]
    found = conjugate.log_predictive(family, conjugate.posterior(family, *data, beta=beta), *new)
    assert found == pytest.approx(log_predictive_scipy(name, data, new, beta), rel=1e-9)


@everywhere
def test_log_evidence_at_beta_one_is_the_product_of_one_step_predictions(name):
    family, data, _, _, _ = CASES[name]
    n = len(data[-1])
    steps = [log_predictive_scipy(name, tuple(a[:k] for a in data), one(data, k), 1.0)[0] for k in range(1, n)]
    first = conjugate.log_predictive(family, family.eta, *one(data, 0))[0]
    assert conjugate.log_evidence(family, *data) == pytest.approx(first + sum(steps), rel=1e-9)


def test_log_evidence_of_a_sequence_of_tosses_and_of_normals():
    # Against special.betaln and against SciPy's multivariate normal: closed forms that share no code with the family.
    x = np.array([1, 0, 0, 1, 0])
    assert conjugate.log_evidence(conjugate.bernoulli(2.5, 1.7), x, beta=0.5) == pytest.approx(
        special.betaln(2.5 + 1.0, 1.7 + 1.5) - special.betaln(2.5, 1.7), rel=1e-12
    )
    y = np.array([0.3, -1.0, 2.2])
    joint = stats.multivariate_normal(np.full(3, -0.5), 1.7**2 * np.eye(3) + 0.9**2)
    assert conjugate.log_evidence(conjugate.normal_mean(1.7, -0.5, 0.9), y) == pytest.approx(joint.logpdf(y), rel=1e-12)
    inputs, targets = CASES["linear_regression"][1]
    joint = stats.multivariate_normal(np.zeros(7), 1.3**2 * np.eye(7) + 0.9**2 * inputs @ inputs.T)
    assert conjugate.log_evidence(CASES["linear_regression"][0], inputs, targets) == pytest.approx(
        joint.logpdf(targets), rel=1e-12
    )


@everywhere
@at_every_beta
def test_cv_loss_is_brute_force_leave_one_out(name, beta):
    family, data, _, _, _ = CASES[name]
    refits = [-log_predictive_scipy(name, without(data, i), one(data, i), beta)[0] for i in range(len(data[-1]))]
    assert conjugate.cv_loss(family, *data, beta=beta) == pytest.approx(refits, rel=1e-9)


@everywhere
@at_every_beta
def test_training_loss(name, beta):
    family, data, _, _, _ = CASES[name]
    expected = -log_predictive_scipy(name, data, data, beta)
    assert conjugate.training_loss(family, *data, beta=beta) == pytest.approx(expected, rel=1e-9)


@everywhere
@at_every_beta
def test_functional_variance_and_waic_match_posterior_draws(name, beta):
    # Mutants: V with ddof=1 over draws would pass; a Hessian at eta, or beta forgotten in W, does not.
    family, data, _, _, _ = CASES[name]
    draws = conjugate.sample(jax.random.key(7), family, conjugate.posterior(family, *data, beta=beta), 200_000)
    log_lik = np.asarray(conjugate.log_lik(family, draws, *data), dtype=np.float64)
    squares = (log_lik - log_lik.mean(0)) ** 2
    se = squares.std(0) / np.sqrt(len(squares))
    found = conjugate.functional_variance(family, *data, beta=beta)
    assert (np.abs(found - squares.mean(0)) < 4.5 * se).all()
    waic = conjugate.waic_loss(family, *data, beta=beta)
    assert waic == pytest.approx(conjugate.training_loss(family, *data, beta=beta) + beta * found, rel=1e-12)


@everywhere
@at_every_beta
def test_draws_have_the_mean_of_the_features(name, beta):
    # E_w[f(w)] is the gradient of log z at eta-hat; the draws know nothing of log z.
    family, data, _, _, _ = CASES[name]
    eta_hat = jnp.asarray(conjugate.posterior(family, *data, beta=beta))
    draws = conjugate.sample(jax.random.key(8), family, eta_hat, 200_000)
    features = np.asarray(jax.vmap(family.features)(draws))
    exact = np.asarray(jax.grad(family.log_normalizer)(eta_hat))
    se = features.std(0) / np.sqrt(len(features))
    assert (np.abs(features.mean(0) - exact) <= 4.5 * se + 1e-12).all()


@everywhere
def test_log_lik_is_the_models_density(name):
    family, data, _, w, log_density = CASES[name]
    draws = {key: np.asarray(value)[None] for key, value in w.items()}
    assert conjugate.log_lik(family, draws, *data)[0] == pytest.approx(log_density(w, *data), rel=1e-9)


def test_log_density_of_the_priors():
    cases = [
        (conjugate.bernoulli(2.5, 1.7), {"theta": np.array([0.2, 0.9])}, stats.beta(2.5, 1.7).logpdf([0.2, 0.9])),
        (conjugate.poisson(2.5, 0.8), {"lam": np.array([0.4, 6.0])}, stats.gamma(2.5, scale=1.25).logpdf([0.4, 6.0])),
        (conjugate.normal_mean(1.0, -0.5, 0.9), {"mu": np.array([0.0, 2.0])}, stats.norm(-0.5, 0.9).logpdf([0.0, 2.0])),
        (
            conjugate.normal(0.5, 2.0, 3.0, 2.0),
            {"mu": np.array([0.8]), "precision": np.array([0.4])},
            stats.gamma(3.0, scale=0.5).logpdf([0.4]) + stats.norm(0.5, (2.0 * 0.4) ** -0.5).logpdf([0.8]),
        ),
        (
            conjugate.multinomial([2.0, 1.5, 3.0]),
            {"p": np.array([[0.2, 0.5, 0.3]])},
            [stats.dirichlet([2.0, 1.5, 3.0]).logpdf([0.2, 0.5, 0.3])],
        ),
        (
            conjugate.linear_regression(1.3, 0.9, 2),
            {"w": np.array([[0.7, -0.4]])},
            [stats.multivariate_normal(np.zeros(2), 0.81 * np.eye(2)).logpdf([0.7, -0.4])],
        ),
    ]
    for family, w, expected in cases:
        assert conjugate.log_density(family, family.eta, w) == pytest.approx(expected, rel=1e-9)


# --- Improper priors and bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "data", "mean"),
    [
        (conjugate.normal_mean(1.0, 0.0, np.inf), (np.array([1.0, 4.0]),), 2.5),
        (conjugate.linear_regression(1.0, np.inf, 1), (np.array([[1.0], [2.0]]), np.array([1.0, 4.0])), 9 / 5),
    ],
)
def test_a_flat_prior_has_a_posterior_and_no_evidence(family, data, mean):
    found = conjugate.posterior(family, *data)
    assert found[0] / found[1] == pytest.approx(mean)  # the mean, least squares
    with pytest.raises(ValueError, match=r"the prior is improper.*proper one"):
        conjugate.log_evidence(family, *data)


def test_a_flat_prior_cannot_leave_out_the_only_observation():
    with pytest.raises(ValueError, match="improper"):
        conjugate.cv_loss(conjugate.normal_mean(1.0, 0.0, np.inf), np.array([1.0]))


def test_haldane_with_all_heads_has_no_posterior():
    with pytest.raises(ValueError, match=r"posterior is improper.*more data"):
        conjugate.posterior(conjugate.bernoulli(0.0, 0.0), np.array([1, 1, 1]))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: conjugate.bernoulli(-1.0, 1.0), "a must not be negative; got -1.0"),
        (lambda: conjugate.multinomial([1.0]), "K >= 2"),
        (lambda: conjugate.multinomial([1.0, -2.0]), "alpha must not be negative"),
        (lambda: conjugate.poisson(1.0, -1.0), "rate must not be negative"),
        (lambda: conjugate.normal_mean(0.0, 0.0, 1.0), "sd must be positive; got 0.0"),
        (lambda: conjugate.normal(0.0, 0.0, 1.0, 1.0), "count must be positive"),
        (lambda: conjugate.linear_regression(1.0, 1.0, 0), "dimension must be positive"),
    ],
)
def test_bad_parameters(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("beta", [0.0, -1.0, np.nan, np.inf])
def test_bad_beta(beta):
    with pytest.raises(ValueError, match=r"beta must be a positive number.*got"):
        conjugate.posterior(conjugate.bernoulli(1.0, 1.0), np.array([1]), beta=beta)


@pytest.mark.parametrize("data", [(), (np.array([]),), (np.zeros((3, 1)), np.zeros(2))])
def test_no_data_or_unequal_lengths(data):
    with pytest.raises(ValueError, match=r"common first axis.*got shapes"):
        conjugate.posterior(conjugate.linear_regression(1.0, 1.0, 1), *data)


# --- Arrays in, arrays out --------------------------------------------------------------------------------------------


@everywhere
def test_numpy_in_numpy_out_and_jax_in_jax_out(name):
    family, data, _, _, _ = CASES[name]
    found = conjugate.training_loss(family, *data)
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float64
    assert isinstance(conjugate.training_loss(family, *map(jnp.asarray, data)), jax.Array)


def test_float64_survives_without_x64():
    family, (x,), _, _, _ = CASES["normal"]
    exact = conjugate.log_evidence(family, x)
    with jax.enable_x64(False):
        assert conjugate.log_evidence(family, x) == exact


@everywhere
def test_jit_and_vmap_over_data_sets(name):
    family, data, _, _, _ = CASES[name]
    both = tuple(jnp.stack([jnp.asarray(a), jnp.asarray(a)[::-1]]) for a in data)
    found = jax.jit(jax.vmap(lambda *data: conjugate.cv_loss(family, *data)))(*both)
    alone = conjugate.cv_loss(family, *data)
    assert np.asarray(found[0]) == pytest.approx(alone, rel=1e-9)
    assert np.asarray(found[1]) == pytest.approx(alone[::-1], rel=1e-9)
