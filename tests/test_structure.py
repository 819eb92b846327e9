"""The written rules of the library, as tests: floors, sizes, exports, docstrings."""

import ast
import importlib
import inspect
import operator
import re
import subprocess
import sys
from pathlib import Path

import pytest

import slt

ROOT = Path(slt.__file__).parent
FLOORS = {
    "_arrays": 0,
    "_arviz": 0,
    "_tail": 0,
    "_mixing": 0,
    "_work": 0,
    "_store": 0,
    "_exp": 0,
    "_panels": 0,
    "_nodes": 1,
    "_fused": 1,
    "_pareto": 1,
    "_observations": 1,
    "_point": 1,
    "energy": 1,
    "rlct": 1,
    "_smc": 1,
    "losses": 2,
    "_modes": 2,
    "estimate": 2,
    "_climbs": 2,
    "_laplace": 3,
    "_cover": 3,
    "_cubature": 3,
    "_conditional": 4,
    "_from_fit": 5,
    "_criteria": 3,
    "_cumulants": 3,
    "_waic": 3,
    "_compare": 4,
    "_stream": 4,
    "_refit_chains": 5,
    "_refit": 6,
    "_hmc": 0,
    "_processes": 0,
    "_nuts": 1,
    "_many": 4,
    "_program": 6,
    "_replicate": 7,
    "_verify": 8,
    "_summary": 6,
    "_table": 5,
    "_trees": 6,
    "triple": 2,
    "_sites": 2,
    "conjugate": 3,
    "quadrature": 3,
    "interop": 3,
    "_target": 3,
    "local": 3,
    "posterior": 4,
    "evidence": 5,
    "experiment": 4,
    "zoo": 4,
    "samplers": 5,
    "plots": 5,
    "data": 5,
    "grading": 5,
}
# A heavy library and the only modules that may import it.
OWNERS = {
    "arviz": {"_arviz"},
    "arviz_base": {"_arviz"},
    "arviz_stats": {"_arviz"},
    "arviz_plots": {"_arviz"},
    "matplotlib": {"plots"},
    "plotly": {"plots"},
    "pytest": {"grading"},
    "_pytest": {"grading"},
}
LINES = 250


