r"""Pages of solutions, read from `solutions/*.py` when the book is built, so that a solution stands in one file only.

A page in `book/solutions/` that holds the line `<!-- solutions -->` gets, in its place, one section for each function
of the file of the same stem: its docstring as text, its code below.
"""

import ast
import importlib
import importlib.util
import inspect
import re
from pathlib import Path

from ext import ROOT

MARK = "<!-- solutions -->"


def exercises(stem: str) -> dict:
    """The chapter's exercises by the name of their function; none where the chapter has no grader yet."""
    name = f"slt.grading.chapters.{stem}"
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        found = None
    return {e.name: e for e in importlib.import_module(name).EXERCISES} if found else {}


def without_docstring(node: ast.FunctionDef, lines: list[str]) -> str:
    """The source of a function, its docstring and the blank line after it left out."""
    start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    body = lines[start - 1 : node.end_lineno]
    if ast.get_docstring(node) and len(node.body) > 1:
        first = node.body[0]
        after = lines[(first.end_lineno or first.lineno) : node.end_lineno]
        body = lines[start - 1 : first.lineno - 1] + (after[1:] if after and not after[0].strip() else after)
    return "\n".join(body)


def as_math(title: str) -> str:
    """A title with its symbols, such as S_n, set as formulas."""
    return re.sub(r"\b([A-Z]_[a-z])\b", r"$\1$", title)


def sections(path: Path) -> str:
    """The file as MyST: one section for each public function, the rest as code in its order."""
    source = path.read_text(encoding="utf-8")
    lines, known = source.splitlines(), exercises(path.stem)
    module = ast.parse(source)
    out, plain = [], []

    def flush():
        if plain:
            out.append("```python\n" + "\n".join(plain) + "\n```")
            plain.clear()

    if text := ast.get_docstring(module):
        out.append(text)
    for node in module.body[1 if ast.get_docstring(module) else 0 :]:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            flush()
            exercise = known.get(node.name)
            title = f"Exercise {exercise.id}: {as_math(exercise.title)}" if exercise else f"`{node.name}`"
            out.append(f"## {title}")
            if exercise:
                out.append(f"The statement: {{ref}}`Exercise {exercise.id} <{exercise.label}>`.")
            out.append(inspect.cleandoc(ast.get_docstring(node) or ""))
            out.append("```python\n" + without_docstring(node, lines) + "\n```")
        else:
            plain.extend(lines[node.lineno - 1 : node.end_lineno])
    flush()
    return "\n\n".join(out)


def insert(app, docname, source):
    """Replace the mark by the sections."""
    if MARK in source[0]:
        path = ROOT / "solutions" / f"{Path(docname).name}.py"
        app.env.note_dependency(str(path))
        source[0] = source[0].replace(MARK, sections(path) if path.exists() else "This chapter has no exercises yet.")


def setup(app):
    app.connect("source-read", insert)
