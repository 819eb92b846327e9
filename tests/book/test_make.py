"""`make` on a machine without a suitable Python, and the path of the execution cache."""

import os
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import ext
import ext.settings
from ext import ROOT

TOOLS = ("sh", "make", "rm", "find", "touch")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="make targets are for POSIX shells")


@pytest.fixture
def checkout(tmp_path):
    """A folder with the Makefile, and a PATH that holds the tools of `make` and nothing else."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found is not None, name
        (tools / name).symlink_to(found)
    return tmp_path


def script(path: Path, text: str):
    path.write_text(f"#!{shutil.which('sh')}\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def make(folder, target):
    return subprocess.run(
        ["make", target], cwd=folder, env={"PATH": str(folder / "bin")}, capture_output=True, text=True, timeout=60
    )


def test_help_names_every_target(checkout):
    text = make(checkout, "help").stdout
    for target in ("book", "test", "serve", "notebooks", "lint", "bench", "clean"):
        assert f"make {target} " in text


@pytest.mark.parametrize("target", ["book", "test", "lint"])
def test_no_python_gets_one_clear_line(checkout, target):
    done = make(checkout, target)
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(said) == 1
    assert "No Python >= 3.12 with its venv module" in said[0]
    assert "apt install" in said[0]
    assert "uv" in said[0]


def test_an_old_python_and_a_shim_for_nothing_are_passed_over(checkout):
    """A name on the PATH is tried by running it: `python3.13` may be a shim, `python3` too old or without venv."""
    script(checkout / "bin" / "python3.13", "exit 127")
    script(checkout / "bin" / "python3.12", "echo 'No module named ensurepip' >&2; exit 1")
    script(checkout / "bin" / "python3", "exit 1")
    done = make(checkout, "book")
    assert done.returncode != 0
    assert "No Python >= 3.12" in done.stderr
    assert "ensurepip" not in done.stderr


def test_uv_is_the_last_resort(checkout):
    script(checkout / "bin" / "uv", 'echo "$@" >> uv.log; exit 0')
    done = make(checkout, "book")
    assert "venv --quiet --seed --python 3.13 .venv" in (checkout / "uv.log").read_text()
    assert "No Python >= 3.12" not in done.stderr


def test_a_suitable_python_makes_the_environment_once(checkout):
    """The second call installs nothing."""
    python = 'echo "$@" >> $PWD/python.log\n'
    venv = (
        f'case "$1 $2" in \'-m venv\') /bin/mkdir -p .venv/bin && /bin/cp "$0" .venv/bin/python;; esac\n{python}exit 0'
    )
    script(checkout / "bin" / "python3.12", venv)
    assert make(checkout, "bench").returncode == 0
    install = "install --quiet --disable-pip-version-check -c constraints.txt -e .[book,dev]"
    assert (checkout / "python.log").read_text().count(install) == 1
    assert make(checkout, "bench").returncode == 0
    assert (checkout / "python.log").read_text().count(install) == 1


@pytest.mark.parametrize("changed", ["slt/losses.py", "slt/data/nile.csv", "constraints.txt"])
def test_a_change_of_the_library_or_its_versions_empties_the_cache(tmp_path, monkeypatch, changed):
    monkeypatch.setattr(ext.settings, "ROOT", tmp_path)
    for name in ("slt/losses.py", "slt/data/nile.csv", "constraints.txt", "book/ch01_definition.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before")
    first = ext.settings.cache_path()
    (tmp_path / "book/ch01_definition.md").write_text("after")
    assert ext.settings.cache_path() == first
    (tmp_path / changed).write_text("after")
    assert ext.settings.cache_path() != first


PROGRAM = """
import jax, jax.numpy as jnp
events = []
jax.monitoring.register_event_listener(lambda name, **_: events.append(name))
print((jnp.arange(7.0) ** 2).sum(), sum(name.endswith("/cache_misses") for name in events))
"""


def test_a_small_program_is_compiled_once_for_book_and_tests(tmp_path):
    # Kills: a threshold of seconds below which nothing is kept; a warning of the third run, which finds entries that
    # are not whole, as another process leaves them while it writes.
    assert os.environ.keys() >= ext.COMPILED.keys()  # conftest.py
    assert (
        f"ignore:{ext.HALF_WRITTEN}"
        in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["filterwarnings"]
    )
    environment = os.environ | ext.COMPILED | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-W", f"ignore:{ext.HALF_WRITTEN}", "-c", PROGRAM]
    said = []
    for size in (None, None, 100):
        for entry in tmp_path.glob("*-cache") if size else ():
            os.truncate(entry, size)
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.split())
    first, second, third = said
    assert first[0] == second[0] == third[0] == "91.0"
    assert int(first[1]) > 0 == int(second[1])
