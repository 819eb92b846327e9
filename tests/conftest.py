"""The one place where the tests switch on float64 and the run-time check of the shapes that the losses announce."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")

import jax
import numpy as np
import pytest
from jaxtyping import install_import_hook

jax.config.update("jax_enable_x64", True)
# Modules whose annotations carry shapes; pytest's plugin of the library does not load them beforehand. `wbic` and
# `log_lik` are not among them: they take what is not yet of that shape, and name it themselves.
SHAPED = ["losses", "_criteria", "_cumulants", "_observations"]
install_import_hook([f"slt.{name}" for name in SHAPED], "beartype.beartype")


@pytest.fixture
def rng():
    """A NumPy generator with a fixed seed."""
    return np.random.default_rng(20180501)


@pytest.fixture
def key():
    """A JAX key with a fixed seed."""
    return jax.random.key(20180501)
