"""Closed forms against SciPy's distributions, brute-force refits and numerical integration, at three temperatures."""

import dataclasses

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
        (lambda: conjugate.normal(np.nan, 1.0, 1.0, 1.0), "mean must be finite; got nan"),
        (lambda: conjugate.normal(0.0, np.inf, 1.0, 1.0), "count must be finite; got inf"),
        (lambda: conjugate.normal_mean(1.0, np.inf, 1.0), "prior_mean must be finite; got inf"),
        (lambda: conjugate.normal_mean(1.0, 0.0, np.nan), "prior_sd must be finite; got nan"),
        (lambda: conjugate.bernoulli(np.inf, 1.0), "a must be finite; got inf"),
        (lambda: conjugate.linear_regression(1.0, 1.0, 2.5), "dimension must be a whole number, at least 1; got 2.5"),
        (lambda: conjugate.linear_regression(1.0, 1.0, 0), "dimension must be a whole number, at least 1; got 0"),
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


# Outside the support of each family, and what the message wants there; None: every number is inside.
OUTSIDE = {
    "bernoulli": ([2.0, 0.5, -1.0], "wanted 0 or 1"),
    "multinomial": ([3.0, -1.0, 1.7], "wanted a category from 0 to 2"),
    "poisson": ([1.5, -0.5, -1.0], "wanted a count 0, 1, 2"),
    "normal_mean": ([], ""),
    "normal": ([], ""),
    "linear_regression": ([], ""),
}
LOSSES = ("posterior", "log_evidence", "training_loss", "cv_loss", "functional_variance", "waic_loss")


def spoiled(data, value):
    """The data with `value` as the second observation of the last array."""
    return (*data[:-1], np.insert(data[-1].astype(float), 1, value)[: len(data[-1])])


@everywhere
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("function", LOSSES)
def test_data_that_are_not_finite_are_named(name, value, function):
    # Mutant: no look at the values: the message then speaks of an improper posterior, or there is none.
    family, data, *_ = CASES[name]
    for move in (np.asarray, jnp.asarray):
        bad = tuple(map(move, spoiled(data, value)))
        with pytest.raises(ValueError, match=rf"[xy]\[1\] = {value} is not finite \(1 of \d are\); wanted finite"):
            getattr(conjugate, function)(family, *bad)


def test_inputs_of_a_regression_that_are_not_finite_are_named():
    family, (x, y), *_ = CASES["linear_regression"]
    x = x.copy()
    x[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"x\[3, 1\] = nan is not finite"):
        conjugate.posterior(family, x, y)


@pytest.mark.parametrize(
    ("name", "value", "wanted"), [(name, v, wanted) for name, (vs, wanted) in OUTSIDE.items() for v in vs]
)
def test_data_outside_the_support_are_named_and_have_density_zero(name, value, wanted):
    # Mutants: log v finite there; a one-hot row of zeros; a category cut to a whole number.
    family, data, *_ = CASES[name]
    for function in LOSSES:
        with pytest.raises(ValueError, match=rf"x\[1\] = {value} is outside the model's support .*{wanted}"):
            getattr(conjugate, function)(family, *spoiled(data, value))
    assert float(family.log_base(jnp.asarray(value))) == -np.inf
    eta_hat = conjugate.posterior(family, *data)
    assert conjugate.log_predictive(family, eta_hat, np.array([value]))[0] == -np.inf


def test_every_family_says_what_is_outside():
    assert OUTSIDE.keys() == CASES.keys()


X5 = np.arange(5.0)


@pytest.mark.parametrize(
    ("family", "data", "message"),
    [
        (conjugate.linear_regression(1.0, 1.0, 2), (np.ones((5, 2)), X5[:, None]), r"\(5, 1\)\]. Pass y\[:, 0\]"),
        (conjugate.linear_regression(1.0, 1.0, 1), (X5, X5), r"x of shape \(n, 1\) and y .*Pass x\[:, None\]"),
        (conjugate.linear_regression(1.0, 1.0, 2), (np.ones((5, 3)), X5), r"x of shape \(n, 2\) .*got .*\(5, 3\)"),
        (conjugate.linear_regression(1.0, 1.0, 1), (X5[:, None],), r"got shapes \[\(5, 1\)\]. Pass x, y\."),
        (conjugate.normal_mean(1.0, 0.0, 1.0), (X5[:, None],), r"x of shape \(n,\).*Pass x\[:, 0\]"),
        (conjugate.bernoulli(1.0, 1.0), (np.ones((3, 2)),), r"x of shape \(n,\), .*got shapes \[\(3, 2\)\]"),
        (conjugate.poisson(1.0, 1.0), (X5, X5), r"x of shape \(n,\), .*got shapes"),
    ],
)
def test_data_of_another_shape_are_refused(family, data, message):
    # Mutant: no check of shapes: a column y broadcasts against the rows of x, and waic has shape (n, n).
    for function in LOSSES:
        with pytest.raises(ValueError, match=message):
            getattr(conjugate, function)(family, *data)
    with pytest.raises(ValueError, match=message):  # shapes are known under jit too
        jax.jit(lambda *data: conjugate.training_loss(family, *data))(*data)


