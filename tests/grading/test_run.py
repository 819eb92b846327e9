"""Answers that misbehave: each gets one clear message, and nothing around the grading is disturbed."""

import sys
import threading
import time
import warnings

import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from slt.grading import expect, register, run
from slt.grading.run import Result, grade, limited

STEM = "ch98_private"
x_ = sympy.Symbol("x")


@pytest.fixture
def verdict(private):
    def result(answer, id="98.1", **options):
        return grade(STEM, private[id], answer, **options)

    return result


def exits(x):
    sys.exit(0)


def quits(x):
    quit()


def skips(x):
    pytest.skip("not today")


def interrupts(x):
    raise KeyboardInterrupt


def asks(x):
    return input("x? ")


def recurses(x):
    return recurses(x)


def in_place(x):
    x *= 2
    return x


def from_a_library(x):
    y = x + 1
    return np.linalg.inv(y)


class Odd:
    """Not even its text can be had."""

    def __repr__(self):
        raise RuntimeError("no text")

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no array")


def unwritten(x):
    raise NotImplementedError


BAD = [
    (unwritten, "not written yet: replace `raise NotImplementedError`"),
    (exits, "called exit(): return the answer"),
    (quits, "called exit(): return the answer"),
    (skips, "raised Skipped: not today in line"),
    (interrupts, "raised KeyboardInterrupt"),
    (asks, "raised EOFError"),
    (recurses, "raised RecursionError"),
    (lambda x: x[99], "raised IndexError: index 99 is out of bounds"),
    (from_a_library, "return np.linalg.inv(y)"),
    (lambda: 1.0, "cannot be called as the stub of double says"),
    (lambda x, y: x, "cannot be called as the stub of double says"),
    (in_place, "changed its input: work on a copy"),
    (lambda x: None, "None (is the return missing?)"),
    (lambda x: "2", "a str: 2"),
    (lambda x: Odd(), "an object that cannot be shown"),
    (lambda x: (v for v in x), "a generator"),
    (lambda x: 2j * x, "wanted    an array of shape (5,)"),
    (lambda x: np.full(5, np.nan), "negative number; twice is the sum."),
    (lambda x: x * np.inf, "inf"),
    (lambda x: 2 * x[:, None], "shape (5, 1)"),
    (lambda x: 2.0, "shape ()"),
    (lambda x: [[1.0], [2.0, 3.0]], "a list"),
    (lambda x: x**2, "perhaps   that is the square"),
    (lambda x: jnp.asarray(2 * x * (1 + 1e-5), dtype="float32"), "single precision"),
    (lambda x: [np.float32(2 * v * 1.002) for v in x], "single precision"),
    (lambda x: [str(2 * v) for v in x], "a list"),
]


@pytest.mark.parametrize(("answer", "part"), BAD, ids=[part[:30] for _, part in BAD])
def test_a_bad_answer_gets_one_message(verdict, answer, part):
    result = verdict(answer)
    assert not result.passed
    assert part in result.message
    assert "Traceback" not in result.message
    assert "itself failed" not in result.message
    assert max(map(len, result.message.splitlines())) < 300


def test_the_message_says_input_wanted_got_why_and_misconception(verdict):
    words = [line.split()[0] for line in verdict(lambda x: x**2).message.splitlines()]
    assert words == ["given", "wanted", "got", "because", "perhaps"]


def test_the_readers_own_line_is_named_not_the_library_s(verdict):
    result = verdict(from_a_library)
    line = from_a_library.__code__.co_firstlineno + 2
    assert f"in line {line}: return np.linalg.inv(y)" in result.message
    assert "linalg.py" in result.traceback


def test_not_implemented_inside_a_library_is_no_stub(verdict):
    namespace = {}
    exec(compile("def missing():\n    raise NotImplementedError('no such kernel')", "library.py", "exec"), namespace)
    assert "raised NotImplementedError: no such kernel" in verdict(lambda x: namespace["missing"]()).message


def test_a_right_answer_passes_in_any_form(verdict):
    for answer in (lambda x: 2 * x, lambda x: list(2 * x), lambda x: jnp.asarray(2 * x)):
        assert verdict(answer) == Result("98.1", True, "Shown: twice. Another route: 2x.")
    for value in (0.1, np.float64(0.1), [0.1], sympy.Rational(1, 10), np.array([[0.1]])):
        assert verdict(lambda value=value: value, id="98.2").passed
    for value in ((x_ + 1) ** 2, (sympy.Symbol("x", positive=True) + 1) ** 2):
        assert verdict(lambda value=value: value, id="98.10").passed


@pytest.mark.parametrize("value", ["0.1", b"0.1", 0.1 + 0j, np.timedelta64(1, "s"), {"value": 0.1}, x_])
def test_what_is_no_number_is_not_read_as_one(verdict, value):
    result = verdict(lambda: value, id="98.2")
    assert not result.passed
    assert "wanted    one number" in result.message


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (x_**2 + 2 * x_, "an equal expression"),
        ((sympy.Symbol("y") + 1) ** 2, "['y'] is new"),
        (1 / sympy.Integer(0), "an equal expression"),
        ("(x + 1)**2", "a str"),
        (None, "is the return missing?"),
        (True, "a bool: True"),
        (sympy.Eq(x_, 1), "a SymPy expression"),
        (sympy.Matrix([x_]), "a SymPy expression"),
        (np.bool_(True), "a SymPy expression"),
        (np.int64(3), "an equal expression"),
        ([x_], "return its element: solve(...)[0]"),
        (sympy.FiniteSet(x_), "return its element"),
        ([x_, x_], "because   the signature in the stub says so."),
        (x_**2 + sympy.O(x_**3), "drop the O term"),
    ],
)
def test_a_symbolic_answer_that_is_none(verdict, value, part):
    result = verdict(lambda: value, id="98.10")
    assert not result.passed
    assert part in result.message
    assert "itself failed" not in result.message


