"""One check for a chapter's whole exercise set: `pytest tests/exercises`."""

import importlib.util
import re
from pathlib import Path

import pytest

from slt.grading import register
from slt.grading.run import grade

ROOT = Path(__file__).resolve().parents[1]
SEEDS = (0, 1, 2)


def load(path):
    spec = importlib.util.spec_from_file_location(f"set_{path.parent.name}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def functions(path):
    """Names of the public functions of a file, in order."""
    return re.findall(r"^def ([a-z]\w*)", path.read_text(encoding="utf-8"), re.M)


def check_set(stem, wrong, also_right):
    """The test functions of a chapter's set, to be put into the namespace of its test module."""
    exercises = {e.id: e for _, e in register.exercises(stem)}
    solutions = load(ROOT / "solutions" / f"{stem}.py")
    stub_file = ROOT / "slt" / "grading" / "stubs" / f"{stem}.py"
    stubs = load(stub_file)
    seeds = pytest.mark.parametrize("seed", SEEDS)
    every = pytest.mark.parametrize("id", exercises)

    @seeds
    @every
    def test_the_solution_passes(id, seed):
        result = grade(stem, exercises[id], getattr(solutions, exercises[id].name), seed=seed)
        assert result.passed, result.message
        assert result.message == exercises[id].shown

    @seeds
    @pytest.mark.parametrize(("id", "answer"), [(id, f) for id, answers in also_right.items() for f in answers])
    def test_other_right_answers_pass(id, answer, seed):
        result = grade(stem, exercises[id], answer, seed=seed)
        assert result.passed, result.message

    @seeds
    @every
    def test_the_stub_fails(id, seed):
        result = grade(stem, exercises[id], getattr(stubs, exercises[id].name), seed=seed)
        assert not result.passed
        assert "not written yet" in result.message

    @seeds
    @pytest.mark.parametrize(("id", "answer", "part"), [(id, *case) for id, cases in wrong.items() for case in cases])
    def test_a_wrong_answer_fails_with_its_message(id, answer, part, seed):
        result = grade(stem, exercises[id], answer, seed=seed)
        assert not result.passed
        assert part in result.message

    @pytest.mark.parametrize("id", [e.id for e in exercises.values() if e.kind in ("code", "proof")])
    def test_what_is_right_for_one_input_does_not_pass(id):
        """The solution's own answer to the first input, given again and again."""
        first = []

        def answer(*args):
            first.append(getattr(solutions, exercises[id].name)(*args)) if not first and args else None
            return first[0] if first else {}

        assert not grade(stem, exercises[id], answer).passed

    @every
    def test_the_record_is_complete(id):
        e = exercises[id]
        assert e.kind in register.KINDS
        assert e.points >= 1
        assert e.difficulty in (1, 2, 3)
        assert len(e.hints) >= 2
        assert len(set(e.hints)) == len(e.hints)
        assert len(wrong[id]) >= 2
        assert register.tests(stem, e)
        assert e.label == "ex-" + id.replace(".", "-")

    def test_the_ids_agree_in_all_five_places():
        names = [e.name for e in exercises.values()]
        assert functions(stub_file) == names
        assert functions(ROOT / "solutions" / f"{stem}.py") == names
        assert list(wrong) == list(exercises)
        page = (ROOT / "book" / f"{stem}.md").read_text(encoding="utf-8")
        stated = re.findall(r"^`{3,}\{exercise\}.*\n:label: (\S+)", page, re.M)
        assert stated == [e.label for e in exercises.values()]
        for e in exercises.values():
            assert e.name in page
        graders = {name.rsplit("_", 1)[0] for name in vars(register.graders(stem)) if name.startswith("test_")}
        assert all(any(name.startswith(e.prefix[:-1]) for e in exercises.values()) for name in graders)

    def test_the_signatures_of_stubs_and_solutions_agree():
        pattern = r"^def .*?:$"
        texts = [path.read_text(encoding="utf-8") for path in (stub_file, ROOT / "solutions" / f"{stem}.py")]
        assert re.findall(pattern, texts[0], re.M) == re.findall(pattern, texts[1], re.M)

    def test_grading_leaves_no_file(tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for e in exercises.values():
            grade(stem, e, getattr(solutions, e.name))
        assert list(tmp_path.iterdir()) == []

    return {name: value for name, value in locals().items() if name.startswith("test_")}
