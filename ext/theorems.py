"""The list of every numbered statement of the book: the directive `{theorem-index}` on one page."""

from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

from ext.labels import proof_name


class theorem_index(nodes.General, nodes.Element):
    """A place that is filled when all pages are read."""


class TheoremIndex(SphinxDirective):
    """`{theorem-index}`: number, title and link of every definition, theorem, lemma, example and remark."""

    has_content = False

    def run(self):
        self.env.__dict__.setdefault("slt_theorem_pages", set()).add(self.env.docname)
        return [theorem_index()]


def collect(app, doctree):
    """Keep the title of every numbered statement of the page just read."""
    titles = app.env.__dict__.setdefault("slt_titles", {})
    for node in doctree.findall(lambda n: isinstance(n, nodes.Element) and "realtype" in n):
        titles[node["label"]] = [child.deepcopy() for child in node[0].children]


def fill(app, doctree, docname):
    """One list for each page, in the order of the numbers."""
    env = app.env
    for place in doctree.findall(theorem_index):
        pages = {}
        for label, item in getattr(env, "proof_list", {}).items():
            if not item["nonumber"]:
                number = env.toc_fignumbers[item["docname"]][item["countertype"]][label]
                pages.setdefault(item["docname"], []).append((number, label))
        out = []
        for page in sorted(pages, key=lambda p: min(pages[p])):
            out.append(nodes.rubric("", env.titles[page].astext()))
            listed = nodes.bullet_list()
            for _, label in sorted(pages[page]):
                link = nodes.inline("", "", nodes.Text(proof_name(env, label)))
                reference = make_refnode(app.builder, docname, page, label, [link])
                titled = [child.deepcopy() for child in env.slt_titles.get(label, ())]
                listed += nodes.list_item("", nodes.paragraph("", "", reference, *titled))
            out.append(listed)
        place.replace_self(out)


def refresh(app, env):
    """The list is written anew whenever any page was read; its titles may hold formulas, so it needs MathJax."""
    pages = sorted(getattr(env, "slt_theorem_pages", ()))
    env.get_domain("math").data["has_equations"] |= dict.fromkeys(pages, True)
    return pages


def setup(app):
    app.add_node(theorem_index)
    app.add_directive("theorem-index", TheoremIndex)
    app.connect("doctree-read", collect)
    app.connect("env-updated", refresh)
    app.connect("doctree-resolved", fill)