def test_a_domain_says_where_two_expressions_must_agree():
    def unit(rng):
        return {"x": sympy.Rational(int(rng.integers(1, 9)), 9)}

    expect.symbolic(sympy.Abs(1 - x_), 1 - x_, given="x < 1", why="1 - x > 0", domain=unit)
    with pytest.raises(expect.Wrong, match="an equal expression"):
        expect.symbolic(sympy.Abs(1 - x_), 1 - x_, given="x", why="1 - x may be negative")


def test_a_wanted_value_may_stay_hidden_and_an_overflow_is_explained():
    with pytest.raises(expect.Wrong, match=r"^given     g\nwanted    another number\ngot       2\.\nbecause   w$"):
        expect.close(2.0, 1.0, given="g", why="w", wanted="another number")
    for value in (np.inf, np.nan):
        with pytest.raises(expect.Wrong, match="perhaps   too large"):
            expect.close(value, 1.0, given="g", why="w", overflow="too large")


def test_another_allclose_changes_no_verdict(verdict, monkeypatch):
    monkeypatch.setattr(np, "allclose", lambda *args, **kwargs: True)
    assert not verdict(lambda x: x)


def endless(x):
    while True:
        pass


def stubborn(x):
    while True:
        try:  # noqa: SIM105
            print("still here")
        except:  # noqa: E722
            pass


def asleep(x):
    time.sleep(1000)


@pytest.mark.parametrize("answer", [endless, stubborn])
def test_an_endless_loop_is_ended(verdict, answer):
    before, out = threading.active_count(), sys.stdout
    result = verdict(answer, seconds=0.2)
    assert "still running after 0.2 seconds: look for a loop" in result.message
    assert sys.stdout is out
    assert threading.active_count() == before  # nothing goes on in the background


def test_the_time_of_a_comparison_is_not_the_answer_s(verdict, private, monkeypatch):
    def slow(answer, rng):
        answer()
        while True:
            pass

    def catches():
        try:
            endless(1)
        except:  # noqa: E722
            return 0.1

    monkeypatch.setattr(register.graders(STEM), "test_98_2_value", slow)
    part = "your function returned, but comparing its value took more than 0.2 seconds: return a closed form"
    assert part in verdict(lambda: 0.1, id="98.2", seconds=0.2).message
    assert "your function was still running" in verdict(catches, id="98.2", seconds=0.2).message


def test_a_call_that_sleeps_is_left_behind(verdict, monkeypatch):
    monkeypatch.setattr(run, "STOPPING", 0.1)
    start = time.perf_counter()
    assert "still running" in verdict(asleep, seconds=0.2).message
    assert time.perf_counter() - start < 5  # against 1000 seconds of sleep


def test_a_flood_of_output_is_dropped(verdict, capfd):
    def flood(x):
        for _ in range(20_000):
            print("x" * 1000)
            print("y" * 1000, file=sys.stderr)
        return 2 * x

    assert verdict(flood).passed
    assert capfd.readouterr() == ("", "")
    kept = run._Limited()
    assert kept.write("x" * 20_000) == 20_000
    assert kept.write("y") == 1
    assert len(kept.getvalue()) == run.OUTPUT


def test_the_verdict_does_not_depend_on_warning_filters(verdict):
    def warns(x):
        np.log(0 * x)
        return 2 * x

    for action in ("error", "ignore"):
        with warnings.catch_warnings():
            warnings.simplefilter(action)
            assert verdict(warns).passed


def test_streams_come_back_after_an_interrupt(monkeypatch):
    streams = sys.stdin, sys.stdout, sys.stderr

    class Interrupting(threading.Thread):
        def join(self, timeout=None):
            raise KeyboardInterrupt

    monkeypatch.setattr(threading, "Thread", Interrupting)
    with pytest.raises(KeyboardInterrupt):
        limited(lambda: None, 1.0)
    assert (sys.stdin, sys.stdout, sys.stderr) == streams


def test_inputs_are_the_same_in_each_run_and_differ_between_seeds(verdict):
    seen = []

    def spy(x):
        seen.append(x.copy())
        return 0 * x

    verdict(spy), verdict(spy), verdict(spy, seed=1)
    assert np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], seen[2])


def test_what_is_right_for_one_input_only_does_not_pass(verdict):
    first = []

    def constant(x):
        first.append(2 * x)
        return first[0]

    assert not verdict(constant).passed
    assert len(first) == 2  # the same grader function, on another input


def test_a_grader_that_fails_says_so(private, monkeypatch):
    def broken(answer, rng):
        raise ZeroDivisionError("in the grader")

    monkeypatch.setattr(register.graders(STEM), "test_98_2_value", broken)
    result = grade(STEM, private["98.2"], lambda: 0.1)
    assert not result.passed
    assert "the grader of 98.2 itself failed (ZeroDivisionError: in the grader)" in result.message


def test_an_answer_that_the_grader_cannot_handle_is_named(private, monkeypatch):
    def indexes(answer, rng):
        answer()["key"]

    monkeypatch.setattr(register.graders(STEM), "test_98_2_value", indexes)
    result = grade(STEM, private["98.2"], lambda: 0.1)
    assert "your function returned a float, 0.1, and that cannot be graded: TypeError" in result.message
