"""Comparison of models: differences by hand, ArviZ's table, words for every case, the figure."""

import builtins

import arviz
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

import slt
from slt import Criteria, compare, criteria, cv_loss, plots


@pytest.fixture
def matrices(rng):
    """Posterior draws of a normal mean and of a wider normal, for the same 150 observations."""
    x = rng.normal(0.3, 1, size=150)
    mu = rng.normal(x.mean(), 150**-0.5, size=(1000, 1))
    models = {"unit": stats.norm(mu, 1), "wide": stats.norm(mu, 2), "shifted": stats.norm(mu + 0.2, 1)}
    return {name: model.logpdf(x) for name, model in models.items()}


def test_the_table_is_arvizs_in_other_units(matrices):
    # Kills: unpaired standard errors, ddof, the order of the models, signs. ArviZ: totals, ddof=0 in the difference.
    found = compare(matrices)
    loo = {}
    for name, a in matrices.items():
        tree = arviz.from_dict({"posterior": {"mu": a[None, :, 0]}, "log_likelihood": {"x": a[None]}})
        loo[name] = arviz.loo(tree, pointwise=True, reff=1.0)
    want = arviz.compare(loo, round_to="none")
    assert list(found.names) == list(want.index)
    np.testing.assert_allclose(-150 * found.loss, want["elpd"], rtol=1e-9)
    np.testing.assert_allclose(150 * found.se, want["se"], rtol=1e-9)
    np.testing.assert_allclose(-150 * found.difference, want["elpd_diff"], atol=1e-8)
    np.testing.assert_allclose(150 * found.difference_se * np.sqrt(149 / 150), want["dse"], atol=1e-8)
    np.testing.assert_allclose([r["p_worse"] for r in found.rows()][1:], want["p_worse"][1:], atol=2e-3)
    assert found.flagged == (0, 0, 0)


def test_terms_criteria_and_matrices_may_stand_side_by_side(matrices):
    a = matrices["unit"]
    found = compare({"terms": cv_loss(a, method="plain"), "criteria": criteria(a), "matrix": matrices["wide"]})
    np.testing.assert_allclose(found.difference[:2], 0, atol=1e-12)
    assert found.names[2] == "matrix"
    assert found.flagged[2] == 0
    assert found.flagged[:2] == (None, None)
    assert "cannot be seen from their terms" in found.sentence


def test_words_for_a_clear_difference(matrices):
    found = compare({k: matrices[k] for k in ("wide", "unit")})
    gap, se = found.difference[1], found.difference_se[1]
    assert found.sentence == (
        f"unit predicts better than wide by {gap:.3g} ± {se:.2g} nats per observation ({150 * gap:.3g} ± "
        f"{150 * se:.2g} in total), {gap / se:.1f} standard errors. Pareto k is small for all observations: the "
        "approximation of leave-one-out holds."
    )
    lines = repr(found).splitlines()
    assert lines[0] == "Loss per observation in nats, lower is better, 150 observations"
    assert lines[1].split() == ["model", "loss", "SE", "difference", "SE", "k", "too", "large"]
    assert lines[2].split() == ["unit", f"{found.loss[0]:.4f}", f"{found.se[0]:.4f}", "0.0000", "0.0000", "0"]
    assert lines[4] == found.sentence


def test_words_for_doubt(rng):
    a = rng.normal(size=30)
    noise = rng.normal(size=30)
    near = compare({"a": a, "b": a + 0.01 * (noise - noise.mean()) + 1e-4}).sentence
    assert near.startswith("a and b cannot be told apart: the difference is 0.0001 ± 0.0")
    assert "(with 30 observations the standard error is itself uncertain; models so alike make" in near
    assert compare({"a": a, "b": a}).sentence.startswith("a and b predict identically.")
    assert compare({"a": a}).sentence.startswith("Whether the losses")


def test_words_for_a_bad_approximation(rng):
    # Kills: the warning swallowed without a word.
    good = rng.normal(-1, 0.1, size=(2000, 120))
    bad = good + 0.1
    bad[:, 7] = 1.5 * np.log(rng.random(2000))
    found = compare({"good": good, "bad": bad})
    assert dict(zip(found.names, found.flagged, strict=True)) == {"good": 0, "bad": 1}
    assert "Pareto k is too large for 1 of bad (120 observations each)" in found.sentence
    with pytest.warns(slt.SltWarning, match="indices 7"):
        cv_loss(bad)


def test_pandas_only_where_it_is(matrices, monkeypatch):
    found = compare(matrices)
    frame = found.to_pandas()
    assert list(frame.columns) == ["loss", "se", "difference", "difference_se", "p_worse", "large_k"]
    assert frame.loc["unit", "difference"] == 0
    real = builtins.__import__

    def without(name, *args, **options):
        if name == "pandas":
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install pandas.*\.rows\(\)"):
        found.to_pandas()


def test_the_figure_shows_differences_with_two_standard_errors():
    a = np.array([1.0, 2.0, 3.0])
    found = slt._compare.Comparison(("a", "b"), a[:2], a[:2], np.array([0.0, 0.4]), np.array([0.0, 0.1]), (0, 3), 3)
    axis = plots.compare(found)
    bars = {c.get_label(): c for c in axis.containers}
    assert len(bars) == 2
    ends = axis.containers[1].lines[2][0].get_segments()[0]
    np.testing.assert_allclose(ends, [[0.2, 1], [0.6, 1]])
    assert axis.containers[1].lines[0].get_marker() == "^"
    assert [t.get_text() for t in axis.get_yticklabels()] == ["a", "b"]
    plt.close(axis.figure)


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({}, "at least one model"),
        ([np.zeros(3)], "at least one model"),
        ({"a": np.zeros(3), "b": np.zeros(4)}, r"got \{'a': 3, 'b': 4\}"),
        ({"a": np.zeros(1)}, "at least two terms"),
        ({"a": np.array([0.0, np.nan])}, "finite"),
        ({"a": np.zeros((2, 3, 4))}, "Merge chains"),
        ({"a": Criteria(*np.zeros((4, 1)))}, "at least two terms"),
    ],
)
def test_bad_input_is_named(models, message):
    with pytest.raises(ValueError, match=message):
        compare(models)
