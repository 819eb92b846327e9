"""The one place where the tests switch on float64; `make test` also checks shape annotations at run time."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")

import jax
import numpy as np
import pytest

jax.config.update("jax_enable_x64", True)


@pytest.fixture
def rng():
    """A NumPy generator with a fixed seed."""
    return np.random.default_rng(20180501)


@pytest.fixture
def key():
    """A JAX key with a fixed seed."""
    return jax.random.key(20180501)
