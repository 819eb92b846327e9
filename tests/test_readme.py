"""What the README prints is run, and what it names exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_the_example_runs_as_a_script_and_prints_every_loss(tmp_path):
    (code,) = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    losses = [float(value) for value in re.findall(r"^(?:training|cross|WAIC).*? (-?\d+\.\d+) ±", run.stdout, re.M)]
    training, cross_validation, waic = losses
    assert training < waic
    assert training < cross_validation
    # The noise is N(0, 0.5^2): S_n of this very data set, plus two parameters / (2 n), within what n = 30 allows.
    assert abs(cross_validation - waic) < 0.01


@pytest.mark.parametrize("target", [*re.findall(r"^make (\w+)", README, re.M), "help", "notebooks"])
def test_the_make_targets_exist(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)


@pytest.mark.parametrize("path", re.findall(r"^\| `([^`]+)`", README, re.M) + re.findall(r"\]\(([^)]+)\)", README))
def test_the_paths_exist(path):
    assert (ROOT / path).exists()
