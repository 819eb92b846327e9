"""What one observation is: sums, concatenations and groups against joint predictive densities in closed form."""

import arviz
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from slt import conjugate, cv_loss, observations

X = np.array([-1.2, 0.3, 0.5, 1.1, -0.4, 2.0, 0.1, -0.7])
FAMILY = conjugate.normal_mean(1.0, 0.0, 2.0)


def nodes(x):
    """The exact posterior of the normal mean as weighted draws, and the matrix."""
    variance = 1 / (len(x) + 1 / 4)
    z, weights = np.polynomial.hermite_e.hermegauss(100)
    return stats.norm((variance * x.sum() + variance**0.5 * z)[:, None], 1).logpdf(x), np.log(weights)


@pytest.mark.parametrize("labels", [[0, 1, 1, 0, 2, 2, 2, 0], list("bbaacdda"), [5] * 7 + [3]])
def test_leave_group_out_is_the_joint_prediction_of_the_group(labels):
    # -log p(X_g | rest) = log Z(rest) - log Z(all), in closed form.
    # Kills: groups averaged, numbered in order of appearance, the terms of a group predicted one by one.
    log_lik, log_weights = nodes(X)
    labels = np.array(labels)
    everything = conjugate.log_evidence(FAMILY, X)
    want = [conjugate.log_evidence(FAMILY, X[labels != g]) - everything for g in np.unique(labels)]
    got = cv_loss(observations(log_lik, groups=labels), method="plain", log_weights=log_weights)
    np.testing.assert_allclose(got, want, rtol=1e-7)  # 100 nodes see a weight of seven observations to this


def test_sum_predicts_units_and_concat_predicts_values():
    # Two variables per unit, y_i and z_i. Kills: the two exchanged.
    log_lik, log_weights = nodes(X)
    parts = {"y": log_lik[:, :4], "z": log_lik[:, 4:]}
    summed, side = observations(parts, combine="sum"), observations(parts, combine="concat")
    np.testing.assert_allclose(summed, log_lik[:, :4] + log_lik[:, 4:])
    np.testing.assert_array_equal(side, log_lik)
    pairs = [conjugate.log_evidence(FAMILY, np.delete(X, [i, i + 4])) for i in range(4)]
    want = np.array(pairs) - conjugate.log_evidence(FAMILY, X)
    np.testing.assert_allclose(cv_loss(summed, method="plain", log_weights=log_weights), want, rtol=1e-9)


def test_groups_by_variable_may_have_different_lengths(rng):
    parts = {"y": rng.normal(size=(5, 3)), "z": rng.normal(size=(5, 2))}
    got = observations(parts, combine="concat", groups={"z": ["p", "q"], "y": ["q", "p", "q"]})
    want = [parts["y"][:, 1] + parts["z"][:, 0], parts["y"][:, 0] + parts["y"][:, 2] + parts["z"][:, 1]]
    np.testing.assert_allclose(got, np.stack(want, 1))


def test_a_datatree_jax_and_one_variable(rng):
    a, b = rng.normal(size=(2, 10, 3)), rng.normal(size=(2, 10, 3))
    tree = arviz.from_dict({"log_likelihood": {"a": a, "b": b}})
    np.testing.assert_allclose(observations(tree, combine="sum"), (a + b).reshape(20, 3))
    one = arviz.from_dict({"log_likelihood": {"a": a}})
    np.testing.assert_array_equal(observations(one), a.reshape(20, 3))
    found = observations({"a": jnp.asarray(a[0]), "b": jnp.asarray(b[0])}, combine="sum", groups=[1, 0, 1])
    assert isinstance(found, jax.Array)
    np.testing.assert_allclose(found[:, 1], (a + b)[0][:, [0, 2]].sum(1))


UNEQUAL = {"y": np.zeros((4, 3)), "z": np.zeros((4, 2))}


@pytest.mark.parametrize(
    ("log_lik", "options", "message"),
    [
        (UNEQUAL, {}, r"2 observed variables \(y: \(4, 3\), z: \(4, 2\)\), .*None"),
        (UNEQUAL, {"combine": "add"}, "combine='add'"),
        (UNEQUAL, {"combine": "sum"}, r"one shape \(draws, n\); got y: \(4, 3\)"),
        ({"y": np.zeros((4, 3)), "z": np.zeros((5, 3))}, {"combine": "concat"}, "the same draws; got y"),
        ({}, {}, "no observed variable"),
        (np.zeros((4, 3)), {"groups": [1, 2]}, r"shape \(3,\); got shape \(2,\)"),
        ({"y": np.zeros((4, 3))}, {"groups": {"x": [1, 2, 3]}}, r"variables \['y'\]; got \['x'\]"),
        ({"y": np.zeros((2, 4, 3))}, {}, r"y must have shape \(draws, n\); got \(2, 4, 3\)"),
    ],
)  # fmt: skip
def test_bad_input_is_named(log_lik, options, message):
    with pytest.raises(ValueError, match=message):
        observations(log_lik, **options)
