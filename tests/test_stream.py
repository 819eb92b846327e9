"""The streamed criteria against those of the whole matrix; progress; memory."""

import sys
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

import slt
from slt import _stream, _work, criteria, stream_criteria


def normal(w, x):
    return -0.5 * (x - w[:, None]) ** 2 - 0.9


@pytest.fixture
def problem(rng):
    return rng.normal(0, 0.3, size=40), rng.normal(size=103)


@pytest.mark.parametrize("tile", [1, 10, 51, 103, 500, None])
@pytest.mark.parametrize("options", [{}, {"beta": 0.5, "log_weights": np.linspace(0, 3, 40)}])
def test_streamed_equals_the_matrix(tile, options, problem):
    # Kills: the overlap of the last tile written twice or dropped, weights or beta not handed on.
    w, x = problem
    got, want = stream_criteria(lambda x: normal(w, x), x, tile=tile, **options), criteria(normal(w, x), **options)
    for term, whole in zip(got, want, strict=True):
        np.testing.assert_allclose(term, whole, rtol=1e-12)


def test_several_arrays_indices_and_jax(problem):
    w, x = problem
    want = criteria(normal(w, 2 * x))
    draws = {"w": jnp.asarray(w)}
    compiled = jax.jit(lambda x, y: jax.vmap(lambda w: -0.5 * (x + y - w["w"]) ** 2 - 0.9)(draws))
    for got in (
        stream_criteria(compiled, x, x, tile=20),
        stream_criteria(lambda i: normal(w, 2 * x[i]), np.arange(103), tile=20),
    ):
        np.testing.assert_allclose(got.cv, want.cv, rtol=1e-12)


def test_the_recipe_for_a_triple(problem):
    w, x = problem
    triple = slt.Triple(dist.Normal(0, 1), lambda w: dist.Normal(w, 1), {"w": dist.Normal(0, 1)})
    draws = {"w": jnp.asarray(w)}
    fn = jax.jit(lambda x: jax.vmap(lambda w: slt.log_density(triple, w, x))(draws))
    want = criteria(slt.log_lik(triple, draws, x))
    np.testing.assert_allclose(stream_criteria(fn, x, tile=25).waic, want.waic, rtol=1e-12)


def test_the_matrix_never_exists(rng):
    # 200 draws of 200 000 observations would be 320 MB; the largest tile is 64 MB, here with two copies of it.
    # Kills: tiles collected before they are summed.
    w, x = rng.normal(size=200), rng.normal(size=200_000)
    tracemalloc.start()
    found = stream_criteria(lambda x: normal(w, x), x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.waic.shape == (200_000,)
    assert peak < 200e6


def test_progress_is_shown_in_a_terminal_only(monkeypatch, capsys, problem):
    w, x = problem
    monkeypatch.setattr(_work, "QUIET", -1.0)
    stream_criteria(lambda x: normal(w, x), x, tile=20)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(_work, "show_progress", lambda: True)
    clock = iter(range(1000))
    monkeypatch.setattr(_work.time, "monotonic", lambda: float(next(clock)))
    stream_criteria(lambda x: normal(w, x), x, tile=20)
    shown = capsys.readouterr().err
    assert "criteria: 3 of 6 (50 %), 4 s left" in shown
    assert "criteria: 6 of 6 in 7 s" in shown


def test_no_bar_in_a_built_page(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert _work.show_progress()
    monkeypatch.setenv("SLT_BOOK", "1")
    assert not _work.show_progress()


def test_float16_tiles_are_summed_in_more_digits(problem):
    # Kills: sums in float16, off by 2^-9 here; the terms themselves are rounded to float16 (2^-11) on return.
    w, x = problem
    half = lambda x: normal(w, x).astype(np.float16)  # noqa: E731
    got, want = stream_criteria(half, x, tile=20), criteria(half(x).astype(np.float64))
    assert got.training.dtype == np.float16
    np.testing.assert_allclose(got.training, want.training, rtol=2**-10)


@pytest.mark.parametrize(
    ("log_lik", "data", "options", "message"),
    [
        (lambda x: np.zeros((3, len(x))), (), {}, r"got shapes \[\]\. If the function wants indices"),
        (lambda x: np.zeros((3, len(x))), (np.zeros(0),), {}, r"got shapes \[\(0,\)\]"),
        (lambda x, y: np.zeros((3, 5)), (np.zeros(5), np.zeros(4)), {}, r"\(5,\), \(4,\)"),
        (lambda x: np.zeros((len(x), 3)), (np.zeros(5),), {"tile": 4}, r"shape \(draws, 4\) .* 0 to 3.*got \(4, 3\)"),
        (lambda x: np.zeros((9 - len(x), len(x))), (np.zeros(5),), {}, r"shape \(8, 5\).*got \(4, 5\)"),
        (lambda x: np.zeros((3, len(x))), (np.zeros(5),), {"tile": 0}, "tile must be a positive number .* got 0"),
        (lambda x: np.log(x * np.ones((3, 1))), (np.array([1.0, 2.0, np.nan]),), {"tile": 1}, "in observations 2 to 2"),
        (lambda x: np.zeros((1, len(x))), (np.zeros(5),), {}, r"1 draw\(s\)"),
        (lambda x: np.zeros((3, len(x))), (np.zeros(5),), {"beta": -1.0}, "beta must be"),
    ],
)
def test_bad_input_is_named(log_lik, data, options, message):
    with pytest.raises(ValueError, match=message):
        stream_criteria(log_lik, *data, **options)


def test_the_default_tile_follows_the_number_of_draws(rng, monkeypatch):
    monkeypatch.setattr(_stream, "ENTRIES", 100)
    lengths = []
    stream_criteria(lambda x: lengths.append(len(x)) or np.zeros((25, len(x))), np.zeros(10))
    assert lengths == [1, 4, 4, 4]
