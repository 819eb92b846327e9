"""The page of recipes: its cells run, its recipes are short and compile."""

import ast
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "book" / "recipes.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\{code-cell\} ipython3|python|stan)\n(.*?)^```", PAGE, re.M | re.S)


def test_the_cells_run_and_print_the_exact_figures(capsys):
    # Exact by quadrature (tests/test_golden.py): lppd -29.846, expected energy at 1/log 8 30.914.
    space = {}
    for kind, code in BLOCKS:
        exec(code if "cell" in kind else "", space)
    found = capsys.readouterr().out
    training = float(re.search(r"T\s+([\d.]+) ±", found)[1])
    assert abs(8 * training - 29.846) < 0.06  # four times its Monte Carlo error; W is 0.82 away
    energy = space["energy"]
    assert abs(energy.mean() - 30.914) < 4 * energy.std() / len(energy) ** 0.5  # untempered draws: 30.2


@pytest.mark.parametrize("code", [c for kind, c in BLOCKS if kind == "python"])
def test_a_recipe_is_at_most_ten_lines_of_python(code):
    ast.parse(code)
    assert len(code.splitlines()) <= 10


def test_the_stan_recipe_is_what_made_the_shipped_fit():
    program = (Path(__file__).parent.parent / "benchmarks" / "fits" / "make_stan.py").read_text(encoding="utf-8")
    (stan,) = [code for kind, code in BLOCKS if kind == "stan"]
    assert stan in program
    assert len(stan.splitlines()) <= 10
