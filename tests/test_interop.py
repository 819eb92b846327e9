"""log_lik from models, triples, trees and arrays, against SciPy's densities; every refusal."""

import os

import arviz
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas
import pytest
import xarray
from numpyro import handlers
from numpyro.contrib.control_flow import scan
from numpyro.infer.reparam import LocScaleReparam
from scipy import stats

from slt import Triple, _work, interop, log_lik
from slt._arrays import as_arrays

X = np.array([0.3, -1.2, 2.0, 0.7])


def normal(x):
    mu = numpyro.sample("mu", dist.Normal(0, 3))
    log_sd = numpyro.sample("log_sd", dist.Normal(0, 1))
    sd = numpyro.deterministic("sd", jnp.exp(log_sd))
    with numpyro.plate("n", len(x)):
        numpyro.sample("x", dist.Normal(mu, sd), obs=x)


@pytest.fixture
def draws(rng):
    """Three chains of fifty draws."""
    return {"mu": rng.normal(size=(3, 50)), "log_sd": 0.3 * rng.normal(size=(3, 50))}


def scipy_normal(draws):
    mu, sd = (np.ravel(a)[:, None] for a in (draws["mu"], np.exp(draws["log_sd"])))
    return stats.norm(mu, sd).logpdf(X)


def test_a_model_gives_scipys_density_chain_after_chain(draws):
    # Kills: draws taken before chains, columns and rows exchanged, the prior's density added.
    got = log_lik(normal, draws, X)
    np.testing.assert_allclose(got, scipy_normal(draws), rtol=1e-12)
    merged = {name: a.reshape(-1) for name, a in draws.items()}
    np.testing.assert_array_equal(log_lik(normal, merged, X), got)


def test_numpy_in_numpy_out_and_precision(draws):
    assert isinstance(log_lik(normal, draws, X), np.ndarray)
    assert isinstance(log_lik(normal, jax.tree.map(jnp.asarray, draws), X), jax.Array)
    with jax.enable_x64(False):
        np.testing.assert_allclose(log_lik(normal, draws, X), scipy_normal(draws), rtol=1e-12)
        assert log_lik(normal, jax.tree.map(jnp.float32, draws), X).dtype == jnp.float32


def test_derived_quantities_may_stand_among_the_draws_and_are_not_believed(draws):
    wrong = draws | {"sd": np.full((3, 50), 99.0)}
    np.testing.assert_allclose(log_lik(normal, wrong, X), scipy_normal(draws), rtol=1e-12)


def test_a_triple_gives_the_same_matrix(draws):
    triple = Triple(
        dist.Normal(0, 1),
        lambda mu, log_sd: dist.Normal(mu, jnp.exp(log_sd)),
        {"mu": dist.Normal(0, 3), "log_sd": dist.Normal(0, 1)},
    )
    np.testing.assert_allclose(log_lik(triple, draws, X), scipy_normal(draws), rtol=1e-12)


def test_a_conditional_triple(rng):
    slope, x, y = rng.normal(size=(40, 2)), rng.normal(size=(5, 2)), rng.normal(size=5)
    triple = Triple(
        lambda x: dist.Normal(x[0], 1),
        lambda x, a: dist.Normal(x @ a, 0.5),
        {"a": dist.Normal(jnp.zeros(2), 1)},
        inputs=x,
    )
    np.testing.assert_allclose(log_lik(triple, {"a": slope}, x, y), stats.norm(slope @ x.T, 0.5).logpdf(y), rtol=1e-11)


def test_vector_observations_count_once(rng):
    mean, x = rng.normal(size=(30, 2)), rng.normal(size=(6, 2))

    def model(x):
        m = numpyro.sample("m", dist.Normal(0, 1).expand([2]).to_event(1))
        numpyro.sample("x", dist.MultivariateNormal(m, jnp.array([[2.0, 0.5], [0.5, 1.0]])), obs=x)

    want = np.array([stats.multivariate_normal(m, [[2.0, 0.5], [0.5, 1.0]]).logpdf(x) for m in mean])
    np.testing.assert_allclose(log_lik(model, {"m": mean}, x), want, rtol=1e-11)


