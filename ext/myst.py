r"""MyST to plain Markdown that reads well in a notebook: what `ext/notebooks.py` needs, without Sphinx.

`cells(text, book)` turns a chapter into `("markdown" | "code", text)` pairs. A directive that has no plain form here is
an error, never silently dropped: add it to `Converter.directive`.
"""

import re
from dataclasses import dataclass, field

import yaml

FENCE = re.compile(r"^(`{3,}|:{3,})(?:\{([\w:+-]+)\}|([\w+-]*))\s*(.*)$")
ROLE = re.compile(r"\{([\w:]+)\}`([^`]+)`")
EXPLICIT = re.compile(r"^(.*?)\s*<([^<>]+)>$", re.S)
CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.S)
DROPPED = {"bibliography", "raw", "tableofcontents", "contents", "index", "glue:figure", "glue:any", "theorem-index"}
BOXES = {"note", "tip", "warning", "important", "hint", "caution", "seealso", "attention", "admonition", "dropdown"}


@dataclass
class Book:
    """What a chapter's text refers to: names of labels, glued values, citations, macros, exercises' stubs."""

    labels: dict[str, str] = field(default_factory=dict)
    glued: dict[str, str] = field(default_factory=dict)
    citations: dict[str, tuple[str, str]] = field(default_factory=dict)
    macros: dict[str, str] = field(default_factory=dict)
    stubs: dict[str, str] = field(default_factory=dict)

    def name(self, label: str) -> str:
        if label not in self.labels:
            raise KeyError(f"no label {label!r} in the built book; build it first (make book)")
        return self.labels[label]


def options(body: list[str]) -> tuple[dict, list[str]]:
    """The options of a directive, `:key: value` lines or a block between `---`, and the rest of its body."""
    if body and body[0].strip() == "---":
        end = next(i for i, line in enumerate(body[1:], 1) if line.strip() == "---")
        return yaml.safe_load("\n".join(body[1:end])) or {}, body[end + 1 :]
    found, rest = {}, list(body)
    while rest and (match := re.match(r"^:([\w-]+):\s*(.*)$", rest[0])):
        found[match[1]] = match[2]
        rest.pop(0)
    return found, rest


