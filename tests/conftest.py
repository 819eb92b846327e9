"""The one place where the tests switch on float64 and the run-time check of the shapes that the losses announce."""

import os
from collections import Counter
from pathlib import Path

from ext import COMPILED

os.environ.update(COMPILED | {"MPLBACKEND": "Agg"} | os.environ)

import jax
import numpy as np
import pytest
from jaxtyping import install_import_hook

jax.config.update("jax_enable_x64", True)
# Shapes stand in the annotations of these modules only; pytest's plugin of the library does not load them beforehand.
install_import_hook(["slt.losses", "slt._cumulants"], "beartype.beartype")


def pytest_collection_modifyitems(items):
    """Files with slow tests come first, then the large ones: at the end no worker is left alone with a long file."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (-slow[item.path], -item.path.stat().st_size))


@pytest.fixture(autouse=True, scope="module")
def programs_are_let_go():
    """Each file ends without the programs it compiled: Linux gives a process 65530 pieces of memory, a program takes
    ten, and at that limit a worker dies without a word, or hangs."""
    yield
    maps = Path("/proc/self/maps")
    pieces = maps.read_bytes().count(b"\n") if maps.exists() else 0
    jax.clear_caches()
    assert pieces < 40_000, f"this file's tests hold {pieces} of 65530 pieces of memory: split it."


@pytest.fixture
def rng():
    """A NumPy generator with a fixed seed."""
    return np.random.default_rng(20180501)


@pytest.fixture
def key():
    """A JAX key with a fixed seed."""
    return jax.random.key(20180501)
