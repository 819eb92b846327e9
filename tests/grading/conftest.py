"""A private chapter, put beside those that ship, for the tests of the grading."""

from pathlib import Path

import pytest

from slt.grading import chapters, register, run

PRIVATE = Path(__file__).parent / "private"
STEM = "ch98_private"


@pytest.fixture
def private(monkeypatch):
    """The exercises of the private chapter by id; no other chapter is known."""
    monkeypatch.setattr(chapters, "__path__", [str(PRIVATE / "chapters")])
    monkeypatch.setattr(run, "SECONDS", 5.0)
    return {e.id: e for _, e in register.exercises(STEM)}


@pytest.fixture
def folder(private, tmp_path, monkeypatch):
    """A folder of exercises with the stubs of the private chapter; the working directory is the one above it."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "exercises"
    path.mkdir()
    (path / f"{STEM}.py").write_text(register.stub(STEM), encoding="utf-8")
    return path


@pytest.fixture
def write(folder):
    """Replace the body of one stub, `write("double", "return 2 * x")`."""

    def replace(name, *body):
        path = folder / f"{STEM}.py"
        head, tail = path.read_text(encoding="utf-8").split(f"def {name}(", 1)
        lines = "\n    ".join(body)
        path.write_text(f"{head}def {name}({tail.replace('raise NotImplementedError', lines, 1)}", encoding="utf-8")
        return path

    return replace