def test_a_table_of_observations_is_read_row_by_row(rng):
    mu, x = rng.normal(size=20), rng.normal(size=(2, 3))

    def model(x):
        numpyro.sample("x", dist.Normal(numpyro.sample("mu", dist.Normal(0, 1)), 1), obs=x)

    np.testing.assert_allclose(log_lik(model, {"mu": mu}, x), stats.norm(mu[:, None], 1).logpdf(x.ravel()), rtol=1e-12)


def test_masked_entries_are_no_observations(rng):
    mu, mask = rng.normal(size=20), np.array([True, False, True, True])
    x = np.where(mask, X, np.nan)

    def model(x):
        m = numpyro.sample("mu", dist.Normal(0, 1))
        with handlers.mask(mask=mask):
            numpyro.sample("x", dist.Normal(m, 1), obs=x)

    np.testing.assert_allclose(log_lik(model, {"mu": mu}, x), stats.norm(mu[:, None], 1).logpdf(X[mask]), rtol=1e-12)


def test_improper_priors_and_reparametrized_sites(rng):
    mu, base = rng.normal(size=20), rng.normal(size=(20, 4))

    @handlers.reparam(config={"theta": LocScaleReparam(0)})
    def model(x):
        m = numpyro.sample("mu", dist.ImproperUniform(dist.constraints.real, (), ()))
        theta = numpyro.sample("theta", dist.Normal(m, 2).expand([4]))
        numpyro.sample("x", dist.Normal(theta, 1), obs=x)

    got = log_lik(model, {"mu": mu, "theta_decentered": base}, X)
    np.testing.assert_allclose(got, stats.norm(mu[:, None] + 2 * base, 1).logpdf(X), rtol=1e-12)


def test_memory_stays_bounded_by_tiles(draws, monkeypatch):
    draws = {name: a.ravel()[:149] for name, a in draws.items()}
    want = log_lik(normal, draws, X)
    monkeypatch.setattr(interop, "_TILE", 7 * 4)  # seven draws at a time; 149 is a prime
    text = str(jax.make_jaxpr(lambda d: interop.log_lik(normal, d, X))(jax.tree.map(jnp.asarray, draws)))
    assert "f64[7,4]" in text
    assert "f64[149,4]" in text
    np.testing.assert_allclose(log_lik(normal, draws, X), want, rtol=1e-14)


@pytest.mark.parametrize(("dtype", "bytes_each"), [(np.float64, 8), (np.float32, 4)])
def test_a_matrix_larger_than_the_memory_is_refused_with_both_numbers(dtype, bytes_each, draws, monkeypatch):
    # One byte too few, and just enough. Kills: bytes of the other precision, draws or observations left out, >= for >.
    draws = {name: jnp.asarray(a, dtype) for name, a in draws.items()}
    wanted = 150 * 4 * bytes_each
    monkeypatch.setattr(_work, "free_memory", lambda: wanted - 1)
    with pytest.raises(MemoryError, match=rf"150 draws .* 4 .* takes {wanted / 1e9:.3g} GB.*stream_crit"):
        log_lik(normal, draws, X)
    monkeypatch.setattr(_work, "free_memory", lambda: wanted)
    assert log_lik(normal, draws, X).shape == (150, 4)


def test_the_free_memory_is_some_of_what_there_is():
    # Kills: pages or kilobytes for bytes.
    there = _work.free_memory()
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert there is None or total / 1024 < there <= total


def test_it_runs_under_jit(draws):
    got = jax.jit(lambda d, x: log_lik(normal, d, x))(jax.tree.map(jnp.asarray, draws), jnp.asarray(X))
    np.testing.assert_allclose(got, scipy_normal(draws), rtol=1e-12)


def test_trees_and_arrays_pass_through(rng):
    a = rng.normal(size=(2, 10, 3))
    tree = arviz.from_dict({"log_likelihood": {"x": a, "y": a + 1}})
    np.testing.assert_array_equal(log_lik(a), a.reshape(20, 3))
    np.testing.assert_array_equal(log_lik(jnp.asarray(a)), a.reshape(20, 3))
    np.testing.assert_array_equal(log_lik(tree, var_name="y"), a.reshape(20, 3) + 1)
    np.testing.assert_array_equal(log_lik(a[0]), a[0])


def two_outcomes(x, y):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    numpyro.sample("x", dist.Normal(mu, 1), obs=x)
    numpyro.sample("y", dist.Normal(-mu, 2), obs=y)


