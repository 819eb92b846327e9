"""The pytest plugin: `pytest exercises` grades `exercises/chNN_topic.py` with the graders that ship.

It does nothing but in a folder named `exercises` that holds a file with the name of a shipped chapter.
"""

from pathlib import Path

import pytest

CHAPTERS = frozenset(p.stem for p in (Path(__file__).parent / "chapters").glob("ch*.py"))


def pytest_addoption(parser):
    parser.getgroup("slt").addoption("--slt-traceback", action="store_true", help="show where an exercise failed")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    found = yield
    if file_path.suffix == ".py" and file_path.stem in CHAPTERS and file_path.parent.name == "exercises":
        return [ExerciseFile.from_parent(parent, path=file_path)]
    return found


class ExerciseFile(pytest.File):
    """A file of exercises: one item for each grader function."""

    def collect(self):
        from slt.grading import register

        for stem, exercise in register.exercises(self.path.stem):
            for name, test in register.tests(stem, exercise):
                yield ExerciseItem.from_parent(self, name=name.removeprefix("test_"), exercise=exercise, test=test)


class ExerciseItem(pytest.Item):
    """One grader function on one answer."""

    def __init__(self, *, exercise, test, **kwargs):
        super().__init__(**kwargs)
        self.exercise, self.test, self.trace = exercise, test, ""

    def runtest(self):
        from slt.grading.answers import answer_in
        from slt.grading.expect import Wrong
        from slt.grading.run import run

        message, self.trace = run(self.test, answer_in(self.path, self.exercise), self.exercise)
        if message is not None:
            raise Wrong(message)

    def repr_failure(self, excinfo, style=None):
        from slt.grading.expect import Wrong

        if not isinstance(excinfo.value, Wrong):
            return super().repr_failure(excinfo, style)
        text = f"{self.exercise.id} {self.exercise.title}\n{excinfo.value}\nslt hint {self.exercise.id} helps."
        return f"{text}\n\n{self.trace}" if self.config.getoption("--slt-traceback") and self.trace else text

    def reportinfo(self):
        return self.path, None, f"{self.exercise.id} {self.exercise.title}"
