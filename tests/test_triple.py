"""The triple against SciPy densities, closed-form entropies and sampling."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import integrate, stats

import slt
from slt import Triple, draw_data, draw_prior, empirical_entropy, entropy, log_density, log_prior

NORMAL = Triple(
    dist.Normal(0.5, 2.0),
    lambda mu, sigma: dist.Normal(mu, sigma),
    {"mu": dist.Normal(0, 10), "sigma": dist.HalfNormal(3.0)},
)
MIXTURE = Triple(
    dist.MixtureSameFamily(dist.Categorical(jnp.array([0.3, 0.7])), dist.Normal(jnp.array([0.0, 2.0]), 1.0)),
    lambda b: dist.Normal(b, 1),
    {"b": dist.Uniform(-3, 3)},
)
POISSON = Triple(dist.Poisson(2.5), lambda rate: dist.Poisson(rate), {"rate": dist.Gamma(2.0, 1.0)})
FIXED = Triple(
    lambda x: dist.Normal(2 * x, 1 + x),
    lambda x, a: dist.Normal(a * x, 1.0),
    {"a": dist.Normal(0, 1)},
    inputs=np.array([0.0, 1.0, 3.0]),
)
RANDOM = Triple(
    lambda x: dist.Normal(2 * x, jnp.exp(x)),
    lambda x, a: dist.Normal(a * x, 1.0),
    {"a": dist.Normal(0, 1)},
    inputs=dist.Normal(0.25, 1.0),
)
HALF = 0.5 * np.log(2 * np.pi * np.e)


def mixture_entropy():
    q = lambda x: 0.3 * stats.norm.pdf(x) + 0.7 * stats.norm.pdf(x, 2)  # noqa: E731
    return -integrate.quad(lambda x: q(x) * np.log(q(x)), -12, 14, epsabs=1e-12)[0]


ENTROPIES = [
    (NORMAL, HALF + np.log(2.0)),
    (MIXTURE, mixture_entropy()),
    (POISSON, float(stats.poisson(2.5).entropy())),
    (FIXED, HALF + np.log([1.0, 2.0, 4.0]).mean()),
    (RANDOM, HALF + 0.25),  # E[log sd] = E[x]
]
NAMES = ["normal", "mixture", "poisson", "fixed", "random"]
# Two inputs, two outputs with covariance of determinant 3: nothing depends on x, and no integral over x is wanted.
COVARIANCE = jnp.array([[2.0, 1.0], [1.0, 2.0]])
MU = {"mu": dist.Normal(0, 1)}
PLANE = dist.Normal(jnp.array([1.0, 2.0]), 1.0).to_event(1)
VECTORS = Triple(lambda x: dist.MultivariateNormal(jnp.sin(x), COVARIANCE), lambda x, mu: dist.Normal(mu, 1), MU, PLANE)
SPREADING = Triple(lambda x: dist.Normal(x, jnp.exp(x)).to_event(1), lambda x, mu: dist.Normal(mu, 1), MU, PLANE)


def test_entropy_of_vectors_with_noise_of_one_size():
    assert entropy(VECTORS) == pytest.approx(2 * HALF + np.log(3.0) / 2, rel=1e-12)
    joint = Triple(dist.MultivariateNormal(jnp.ones(2), COVARIANCE), lambda mu: dist.Normal(mu, 1), MU)
    assert entropy(joint) == pytest.approx(2 * HALF + np.log(3.0) / 2, rel=1e-12)


def test_entropy_of_vectors_whose_noise_depends_on_the_inputs_is_refused():
    # Kills: the entropy at one input taken for all of them.
    with pytest.raises(NotImplementedError, match=r"event shape \(2,\)"):
        entropy(SPREADING)


@pytest.mark.parametrize(("triple", "exact"), ENTROPIES, ids=NAMES)
def test_entropy_is_exact(triple, exact):
    np.testing.assert_allclose(entropy(triple), exact, rtol=1e-7)


@pytest.mark.parametrize(("triple", "exact"), ENTROPIES, ids=["normal", "mixture", "poisson", "fixed", "random"])
def test_empirical_entropy_averages_to_the_entropy(triple, exact, key):
    # 2,000 data sets; four standard errors. Kills: sign, log base 2, joint density in place of the conditional one.
    n = 3 if triple is FIXED else 20
    simulate = jax.vmap(lambda k: empirical_entropy(triple, *draw_data(k, triple, n)).mean())
    found = slt.mean_se(simulate(jax.random.split(key, 2000)))
    assert abs(found.mean - exact) < 4 * found.se
    assert found.se < 0.03


def test_log_density_is_scipys(rng):
    x = rng.normal(size=5)
    np.testing.assert_allclose(
        log_density(NORMAL, {"mu": 0.3, "sigma": 1.7}, x), stats.norm(0.3, 1.7).logpdf(x), rtol=1e-12
    )
    y = rng.normal(size=3)
    np.testing.assert_allclose(
        log_density(FIXED, {"a": 0.4}, FIXED.inputs, y), stats.norm(0.4 * FIXED.inputs, 1).logpdf(y), rtol=1e-12
    )


def test_log_prior_adds_the_parameters():
    want = stats.norm(0, 10).logpdf(1.0) + stats.halfnorm(0, 3).logpdf(2.0)
    np.testing.assert_allclose(log_prior(NORMAL, {"mu": 1.0, "sigma": 2.0}), want, rtol=1e-12)


def test_draws_follow_the_truth_and_the_prior(key):
    x, y = draw_data(key, RANDOM, 20_000)
    assert stats.kstest(np.asarray(x), stats.norm(0.25, 1).cdf).pvalue > 1e-3
    assert stats.kstest(np.asarray((y - 2 * x) / jnp.exp(x)), stats.norm.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(x, (y - 2 * x) / jnp.exp(x))[0, 1]) < 4 / np.sqrt(20_000)
    w = draw_prior(key, NORMAL, 20_000)
    assert stats.kstest(np.asarray(w["mu"]), stats.norm(0, 10).cdf).pvalue > 1e-3
    assert stats.kstest(np.asarray(w["sigma"]), stats.halfnorm(0, 3).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(w["mu"], w["sigma"])[0, 1]) < 4 / np.sqrt(20_000)


def test_fixed_inputs_are_returned_as_they_are(key):
    x, y = draw_data(key, FIXED)
    np.testing.assert_array_equal(x, FIXED.inputs)
    assert y.shape == (3,)
    assert FIXED.conditional
    assert not NORMAL.conditional


def test_vector_inputs_and_outputs(key):
    triple = Triple(
        lambda x: dist.Normal(jnp.stack([x.sum(), x[0]]), 1.0).to_event(1),
        lambda x, w: dist.Normal(w @ x, 1.0).to_event(1),
        {"w": dist.Normal(0, 1).expand([2, 3]).to_event(2)},
        inputs=dist.Normal(0, 1).expand([3]).to_event(1),
    )
    x, y = draw_data(key, triple, 4)
    assert (x.shape, y.shape) == ((4, 3), (4, 2))
    w = draw_prior(key, triple, 5)["w"]
    assert w.shape == (5, 2, 3)
    want = stats.norm(np.asarray(x @ w[0].T), 1).logpdf(np.asarray(y)).sum(1)
    np.testing.assert_allclose(log_density(triple, {"w": w[0]}, x, y), want, rtol=1e-12)


PRIOR, PRIOR_A = {"mu": dist.Normal(0, 1)}, {"a": dist.Normal(0, 1)}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Triple(dist.Normal(), dist.Normal, {}), "prior must map parameter names"),
        (lambda: Triple(dist.Normal(), dist.Normal, {"mu": 3.0}), r"prior\['mu'\] must be a .*; got float"),
        (lambda: Triple(lambda x: dist.Normal(x), dist.Normal, PRIOR), "pass inputs="),
        (lambda: Triple(dist.Normal(), dist.Normal, PRIOR, inputs=np.zeros(3)), "truth must be a function of x"),
    ],
)  # fmt: skip
def test_a_triple_that_does_not_fit_together_says_so(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_bad_data_and_names_are_named(key):
    with pytest.raises(ValueError, match="at least 1; got 0"):
        draw_data(key, NORMAL, 0)
    with pytest.raises(ValueError, match="at least 1; got None"):
        draw_data(key, NORMAL)
    with pytest.raises(ValueError, match="has 3 fixed inputs; got n=7"):
        draw_data(key, FIXED, 7)
    with pytest.raises(ValueError, match=r"parameters \['mu', 'sigma'\]; got \['mu'\]"):
        log_prior(NORMAL, {"mu": 0.0})
    with pytest.raises(ValueError, match="data are x, y; got 1"):
        log_density(FIXED, {"a": 0.0}, np.zeros(3))
    with pytest.raises(ValueError, match=r"at least one observation; got shapes \[\(0,\)\]"):
        empirical_entropy(NORMAL, np.zeros(0))
    with pytest.raises(ValueError, match=r"shape \(4,\); got \(4, 2\)"):
        empirical_entropy(NORMAL, np.zeros((4, 2)))
    halves = dist.Categorical(jnp.array([0.5, 0.5]))
    vectors = dist.MixtureSameFamily(halves, dist.Normal(jnp.zeros((2, 3)), 1).to_event(1))
    with pytest.raises(NotImplementedError, match="event shape"):
        entropy(Triple(vectors, lambda mu: dist.Normal(mu, 1), PRIOR))


def test_a_model_whose_arguments_are_not_the_priors_names_is_refused():
    # Mutant: no check; the first density then dies inside the model, far from the triple.
    normal = lambda mu: dist.Normal(mu, 1)  # noqa: E731
    with pytest.raises(TypeError, match=r"prior's parameters \['nu'\] by name; its arguments are \['mu'\].*Rename"):
        Triple(dist.Normal(), normal, {"nu": dist.Normal()})
    with pytest.raises(TypeError, match=r"take x and then the prior's parameters \['mu'\]"):
        Triple(lambda x: dist.Normal(x), normal, PRIOR, inputs=np.zeros(3))
    assert not Triple(dist.Normal(), dist.Normal, {"loc": dist.Normal()}).conditional  # a class has a signature too


@pytest.mark.parametrize("key", [0, 1.5, None, np.zeros(3), jax.random.split(jax.random.key(0), 2)])
def test_a_key_that_is_no_key_is_refused(key):
    # Mutant: no check; JAX then speaks of impl and of dtypes, or draws with a batch of keys.
    for draw in (draw_data, draw_prior):
        with pytest.raises(TypeError, match=r"one JAX key, such as jax.random.key\(0\); got "):
            draw(key, NORMAL, 5)
    assert draw_data(jax.random.PRNGKey(0), NORMAL, 5)[0].shape == (5,)  # the old kind is one


@pytest.mark.parametrize("number", [2.0, 0, True, "3"])
def test_a_number_of_draws_is_whole(number, key):
    with pytest.raises(ValueError, match=r"n must be a whole number, at least 1; got"):
        draw_data(key, NORMAL, number)
    with pytest.raises(ValueError, match=r"draws must be a whole number, at least 1; got"):
        draw_prior(key, NORMAL, number)
    assert draw_prior(key, NORMAL, np.int32(2))["mu"].shape == (2,)


def test_parameters_of_the_prior_are_drawn_independently(key):
    # Mutant: one key for all parameters. Two normals then have correlation 1; a normal and |z| have 0 either way.
    triple = Triple(dist.Normal(), lambda a, b: dist.Normal(a + b, 1), {"a": dist.Normal(0, 1), "b": dist.Normal(3, 2)})
    w = draw_prior(key, triple, 20_000)
    assert abs(np.corrcoef(w["a"], w["b"])[0, 1]) < 4 / np.sqrt(20_000)  # standard error 1 / sqrt(draws)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numpy_in_numpy_out_and_jax_in_jax_out(dtype):
    # Mutants: jnp.asarray of the result; no cast, so that float32 comes back as float64 where parameters are float64.
    x, w = np.array([0.3, 1.0], dtype), {"mu": dtype(0.2), "sigma": np.asarray(2.0, dtype)}
    for move, kind in ((np.asarray, np.ndarray), (jnp.asarray, jax.Array)):
        at, data = {name: move(value) for name, value in w.items()}, move(x)
        mixed = log_density(MIXTURE, {"b": at["mu"]}, data), empirical_entropy(MIXTURE, data)  # float64 in the truth
        for found in (log_density(NORMAL, at, data), log_prior(NORMAL, at), empirical_entropy(NORMAL, data), *mixed):
            assert isinstance(found, kind)
            assert found.dtype == dtype
    conditional = Triple(lambda x: dist.Normal(x, 1.0), lambda x, a: dist.Normal(a * x, 1.0), PRIOR_A, inputs=x)
    assert isinstance(log_density(conditional, {"a": 0.5}, x, x), np.ndarray)


def test_float64_data_keep_their_digits_without_x64():
    # Mutant: the density in ambient precision: float32 has no digit of 1 at 1e9.
    x = np.array([1e9, 1e9 + 1.0])
    far = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 1)})
    with jax.enable_x64(False):
        found = log_density(far, {"mu": np.float64(1e9)}, x)
    np.testing.assert_allclose(found, stats.norm.logpdf([0.0, 1.0]), rtol=1e-12)


def test_densities_run_under_jit_and_vmap():
    # Mutant: np.asarray of a traced result, where the data are NumPy's and only the parameter or the truth is traced.
    x = np.array([0.3, 1.0])
    normal = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 1)})
    found = jax.jit(jax.vmap(lambda mu: log_density(normal, {"mu": mu}, x)))(jnp.array([0.0, 1.0]))
    np.testing.assert_allclose(found, stats.norm.logpdf(x - np.array([[0.0], [1.0]])), rtol=1e-12)
    shifted = lambda m: empirical_entropy(Triple(dist.Normal(m, 1), normal.model, normal.prior), x)  # noqa: E731
    np.testing.assert_allclose(jax.jit(shifted)(0.5), -stats.norm.logpdf(x - 0.5), rtol=1e-12)
    np.testing.assert_allclose(jax.jit(lambda: log_prior(normal, {"mu": 0.5}))(), stats.norm.logpdf(0.5), rtol=1e-12)


def test_densities_end_with_their_support():
    # NumPyro's Uniform(0, 2) gives log(1/2) at 3 and Exponential gives 1 - (-1) r at -1: neither is a density there.
    triple = Triple(dist.Exponential(2.0), lambda rate: dist.Exponential(rate), {"rate": dist.Uniform(0.0, 2.0)})
    assert float(log_prior(triple, {"rate": 3.0})) == -np.inf
    assert np.asarray(log_density(triple, {"rate": 1.0}, jnp.array([-1.0, 2.0]))).tolist() == [-np.inf, -2.0]
    assert np.asarray(empirical_entropy(triple, jnp.array([-1.0, 0.5]))).tolist() == pytest.approx(
        [np.inf, 1 - np.log(2.0)]
    )
