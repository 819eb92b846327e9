"""`slt.check` and `slt.hint`, as a notebook uses them."""

import subprocess
import sys

import pytest

import slt
from slt.grading import register


def test_a_pass_shows_what_was_shown_and_where_the_solution_is(private, capsys):
    result = slt.check("98.1", lambda x: 2 * x)
    assert result
    assert repr(result) == "Result(98.1: passed)"
    assert capsys.readouterr().out.splitlines() == [
        "98.1 passed (2 points).",
        "Shown: twice. Another route: 2x.",
        "Official solution: double in the book's part Solutions (solutions/ch98_private.py).",
    ]


def test_a_failure_prints_one_message_and_raises_nothing(private, capsys):
    result = slt.check("98.1", lambda x: 1 / 0)
    assert not result
    assert repr(result) == "Result(98.1: not yet)"
    out = capsys.readouterr().out
    assert out.startswith("98.1 Twice: not yet.\nyour function raised ZeroDivisionError: division by zero in line")
    assert "Traceback" not in out


def test_the_traceback_comes_on_request(private, capsys):
    slt.check("98.1", lambda x: 1 / 0, traceback=True)
    assert "Traceback (most recent call last)" in capsys.readouterr().out


@pytest.mark.parametrize("id", ["98.1", " 98.1 ", "ex-98-1", "98_1", "EX-98-1", " ex_98_1 "])
def test_an_id_may_be_written_as_in_the_book(private, id):
    assert register.find(id)[1].name == "double"


def test_an_unknown_id_names_those_that_exist(private):
    with pytest.raises(ValueError, match=r"no exercise '98\.11'; there are 98\.1, 98\.2, 98\.10\. Did you mean 98\.1"):
        slt.check("98.11", lambda: 1)
    with pytest.raises(ValueError, match=r"no exercise 'double'; there are 98\.1, 98\.2, 98\.10\.$"):
        slt.hint("double")
    with pytest.raises(TypeError, match=r'a text, for example "1\.3"; got 98\.1'):
        slt.check(98.10, lambda: 1)  # type: ignore[arg-type]


def test_a_value_in_place_of_a_function_is_named(private):
    with pytest.raises(TypeError, match=r"check\('98\.2', tenth\), not its value; got float.*lambda: 0\.5"):
        slt.check("98.2", 0.1)  # type: ignore[arg-type]


def test_hints_grow_stronger(private, capsys):
    slt.hint("98.1")
    slt.hint("98.1", level=2)
    slt.hint("98.1", level=7)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "98.1 hint 1 of 2: add",
        "There is a stronger one: level 2.",
        "98.1 hint 2 of 2: x + x",
        "98.1 hint 2 of 2: x + x",
    ]
    with pytest.raises(ValueError, match="level starts at 1; got 0"):
        slt.hint("98.1", level=0)
    with pytest.raises(TypeError, match=r"level must be a whole number, 1 or more; got 1\.5"):
        slt.hint("98.1", level=1.5)  # type: ignore[arg-type]


def test_check_needs_no_repository(tmp_path):
    """A bare directory, another process: the shipped graders grade, and no file is written."""
    code = "import slt; print(slt.check('1.2', lambda: 1 / 50), slt.check('1.2', lambda: 1.0))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Result(1.2: passed) Result(1.2: not yet)"
    assert list(tmp_path.iterdir()) == []


def test_importing_the_plugin_loads_no_grader():
    code = "import sys, slt.grading.plugin; print([m for m in ('numpy', 'jax', 'slt.grading.run') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names_are_those_that_are_promised():
    assert all(getattr(slt.grading, name) is not None for name in slt.grading.__all__)
    with pytest.raises(AttributeError, match="no attribute 'chek'; it has"):
        slt.grading.chek  # noqa: B018
