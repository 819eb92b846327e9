"""`pytest exercises` grades what the reader wrote, and the plugin does nothing anywhere else."""

import subprocess
import sys

import pytest

from slt.grading import register

pytest_plugins = ["pytester"]
STEM = "ch98_private"


@pytest.fixture
def suite(pytester, private):
    """A folder `exercises` with the private chapter's stubs, one of them solved and one wrong."""
    folder = pytester.mkdir("exercises")
    text = register.stub(STEM)
    for body in ("return 2 * x", "return 0.2"):
        text = text.replace("raise NotImplementedError", body, 1)
    (folder / f"{STEM}.py").write_text(text)
    return pytester


def test_each_grader_function_is_a_test(suite):
    result = suite.runpytest_inprocess("exercises")
    result.assert_outcomes(passed=2, failed=2)
    text = result.stdout.str()
    assert "98.2 A tenth\ngiven     nothing\nwanted    0.1\ngot       0.2\nbecause   of the decimal point." in text
    assert "98.10 A square\nnot written yet" in text
    assert "slt hint 98.2 helps." in text
    assert "Traceback" not in text
    assert "expect.py" not in text


@pytest.mark.parametrize(
    ("chosen", "outcome"),
    [
        ("98_1", {"passed": 2}),
        ("98.1", {"passed": 2}),
        ("98_10", {"failed": 1}),
        ("98_2", {"failed": 1}),
        ("98_1 or 98_2", {"passed": 2, "failed": 1}),
        ("not 98.1", {"failed": 2}),
        ("ex-98-1", {"passed": 2}),
        ("double", {"passed": 2}),
    ],
)
def test_an_id_after_k_means_that_exercise_only(suite, chosen, outcome):
    suite.runpytest_inprocess(f"exercises/{STEM}.py", "-k", chosen).assert_outcomes(
        **outcome, deselected=4 - sum(outcome.values())
    )


def test_the_traceback_comes_on_request(suite):
    result = suite.runpytest_inprocess("exercises", "-k", "98_2", "--slt-traceback")
    assert "in test_98_2_value" in result.stdout.str()


def test_an_endless_loop_fails_and_the_rest_goes_on(suite, monkeypatch):
    monkeypatch.setattr("slt.grading.run.SECONDS", 0.3)
    path = suite.path / "exercises" / f"{STEM}.py"
    path.write_text(path.read_text().replace("return 0.2", "while True: print('no end')"))
    result = suite.runpytest_inprocess("exercises")
    result.assert_outcomes(passed=2, failed=2)
    assert "still running after 0.3 seconds" in result.stdout.str()
    assert "no end" not in result.stdout.str()


@pytest.mark.parametrize("text", ["def double(x:\n", "raise SystemExit\n", "import pytest; pytest.exit('no')\n"])
def test_a_file_that_does_not_run_fails_each_test_with_one_message(suite, text):
    (suite.path / "exercises" / f"{STEM}.py").write_text(text)
    result = suite.runpytest_inprocess("exercises")
    result.assert_outcomes(failed=4)
    assert "Traceback" not in result.stdout.str()


def test_warnings_as_errors_change_no_verdict(suite):
    path = suite.path / "exercises" / f"{STEM}.py"
    path.write_text(path.read_text().replace("return 2 * x", "np.log(0 * x)\n    return 2 * x"))
    suite.runpytest_inprocess("exercises", "-W", "error", "-k", "98_1").assert_outcomes(passed=2, deselected=2)


def test_a_file_given_by_name_may_lie_anywhere(suite):
    (suite.path / "exercises").rename(suite.path / "mine")
    suite.runpytest_inprocess(f"mine/{STEM}.py").assert_outcomes(passed=2, failed=2)


def test_other_suites_are_left_alone(suite):
    """A test file, a folder `exercises` of somebody else's, a chapter's name elsewhere, and `-k` with a number."""
    (suite.path / "exercises" / f"{STEM}.py").unlink()
    suite.makepyfile(
        **{
            "exercises/test_theirs": "def test_1_3_a(): pass",
            "exercises/ch07_of_theirs": "raise RuntimeError('not to be imported')",
            f"lib/{STEM}": "raise RuntimeError('not to be imported')",
            "test_1_3": "def test_b(): pass",
        }
    )
    suite.runpytest_inprocess().assert_outcomes(passed=2)
    suite.runpytest_inprocess("-k", "1_3").assert_outcomes(passed=2)
    suite.runpytest_inprocess("-p", "no:slt").assert_outcomes(passed=2)


def test_in_a_process_of_its_own_with_the_shipped_chapter(tmp_path):
    """As a reader runs it, through the installed entry point; no file but pytest's own cache is left."""
    path = tmp_path / "exercises" / "ch01_definition.py"
    path.parent.mkdir()
    path.write_text(register.stub(path.stem))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "exercises/ch01_definition.py", "-k", "1_3", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "1.3 A predictive density from draws\nnot written yet" in done.stdout
    assert "1.13" not in done.stdout
    assert [p.name for p in tmp_path.rglob("*")] == ["exercises", "ch01_definition.py"]


def test_the_plugin_imports_nothing_in_other_runs(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import sys\ndef test_it():\n    assert 'slt.grading.plugin' in sys.modules\n"
        "    assert not {'numpy', 'jax', 'slt.grading.register', 'slt.grading.run'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:jaxtyping", "-p", "no:hypothesispytest"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
