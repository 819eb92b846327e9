"""Both exponentials against NumPy's in higher precision, over the whole range and at its ends."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from slt._exp import LIMIT, exp_pair


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_pair_is_the_two_exponentials(dtype, rng):
    # Kills: one term less in either series; k rounded towards zero; the two powers of two exchanged. In units of
    # eps: the product k log 2, about d, is rounded (|d| / 2), and so was log 2 itself (0.15 |d| in float64, 0.02 |d|
    # in float32); the series, the sum and the scaling take at most four.
    limit = LIMIT[np.dtype(dtype).itemsize]
    d = np.concatenate([rng.uniform(-limit, limit, 20_000), rng.uniform(-3, 3, 20_000), [0.0, limit, -limit]])
    d = d.astype(dtype)
    for got, sign in zip(jax.jit(exp_pair)(jnp.asarray(d)), (1, -1), strict=True):
        assert got.dtype == dtype
        want = np.exp(sign * d.astype(np.longdouble))
        error = np.abs(np.asarray(got) / want - 1).astype(float)
        assert (error <= np.finfo(dtype).eps * (4 + 0.65 * np.abs(d))).all()


def test_beyond_the_range_is_astronomical_and_nan_stays():
    # Kills: an exponent that wraps round, which would give an ordinary number.
    for dtype, far in ((np.float32, 1e20), (np.float64, 1e25)):
        up, down = exp_pair(jnp.asarray([1e4, -1e4, np.inf, -np.inf, np.nan], dtype))
        assert (np.asarray(up)[[0, 2]] > far).all()
        assert (np.asarray(down)[[1, 3]] > far).all()
        assert (np.asarray(up)[[1, 3]] < 1 / far).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_compiler_that_regroups_sums_does_no_harm(dtype):
    # JAX 0.8 does so unasked, newer ones where they are told. Kills: an integer found by adding a large number and
    # subtracting it again, which regrouping undoes: the error then reaches 40 %.
    # Regrouped series keep their digits to a few units.
    d = np.linspace(-3, 3, 1001).astype(dtype)
    pair = jax.jit(exp_pair, compiler_options={"xla_cpu_enable_fast_math": True})
    for got, sign in zip(pair(jnp.asarray(d)), (1, -1), strict=True):
        np.testing.assert_allclose(np.asarray(got), np.exp(sign * d), rtol=16 * np.finfo(dtype).eps)
