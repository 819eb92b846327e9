"""The fused pass against a restatement in extended precision, the plain functions, and closed forms."""

import tracemalloc
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from slt import (
    Criteria,
    _arrays,
    _fused,
    conjugate,
    criteria,
    cv_loss,
    functional_variance,
    gibbs_loss,
    training_loss,
    waic_loss,
)

FIELDS = Criteria._fields


def naive(log_lik, beta=1.0, weights=None):
    """The definition in extended precision: exp of -11000 is still a number there."""
    a = log_lik.astype(np.longdouble)
    w = np.full(len(a), 1 / len(a)) if weights is None else weights / weights.sum()
    mean = lambda b: (w[:, None] * b).sum(0)  # noqa: E731
    training = -np.log(mean(np.exp(a)))
    cv = -np.log(mean(np.exp((1 - beta) * a)) / mean(np.exp(-beta * a)))
    variance = mean((a - mean(a)) ** 2)
    return Criteria(*(t.astype(float) for t in (training, cv, training + beta * variance, variance)))


def columns_of_every_kind(rng, draws):
    """Ordinary, far away, wide, bimodal, constant, one outlier in one draw: more than one tile of them."""
    ordinary = rng.normal(-2, 1, size=(draws, 20))
    kinds = [
        ordinary,
        ordinary - 2500,
        ordinary + 900,
        rng.uniform(-2500, 0, size=(draws, 20)),
        np.where(rng.random((draws, 20)) < 0.5, -700.0, 3.0),
        np.full((draws, 3), -7.25),
        np.where(np.arange(draws)[:, None] == 1, -1800.0, ordinary),
        1e-7 * ordinary - 1000,
    ]
    return np.hstack(kinds)