def modules():
    return sorted(p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py")


def top(path):
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imports(path):
    """(module, imported name) of every import statement, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module, alias.name) for alias in node.names)


def slt_imports(path):
    for module, name in imports(path):
        parts = module.split(".")
        if parts[0] == "slt":
            yield parts[1] if len(parts) > 1 else name


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_imports_only_from_floors_below(path):
    here = top(path)
    assert here in FLOORS, f"{here} has no floor: give it one in FLOORS"
    above = {m for m in slt_imports(path) if m != here and not FLOORS.get(m, 99) < FLOORS[here]}
    assert not above, f"{here} (floor {FLOORS[here]}) imports {above}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_libraries_have_one_owner(path):
    found = {module.split(".")[0] for module, _ in imports(path)}
    wrong = {library for library in found & OWNERS.keys() if top(path) not in OWNERS[library]}
    assert not wrong, f"{path.name} imports {wrong}; only {[OWNERS[w] for w in wrong]} may"
    if FLOORS[top(path)] <= 1:
        at_top = ast.parse(path.read_text()).body
        names = {a.name for n in at_top if isinstance(n, ast.Import) for a in n.names}
        names |= {n.module for n in at_top if isinstance(n, ast.ImportFrom)}
        assert not any(n.startswith("numpyro") for n in names)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_can_be_read_in_one_sitting(path):
    if "chapters" not in path.parts:
        assert len(path.read_text().splitlines()) <= LINES, f"{path.name} is too long: split it by idea"


PUBLIC = sorted(slt._FUNCTIONS)


def test_the_export_list_is_what_the_modules_have():
    assert set(slt.__all__) == {*slt._FUNCTIONS, *slt._MODULES}
    for name in slt.__all__:
        assert getattr(slt, name) is not None
    assert set(slt.__all__) <= set(dir(slt))
    with pytest.raises(AttributeError, match="no attribute 'losss'; it has"):
        slt.losss  # noqa: B018


def documented():
    """Public functions and classes: those of the export list and those of the public modules."""
    found = {name: getattr(slt, name) for name in PUBLIC}
    modules = ["conjugate", "energy", "evidence", "experiment", "local", "quadrature", "plots", "data", "rlct", "zoo"]
    modules += ["estimate"]
    modules += [f"samplers.{name}" for name in slt.samplers.__all__]
    for module in modules:
        owner = operator.attrgetter(module)(slt)
        for name in getattr(owner, "__all__", vars(owner)):
            value = getattr(owner, name)
            ours = str(getattr(value, "__module__", "")).startswith("slt.")
            if not name.startswith("_") and callable(value) and ours:
                found.setdefault(f"{module}.{name}", value)
    return found


@pytest.mark.parametrize("name", documented())
def test_every_public_name_has_a_full_docstring(name):
    value = documented()[name]
    doc = inspect.getdoc(value) or ""
    for part in ("**Source:**", ">>> "):
        assert part in doc or name in {"MeanSE", "SltWarning"}, f"{name}: docstring lacks {part}"
    if inspect.isfunction(value):
        assert "**Arguments:**" in doc, f"{name}: docstring lacks **Arguments:**"
        assert "**Returns:**" in doc, f"{name}: docstring lacks **Returns:**"


# What may be left out and is no option: the number of fixed inputs; the draws where a tree or an array brings them.
MAY_BE_LEFT_OUT = {("draw_data", "n"), ("log_lik", "draws")}


@pytest.mark.parametrize("name", [n for n, v in documented().items() if inspect.isfunction(v)])
def test_options_are_few_and_keyword_only(name):
    parameters = inspect.signature(documented()[name]).parameters.values()
    assert sum(p.kind is p.KEYWORD_ONLY for p in parameters) <= 5, name
    assert sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters) <= 5, name
    for p in parameters:
        if p.default is not p.empty and (name, p.name) not in MAY_BE_LEFT_OUT:
            assert p.kind is p.KEYWORD_ONLY, f"{name}: option {p.name} must be keyword-only"
            assert not isinstance(p.default, list | dict | set), f"{name}: {p.name} has a mutable default"


HEAVY = ("numpyro", "arviz", "arviz_stats", "matplotlib", "sympy", "pytest", "pandas", "xarray", "plotly")


def test_import_slt_loads_nothing_heavy():
    code = f"import sys, slt; print([m for m in {HEAVY} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_the_graders_load_nothing_heavy_before_they_run():
    # A learner waits for it at each `slt check`.
    heavy = (*HEAVY, "jax", "scipy.stats")
    code = (
        "import importlib, pkgutil, sys; from slt.grading import chapters, cli; "
        "names = [m.name for m in pkgutil.iter_modules(chapters.__path__)]; "
        "[importlib.import_module(f'slt.grading.chapters.{name}') for name in names]; "
        f"print(len(names) > 0, [m for m in {heavy} if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "True []"


def test_importing_slt_changes_no_jax_setting():
    code = (
        "import jax; before = jax.config.values.copy(); import slt, slt.losses, slt.posterior, slt.conjugate; "
        "after = jax.config.values; print([k for k in after if after[k] != before.get(k, after[k])])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_chapters_have_one_stem_everywhere():
    repository = ROOT.parent
    stems = {p.stem for p in (repository / "book").glob("ch[0-9][0-9]_*.md")}
    assert stems, "no chapter found"
    for folder, pattern in (
        ("exercises", "ch*.py"),
        ("solutions", "ch*.py"),
        ("slt/grading/chapters", "ch*.py"),
        ("tests/theorems", "test_ch*.py"),
        ("tests/exercises", "test_ch*.py"),
    ):
        found = {p.stem.removeprefix("test_") for p in (repository / folder).glob(pattern)}
        assert found == stems, f"{folder} has {sorted(found)}, book has {sorted(stems)}"


def test_nothing_tracked_speaks_of_a_machine():
    repository = ROOT.parent
    listed = subprocess.run(["git", "ls-files"], cwd=repository, capture_output=True, text=True, check=True)
    files = listed.stdout.split()
    assert files
    pattern = re.compile(r"(^|[\s\"'(=])/(work|root|home)/|/simple/|\.whl#|https?://[^\s]*\.(whl|tar\.gz)")
    for name in files:
        path = repository / name
        if path.suffix in {".py", ".md", ".yml", ".toml", ".txt", ".cff", ""} and path.is_file():
            found = pattern.search(path.read_text(errors="ignore"))
            assert found is None or name == "tests/test_structure.py", f"{name}: {found and found.group(0)}"


def test_modules_are_importable_alone():
    for path in ROOT.glob("*.py"):
        if path.stem != "__init__":
            importlib.import_module(f"slt.{path.stem}")
