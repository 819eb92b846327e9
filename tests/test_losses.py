"""Losses against NumPy restatements, conjugate closed forms and the identities of the theory."""

import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

import slt
from slt import cv_loss, functional_variance, generalization_loss, losses, pareto_k, training_loss, waic_loss

LOSSES = {
    "training": training_loss,
    "generalization": generalization_loss,
    "variance": functional_variance,
    "waic": waic_loss,
    "cv plain": lambda a, **k: cv_loss(a, method="plain", **k),
}
matrices = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12),
    elements=st.floats(-30, 5, allow_nan=False, width=64),
)


def naive(log_lik, beta=1.0, weights=None):
    """T, C, W, V of the definition, straight from densities: no logsumexp, no shared code."""
    w = np.full(len(log_lik), 1 / len(log_lik)) if weights is None else weights / weights.sum()
    p = np.exp(log_lik.astype(np.longdouble))
    mean = lambda a: (w[:, None] * a).sum(0)  # noqa: E731
    training = -np.log(mean(p))
    cv = -np.log(mean(p ** (1 - beta)) / mean(p ** (-beta)))
    variance = mean(np.log(p) ** 2) - mean(np.log(p)) ** 2
    return {"training": training, "generalization": training, "cv plain": cv, "variance": variance,
            "waic": training + beta * variance}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("beta", [0.4, 1.0, 1.7])
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_equal_the_naive_formula(name, beta, weighted, rng):
    log_lik = rng.normal(-2, 1.3, size=(50, 7))
    log_weights = np.log(rng.gamma(0.7, size=50)) + 3 if weighted else None
    options = {} if log_weights is None else {"log_weights": log_weights}
    if name in ("waic", "cv plain"):
        options["beta"] = beta
    want = naive(log_lik, beta, None if log_weights is None else np.exp(log_weights))[name]
    np.testing.assert_allclose(LOSSES[name](log_lik, **options), want.astype(float), rtol=1e-11)


def normal_mean_posterior(x, tau2):
    """Mean and variance of the posterior of w for x_i ~ N(w, 1), w ~ N(0, tau2)."""
    s2 = 1 / (len(x) + 1 / tau2)
    return s2 * x.sum(), s2


# facts: N(w, 1), prior N(0, 100); values of the closed forms
X = np.array([-1.2, 0.3, 0.5, 1.1, -0.4, 2.0, 0.1, -0.7])
EXACT = {"training": 1.3827474532, "cv plain": 1.5061472673, "waic": 1.5042850054, "variance": 0.9723004174 / 8}


def hermite_draws(mean, variance):
    """Nodes of Gauss-Hermite quadrature as weighted draws from N(mean, variance): exact to rounding here."""
    z, weights = np.polynomial.hermite_e.hermegauss(80)
    return mean + variance**0.5 * z, np.log(weights)


@pytest.mark.parametrize("name", EXACT)
def test_losses_reach_the_conjugate_closed_form(name):
    # Kills: 1/p replaced by p in C, beta/n forgotten in W, posterior mean of log p in place of log of mean p in T.
    w, log_weights = hermite_draws(*normal_mean_posterior(X, 100.0))
    log_lik = stats.norm(w[:, None], 1).logpdf(X)
    np.testing.assert_allclose(LOSSES[name](log_lik, log_weights=log_weights).mean(), EXACT[name], rtol=1e-9)


def test_cv_at_another_temperature_is_leave_one_out_of_that_posterior():
    # Posterior at beta = 0.6; leaving out x_i also leaves out its power beta. Closed form: normal with known variance.
    # Kills: the formula of beta = 1 used at every beta.
    beta, tau2 = 0.6, 4.0
    precision = 1 / tau2 + beta * len(X)
    deleted = precision - beta
    want = -stats.norm(beta * (X.sum() - X) / deleted, np.sqrt(1 + 1 / deleted)).logpdf(X)
    w, log_weights = hermite_draws(beta * X.sum() / precision, 1 / precision)
    log_lik = stats.norm(w[:, None], 1).logpdf(X)
    got = cv_loss(log_lik, beta=beta, method="plain", log_weights=log_weights)
    np.testing.assert_allclose(got, want, rtol=1e-10)
    # Smoothed, from 20 000 equally spaced quantiles: their tail error and the smoothing's own bias stay below 0.2 %.
    w = stats.norm(beta * X.sum() / precision, precision**-0.5).ppf((np.arange(20_000) + 0.5) / 20_000)
    np.testing.assert_allclose(cv_loss(stats.norm(w[:, None], 1).logpdf(X), beta=beta), want, rtol=2e-3)


