"""The command `slt`: exit codes, what it prints, and that nothing that a reader wrote is lost."""

import os
import subprocess
import sys

import pytest

from slt.grading import answers, cli, register
from slt.grading.cli import main

STEM = "ch98_private"
SOLVED = {"double": "return 2 * x", "tenth": "return 0.1", "square": 'return (sympy.Symbol("x") + 1) ** 2'}


def test_check_fails_stubs_and_passes_answers(write, capsys):
    assert main(["check"]) == 1
    assert "0 of 3 passed." in capsys.readouterr().out
    write("double", SOLVED["double"])
    assert main(["check", "98.1"]) == 0
    assert "98.1 passed (2 points)." in capsys.readouterr().out
    assert main(["check", "98.1", "98.2"]) == 1
    assert "98.2 A tenth: not yet.\nnot written yet" in capsys.readouterr().out
    for name in ("tenth", "square"):
        write(name, SOLVED[name])
    assert main(["check"]) == 0
    assert "3 of 3 passed." in capsys.readouterr().out


def test_the_traceback_comes_on_request(write, capsys):
    write("double", "return 1 / 0")
    assert main(["check", "98.1"]) == 1
    assert "Traceback" not in capsys.readouterr().out
    assert main(["check", "98.1", "--traceback"]) == 1
    assert "Traceback" in capsys.readouterr().out


def test_next_leads_from_one_to_the_next(write, folder, capsys):
    assert main(["next"]) == 1
    out = capsys.readouterr().out
    assert f"Write double in {folder / STEM}.py. The statement is exercise 98.1 of the book." in out
    write("double", SOLVED["double"])
    assert main(["next"]) == 1
    assert "Then: slt check 98.2." in capsys.readouterr().out
    write("tenth", SOLVED["tenth"])
    write("square", SOLVED["square"])
    assert main(["next"]) == 0
    assert capsys.readouterr().out == "All exercises are solved.\n"


def test_list_counts_points(write, capsys):
    write("double", SOLVED["double"])
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["98.1", "solved", "code", "*", "2", "points", "Twice"]
    assert lines[1].split() == ["98.2", "open", "number", "*", "1", "point", "A", "tenth"]
    assert lines[3] == "2 of 4 points. *: difficulty."


def test_hint(private, capsys):
    assert main(["hint", "98.1", "2"]) == 0
    assert capsys.readouterr().out == "98.1 hint 2 of 2: x + x\n"


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["check", "98.7"], "there is no exercise '98.7'; there are 98.1, 98.2, 98.10."),
        (["hint", "7"], "there is no exercise '7'"),
        (["hint", "98.1", "0"], "level starts at 1"),
        (["start", "exercises/ch98_private.py"], "ch98_private.py is a file: give the name of a folder"),
        (["reset", "98.7"], "there is no exercise '98.7'"),
        (["solve"], "'check', 'hint', 'next', 'list', 'reset', 'watch', 'start'"),
        ([], "COMMAND"),
        (["check", "--exercises", "nowhere"], "no exercises found in nowhere. `slt start`"),
    ],
)
def test_a_call_that_makes_no_sense_gets_2_and_what_exists(folder, capsys, argv, part):
    assert main(argv) == 2
    assert part in " ".join(capsys.readouterr().err.split())


def test_help_is_no_error(capsys):
    assert main(["--help"]) == 0
    assert "reset" in capsys.readouterr().out


def test_without_exercises_it_says_how_to_get_them(private, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["next"]) == 2
    assert "`slt start` puts the stubs into ./exercises" in capsys.readouterr().err
    assert main(["start"]) == 0
    assert (tmp_path / "exercises" / f"{STEM}.py").read_text() == register.stub(STEM)
    assert main(["next"]) == 1


def test_start_leaves_what_is_there(write, folder, capsys):
    text = write("double", SOLVED["double"]).read_text()
    assert main(["start"]) == 0
    assert "nothing was changed" in capsys.readouterr().out
    assert (folder / f"{STEM}.py").read_text() == text


