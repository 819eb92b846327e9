"""Every example in a docstring is run, and prints what it says."""

import doctest
import importlib
import pkgutil

import jax.numpy as jnp
import numpy as np
import pytest

import slt

# The graders' stubs are no modules; the pytest plugin and the command have no examples to run.
MODULES = sorted(
    m.name for m in pkgutil.walk_packages(slt.__path__, "slt.") if not m.name.startswith("slt.grading.chapters")
)
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


def examples(name):
    module = importlib.import_module(name)
    found = doctest.DocTestFinder(exclude_empty=True).find(module, extraglobs={"jnp": jnp, "np": np})
    return [test for test in found if test.examples]


CASES = [pytest.param(test, id=test.name) for name in MODULES for test in examples(name)]


def test_there_are_examples():
    assert len(CASES) > 60


@pytest.mark.parametrize("test", CASES)
def test_the_example_prints_what_it_says(test):
    said = []
    failed, _ = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append, clear_globs=False)
    assert failed == 0, "".join(said)