def test_several_observed_sites_must_be_told_apart(rng):
    mu, y = rng.normal(size=10), np.zeros(3)
    with pytest.raises(ValueError, match=r"several sites: x: \(4,\), y: \(3,\).*site='x'"):
        log_lik(two_outcomes, {"mu": mu}, X, y)
    np.testing.assert_allclose(log_lik(two_outcomes, {"mu": mu}, X, y, site="y"), stats.norm(-mu[:, None], 2).logpdf(y))
    with pytest.raises(ValueError, match=r"observes no site 'z'; it observes x: \(4,\), y: \(3,\)"):
        log_lik(two_outcomes, {"mu": mu}, X, y, site="z")


def regression(x, y, *, kind="normal", link=None, options=()):
    assert (kind, link) == ("normal", None)
    assert all(option == {"scale": 1.0} for option in options)
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(slope * x, 1), obs=y)


TABLE = pandas.DataFrame({"x": X, "y": X**2, "name": list("abcd")}, index=[3, 1, 4, 2])


@pytest.mark.parametrize(
    "data",
    [
        (X.tolist(), (X**2).tolist()),
        (TABLE["x"], TABLE["y"]),
        (jnp.asarray(X), TABLE["y"]),
        (xarray.DataArray(X), X**2),
    ],
    ids=["lists", "pandas", "JAX and pandas", "xarray"],
)
def test_lists_and_pandas_are_data_too(data, rng):
    # Kills: pandas columns handed to JAX as they are; a list taken for a tree of scalars.
    slope = rng.normal(size=20)
    options = {"kind": "normal", "link": None, "options": ({"scale": 1.0},)}
    got = log_lik(regression, {"slope": slope}, *data, **options)
    np.testing.assert_allclose(got, stats.norm(slope[:, None] * X, 1).logpdf(X**2), rtol=1e-12)


def test_what_holds_no_numbers_stays_as_it_is():
    names, shape, function = ["a", "b"], (2, 3), np.sin
    tree = as_arrays((names, shape, function, None, {"k": "v", "l": [1, 2]}, TABLE["name"], [X, None], np.float64))
    assert tree[0] == names
    assert tree[1:4] == (shape, function, None)
    assert tree[4]["k"] == "v"
    np.testing.assert_array_equal(tree[4]["l"], [1, 2])
    assert isinstance(tree[4]["l"], np.ndarray)
    assert tree[5].equals(TABLE["name"])
    assert tree[6][0] is X
    assert tree[6][1] is None
    assert tree[7] is np.float64
    assert as_arrays([]).shape == (0,)
    assert as_arrays([[1, 2], [3, 4]]).shape == (2, 2)


def factor_only(x):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    with numpyro.plate("n", len(x)):
        numpyro.factor("likelihood", dist.Normal(mu, 1).log_prob(x))


def factor_prior(x):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    numpyro.factor("soft constraint", -(mu**4))
    numpyro.sample("x", dist.Normal(mu, 1), obs=x)


def test_a_factor_in_the_prior_is_fine_once_the_data_are_named(rng):
    mu = rng.normal(size=10)
    np.testing.assert_allclose(
        log_lik(factor_prior, {"mu": mu}, X, site="x"), stats.norm(mu[:, None], 1).logpdf(X), rtol=1e-12
    )


def one(x, batch=(), *, scale=None, size=None, subsample=None, obs=True):
    """A model to be spoilt in one way at a time."""
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    if subsample:
        with numpyro.plate("n", size, subsample_size=subsample) as i:
            numpyro.sample("x", dist.Normal(mu, 1), obs=x[i])
        return
    with handlers.scale(scale=scale or 1.0):
        numpyro.sample("x", dist.Normal(jnp.full(batch, mu), 1), obs=x if obs else None)


def autoregression(x):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    scan(
        lambda last, now: (numpyro.sample("x", dist.Normal(mu * last, 1), obs=now), None),
        jnp.asarray(0.0),
        jnp.asarray(x),
    )


def optimized(x):
    numpyro.sample("x", dist.Normal(numpyro.param("mu", 0.0), 1), obs=x)


def scaled_partner(x, y):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    with handlers.scale(scale=0.5):
        numpyro.sample("x", dist.Normal(mu, 1), obs=x)
    numpyro.sample("y", dist.Normal(mu, 1), obs=y)


