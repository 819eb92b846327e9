"""The pytest plugin: `pytest exercises` grades `exercises/chNN_topic.py` with the graders that ship.

It does nothing but for files that have the name of a shipped chapter and lie in a folder named `exercises`, or are
given on the command line. pytest loads it in each of its runs, so that graders are imported for such files only.
"""

import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from slt.grading import chapters

LAID_OUT = {"chapters", "stubs"}  # of the package itself: graders and master stubs are no answers


def pytest_addoption(parser):
    parser.getgroup("slt").addoption("--slt-traceback", action="store_true", help="show where an exercise failed")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    found = yield
    if file_path.suffix == ".py" and any((Path(p) / file_path.name).is_file() for p in chapters.__path__):
        folder = file_path.parent.name
        if folder == "exercises" or (parent.session.isinitpath(file_path) and folder not in LAID_OUT):
            return [ExerciseFile.from_parent(parent, path=file_path)]
    return found


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """In `-k` a number means that exercise only: `1_1 or 1_2` is not 1.10 as well."""
    if items and all(isinstance(i, ExerciseItem) for i in items):
        config.option.keyword = re.sub(r"\b(?:ex[-_])?(\d+)[-._](\d+)\b", r"ex_\1_\2_", config.getoption("keyword", ""))


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
        self.extra_keyword_matches.update({exercise.name, f"ex_{exercise.id.replace('.', '_')}_"})

    def runtest(self):
        from slt.grading.answers import answer_in
        from slt.grading.expect import Wrong
        from slt.grading.run import last_resort, run

        capture: Any = self.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext(), last_resort():
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