# Each row: a family, and a hyperparameter whose integral diverges because of one condition alone.
IMPROPER = {
    "poisson: rate": (conjugate.poisson(1.0, 1.0), [1.0, 0.0]),
    "poisson: negative rate": (conjugate.poisson(1.0, 1.0), [1.0, -0.5]),
    "poisson: shape": (conjugate.poisson(1.0, 1.0), [-1.0, 1.0]),
    "normal: count": (conjugate.normal(0.0, 1.0, 1.0, 1.0), [0.0, -1.0, 2.0, 1.0]),
    "normal: shape": (conjugate.normal(0.0, 1.0, 1.0, 1.0), [0.0, 1.0, 2.0, -1.5]),
    "normal: rate": (conjugate.normal(0.0, 1.0, 1.0, 1.0), [2.0, 1.0, 3.0, 1.0]),
    "normal_mean": (conjugate.normal_mean(1.0, 0.0, 1.0), [1.0, 0.0]),
    "bernoulli": (conjugate.bernoulli(1.0, 1.0), [-1.0, 0.0]),
    "multinomial": (conjugate.multinomial([1.0, 1.0]), [0.0, -1.5]),
    "linear_regression: negative definite": (conjugate.linear_regression(1.0, 1.0, 2), [1.0, 1.0, -1, 0, 0, -1]),
    "linear_regression: indefinite": (conjugate.linear_regression(1.0, 1.0, 2), [1.0, 1.0, 1, 2, 2, 1]),
    "linear_regression: singular": (conjugate.linear_regression(1.0, 1.0, 2), [1.0, 1.0, 1, 1, 1, 1]),
}


@pytest.mark.parametrize("name", IMPROPER)
def test_nothing_is_computed_at_an_improper_hyperparameter(name):
    # Mutants: a condition of a normalizer removed; sample, log_predictive or log_density without its check.
    family, eta = IMPROPER[name]
    eta = np.array(eta)
    parameters = {"theta": [0.5], "p": [[0.5, 0.5]], "lam": [1.0], "mu": [0.0], "precision": [1.0], "w": [[0.0, 0.0]]}
    new = (np.ones((1, 2)), np.ones(1)) if name.startswith("linear") else (np.ones(1),)
    assert not np.isfinite(family.log_normalizer(jnp.asarray(eta)))
    for call in (
        lambda: conjugate.sample(jax.random.key(0), family, eta, 3),
        lambda: conjugate.log_predictive(family, eta, *new),
        lambda: conjugate.log_density(family, eta, {k: np.array(v) for k, v in parameters.items()}),
    ):
        with pytest.raises(ValueError, match=r"is improper: its normalizer z\(eta\) is not finite"):
            call()


@pytest.mark.parametrize("seed", range(8))
def test_collinear_inputs_under_a_flat_prior_have_no_posterior(seed):
    # Mutant: the sign of the determinant, which rounding makes positive for half of such inputs.
    x = np.random.default_rng(seed).normal(size=(6, 1)) * [1.0, 0.1]
    with pytest.raises(ValueError, match="the posterior is improper"):
        conjugate.training_loss(conjugate.linear_regression(1.0, np.inf, 2), x, np.arange(6.0))


def test_inputs_that_are_nearly_collinear_have_a_posterior():
    # Mutant: a tolerance of 1e-8. Here lambda_min / lambda_max is 1e-12; least squares is the oracle.
    rng = np.random.default_rng(3)
    x = np.column_stack([np.ones(20), 1 + 2e-6 * rng.normal(size=20)])
    y = x @ [1.0, 2.0] + rng.normal(size=20)
    eta = conjugate.posterior(conjugate.linear_regression(1.0, np.inf, 2), x, y)
    found = np.linalg.solve(eta[2:].reshape(2, 2), eta[:2])
    assert x @ found == pytest.approx(x @ np.linalg.lstsq(x, y, rcond=None)[0], rel=1e-3)


@pytest.mark.parametrize("function", ["training_loss", "functional_variance"])
def test_terms_that_are_not_finite_are_an_error(function):
    # Mutant: no check: NaN comes back. This normalizer is finite at the posterior, but neither below nor twice smooth.
    family = conjugate.normal_mean(1.0, 0.0, 1.0)
    broken = dataclasses.replace(family, log_normalizer=lambda eta: family.log_normalizer(eta) + 0 * jnp.sqrt(eta[0]))
    with pytest.raises(ValueError, match=rf"{function} is not finite for \d of 2 observations"):
        getattr(conjugate, function)(broken, np.array([1.0, -1.0]))


