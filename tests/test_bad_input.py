"""Bad input at the public doors that no test of a single module covers: a named error, or a warning with a number."""

import warnings

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import slt
from slt import rlct
from slt._exp import exp_pair

N = 20
BETA = 1 / np.log(N)


def one_chain_apart(rng):
    """Four chains of 250 draws of 20 observations; the first is 20 nats away from the others."""
    a = rng.normal(-1.0, 0.1, size=(1000, N))
    a[:250] -= 1.0
    return a


UNMIXED = {
    "wbic": (lambda a: slt.wbic(a, beta=BETA, chains=4), r"worth \d+ independent"),
    "from_variance": (lambda a: slt.estimate.from_variance(a, beta=BETA, chains=4), r"R-hat of nL_n is \d"),
    "singular_fluctuation": (lambda a: slt.estimate.singular_fluctuation(a, chains=4), r"R-hat of nL_n is \d"),
}


@pytest.mark.parametrize("name", UNMIXED)
def test_chains_that_did_not_mix_are_named_with_a_number(name, rng):
    # Kills: an error by the number of draws (1000 independent ones: no warning), no look at R-hat.
    call, sentence = UNMIXED[name]
    with pytest.warns(slt.SltWarning, match=sentence):
        call(one_chain_apart(rng))
    with warnings.catch_warnings():
        warnings.simplefilter("error", slt.SltWarning)
        slt.wbic(rng.normal(-1.0, 0.1, size=(1000, N)), beta=BETA, chains=4)


@given(
    hnp.arrays(np.float64, st.sampled_from([1, 2, 7]), elements=st.floats(-1e5, 1e5)),
    st.floats(-1e5, 1e5),
    st.randoms(),
)
@settings(max_examples=60, deadline=None)
def test_log_mean_exp_shifts_and_forgets_the_order(a, shift, random):
    # Kills: a shift by the first entry (overflow), a sum in the place of the mean (log of the size too large).
    found = slt.log_mean_exp(a)
    unit = np.finfo(float).eps * (np.abs(a).max() + abs(shift) + 1)
    np.testing.assert_allclose(slt.log_mean_exp(a + shift), found + shift, rtol=0, atol=8 * unit)
    np.testing.assert_allclose(slt.log_mean_exp(random.sample(a.tolist(), a.size)), found, rtol=0, atol=8 * unit)
    np.testing.assert_allclose(slt.log_mean_exp(np.r_[a, a]), found, rtol=0, atol=8 * unit)
    assert a.max() - np.log(a.size) - 8 * unit <= found <= a.max() + 8 * unit


@given(hnp.arrays(np.float64, 9, elements=st.floats(-700, 700)))
@settings(max_examples=60, deadline=None)
def test_exp_pair_is_its_own_reciprocal_and_turns_with_the_sign(d):
    up, down = map(np.asarray, exp_pair(jax.numpy.asarray(d)))
    # The remainder d - k log 2 is rounded to |d| eps / 2, and log 2 itself to |k| eps / 4: below |d| eps together.
    eps = np.finfo(float).eps
    assert (np.abs(up / np.exp(d) - 1) <= (8 + np.abs(d)) * eps).all()
    np.testing.assert_allclose(up * down, 1.0, rtol=16 * eps)
    np.testing.assert_array_equal(np.asarray(exp_pair(jax.numpy.asarray(-d))), np.stack([down, up]))


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(0, 4)), min_size=1, max_size=5), st.integers(2, 4), st.randoms()
)
@settings(max_examples=60, deadline=None)
def test_normal_crossing_forgets_the_order_and_scales_with_the_power(rows, factor, random):
    # K^c has zeta poles at z / c: lambda over c, the same m. One more pole at lambda, of another k, raises m by one.
    # Kills: m counted over equal k only, the first ratio for the least.
    found = rlct.normal_crossing(*zip(*rows, strict=True))
    moved = rlct.normal_crossing(*zip(*random.sample(rows, len(rows)), strict=True))
    power = rlct.normal_crossing([factor * k for k, _ in rows], [h for _, h in rows])
    assert (moved.rlct, moved.multiplicity) == (found.rlct, found.multiplicity)
    assert (power.rlct * factor, power.multiplicity) == (found.rlct, found.multiplicity)
    k, h = min(rows, key=lambda row: (row[1] + 1) / row[0])
    more = rlct.normal_crossing(*zip(*rows, (2 * k, 2 * h + 1), strict=True))
    assert (more.rlct, more.multiplicity) == (found.rlct, found.multiplicity + 1)


@given(hnp.arrays(np.float64, (8, 5), elements=st.floats(-50, 5)), st.floats(-1e3, 1e3))
@settings(max_examples=40, deadline=None)
@pytest.mark.filterwarnings("ignore::slt.SltWarning")
def test_wbic_shifts_with_the_likelihood(a, shift):
    # Kills: a tempered energy (the shift then counts beta times).
    beta = 1 / np.log(5)
    still, moved = slt.wbic(a, beta=beta), slt.wbic(a + shift, beta=beta)
    np.testing.assert_allclose(moved.value, still.value - 5 * shift, rtol=1e-12, atol=1e-9)
