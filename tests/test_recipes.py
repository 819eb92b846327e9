"""The page of recipes: its cells run to the exact figures, its recipes are short, and their lines do what they say."""

import ast
import inspect
import operator
import re
import warnings
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from summary_targets import exact, fit

import slt

PAGE = (Path(__file__).parent.parent / "book" / "recipes.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\{code-cell\} ipython3|python|stan)\n(.*?)^```", PAGE, re.M | re.S)
RECIPES = [code for kind, code in BLOCKS if kind == "python"]
(STAN,) = [code for kind, code in BLOCKS if kind == "stan"]


def test_the_cells_run_and_the_table_has_the_exact_figures(capsys):
    # Exact by quadrature over tau (tests/test_golden.py). Each bound is four of the table's own Monte Carlo errors.
    # Kills: a likelihood that is not tempered (WBIC 30.2, 29 errors off), WBIC in the place of F (0.4 off, 36 errors),
    # C or W as T (0.1 off, 60 errors).
    space = {}
    with jax.enable_x64(False):  # as on the page
        for kind, code in BLOCKS:
            exec(code if "cell" in kind else "", space)
    want = {"training": 29.846 / 8, "cv": 30.7419 / 8, "waic": 30.6658 / 8, "variance": 0.820}
    want |= {"free_energy": 31.31135, "wbic": 30.914}
    found = space["table"].figures
    for name, value in want.items():
        assert abs(found[name].value - value) < 4 * found[name].draws, name
    assert 0 < found["rlct"].draws < 0.05
    assert found["free_energy"].draws < 0.1
    printed = capsys.readouterr().out
    assert repr(space["table"]) in printed
    pieces = {k: float(v) for k, v in re.findall(r"^(T|C|W|nu|WBIC) +(-?[\d.]+) ±", printed, re.M)}
    short = slt.summary_from(slt.data.fit("stan")).figures
    assert len(pieces) == 5
    for letter, name in {"T": "training", "C": "cv", "W": "waic", "nu": "singular_fluctuation"}.items():
        assert pieces[letter] == pytest.approx(short[name].value, abs=6e-5)


@pytest.mark.parametrize("code", [*RECIPES, STAN])
def test_a_recipe_is_at_most_ten_lines(code):
    assert len(code.splitlines()) <= 10
    if code != STAN:
        compile(code, "recipe", "exec")


def calls():
    """Every call `slt.name(...)` in the code of the page."""
    for kind, code in BLOCKS:
        for node in ast.walk(ast.parse(code if kind != "stan" else "")):
            if isinstance(node, ast.Call) and re.fullmatch(r"slt(\.\w+)+", ast.unparse(node.func)):
                yield pytest.param(node, id=ast.unparse(node.func))
    for text in re.findall(r"(?<!`)`(slt\.[^`]+\([^`]*\))`", PAGE):  # in the prose
        yield pytest.param(ast.parse(text, mode="eval").body, id=text)


@pytest.mark.parametrize("call", [*calls()])
def test_a_call_names_what_exists_and_what_it_takes(call):
    # Kills: a function renamed, an option dropped.
    function = operator.attrgetter(ast.unparse(call.func).removeprefix("slt."))(slt)
    inspect.signature(function).bind(*call.args, **{k.arg: k.value for k in call.keywords})


def test_names_in_the_prose_exist():
    for name in re.findall(r"`slt\.([\w.]+)", PAGE):
        operator.attrgetter(name)(slt)


def recipe(word):
    (code,) = [code for code in RECIPES if word in code]
    return code


def run(code, capsys, **names):
    """The table that a recipe prints, where `names` stand in for the peer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", slt.SltWarning)  # lambda of one parameter, whose squares are heavy-tailed
        exec(code, {"slt": slt, "np": np, **names})
    return capsys.readouterr().out


def has_the_exact_figures(table):
    rows = dict(zip(exact(), ("T", "C", "W", "V", "nu", "F", "WBIC", "lambda"), strict=True))
    for name, row in rows.items():
        value, error = map(float, re.search(rf"^{row} .*?(-?\d+\.\d+) +(\d+\.\d+)", table, re.M).groups())
        assert abs(value - exact()[name]) < 4 * error + 1e-4, row


def test_the_lines_for_pymc_make_the_whole_table(rng, capsys):
    # The normal mean of summary_targets stands in for the schools: its posterior is known at every rung.
    # Kills: a ladder without 0 or without 1/log n.
    code = recipe("pm.Model")
    lines = code[code.index("betas =") :]
    has_the_exact_figures(run(lines, capsys, fit=lambda beta: {"log_likelihood": {"y": fit(rng, beta)}}))


def test_the_lines_for_cmdstanpy_make_the_whole_table(rng, capsys):
    # Kills: a variable or a number among the data whose name is not that of the Stan program; chains taken for one.
    class Model:
        def __init__(self, stan_file):
            assert stan_file.endswith(".stan")

        def sample(self, data, *, chains, adapt_delta):
            assert chains == 4
            assert adapt_delta < 1
            assert set(data) == {"y", "sigma", "beta"} <= set(re.findall(r"\w+", STAN))
            assert "vector[8] log_lik;" in STAN
            return SimpleNamespace(stan_variable={"log_lik": fit(rng, data["beta"]).reshape(-1, 8)}.__getitem__)

    peer = SimpleNamespace(CmdStanModel=Model)
    has_the_exact_figures(run(recipe("cmdstanpy"), capsys, cmdstanpy=peer, y=0, sigma=0))


def test_the_lines_for_draws_of_numpyro_take_every_chain(rng, capsys):
    space = {}
    exec(next(code for kind, code in BLOCKS if "cell" in kind).split("table =")[0], space)
    draws = {"mu": rng.normal(4, 3, (4, 250)), "tau": rng.gamma(2, 2, (4, 250)), "z": rng.normal(size=(4, 250, 8))}
    mcmc = SimpleNamespace(get_samples=lambda group_by_chain: draws if group_by_chain else None)
    table = run(recipe("mcmc.get_samples(group"), capsys, mcmc=mcmc, **space)
    theta = draws["mu"][..., None] + draws["tau"][..., None] * draws["z"]
    density = np.exp(-0.5 * ((space["y"] - theta) / space["sigma"]) ** 2) / space["sigma"] / np.sqrt(2 * np.pi)
    assert re.search(rf"^T .* {-np.log(density.mean((0, 1))).mean():.4f} ", table, re.M)


def test_the_stan_recipe_is_what_made_the_shipped_fit():
    program = (Path(__file__).parent.parent / "benchmarks" / "fits" / "make_stan.py").read_text(encoding="utf-8")
    assert STAN in program
