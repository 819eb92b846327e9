"""The built pages as files: links that resolve, buttons, numbers, five fields, and no solution outside its page."""

import ast
import json
import re
from pathlib import Path

import pytest

bs4 = pytest.importorskip("bs4", reason="pip install -e '.[book]'")
from ext import REPOSITORY, VERSION, colab  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted(p.stem for p in (ROOT / "book").glob("ch[0-9][0-9]_*.md"))


def soup(path):
    return bs4.BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_every_link_inside_the_book_resolves(html):
    pages = {p.resolve(): soup(p) for p in [*(html / "book").rglob("*.html"), html / "genindex.html"]}
    anchors = {p: {n["id"] for n in page.find_all(id=True)} for p, page in pages.items()}
    broken, seen = [], 0
    for path, page in pages.items():
        for link in page.find_all("a", href=True):
            target, _, anchor = str(link["href"]).partition("#")
            if re.match(r"[a-z]+:", target) or (not target and not anchor):
                continue
            seen += 1
            file = (path.parent / target.partition("?")[0]).resolve() if target else path
            if not file.exists() or (anchor and file in anchors and anchor not in anchors[file]):
                broken.append(f"{path.name}: {link['href']}")
    assert seen > 100
    assert not broken


@pytest.mark.parametrize("stem", CHAPTERS)
def test_the_buttons_open_the_notebook_and_the_source(html, stem):
    links = {str(a["href"]) for a in soup(html / "book" / f"{stem}.html").find_all("a", href=True)}
    owner_and_name = REPOSITORY.removeprefix("https://github.com/")
    assert f"https://colab.research.google.com/github/{owner_and_name}/blob/notebooks/{stem}.ipynb" in links
    assert f"{REPOSITORY}/edit/main/book/{stem}.md" in links
    assert colab.colab_url(f"book/{stem}").endswith(f"/blob/notebooks/{stem}.ipynb")


def test_the_repository_address_stands_in_one_place():
    """In pyproject.toml; the README, which GitHub and PyPI show as it is, may repeat it."""
    address = REPOSITORY.removeprefix("https://")
    for folder in ("ext", "slt", "book", "exercises", "solutions", ".github"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".md", ".yml"}:
                assert address not in path.read_text(encoding="utf-8"), path
    for name in ("_config.yml", "_toc.yml", "Makefile"):
        assert address not in (ROOT / name).read_text(encoding="utf-8"), name


def test_no_page_asks_another_host(html):
    """The browser sees what is asked at once; this also sees what would be asked after a click."""
    for path in html.rglob("*.html"):
        for node in soup(path).find_all(["script", "link", "img", "iframe", "source"]):
            for name in ("src", "href"):
                assert not re.match(r"(https?:)?//", str(node.get(name, ""))), f"{path.name}: {node}"
            assert "unpkg.com" not in (node.string or ""), f"{path.name} would load Thebe"
    for path in (html / "_static").glob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?https?:", path.read_text(encoding="utf-8")), path.name


@pytest.mark.parametrize("stem", CHAPTERS)
def test_an_exercise_has_the_number_of_its_label(html, stem):
    labels = json.loads((html.parent / "labels.json").read_text(encoding="utf-8"))
    chapter = int(stem[2:4])
    found = {label: name for label, name in labels.items() if re.fullmatch(rf"ex-{chapter}-\d+", label)}
    assert found
    for label, name in found.items():
        assert name == f"Exercise {chapter}.{label.split('-')[2]}"


@pytest.mark.parametrize("stem", CHAPTERS)
def test_numbered_statements_share_one_counter(html, stem):
    """Definition 1.1, Theorem 1.2, ...: in the order of the page, no number twice, none left out."""
    page, chapter = soup(html / "book" / f"{stem}.html"), int(stem[2:4])
    heads = [p.get_text() for p in page.select("div.proof > p.admonition-title")]
    numbers = [match[1] for head in heads if (match := re.search(r"\b(\d+\.\d+)\b", head))]
    assert numbers == [f"{chapter}.{k + 1}" for k in range(len(numbers))]
    assert len({head.split()[0] for head in heads}) >= 3
    listed = soup(html / "book" / "theorems.html").get_text()
    for head in heads:
        assert " ".join(head.split()[:2]) in listed


FIELDS = ["What it is", "Equation", "Unit", "When its error lies", "What to do"]
ENTRIES = {"S", "G_n", "T_n", "C_n", "W_n", "V_n", "F_n", "WBIC", "coefficient", "Pareto", "R-hat", "ESS"}


