"""A small chapter for the tests of the grading itself."""

import sympy

from slt.grading import expect
from slt.grading.register import Exercise

EXERCISES = (
    Exercise("98.1", "double", "code", 2, 1, "Twice", "ex-98-1", ("add", "x + x"), "Shown: twice. Another route: 2x."),
    Exercise("98.2", "tenth", "number", 1, 1, "A tenth", "ex-98-2", ("divide", "1 / 10"), "Shown: 0.1."),
    Exercise("98.10", "square", "symbolic", 1, 3, "A square", "ex-98-10", ("expand", "x * x"), "Shown: the formula."),
)


def test_98_1_values(answer, rng):
    x = rng.normal(size=5)
    unless = [(x**2, "that is the square")]
    expect.close(answer(x), x + x, given=f"x = {expect.short(x)}", why="twice is the sum.", unless=unless)


def test_98_1_again(answer, rng):
    x = rng.normal(size=1)
    expect.true(answer(x)[0] == 2 * x[0], given=f"x = {x}", got=answer(x), want="2 x", why="it is twice.")


def test_98_2_value(answer, rng):
    expect.close(answer(), 0.1, given="nothing", why="of the decimal point.")


def test_98_10_expression(answer, rng):
    x = sympy.Symbol("x")
    expect.symbolic(answer(), x**2 + 2 * x + 1, given="x + 1", why="of the binomial formula.")