@pytest.mark.parametrize("beta", [1.0, 0.3, 0.93, 2.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_criteria_equal_the_naive_formula_on_columns_of_every_kind(beta, weighted, rng):
    # Kills: sums kept where they have overflowed; the shift's sign; beta forgotten in one exponential; row 0 given
    # another row's weight; the last rows left out.
    log_lik = columns_of_every_kind(rng, 61)
    log_weights = np.log(rng.gamma(0.5, size=61)) if weighted else None
    got = criteria(log_lik, beta=beta, log_weights=log_weights)
    want = naive(log_lik, beta, None if log_weights is None else np.exp(log_weights))
    for name in FIELDS:
        # 1e-10 relative, and what rounding of entries near 2500 leaves of a difference
        np.testing.assert_allclose(getattr(got, name), getattr(want, name), rtol=1e-10, atol=3e-12, err_msg=name)


def test_extremes_take_the_careful_path_and_the_rest_does_not(rng):
    # Kills: a guard that sends everything down the careful path (then the fused one would never be tested).
    safe = _fused.sums(columns_of_every_kind(rng, 61), None, 1.0).safe
    assert safe[:60].all()
    assert not safe[60:80].any()
    assert safe[80:100].all()
    assert not safe[103:123].any()


def test_float32_is_summed_in_float64(rng):
    # Kills: sums kept in float32, which lose two digits over 20 000 draws. An entry near -3 is right to 1.2e-7.
    log_lik = rng.normal(-3, 1, size=(20_000, 5)).astype(np.float32)
    want = naive(log_lik.astype(float))
    for name in FIELDS:
        got = getattr(criteria(log_lik), name)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, getattr(want, name), rtol=4e-7, err_msg=name)
    wide = columns_of_every_kind(rng, 61).astype(np.float32)
    for got, want in zip(criteria(wide), naive(wide.astype(float)), strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-4)  # entries near 2500 are right to 1e-4


def test_the_variance_keeps_its_digits_when_the_shift_is_far_from_the_mean(rng):
    # Kills: E[d^2] - E[d]^2 trusted where the two nearly cancel. The pilot rows are ten away from all others.
    log_lik = rng.normal(0, 1e-2, size=(8000, 2))
    log_lik[np.linspace(0, 7999, _fused.PILOTS).astype(int)] += 10
    log_lik = log_lik.astype(np.float32)
    np.testing.assert_allclose(criteria(log_lik).variance, naive(log_lik.astype(float)).variance, rtol=5e-7)


@pytest.mark.parametrize("n", [1, 7, 17, _fused.WIDTH - 1, _fused.WIDTH, 2 * _fused.WIDTH + 5])
@pytest.mark.parametrize("draws", [2, 9, 26])
def test_every_column_and_row_is_counted_once(n, draws):
    # Kills: the overlap of the last tile kept twice, the rows after the last full group of eight dropped.
    log_lik = -np.log(1.0 + np.arange(draws)[:, None] + np.arange(n) / n)
    np.testing.assert_allclose(np.exp(-criteria(log_lik).training), np.exp(log_lik).mean(0), rtol=1e-13)
    np.testing.assert_allclose(np.exp(criteria(log_lik).cv), np.exp(-log_lik).mean(0), rtol=1e-13)


def layouts(a):
    shifted = np.empty(a.size + 1, a.dtype)[1:].reshape(a.shape)
    shifted[...] = a
    frozen = a.copy()
    frozen.flags.writeable = False
    return {
        "transposed": np.asfortranarray(a),
        "every second column": np.repeat(a, 2, axis=1)[:, ::2],
        "reversed": a[::-1],
        "misaligned": shifted,
        "read-only": frozen,
        "byte order": a.astype(a.dtype.newbyteorder()),
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", layouts(np.zeros((2, 2))))
def test_any_memory_layout(layout, dtype, rng, monkeypatch):
    monkeypatch.setattr(_fused, "COPY", 4000)  # several copies
    a = rng.normal(-2, 1, size=(40, 75)).astype(dtype)
    got, want = criteria(layouts(a)[layout]), criteria(a)
    for name in FIELDS:
        np.testing.assert_allclose(getattr(got, name), getattr(want, name), rtol=2e-6 if dtype == np.float32 else 1e-13)
    assert got.training.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("beta", [1.0, 0.6])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_file_larger_than_the_free_memory_is_read_in_bands_of_rows(weighted, beta, dtype, rng, monkeypatch, tmp_path):
    # 53 rows, a prime, in bands of 7, the last of 4. Kills: a row skipped or read twice, weights of other rows, each
    # band shifted by its own rows, expectations of one that count the bands, a file that fits read in bands.
    a = rng.normal(-2, 1, size=(53, 75)).astype(dtype)
    a.tofile(tmp_path / "log_lik.bin")
    read = []
    monkeypatch.setattr(_fused, "BAND", 7 * a[0].nbytes)
    monkeypatch.setattr(
        _fused, "_tile", lambda *args, tile=_fused._tile, **k: read.append(args[4][0]) or tile(*args, **k)
    )
    options = {"beta": beta, "log_weights": rng.normal(size=53) if weighted else None}
    want = criteria(np.memmap(tmp_path / "log_lik.bin", dtype, "r", shape=a.shape), **options)
    assert set(read) == {53}
    monkeypatch.setattr(_fused, "free_memory", lambda: a.nbytes - 1)
    read.clear()
    got = criteria(np.memmap(tmp_path / "log_lik.bin", dtype, "r", shape=a.shape), **options)
    assert set(read) == {7, 4}
    for name in FIELDS:
        np.testing.assert_allclose(getattr(got, name), getattr(want, name), rtol=2e-6 if dtype == np.float32 else 1e-13)
        assert getattr(got, name).dtype == dtype


def test_float16_is_computed_in_float32(rng):
    a = rng.normal(-2, 1, size=(50, 3)).astype(np.float16)
    got = criteria(a)
    assert got.cv.dtype == np.float16
    np.testing.assert_allclose(got.cv, naive(a.astype(float)).cv, rtol=1e-3)


@given(hnp.arrays(np.float64, (5, 6), elements=st.floats(-2500, 100, allow_nan=False)))
@settings(max_examples=60, deadline=None)
def test_criteria_equal_the_plain_functions(log_lik):
    got = criteria(log_lik)
    plain = [training_loss(log_lik), cv_loss(log_lik, method="plain"), waic_loss(log_lik), functional_variance(log_lik)]
    for term, want in zip(got, plain, strict=True):
        np.testing.assert_allclose(term, want, rtol=1e-9, atol=1e-9)


def test_criteria_reach_the_conjugate_closed_form():
    # Independent of any sampler: Gauss-Hermite nodes as weighted draws of an exactly known posterior.
    x = np.array([-1.2, 0.3, 0.5, 1.1, -0.4, 2.0, 0.1, -0.7])
    family, beta = conjugate.normal_mean(1.0, 0.0, 10.0), 0.7
    variance = 1 / (beta * len(x) + 1 / 100)
    z, weights = np.polynomial.hermite_e.hermegauss(80)
    w = variance * beta * x.sum() + variance**0.5 * z
    got = criteria(stats.norm(w[:, None], 1).logpdf(x), beta=beta, log_weights=np.log(weights))
    np.testing.assert_allclose(got.training, conjugate.training_loss(family, x, beta=beta), rtol=1e-9)
    np.testing.assert_allclose(got.cv, conjugate.cv_loss(family, x, beta=beta), rtol=1e-9)
    np.testing.assert_allclose(got.waic, conjugate.waic_loss(family, x, beta=beta), rtol=1e-9)
    np.testing.assert_allclose(got.variance, conjugate.functional_variance(family, x, beta=beta), rtol=1e-9)


def test_jax_in_jax_out_jit_vmap_and_precision(rng):
    stack = jnp.asarray(rng.normal(size=(3, 20, 4)))
    got = criteria(stack[0])
    assert all(isinstance(t, jax.Array) and t.dtype == stack.dtype for t in got)
    batched = jax.jit(jax.vmap(criteria))(stack)
    for name in FIELDS:
        np.testing.assert_allclose(getattr(batched, name)[0], getattr(got, name), rtol=1e-12)
    tempered = jax.jit(lambda a: criteria(a, beta=0.4))(stack[0])  # kills: beta forgotten in the penalty
    np.testing.assert_allclose(tempered.waic, criteria(stack[0], beta=0.4).waic, rtol=1e-12)
    with jax.enable_x64(False):
        alone = criteria(np.asarray(stack[0]))
        assert criteria(jnp.asarray(stack[0], dtype=jnp.float32)).waic.dtype == jnp.float32
    np.testing.assert_array_equal(alone.waic, got.waic)


def test_draws_of_weight_zero_do_not_matter(rng):
    log_lik = rng.normal(-2, 1, size=(30, 4))
    log_lik[7] = [-1e5, 1e5, -800, 3]
    log_weights = np.zeros(30)
    log_weights[7] = -np.inf
    got, want = criteria(log_lik, log_weights=log_weights), criteria(np.delete(log_lik, 7, 0))
    for name in FIELDS:
        np.testing.assert_allclose(getattr(got, name), getattr(want, name), rtol=1e-11)


@pytest.mark.parametrize(
    ("log_lik", "options", "message"),
    [
        (np.zeros((4, 1000, 82)), {}, r"Merge chains first: log_lik\.reshape"),
        (np.zeros((1, 10)), {}, r"1 draw\(s\)"),
        (np.zeros((3, 2), dtype=int), {}, "got dtype int64"),
        (np.array([[0.0, np.nan], [0.0, 1.0]]), {}, r"1 of 4 entries \(first at \(0, 1\)\) are NaN"),
        (np.array([[0.0, 1.0], [-np.inf, 1.0]]), {}, r"1 of 4 entries \(first at \(1, 0\)\)"),
        (np.zeros((3, 2)), {"beta": 0.0}, "beta must be a positive number"),
        (np.zeros((3, 2)), {"log_weights": np.zeros(2)}, r"log_weights must have shape \(3,\)"),
    ],
)
def test_bad_input_is_named(log_lik, options, message):
    with pytest.raises(ValueError, match=message):
        criteria(log_lik, **options)
    with pytest.raises(ValueError, match=message):
        criteria(jnp.asarray(log_lik), **options)


def test_printed_with_standard_errors():
    found = Criteria(*(np.array([1.0, 3.0]) + k for k in range(4)))
    assert repr(found) == "Criteria(n=2; T=2.0000 ± 1.0000; C=3.0000 ± 1.0000; W=4.0000 ± 1.0000; V=10.0000)"
    assert "training=[1.]" in repr(Criteria(*np.ones((4, 1))))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_matrix_that_lies_on_disk_is_read_in_place(dtype, rng, tmp_path):
    # What to do with a matrix that does not fit in memory. Kills: a copy of the whole, which tracemalloc sees (8 MB).
    a = rng.normal(-2, 1, size=(200, 2_000_000 // 200 * 4 // np.dtype(dtype).itemsize)).astype(dtype)
    np.save(tmp_path / "log_lik.npy", a)
    mapped = np.load(tmp_path / "log_lik.npy", mmap_mode="r")
    tracemalloc.start()
    got = criteria(mapped)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(got.waic, naive(a.astype(float)).waic, rtol=1e-6 if dtype == np.float32 else 1e-12)
    assert peak < 6e6


PLAIN = {
    "training": training_loss,
    "variance": functional_variance,
    "waic": waic_loss,
    "cv": partial(cv_loss, method="plain"),
    "truncated": partial(cv_loss, method="truncated"),
    "gibbs": gibbs_loss,
}


@pytest.mark.parametrize("name", PLAIN)
def test_the_plain_losses_never_hold_a_second_matrix(name, rng, tmp_path, monkeypatch):
    # Kills: a copy or a mask of the whole (8 MB and 1 MB); a last part that overlaps the one before, or is left out.
    np.save(tmp_path / "log_lik.npy", rng.normal(-2, 1, size=(200, 5000)))
    mapped, loss = np.load(tmp_path / "log_lik.npy", mmap_mode="r"), PLAIN[name]
    whole, width, seen = loss(mapped), 2**15 // 200, []
    inner = _arrays.in_input_precision
    monkeypatch.setattr(_arrays, "PART", 2**15)
    monkeypatch.setattr(_arrays, "in_input_precision", lambda f, a, *b: seen.append(a.shape) or inner(f, a, *b))
    loss(mapped)  # compiles
    tracemalloc.start()
    got = loss(mapped)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(got, whole, rtol=1e-12)
    assert set(seen) == {(200, width)}
    assert peak < 8e5


@pytest.mark.parametrize("name", PLAIN)
def test_the_plain_losses_sum_half_precision_in_more_digits(name, rng):
    # Kills: sums in float16, infinite beyond 65504 draws and off by several times the rounding of the terms, 2^-11.
    a = rng.normal(-2, 0.1, size=(66_000, 2)).astype(np.float16)
    got, exact = PLAIN[name](a), PLAIN[name](a.astype(float))
    assert got.dtype == np.float16
    np.testing.assert_allclose(got.astype(float), exact, rtol=1.01 * 2**-11)
    inside = jax.jit(PLAIN[name])(jnp.asarray(a))
    np.testing.assert_allclose(np.asarray(inside, float), exact, rtol=1.01 * 2**-11)


@pytest.mark.parametrize("cores", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 15, 17, 2048, 2097, 4097, 40_000])
def test_tiles_hardly_overlap(n, cores, monkeypatch):
    # Kills: tiles of 2048 columns always, of which two read 2097 columns nearly twice.
    monkeypatch.setattr(_fused, "workers", lambda: cores)
    width = _fused._width(n)
    tiles = -(-n // width)
    assert width <= _fused.WIDTH
    assert tiles * width - n < _fused.LINE * max(tiles, cores)