@pytest.mark.parametrize("option", [["--exercises", "mine", "check", "98.1"], ["check", "98.1", "--exercises", "mine"]])
def test_the_folder_may_be_named(write, folder, tmp_path, option):
    write("double", SOLVED["double"])
    folder.rename(tmp_path / "mine")
    assert main(option) == 0


def test_the_folder_is_found_from_below_and_is_never_the_solutions(folder, tmp_path):
    below = folder / "notes" / "deep"
    below.mkdir(parents=True)
    assert answers.find_folder(below) == folder
    for name in ("solutions", "stubs", "chapters"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{STEM}.py").write_text("")
        assert answers.find_folder(tmp_path / name) == folder


def test_no_byte_code_and_no_other_file_is_left(write, folder):
    write("double", SOLVED["double"])
    main(["check"])
    main(["list"])
    assert [p.name for p in folder.rglob("*")] == [f"{STEM}.py"]


def test_a_save_within_the_same_second_counts(write):
    """Byte code kept by time and size would still hold the first version."""
    path = write("tenth", "return 0.2")
    assert main(["check", "98.2"]) == 1
    path.write_text(path.read_text().replace("0.2", "0.1"))
    assert main(["check", "98.2"]) == 0


FILES = [
    ("def double(x:\n", "is not valid Python"),
    ("import nothing_like_this\n", "fails when it is imported: ModuleNotFoundError"),
    ("import sys\nsys.exit(3)\n", "fails when it is imported: SystemExit: 3 (line 2: sys.exit(3))"),
    ("x = 1\n", "has no function double. `slt reset 98.1` puts its stub back"),
    ("double = 3\n", "has no function double"),
    ("while True:\n    print(1)\n", "was still running after 0.3 seconds: a loop outside the functions"),
    ("name = input()\n", "fails when it is imported: EOFError"),
    ("import os\nprint('x' * 10**7)\nx = 1\n", "has no function double"),
    ("\0", "is not valid Python"),
]


@pytest.mark.parametrize(("text", "part"), FILES, ids=[part[:40] for _, part in FILES])
def test_a_file_that_does_not_run_gets_one_message(folder, monkeypatch, capsys, text, part):
    monkeypatch.setattr(answers.run, "SECONDS", 0.3)
    (folder / f"{STEM}.py").write_text(text)
    assert main(["check", "98.1"]) == 1
    out = capsys.readouterr().out
    assert part in out
    assert len(out) < 400


def test_a_missing_file_gets_one_message(folder, capsys):
    (folder / "ch99_other.py").write_text("")
    path = folder / f"{STEM}.py"
    path.unlink()
    for argv in (["check", "98.1"], ["reset", "98.1"]):
        assert main([*argv, "--exercises", str(folder)]) == 2
        assert "`slt start`" in capsys.readouterr().err


def test_reset_restores_one_stub_and_keeps_the_rest(write, folder, capsys):
    write("double", "# my idea", SOLVED["double"])
    path = write("tenth", SOLVED["tenth"])
    before = path.read_bytes()
    assert main(["reset", "98.1"]) == 0
    assert path.read_text() == register.stub(STEM).replace(
        'A tenth."""\n    raise NotImplementedError', 'A tenth."""\n    return 0.1'
    )
    backups = list((folder / "backup").iterdir())
    assert [b.read_bytes() for b in backups] == [before]
    assert str(backups[0]) in capsys.readouterr().out
    assert main(["reset", "98.1"]) == 0
    assert len(list((folder / "backup").iterdir())) == 2  # a second reset overwrites no backup


ODD_FILES = {
    "a form feed and a line separator": 'A = "\f \u2028"\n\ndef double(x):\n    return 7\n\nB = 2\n',
    "decorated": "import functools\n\n@functools.cache\ndef double(x):\n    return 7\nB = 2\n",
    "twice defined": "def double(x):\n    return 6\n\ndef double(x):\n    return 7\nB = 2\n",
    "an assignment": "double = lambda x: 7\nB = 2\n",
    "deleted": "B = 2",
    "windows": "def double(x):\r\n    return 7\r\n\r\nB = 2\r\n",
}


@pytest.mark.parametrize("text", ODD_FILES.values(), ids=ODD_FILES)
def test_reset_in_odd_files(folder, capsys, text):
    path = folder / f"{STEM}.py"
    head = "import numpy as np\n"
    path.write_bytes((head + text).encode())
    before = path.read_bytes()
    assert main(["reset", "98.1"]) == 0
    assert main(["check", "98.1"]) == 1
    assert "not written yet" in capsys.readouterr().out
    assert "B = 2" in path.read_text()
    assert "return 7" not in path.read_text()
    assert [b.read_bytes() for b in (folder / "backup").iterdir()] == [before]


@pytest.mark.parametrize(("encoding", "head"), [("utf-8-sig", ""), ("latin-1", "# coding: latin-1\n")])
def test_reset_keeps_the_encoding(folder, encoding, head):
    path = folder / f"{STEM}.py"
    path.write_text(f"{head}def double(x):\n    return 7\n\nname = 'café'\n", encoding=encoding)
    assert main(["reset", "98.1"]) == 0
    text = path.read_text(encoding)
    assert "raise NotImplementedError" in text
    assert "'café'" in text
    assert path.read_bytes().startswith("\ufeff".encode()) == (encoding == "utf-8-sig")
    assert main(["check", "98.1"]) == 1


@pytest.mark.parametrize(
    "data", [b"def double(x:\n    my work\n", b"# coding: nothing\nmy work\n", b"# \n\n\n'\xe9 my work'\n"]
)
def test_reset_of_a_broken_file_changes_nothing(folder, capsys, data):
    path = folder / f"{STEM}.py"
    path.write_bytes(data)
    assert main(["reset", "98.1"]) == 2
    assert "nothing was changed. Mend that line" in capsys.readouterr().err
    assert [p.name for p in folder.iterdir()] == [path.name]
    assert path.read_bytes() == data


def test_watch_checks_again_on_a_save_and_ends_with_ctrl_c(write, monkeypatch, capsys):
    edits = iter([("double", SOLVED["double"]), None, ("tenth", "return 0.3")])

    def sleep(seconds):
        try:
            edit = next(edits)
        except StopIteration:
            raise KeyboardInterrupt from None
        if edit:
            write(*edit)

    monkeypatch.setattr(cli.time, "sleep", sleep)
    assert main(["watch"]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if "not yet." in line or "passed" in line] == [
        "98.1 Twice: not yet.",
        "98.1 passed (2 points).",
        "98.2 A tenth: not yet.",
        "98.2 A tenth: not yet.",
    ]
    assert "got       0.3" in out


def test_watch_ends_when_all_is_solved(write, monkeypatch):
    for name, body in SOLVED.items():
        write(name, body)
    monkeypatch.setattr(cli.time, "sleep", lambda seconds: pytest.fail("it waits for another save"))
    assert main(["watch"]) == 0


@pytest.mark.parametrize("command", [["slt.grading.cli", "check", "1.2"], ["pytest", "exercises", "-q", "-k", "1_2"]])
def test_a_call_that_never_lets_go_ends_the_process(tmp_path, command):
    """One call into compiled code cannot be ended from Python: the process ends and says in which line."""
    file = tmp_path / "exercises" / "ch01_definition.py"
    file.parent.mkdir()
    file.write_text("import itertools\n\ndef variance_of_empirical_entropy():\n    return sum(itertools.repeat(0))\n")
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tmp_path,
        env={**os.environ, "SLT_SECONDS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "line 4 in variance_of_empirical_entropy" in done.stderr


def test_a_pipe_that_is_closed_early_is_no_error(tmp_path):
    start = [sys.executable, "-m", "slt.grading.cli", "start"]
    subprocess.run(start, cwd=tmp_path, check=True, capture_output=True)
    listing = subprocess.Popen(
        [sys.executable, "-m", "slt.grading.cli", "list"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert listing.stdout is not None
    assert listing.stderr is not None
    listing.stdout.readline()
    listing.stdout.close()
    assert listing.stderr.read() == b""
    listing.stderr.close()
    assert listing.wait() == 0