def test_each_glossary_entry_has_its_five_fields():
    text = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    entries = re.split(r"^## ", text, flags=re.M)[1:]
    missing = {name for name in ENTRIES if not any(re.search(rf"\b{name}\b", e.splitlines()[0]) for e in entries)}
    assert not missing, f"no entry for {missing}"
    for entry in entries:
        title = entry.splitlines()[0]
        assert re.findall(r"^(\S.*)\n: ", entry, flags=re.M) == FIELDS, title
        parts = re.split(r"^\S.*\n: ", entry, flags=re.M)[1:]
        assert all(len(re.sub(r"\(.*\)=", "", part).strip()) > 4 for part in parts), title
        assert "$" in parts[1] or "\\(" in parts[1], f"{title}: the equation is missing"


def bodies(path):
    """The lines of each function's body by name, without its docstring and without what the reader's stub gives."""
    source = path.read_text(encoding="utf-8")
    stub = ROOT / "slt" / "grading" / "stubs" / path.name
    given = {line.strip() for line in stub.read_text(encoding="utf-8").splitlines()} if stub.exists() else set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            start = node.body[1].lineno if ast.get_docstring(node) and len(node.body) > 1 else node.body[0].lineno
            body = [line.strip() for line in source.splitlines()[start - 1 : node.end_lineno]]
            yield node.name, [line for line in body if line not in given]


def leaks(path, text):
    """The solutions that stand in a text, white space aside: their longest line, or the whole of a short body."""
    squeezed, found = re.sub(r"\s+", "", text), []
    for name, lines in bodies(path):
        longest = re.sub(r"\s+", "", max(lines, key=len))
        telling = longest if len(longest) >= 30 else re.sub(r"\s+", "", "".join(lines))
        if telling in squeezed:
            found.append(name)
    return found


def test_a_leak_would_be_found(tmp_path):
    path = tmp_path / "solution.py"
    path.write_text(
        'def mean(x):\n    """The mean."""\n    total = sum(x)\n    return total / len(x) + offset_of_the_scale\n\n\n'
        'def answer():\n    """Which?"""\n    return "C"\n'
    )
    assert leaks(path, "see\n  return total / len(x)\n + offset_of_the_scale there") == ["mean"]
    assert leaks(path, "total = sum(x), the mean, C") == []
    assert leaks(path, 'so return "C" then') == ["answer"]


@pytest.mark.parametrize("stem", CHAPTERS)
def test_no_solution_stands_outside_its_page(html, notebooks, stem):
    solutions = ROOT / "solutions" / f"{stem}.py"
    outside = {
        p: p.read_text(encoding="utf-8")
        for p in [
            *(ROOT / "book").glob("*.md"),
            *(html / "_sources").rglob("*"),
            *notebooks.glob("*.ipynb"),
            *html.parent.joinpath("jupyter_execute").rglob("*"),
        ]
        if p.suffix in {".md", ".txt", ".ipynb", ".json", ".py"}
    }
    outside |= {p: soup(p).get_text() for p in (html / "book").glob("*.html")}
    for path, text in outside.items():
        if path.suffix == ".ipynb":
            text = "\n".join(cell["source"] for cell in notebook_cells(text))
        assert not leaks(solutions, text), f"a solution stands in {path.relative_to(ROOT)}"
    shown = soup(html / "book" / "solutions" / f"{stem}.html").get_text()
    names = [name for name, _ in bodies(solutions)]
    assert set(leaks(solutions, shown)) == set(names), "the page of solutions lacks some"


def notebook_cells(text):
    for cell in json.loads(text)["cells"]:
        yield {"source": "".join(cell["source"])}


@pytest.mark.parametrize("stem", CHAPTERS)
def test_search_leads_to_no_solution_in_the_chapter(html, stem):
    """Words of a solution's code that the chapter does not use must not be indexed under the chapter."""
    text = (html / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text[text.index("(") + 1 : text.rindex(")")])
    chapter = index["docnames"].index(f"book/{stem}")
    own = soup(html / "book" / f"{stem}.html").get_text().lower()
    words = set()
    for _, lines in bodies(ROOT / "solutions" / f"{stem}.py"):
        words |= {w for w in re.findall(r"[a-z]{7,}", "\n".join(lines).lower()) if w not in own}
    for word in words:
        places = index["terms"].get(word, [])
        assert chapter not in (places if isinstance(places, list) else [places]), word
    assert f"book/solutions/{stem}" in index["docnames"]


def test_no_chapter_holds_a_solution_directive():
    for path in (ROOT / "book").glob("ch*.md"):
        assert "{solution" not in path.read_text(encoding="utf-8"), path.name


def test_the_release_is_the_one_that_the_notebook_installs():
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert VERSION in text, "the changelog has no entry for this version"


def test_symbols_in_the_titles_of_solutions_are_formulas():
    from ext.solutions import as_math

    assert as_math("How much S_n fluctuates") == "How much $S_n$ fluctuates"
    assert as_math("The function half_life") == "The function half_life"