MU = {"mu": np.zeros(5)}
MEAN = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 1)})
BARE = arviz.from_dict({"posterior": {"mu": np.zeros((4, 10))}})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: log_lik(factor_only, MU, X), r"numpyro.factor site\(s\) 'likelihood'.*numpyro.sample\(\"x\""),
        (lambda: log_lik(factor_prior, MU, X), "'soft constraint'.*belongs to the prior.*site='x'"),
        (lambda: log_lik(one, MU, X, obs=False), "observes nothing; its sites are mu, x"),
        (lambda: log_lik(one, MU, X, size=4, subsample=2), "plate 'n' is subsampled: 2 of 4"),
        (lambda: log_lik(one, MU, X, scale=0.5), "'x' stands under handlers.scale.*beta="),
        # Kills: the check for the named site alone; the same for a Triple, a DataTree and an array that ignore options.
        (lambda: log_lik(scaled_partner, MU, X, X, site="y"), "'x' stands under handlers.scale"),
        (lambda: log_lik(MEAN, MU, X, site="zz"), "site='zz' has no meaning for a Triple"),
        (lambda: log_lik(MEAN, MU, X, y=1.0), "y=1.0 has no meaning for a Triple"),
        (lambda: log_lik(BARE, site="x"), "site='x' has no meaning for a DataTree"),
        (lambda: log_lik(np.zeros((2, 3)), var_name="x"), "var_name='x' has no meaning for an array"),
        (lambda: log_lik(normal, MU, X, var_name="x"), "var_name='x' has no meaning for a NumPyro model"),
        # Kills: a DataTree without the group taken for an array or a model.
        (lambda: log_lik(BARE), r"no log_likelihood group in this DataTree.*from_numpyro\(mcmc, log_likelihood=True\)"),
        (lambda: log_lik({"posterior": {}}), "no log_likelihood group in this dict"),
        (lambda: log_lik(one, MU, [[1.0, 2.0], [3.0]]), "a list of 2 entries that differ in length"),
        (lambda: log_lik(regression, {"slope": np.zeros(5)}, X, X[:3]), r"'y' has values of shape \(3,\).*same length"),
        (lambda: log_lik(one, MU, X, (4, 1)), r"shape \(4,\) and a .* batch shape \(4, 1\).* \(4, 4\)"),
        (lambda: log_lik(one, MU, X[:0]), r"has no observations: shape \(0,\)"),
        (lambda: log_lik(one, MU, np.array([0.0, np.nan, np.inf])), r"2 of 3 observations are NaN .*first at 1"),
        (lambda: log_lik(autoregression, MU, X), "'x' is observed inside scan"),
        (lambda: log_lik(optimized, MU, X), "'mu' is a numpyro.param"),
        (lambda: log_lik(one, {"nu": np.zeros(5)}, X), r"missing \['mu'\], not parameters of the model \['nu'\]"),
        (lambda: log_lik(one, MU | {"x": np.zeros((5, 4))}, X), r"not parameters of the model \['x'\] \(some"),
        (lambda: log_lik(one, {"mu": np.zeros((2, 5, 3))}, X), r"draws\['mu'\] has shape \(2, 5, 3\).*shape \(\)"),
        (lambda: log_lik(normal, {"mu": np.zeros(5), "log_sd": np.zeros(6)}, X), r"mu: \(5,\), log_sd: \(6,\)"),
        (lambda: log_lik(Triple(dist.Normal(0, 1), lambda a: dist.Normal(a, 1), {"a": dist.Normal(0, 1)}), MU, X),
         r"missing \['a'\], not parameters of the model \['mu'\]"),
    ],
)  # fmt: skip
def test_log_lik_refuses_with_the_fix(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: log_lik(normal, None, X), "draws must map parameter names .* got NoneType"),
        (lambda: log_lik(normal, {}, X), "got dict without entries"),
        (lambda: log_lik(normal, np.zeros(5), X), "got ndarray"),
        (lambda: log_lik(np.zeros((2, 3)), MU), "must be a model or a Triple; got ndarray"),
        (lambda: log_lik(np.zeros(5)), r"got ndarray of shape \(5,\)"),
        (lambda: log_lik(object()), "got object"),
    ],
)
def test_log_lik_refuses_other_types(call, message):
    with pytest.raises(TypeError, match=message):
        call()