# --- Arrays in, arrays out --------------------------------------------------------------------------------------------


@everywhere
def test_numpy_in_numpy_out_and_jax_in_jax_out(name):
    family, data, _, _, _ = CASES[name]
    found = conjugate.training_loss(family, *data)
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float64
    assert isinstance(conjugate.training_loss(family, *map(jnp.asarray, data)), jax.Array)


@pytest.mark.parametrize("name", ["normal_mean", "normal", "linear_regression"])
@pytest.mark.parametrize("move", [np.asarray, jnp.asarray])
def test_losses_keep_float32(name, move):
    # Mutant: no cast: the float64 hyperparameter of the prior turns every loss into float64.
    family, data, *_ = CASES[name]
    narrow = tuple(move(np.asarray(a, np.float32)) for a in data)
    for function in LOSSES[1:]:
        found = getattr(conjugate, function)(family, *narrow)
        assert found.dtype == np.float32
        wide = getattr(conjugate, function)(family, *(np.asarray(a, np.float64) for a in narrow))
        assert np.asarray(found) == pytest.approx(wide, rel=1e-6)  # one rounding to float32, not many


def test_properness_and_draws_are_in_float64_without_x64():
    # Mutant: the check, or the draws, in ambient precision: (3e4)^2 leaves no digit of the variance in float32.
    family, x = conjugate.normal(3e4, 1.0, 2.0, 2.0), 3e4 + np.random.default_rng(0).normal(size=5)
    shifted = conjugate.log_evidence(conjugate.normal(0.0, 1.0, 2.0, 2.0), x - 3e4)
    with jax.enable_x64(False):
        assert conjugate.log_evidence(family, x) == pytest.approx(shifted, rel=1e-6)  # 1e9 times 1e-16, thirty times
        draws = conjugate.sample(jax.random.key(0), family, conjugate.posterior(family, x), 1000)
    assert draws["precision"].dtype == np.float64
    assert np.isfinite(draws["precision"]).all()
    assert abs(draws["mu"] - x.mean()).max() < 10


def test_numpy_data_beside_traced_arguments():
    # Mutant: np.asarray of a traced result.
    family, (x,), *_ = CASES["normal"]
    energy = jax.jit(jax.grad(lambda beta: conjugate.log_evidence(family, x, beta=beta)))(1.0)
    ends = [conjugate.log_evidence(family, x, beta=beta) for beta in (1 - 1e-5, 1 + 1e-5)]
    assert float(energy) == pytest.approx((ends[1] - ends[0]) / 2e-5, rel=1e-6)
    draws = jax.vmap(lambda key: conjugate.sample(key, family, family.eta, 3)["mu"])(
        jax.random.split(jax.random.key(0))
    )
    assert draws.shape == (2, 3)


def test_a_key_that_is_no_key_is_refused():
    coin = conjugate.bernoulli(1.0, 1.0)
    with pytest.raises(TypeError, match="one JAX key"):
        conjugate.sample(0, coin, coin.eta, 3)
    with pytest.raises(ValueError, match="draws must be a whole number"):
        conjugate.sample(jax.random.key(0), coin, coin.eta, 3.0)


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


@pytest.mark.parametrize("beta", [1.0, 0.4])
def test_one_input_is_two_inputs_of_which_one_is_never_used(beta):
    # One input needs no linear algebra and has a path of its own. Kills: the determinant or the square without its
    # half, h for h / Lambda.
    x, y = np.array([0.3, -1.2, 2.0, 0.7]), np.array([1.0, -0.4, 2.2, 0.1])
    one, two = (conjugate.linear_regression(1.3, 0.9, d) for d in (1, 2))
    short, long = (x[:, None], y), (np.stack([x, 0 * x], axis=1), y)
    for f in (conjugate.log_evidence, conjugate.training_loss, conjugate.cv_loss, conjugate.waic_loss):
        np.testing.assert_allclose(f(one, *short, beta=beta), f(two, *long, beta=beta), rtol=1e-12)


# Mutant that this kills: functions made anew by each constructor, where 100 priors took 19 s in place of 2.
def test_a_sweep_of_priors_compiles_nothing_anew():
    x, formulas = np.array([0.3, -1.2, 0.8]), conjugate.formulas
    log_z = [conjugate.log_evidence(conjugate.normal_mean(1.3, 0.2, tau), x) for tau in (0.5, 2.0)]
    compiled = formulas.evidence._cache_size()
    more = [conjugate.log_evidence(conjugate.normal_mean(1.3, 0.2, tau), x) for tau in (0.5, 2.0, 7.0)]
    assert formulas.evidence._cache_size() == compiled
    assert more[:2] == log_z
    assert len(set(map(float, more))) == 3
