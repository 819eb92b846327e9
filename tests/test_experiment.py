"""Many data sets at once, against the same quantities one data set at a time, and against closed-form averages."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

import slt
from slt import conjugate, experiment

TRUTH = dist.Normal(0.4, 1.3)
FAMILY = conjugate.normal_mean(1.0, 0.0, 2.0)
TRIPLE = slt.Triple(TRUTH, lambda mu: dist.Normal(mu, 1.0), {"mu": dist.Normal(0.0, 2.0)})
BETAS = [0.5, 1.0, 2.0]


def data_sets(key, triple, n, datasets):
    """The data that the experiment draws: one key for each data set."""
    return [slt.draw_data(k, triple, n) for k in jax.random.split(key, datasets)]


@pytest.mark.parametrize("beta", BETAS)
def test_each_data_set_is_computed_as_if_alone(beta):
    key, n = jax.random.key(40), 6
    found = experiment.conjugate_experiment(key, TRUTH, FAMILY, n, datasets=3, beta=beta)
    for r, (x,) in enumerate(data_sets(key, TRIPLE, n, 3)):
        x = np.asarray(x)
        assert found.training[r] == pytest.approx(conjugate.training_loss(FAMILY, x, beta=beta).mean(), rel=1e-10)
        assert found.cv[r] == pytest.approx(conjugate.cv_loss(FAMILY, x, beta=beta).mean(), rel=1e-10)
        assert found.waic[r] == pytest.approx(conjugate.waic_loss(FAMILY, x, beta=beta).mean(), rel=1e-10)
        assert found.variance[r] == pytest.approx(conjugate.functional_variance(FAMILY, x, beta=beta).sum(), rel=1e-10)
        log_z = conjugate.log_evidence(FAMILY, x, beta=beta)
        assert found.free_energy[r] == pytest.approx(-log_z / beta, rel=1e-10)
        assert found.empirical_entropy[r] == pytest.approx(-np.asarray(TRUTH.log_prob(x)).mean(), rel=1e-10)
        # G_n in closed form: the predictive is N(m, 1 + s2)
        s2 = 1 / (1 / 4 + beta * n)
        m = s2 * beta * x.sum()
        exact = 0.5 * np.log(2 * np.pi * (1 + s2)) + (1.3**2 + (m - 0.4) ** 2) / (2 * (1 + s2))
        assert found.generalization[r] == pytest.approx(exact, rel=1e-8)


@pytest.mark.parametrize("beta", BETAS)
def test_the_grid_agrees_with_the_closed_form(beta):
    key = jax.random.key(41)
    exact = experiment.conjugate_experiment(key, TRUTH, FAMILY, 6, datasets=4, beta=beta)
    grid = experiment.grid_experiment(key, TRIPLE, 6, bounds={"mu": (-10, 10)}, datasets=4, points=400, beta=beta)
    for name, values in exact._asdict().items():
        assert getattr(grid, name) == pytest.approx(values, rel=1e-7), name


@pytest.mark.parametrize("beta", BETAS)
def test_cross_validation_estimates_the_loss_of_one_observation_fewer(beta):
    # Mutant: E[C_n] = E[G_n]. The difference G_{n-1} - G_n is many standard errors at n = 3.
    n = 3
    here = experiment.conjugate_experiment(jax.random.key(42), TRUTH, FAMILY, n, datasets=40_000, beta=beta)
    before = experiment.conjugate_experiment(jax.random.key(43), TRUTH, FAMILY, n - 1, datasets=40_000, beta=beta)
    noise = here.empirical_entropy - slt.entropy(TRIPLE)  # mean zero: it shortens the error bar
    cv, loss, now = slt.mean_se(here.cv - noise), slt.mean_se(before.generalization), slt.mean_se(here.generalization)
    se = np.hypot(cv.se, loss.se)
    assert abs(cv.mean - loss.mean) < 4 * se
    assert loss.mean - now.mean > 6 * se


def test_fixed_inputs():
    # Mutant: G_n at one input, or at new inputs. Closed form: the predictive at x_i is N(a x_i, 1 + x_i^2 / precision).
    key, x, family = jax.random.key(44), np.array([[-1.0], [0.5], [2.0]]), conjugate.linear_regression(1.0, 1.5, 1)
    truth = lambda x: dist.Normal(0.7 * x[0], 1.2)  # noqa: E731
    found = experiment.conjugate_experiment(key, truth, family, 3, datasets=2, inputs=x)
    triple = slt.Triple(truth, lambda x, w: dist.Normal(w * x, 1.0), {"w": dist.Normal(0, 1.5)}, x)
    for r, data in enumerate(data_sets(key, triple, 3, 2)):
        y = np.asarray(data[1])
        precision = 1 / 1.5**2 + (x**2).sum()
        a, s2 = x[:, 0] @ y / precision, 1 + x[:, 0] ** 2 / precision
        exact = 0.5 * np.log(2 * np.pi * s2) + (1.2**2 + ((a - 0.7) * x[:, 0]) ** 2) / (2 * s2)
        assert found.generalization[r] == pytest.approx(exact.mean(), rel=1e-8)
        assert found.cv[r] == pytest.approx(conjugate.cv_loss(family, x, y).mean(), rel=1e-10)


def test_an_improper_prior_has_every_loss_but_no_free_energy():
    flat = conjugate.normal_mean(1.0, 0.0, np.inf)
    found = experiment.conjugate_experiment(jax.random.key(45), TRUTH, flat, 3, datasets=5)
    assert np.isnan(found.free_energy).all()
    assert np.isfinite(found.cv).all()
    assert np.isfinite(found.generalization).all()


def test_data_sets_share_one_compiled_program():
    family = conjugate.normal_mean(1.0, 0.0, 2.0)

    def traces(datasets):
        found = []
        statistic = lambda x: (found.append(isinstance(x, jax.core.Tracer)), family.statistic(x))[1]  # noqa: E731
        counted = replace(family, statistic=statistic)  # a function of its own, so that nothing is compiled yet
        experiment.conjugate_experiment(jax.random.key(46), TRUTH, counted, 5, datasets=datasets)
        return found

    two = traces(2)
    assert two
    assert all(two)  # never called with numbers
    assert traces(500) == two


def test_temperatures_and_priors_share_one_compiled_program():
    # Mutant: beta among the static arguments, or a prior that is not taken out of the family.
    sizes, truth = [experiment._conjugate._cache_size()], dist.Normal(0.3, 1.2)  # a truth of its own: nothing is kept
    for beta, prior_sd in ((0.5, 2.0), (2.0, 2.0), (2.0, 0.3)):
        family = conjugate.normal_mean(1.0, 0.0, prior_sd)
        experiment.conjugate_experiment(jax.random.key(47), truth, family, 5, datasets=2, beta=beta)
        sizes.append(experiment._conjugate._cache_size())
    assert np.diff(sizes).tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 0}, "n must be a whole number, at least 1; got 0"),
        ({"datasets": 0}, "datasets must be a whole number, at least 1; got 0"),
        ({"n": 3.0}, r"n must be a whole number, at least 1; got 3\.0"),
        ({"datasets": 10.0}, r"datasets must be a whole number, at least 1; got 10\.0"),
        ({"beta": 0.0}, "beta must be a positive number"),
        ({"beta": np.nan}, "beta must be a positive number"),
    ],
)
@pytest.mark.parametrize(
    "run",
    [
        lambda n, **o: experiment.conjugate_experiment(jax.random.key(0), TRUTH, FAMILY, n, **o),
        lambda n, **o: experiment.grid_experiment(jax.random.key(0), TRIPLE, n, bounds={"mu": (-9, 9)}, **o),
    ],
    ids=["conjugate", "grid"],
)
def test_bad_input(run, change, message):
    with pytest.raises(ValueError, match=message):
        run(**({"n": 3, "datasets": 2} | change))


def test_leave_one_out_of_one_observation_under_a_flat_prior_is_an_error():
    flat = conjugate.normal_mean(1.0, 0.0, np.inf)
    with pytest.raises(ValueError, match=r"cv is not finite for 2 of 2 data sets.*more observations"):
        experiment.conjugate_experiment(jax.random.key(0), TRUTH, flat, 1, datasets=2)


def test_a_box_without_mass_is_an_error():
    triple = slt.Triple(TRUTH, lambda mu: dist.Normal(mu, 1.0), {"mu": dist.Uniform(0, 1, validate_args=False)})
    with pytest.raises(ValueError, match=r"not finite.*wider box"):
        experiment.grid_experiment(jax.random.key(0), triple, 3, bounds={"mu": (2, 3)}, datasets=2)


def test_a_box_that_is_too_narrow_warns_with_the_mass():
    with pytest.warns(slt.SltWarning, match=r"outermost panel of mu at 0.5 for \d of 9 data sets.*Widen"):
        experiment.grid_experiment(jax.random.key(0), TRIPLE, 30, bounds={"mu": (-9, 0.5)}, datasets=9, points=400)


def test_grid_experiment_refuses_a_conditional_triple():
    triple = slt.Triple(
        lambda x: dist.Normal(x, 1.0), lambda x, a: dist.Normal(a * x, 1.0), {"a": dist.Normal()}, jnp.arange(3.0)
    )
    with pytest.raises(NotImplementedError, match="without inputs"):
        experiment.grid_experiment(jax.random.key(0), triple, 3, bounds={"a": (-1, 1)})


def test_a_posterior_narrower_than_the_grid_warns_with_the_error():
    # Mutant: no look at the panels. At n = 400 the posterior's sd is 0.05 and a panel 0.8.
    with pytest.warns(slt.SltWarning, match=r"for \d of 9 data sets: log Z_n is wrong by about .*Raise points"):
        experiment.grid_experiment(jax.random.key(1), TRIPLE, 400, bounds={"mu": (-8, 8)}, datasets=9)


def test_a_support_that_moves_with_the_parameter_is_an_error():
    # Mutant: no check: a message about NaN in log_lik_new, or leave-one-out terms that are wrong.
    moving = slt.Triple(dist.Uniform(0, 1), lambda b: dist.Uniform(0, b), {"b": dist.Exponential(1)})
    with pytest.raises(ValueError, match=r"support of p\(.\|w\) depends on w.*leave-one-out.*not valid"):
        experiment.grid_experiment(jax.random.key(0), moving, 5, bounds={"b": (0, 30)}, datasets=2)


@pytest.mark.parametrize("bounds", [{"nu": (-8, 8)}, {"w": (-8, 8)}])
def test_wrong_names_and_vector_parameters_are_refused(bounds):
    prior = {"w": dist.Normal(0, 1).expand([2]).to_event(1)}
    triple = slt.Triple(TRUTH, lambda w: dist.Normal(w, 1.0), prior)
    with pytest.raises(ValueError, match=r"parameters \['w'\]; got \['nu'\]|parameters of one number.*event shape"):
        experiment.grid_experiment(jax.random.key(0), triple, 3, bounds=bounds)


def test_a_key_that_is_no_key_is_refused():
    with pytest.raises(TypeError, match="one JAX key"):
        experiment.conjugate_experiment(0, TRUTH, FAMILY, 3)
    with pytest.raises(TypeError, match="one JAX key"):
        experiment.grid_experiment(0, TRIPLE, 3, bounds={"mu": (-9, 9)})