@given(matrices)
@settings(max_examples=60, deadline=None)
def test_cv_is_at_least_training_and_variance_is_nonnegative(log_lik):
    assert np.all(cv_loss(log_lik, method="plain") >= training_loss(log_lik) - 1e-9)
    assert np.all(functional_variance(log_lik) >= 0)


@given(matrices, st.floats(-50, 50))
@settings(max_examples=40, deadline=None)
def test_shift_law(log_lik, shift):
    # Multiplying every density by e^shift subtracts shift from each loss and leaves the variance alone.
    for name, loss in LOSSES.items():
        moved = np.zeros(1) if name == "variance" else shift
        np.testing.assert_allclose(loss(log_lik + shift), loss(log_lik) - moved, atol=1e-8)


@given(matrices, st.randoms())
@settings(max_examples=40, deadline=None)
def test_permutation_law(log_lik, random):
    rows, columns = (random.sample(range(k), k) for k in log_lik.shape)
    for loss in LOSSES.values():
        np.testing.assert_allclose(loss(log_lik[rows][:, columns]), loss(log_lik)[columns], rtol=1e-9, atol=1e-12)


def test_equal_draws_make_all_losses_equal():
    row = np.log([0.5, 0.2, 0.9])
    log_lik = np.tile(row, (5, 1))
    for name in ("training", "generalization", "waic", "cv plain"):
        np.testing.assert_allclose(LOSSES[name](log_lik), -row, rtol=1e-14)
    np.testing.assert_allclose(functional_variance(log_lik), 0, atol=1e-30)


