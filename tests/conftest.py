"""The one place where the tests switch on float64 and the run-time check of the shapes that the losses announce."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")

import jax
import numpy as np
import pytest
from jaxtyping import install_import_hook

jax.config.update("jax_enable_x64", True)
# Shapes stand in the annotations of these modules only; pytest's plugin of the library does not load them beforehand.
install_import_hook(["slt.losses", "slt._cumulants"], "beartype.beartype")


@pytest.fixture
def rng():
    """A NumPy generator with a fixed seed."""
    return np.random.default_rng(20180501)


@pytest.fixture
def key():
    """A JAX key with a fixed seed."""
    return jax.random.key(20180501)
