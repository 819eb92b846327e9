"""The page of recipes: its cells run, its recipes are short and compile."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

PAGE = (Path(__file__).parent.parent / "book" / "recipes.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\{code-cell\} ipython3|python|stan)\n(.*?)^```", PAGE, re.M | re.S)


def chain_error(values, chains=4):
    """The standard error of a mean over chains, by batches of fifty draws: it counts autocorrelation."""
    batches = np.asarray(values).reshape(chains, -1, 50).mean(2)
    return batches.std(ddof=1) / batches.size**0.5


def test_the_cells_run_and_print_the_exact_figures(capsys):
    # Exact by quadrature (tests/test_golden.py; facts of the model): lppd -29.846, expected energy at 1/log 8 30.914,
    # log Z -31.31135. Each bound is four Monte Carlo standard errors, that of T from the influence of each draw.
    space = {}
    for kind, code in BLOCKS:
        exec(code if "cell" in kind else "", space)
    found = capsys.readouterr().out
    density = np.exp(space["log_lik"])
    error = chain_error((density / density.mean(0)).sum(1))
    assert error < 0.05  # W is 0.82 away, and would be refused
    training = float(re.search(r"T\s+([\d.]+) ±", found)[1])
    assert abs(8 * training - 29.846) < 4 * error
    energy = -space["tempered"].sum(1)
    assert abs(energy.mean() - 30.914) < 4 * chain_error(energy)  # untempered draws: 30.2
    assert abs(space["free"].value - 31.31135) < 4 * space["free"].se
    assert space["free"].se < 0.1  # Kills: WBIC in the place of F, 0.4 off.
    assert re.search(r"nu\s+\S*\d", found)
    assert re.search(r"lambda\s+\S*\d", found)


@pytest.mark.parametrize("code", [c for kind, c in BLOCKS if kind == "python"])
def test_a_recipe_is_at_most_ten_lines_of_python(code):
    ast.parse(code)
    assert len(code.splitlines()) <= 10


def test_the_stan_recipe_is_what_made_the_shipped_fit():
    program = (Path(__file__).parent.parent / "benchmarks" / "fits" / "make_stan.py").read_text(encoding="utf-8")
    (stan,) = [code for kind, code in BLOCKS if kind == "stan"]
    assert stan in program
    assert len(stan.splitlines()) <= 10