def test_weights_are_the_same_as_repeated_draws(rng):
    log_lik, times = rng.normal(size=(4, 3)), np.array([3, 1, 2, 5])
    repeated = np.repeat(log_lik, times, axis=0)
    for loss in LOSSES.values():
        np.testing.assert_allclose(loss(log_lik, log_weights=np.log(times)), loss(repeated), rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_numpy_in_numpy_out_and_jax_in_jax_out_with_the_dtype_kept(name, rng):
    log_lik = rng.normal(-3, 1, size=(40, 5))
    for dtype in (np.float32, np.float64):
        out = LOSSES[name](log_lik.astype(dtype))
        assert type(out) is np.ndarray
        assert out.dtype == dtype
        out = LOSSES[name](jnp.asarray(log_lik, dtype=dtype))
        assert isinstance(out, jax.Array)
        assert out.dtype == dtype


def test_float64_numpy_is_computed_in_float64_where_x64_is_off(rng):
    log_lik = rng.normal(-3, 1, size=(40, 5))
    with jax.enable_x64(False):
        got = waic_loss(log_lik)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, naive(log_lik)["waic"].astype(float), rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_work_under_jit_and_vmap(name, rng):
    stack = jnp.asarray(rng.normal(size=(3, 20, 4)))
    batched = jax.jit(jax.vmap(LOSSES[name]))(stack)
    np.testing.assert_allclose(batched, np.stack([LOSSES[name](np.asarray(a)) for a in stack]), rtol=1e-12)


def test_float32_keeps_five_digits_at_a_million_observations(rng):
    base = rng.normal(-4, 1, size=(8, 1000))
    log_lik = np.tile(base, (1, 1000)).astype(np.float32)
    for loss, scale in ((training_loss, 1), (functional_variance, 1), (waic_loss, 1)):
        np.testing.assert_allclose(loss(log_lik).mean(dtype=np.float64), scale * loss(base).mean(), rtol=1e-5)


def test_extreme_log_likelihoods_do_not_overflow():
    log_lik = np.array([[-1e5, 1e3], [-1e5 + 1, 1e3 - 1]])
    half = np.log((1 + np.e) / 2)
    np.testing.assert_allclose(training_loss(log_lik), [1e5 - half, -1e3 + 1 - half], rtol=1e-15)
    np.testing.assert_allclose(cv_loss(log_lik, method="plain"), [1e5 - 1 + half, -1e3 + half], rtol=1e-15)


@pytest.mark.filterwarnings("ignore:Pareto k:slt.SltWarning")
def test_smoothed_cv_follows_the_exact_one_where_the_plain_one_is_noisy():
    # One outlier in ten observations: the importance weights are heavy there. Exact leave-one-out is known.
    x = np.append(X, 6.0)
    mean, variance = normal_mean_posterior(x, 100.0)
    deleted = 1 / (1 / variance - 1)
    exact = -stats.norm(deleted * (x.sum() - x), np.sqrt(1 + deleted)).logpdf(x)
    errors = {"plain": [], "psis": []}
    for seed in range(40):
        w = np.random.default_rng(seed).normal(mean, variance**0.5, size=2000)
        log_lik = stats.norm(w[:, None], 1).logpdf(x)
        for method, found in errors.items():
            found.append(cv_loss(log_lik, method=method)[-1] - exact[-1])
    root_mean_square = {method: float(np.sqrt(np.mean(np.square(e)))) for method, e in errors.items()}
    # Seen: plain 0.165, psis 0.131. The bound is the plain error, so a smoothing that does nothing fails.
    assert root_mean_square["psis"] < 0.9 * root_mean_square["plain"]


@pytest.mark.parametrize("k", [0.3, 0.6, 0.9])
def test_pareto_k_of_an_exact_pareto_tail(k):
    # p = U^k makes 1/p Pareto with shape k. The fit uses M = 3 sqrt(S) = 424 tail draws; asymptotically its standard
    # deviation is (1 + k)/sqrt(M), and its weakly informative prior pulls it towards 0.5 by 10/(M + 10).
    draws = 20_000
    estimates = [pareto_k(k * np.log(np.random.default_rng(s).random((draws, 1))))[0] for s in range(30)]
    tail = 3 * draws**0.5
    want = (tail * k + 10 * 0.5) / (tail + 10)
    assert abs(np.mean(estimates) - want) < 4 * (1 + k) / np.sqrt(tail * 30)


def test_a_heavy_tail_warns_with_the_observation_and_the_number(rng):
    log_lik = np.column_stack([rng.normal(0, 0.1, 2000), 1.5 * np.log(rng.random(2000)), rng.normal(0, 0.1, 2000)])
    message = r"exceeds 0\.70 for 1 of 3 observations \(indices 1; largest k = 1\.\d\d\)"
    with pytest.warns(slt.SltWarning, match=message):
        cv_loss(log_lik)


BAD = [
    (np.zeros((4, 1000, 82)), r"got \(4, 1000, 82\)\. Merge chains first: log_lik(_new)?\.reshape"),
    (np.zeros(5), r"got shape \(5,\)"),
    (np.zeros((10, 0)), "no observations"),
    (np.zeros((1, 10)), r"1 draw\(s\).*pass log_lik(_new)?\.T"),
    (np.array([[0.0, np.nan], [0.0, np.nan]]), r"2 of 4 entries \(first at \(0, 1\)\) are NaN or infinite"),
    (np.array([[0.0, 1.0], [-np.inf, 1.0]]), r"1 of 4 entries \(first at \(1, 0\)\)"),
    (np.zeros((3, 2), dtype=int), "got dtype int64"),
]


def unannounced(loss):
    """The function without the run-time check of its annotations, whose error would come before the library's own."""
    return getattr(loss, "__wrapped__", loss)


REFUSING = LOSSES | {
    "cv plain": partial(unannounced(cv_loss), method="plain"),
    "cv psis": cv_loss,
    "pareto_k": pareto_k,
}


@pytest.mark.parametrize("loss", REFUSING.values(), ids=REFUSING)
@pytest.mark.parametrize(("log_lik", "message"), BAD, ids=[m[:12] for _, m in BAD])
def test_bad_matrices_name_what_was_got_and_the_fix(loss, log_lik, message):
    with pytest.raises(ValueError, match=message):
        unannounced(loss)(log_lik)


@pytest.mark.parametrize("beta", [0.0, -1.0, np.nan, np.inf])
def test_beta_must_be_positive(beta):
    for loss in (waic_loss, cv_loss, pareto_k):
        with pytest.raises(ValueError, match="beta must be a positive number"):
            loss(np.zeros((3, 2)), beta=beta)


def test_bad_options_are_named():
    log_lik = np.zeros((3, 2))
    with pytest.raises(ValueError, match=r"log_weights must have shape \(3,\)"):
        unannounced(training_loss)(log_lik, log_weights=np.zeros(2))
    with pytest.raises(ValueError, match="3 -inf among 3"):
        training_loss(log_lik, log_weights=np.full(3, -np.inf))
    with pytest.raises(ValueError, match='use method="plain"'):
        cv_loss(log_lik, log_weights=np.zeros(3))
    with pytest.raises(ValueError, match='"psis", "plain" or "truncated"'):
        unannounced(cv_loss)(log_lik, method="exact")
    for function in (cv_loss, pareto_k):
        with pytest.raises(ValueError, match="outside jit"):
            jax.jit(function)(jnp.asarray(log_lik))
        with pytest.raises(ValueError, match=r"at least 25 draws .* got 3"):
            function(log_lik)
        with pytest.raises(ValueError, match="outside jit"):
            jax.vmap(lambda beta, f=function: f(log_lik, beta=beta))(jnp.array([0.5, 1.0]))


@pytest.mark.parametrize("name", ["waic", "cv plain"])
@pytest.mark.parametrize("beta", [np.array(0.5), np.float64(0.5), jnp.asarray(0.5)], ids=["0-d", "scalar", "JAX"])
def test_beta_may_be_an_array_and_never_changes_the_dtype(name, beta, rng):
    # Kills: beta as a static argument of jit; a float64 beta that lifts float32 to float64.
    log_lik = rng.normal(-2, 1.3, size=(50, 7))
    np.testing.assert_allclose(LOSSES[name](log_lik, beta=beta), naive(log_lik, 0.5)[name].astype(float), rtol=1e-11)
    for make in (lambda a: a.astype(np.float32), lambda a: jnp.asarray(a, dtype=np.float32)):
        out = LOSSES[name](make(log_lik), beta=beta)
        assert out.dtype == np.float32
        assert isinstance(out, type(make(log_lik)))


@pytest.mark.parametrize("name", ["waic", "cv plain"])
def test_beta_can_be_differentiated_mapped_and_changed_without_compiling_again(name, rng):
    log_lik = rng.normal(-2, 1.3, size=(50, 7))
    loss = lambda beta: LOSSES[name](log_lik, beta=beta).mean()  # noqa: E731
    step = 1e-5
    np.testing.assert_allclose(jax.grad(loss)(0.5), (loss(0.5 + step) - loss(0.5 - step)) / (2 * step), rtol=1e-7)
    np.testing.assert_allclose(jax.vmap(loss)(jnp.array([0.5, 2.0])), [loss(0.5), loss(2.0)], rtol=1e-12)
    before = losses._importance_cv._cache_size()
    for beta in (0.61, 0.62, 0.63):
        cv_loss(log_lik, beta=beta, method="plain")
    assert losses._importance_cv._cache_size() - before <= 1


@pytest.mark.parametrize("name", LOSSES)
def test_float64_numpy_stays_so_with_jax_weights_where_x64_is_off(name, rng):
    # Kills: precision decided by any JAX array among the arguments; a softmax in the precision of the weights.
    log_lik, weights = rng.normal(-3, 1, size=(40, 5)), rng.gamma(1.0, size=40).astype(np.float32)
    with jax.enable_x64(False):
        log_weights = jnp.log(jnp.asarray(weights))
        got = LOSSES[name](log_lik, log_weights=log_weights)
        assert isinstance(LOSSES[name](jnp.asarray(log_lik), log_weights=np.log(weights)), jax.Array)
    assert isinstance(got, np.ndarray)
    assert got.dtype == np.float64
    want = naive(log_lik, 1.0, np.exp(np.asarray(log_weights, dtype=float)))[name]
    np.testing.assert_allclose(got, want.astype(float), rtol=1e-11)


@pytest.mark.parametrize("name", LOSSES)
def test_integer_log_weights_count_as_floats(name, rng):
    log_lik, log_weights = rng.normal(size=(4, 3)), np.array([0, 1, 2, -1])
    want = naive(log_lik, 1.0, np.exp(log_weights))[name].astype(float)
    np.testing.assert_allclose(LOSSES[name](log_lik, log_weights=log_weights), want, rtol=1e-11)
    np.testing.assert_allclose(
        LOSSES[name](jnp.asarray(log_lik), log_weights=jnp.asarray(log_weights)), want, rtol=1e-11
    )


def test_smoothed_cv_keeps_type_and_dtype(rng):
    # Kills: the smoothed loss returned as ArviZ gives it, float64 and NumPy.
    log_lik = rng.normal(-3, 0.1, size=(200, 5))
    for dtype in (np.float32, np.float64):
        assert type(cv_loss(log_lik.astype(dtype))) is np.ndarray
        assert isinstance(cv_loss(jnp.asarray(log_lik, dtype=dtype)), jax.Array)
        assert cv_loss(log_lik.astype(dtype)).dtype == cv_loss(jnp.asarray(log_lik, dtype=dtype)).dtype == dtype


def pareto_quantiles(k, draws):
    """log p whose 1/p is Pareto distributed with shape k, at equally spaced quantiles."""
    return k * np.log((np.arange(draws) + 0.5) / draws)[:, None]


@pytest.mark.parametrize("beta", [0.5, np.array(0.5), jnp.asarray(0.5)])
def test_pareto_k_is_of_the_tempered_weights(beta):
    # p^-beta of a Pareto tail with shape 0.8 has shape 0.8 beta = 0.4; 3 sqrt(10000) = 300 exact quantiles, the prior
    # of the fit pulls by 10/310 of the distance to 0.5. Kills: beta ignored (k = 0.8).
    assert abs(pareto_k(pareto_quantiles(0.8, 10_000), beta=beta)[0] - 0.4) < 0.05


@pytest.mark.parametrize(("draws", "limit"), [(100, 0.5), (10_000, 0.7)])
def test_the_threshold_of_k_follows_the_number_of_draws(draws, limit):
    # min(1 - 1/log10(S), 0.7) is 0.5 at S = 100 and 0.7 at S = 10000. Kills: 0.7 at every S.
    log_lik = pareto_quantiles(0.6, draws)
    assert 0.5 < pareto_k(log_lik)[0] < 0.7
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        cv_loss(log_lik)
    assert [str(w.message)[:30] for w in seen] == (["Pareto k exceeds 0.50 for 1 of"] if limit == 0.5 else [])


@pytest.mark.parametrize("spoil", [lambda a: a[0], lambda a: a > 0], ids=["shape", "dtype"])
def test_the_announced_shapes_are_checked_while_the_tests_run(spoil, monkeypatch):
    # Kills: an import hook that is not there, or that comes too late.
    with pytest.raises(TypeError, match="log_lik"):
        training_loss(spoil(np.zeros((3, 2))))
    monkeypatch.setattr(losses, "by_columns", lambda *_: np.zeros((3, 3)))
    with pytest.raises(TypeError, match="return value"):
        training_loss(np.zeros((3, 2)))
