"""`make notebooks`: one clean notebook for each chapter, in `_build/notebooks`.

A notebook has no outputs and no solutions, and needs nothing but `slt`: the first cell, one line, installs it at the
release tag unless it is there. References show the numbers of the built book, whose labels and glued values are read.
"""

import ast
import json
import re
import sys
from pathlib import Path

import nbformat
import yaml
from pybtex.database import parse_file

from ext import PROJECT, REPOSITORY, ROOT, VERSION
from ext.myst import Book, cells

BUILD = ROOT / "_build"
SHOWN = ("slt-textbook", "numpyro", "jax", "numpy")


def first_cell() -> str:
    """One line that installs `slt` where it is missing and prints versions."""
    package = f"{PROJECT['name']} @ git+{REPOSITORY}@v{VERSION}"
    return (
        'import importlib.util; importlib.util.find_spec("slt") or '
        f'get_ipython().run_line_magic("pip", \'install -q "{package}"\'); '
        f'from importlib.metadata import version; print(*(f"{{p}} {{version(p)}}" for p in {SHOWN}), sep=", ")'
    )


def is_glue(node: ast.stmt) -> bool:
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").split(".")[0] == "myst_nb"
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "glue"


def without_glue(source: str) -> str:
    """The code of a cell without the lines that put its numbers into the book's text.

    >>> without_glue("from myst_nb import glue\\nx = 1\\nglue('x', x)")
    'x = 1'
    """
    if "glue" not in source:
        return source
    lines = source.split("\n")
    for node in ast.walk(ast.parse(source)):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                cut = [s for s in block if isinstance(s, ast.stmt) and is_glue(s)]
                for statement in cut:
                    first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
                    only = not isinstance(node, ast.Module) and len(cut) == len(block) and statement is cut[0]
                    lines[first:last] = [" " * statement.col_offset + "pass" if only else "\0"] + ["\0"] * (
                        last - first - 1
                    )
    text = re.sub(r"\n{4,}", "\n\n\n", "\n".join(line for line in lines if line != "\0")).strip("\n")
    if re.search(r"\bglue\(", text):
        raise ValueError(
            f"a call of glue is part of a larger statement and cannot be taken out of the notebook:\n{source}"
        )
    return text


def citations(path: Path) -> tuple[dict, dict]:
    """Author and year for the text, and the full entry for the list, by key."""
    short, full = {}, {}
    for key, entry in parse_file(str(path)).entries.items():
        people = entry.persons["author"]
        names = [" ".join(p.last_names) for p in people]
        who = names[0] if len(names) == 1 else f"{names[0]} and {names[1]}" if len(names) == 2 else f"{names[0]} et al."
        value = {k: re.sub(r"[{}]", "", v) for k, v in entry.fields.items()}
        short[key] = (who.replace("{", "").replace("}", ""), value["year"])
        where = value.get("journal") or value.get("publisher", "")
        volume = f" {value.get('volume', '')}" + (f", {value['pages'].replace('--', '–')}" if "pages" in value else "")
        doi = f" doi:{value['doi']}" if "doi" in value else ""
        everyone = ", ".join(str(p).replace("{", "").replace("}", "") for p in people)
        title = value["title"] + ("" if value["title"].endswith("?") else ".")
        full[key] = f"{everyone} ({value['year']}). {title} *{where}*{volume if 'volume' in value else ''}.{doi}"
    return short, full


def stubs(stem: str) -> tuple[str, dict[str, str]]:
    """The imports of a chapter's stubs and each exercise's stub, by its number.

    They are the ones that ship with the graders: `exercises/` may hold a reader's answers.
    """
    from ext.solutions import exercises

    path = ROOT / "slt" / "grading" / "stubs" / f"{stem}.py"
    if not path.exists():
        return "", {}
    source = path.read_text(encoding="utf-8")
    module, known = ast.parse(source), exercises(stem)
    functions = {n.name: ast.get_source_segment(source, n) or "" for n in module.body if isinstance(n, ast.FunctionDef)}
    imports = [
        ast.get_source_segment(source, n) or "" for n in module.body if isinstance(n, ast.Import | ast.ImportFrom)
    ]
    return "\n".join(imports), {e.id: functions[e.name] for e in known.values() if e.name in functions}


def notebook(path: Path):
    """The notebook of one chapter."""
    short, full = citations(ROOT / "references.bib")
    imports, found = stubs(path.stem)
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    glued = BUILD / "jupyter_execute" / "book" / f"{path.stem}.glue.json"
    values = json.loads(glued.read_text(encoding="utf-8")) if glued.exists() else {}
    book = Book(
        labels=json.loads((BUILD / "labels.json").read_text(encoding="utf-8")),
        glued={key: value["data"].get("text/plain", "") for key, value in values.items()},
        citations=short,
        macros=config["sphinx"]["config"]["mathjax3_config"]["tex"]["macros"],
        stubs=found,
    )
    converted, cited = cells(path.read_text(encoding="utf-8"), book)
    new = nbformat.v4
    out = [new.new_code_cell(first_cell())]
    place = next((k for k, (kind, text) in enumerate(converted) if kind == "code" and "slt.check(" in text), None)
    if imports and place is not None:
        converted.insert(place, ("code", "# for the exercises\n" + imports))
    for kind, text in converted:
        source = without_glue(text) if kind == "code" else text
        if source.strip():
            out.append(new.new_code_cell(source) if kind == "code" else new.new_markdown_cell(source))
    if cited:
        listed = "\n".join(f"- {full[key]}" for key in sorted(cited))
        out.append(new.new_markdown_cell(f"## References\n\n{listed}"))
    for k, cell in enumerate(out):
        cell["id"] = f"cell-{k:03d}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made = new.new_notebook(cells=out, metadata={"kernelspec": kernel, "colab": {"provenance": []}})
    nbformat.validate(made)
    return made


def main(folder: str = "_build/notebooks"):
    """Write every chapter's notebook into the folder."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.ipynb"):
        old.unlink()
    for path in sorted((ROOT / "book").glob("ch[0-9][0-9]_*.md")):
        nbformat.write(notebook(path), target / f"{path.stem}.ipynb")


if __name__ == "__main__":
    main(*sys.argv[1:])