class Converter:
    """One pass over the lines of a chapter."""

    def __init__(self, book: Book):
        self.book = book
        self.cells: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.cited: list[str] = []

    def flush(self):
        text = re.sub(r"\n{3,}", "\n\n", "\n".join(self.text)).strip()
        if text:
            self.cells.append(("markdown", text))
        self.text = []

    def code(self, source: list[str]):
        self.flush()
        self.cells.append(("code", "\n".join(source).strip("\n")))

    def run(self, lines: list[str]):
        i, top = 0, 0
        while i < len(lines):
            match = FENCE.match(lines[i])
            if match is None:
                top = self.line(lines, i)
                i = top
                continue
            end = next(
                (j for j in range(i + 1, len(lines)) if re.match(rf"^{match[1][0]}{{{len(match[1])},}}\s*$", lines[j])),
                None,
            )
            if end is None:
                raise ValueError(f"a fence is never closed: {lines[i]!r}")
            if match[2] is None:
                self.text += lines[i : end + 1]
            else:
                self.directive(match[2], match[4].strip(), lines[i + 1 : end])
            i = end + 1

    def line(self, lines: list[str], i: int) -> int:
        """Convert one line, or a displayed formula; return the index after it."""
        line = lines[i]
        if line.startswith("$$"):
            body, end = line[2:], i
            while "$$" not in body:
                end += 1
                body += "\n" + lines[end]
            body, _, after = body.partition("$$")
            label = re.match(r"^\s*\(([\w-]+)\)", after)
            self.formula(body.split("\n"), label[1] if label else "")
            return end + 1
        if line.startswith("+++"):
            self.flush()
        elif line.startswith("#"):
            self.flush()
            self.text.append(self.inline(line))
        elif not line.strip():
            self.text.append("")
        elif not (re.match(r"^\([\w-]+\)=\s*$", line) or line.startswith("% ")):
            # A role may run over the end of a line: convert the paragraph as a whole.
            end = i + 1
            while end < len(lines) and lines[end].strip() and not FENCE.match(lines[end]) and lines[end][:2] != "$$":
                end += 1
            self.text += self.inline("\n".join(lines[i:end])).split("\n")
            return end
        return i + 1

    def formula(self, body: list[str], label: str):
        number = rf" \qquad {self.book.name(label)}" if label else ""
        numbered = self.macros("\n".join(body).strip())
        if number and re.match(r"\\begin\{(align|gather|equation|multline)\*?\}", numbered):
            self.text += ["", "$$", numbered, "$$", "", self.book.name(label), ""]
        else:
            self.text += ["", "$$", numbered + number, "$$", ""]

    def macros(self, text: str) -> str:
        for name, meaning in self.book.macros.items():
            wrapped = meaning if "mathop" in meaning or meaning.startswith("\\,") else f"{{{meaning}}}"
            text = re.sub(rf"\\{name}(?![A-Za-z])", lambda _, w=wrapped: w, text)
        return text

    def inline(self, text: str) -> str:
        """Roles to text, macros to their meaning; code spans stay as they are."""
        text = ROLE.sub(lambda m: self.role(m[1], re.sub(r"\s+", " ", m[2])), text)
        text = re.sub(r"\[\]\(#([\w-]+)\)", lambda m: f"*{self.book.name(m[1])}*", text)
        text = re.sub(r"\[([^\]]+)\]\((?:#[\w-]+|[\w/-]+\.md(?:#[\w-]+)?)\)", r"\1", text)
        return "".join(part if part.startswith("`") else self.macros(part) for part in CODE.split(text))

    def role(self, name: str, content: str) -> str:
        explicit = EXPLICIT.match(content)
        if name.startswith("cite"):
            keys = [key.strip() for key in content.split(",")]
            self.cited += [key for key in keys if key not in self.cited]
            found = [self.book.citations[key] for key in keys]
            if name in {"cite:t", "cite:ts", "cite:ct"}:
                return "; ".join(f"{author} ({year})" for author, year in found)
            return "(" + "; ".join(f"{author}, {year}" for author, year in found) + ")"
        if name in {"ref", "prf:ref", "numref", "doc"}:
            if explicit:
                shown = explicit[1]
                return re.sub(r"%s|\{number\}", self.book.labels.get(explicit[2], ""), shown)
            return self.book.name(content) if name != "ref" else f"*{self.book.name(content)}*"
        if name == "eq":
            return self.book.name(content)
        if name.startswith("glue"):
            key, _, form = content.partition(":")
            if key not in self.book.glued:
                return "(computed above)"
            value = self.book.glued[key].strip("'\"")
            return format(float(value), form) if form else value
        if name == "math":
            return f"${content}$"
        if name in {"term", "abbr", "func", "code"}:
            return explicit[1] if explicit else content
        raise ValueError(f"the role {{{name}}} has no plain form: add it to ext/myst.py")

    def directive(self, name: str, argument: str, body: list[str]):
        given, rest = options(body)
        if name == "code-cell":
            self.code_cell(given, rest)
        elif name == "math":
            self.formula(rest, given.get("label", ""))
        elif name == "code-block":
            self.text += [f"```{argument}", *rest, "```"]
        elif name == "list-table":
            self.list_table(argument, given, rest)
        elif name in {"table", "figure", "image"}:
            self.box(self.book.labels.get(given.get("name", ""), ""), argument if name == "table" else "", rest)
        elif name == "prf:proof":
            self.text += ["", "*Proof.*"]
            self.run(rest)
            self.text += ["", "∎"]
            self.flush()
        elif name.startswith("prf:") or name == "exercise":
            label = given.get("label", "")
            self.flush()
            self.box(self.book.name(label) if label else name.removeprefix("prf:").title(), argument, rest)
            self.flush()
            if name == "exercise":
                self.exercise(self.book.name(label).removeprefix("Exercise "))
        elif name in BOXES:
            self.flush()
            titled = argument if name in {"admonition", "dropdown"} else f"{name.title()} {argument}".strip()
            self.box(titled, "", rest)
            self.flush()
        elif name not in DROPPED:
            raise ValueError(f"the directive {{{name}}} has no plain form: add it to ext/myst.py")

    def box(self, head: str, title: str, rest: list[str]):
        """A head in bold, then the body."""
        shown = self.inline(f"{head} ({title})" if head and title else head or title)
        self.text += ["", f"**{shown}.**" if shown else "", ""]
        self.run(rest)
        self.text.append("")

    def code_cell(self, given: dict, rest: list[str]):
        if "book-only" not in str(given.get("tags", "")):
            self.code(rest)
        figure = (given.get("mystnb") or {}).get("figure") or {}
        if caption := figure.get("caption"):
            name = self.book.labels.get(figure.get("name", ""), "Figure")
            self.text += [f"*{name}.* {self.inline(' '.join(caption.split()))}", ""]

    def list_table(self, title: str, given: dict, rest: list[str]):
        rows: list[list[str]] = []
        for line in rest:
            if match := re.match(r"^(\*|\s)\s-\s?(.*)$", line):
                if match[1] == "*":
                    rows.append([])
                rows[-1].append(match[2].strip())
            elif line.strip():
                rows[-1][-1] += " " + line.strip()
        head = self.book.labels.get(given.get("name", ""), "")
        self.box(head, title, [])
        for k, row in enumerate(rows):
            self.text.append("| " + " | ".join(self.inline(cell) for cell in row) + " |")
            if k == 0:
                self.text.append("|" + "---|" * len(row))
        self.text.append("")

    def exercise(self, number: str):
        """The stub to fill in, and the call of the grader, commented out so that the notebook runs as it is."""
        stub = self.book.stubs.get(number, "")
        found = re.search(r"^def (\w+)", stub, re.M)
        call = f'# slt.check("{number}", {found[1] if found else "my_function"})  # remove the first # when done'
        self.code([*stub.splitlines(), *(["", ""] if stub else []), call])


def cells(text: str, book: Book) -> tuple[list[tuple[str, str]], list[str]]:
    """The cells of a chapter and the keys that it cites."""
    lines = text.splitlines()
    if lines and lines[0] == "---":
        lines = lines[lines.index("---", 1) + 1 :]
    converter = Converter(book)
    converter.run(lines)
    converter.flush()
    return converter.cells, converter.cited
