"""The button that opens a chapter's generated notebook in Colab.

The theme's own button would open the page's source on the branch of the edit button. Ours opens the notebook that
`make notebooks` writes and the workflow publishes on the branch `notebooks`; the edit button keeps the source on main.
"""

from pathlib import Path

from ext import REPOSITORY, is_chapter


def colab_url(docname: str) -> str:
    """The address at which Colab opens the notebook of a chapter."""
    owner_and_name = REPOSITORY.removeprefix("https://github.com/")
    return f"https://colab.research.google.com/github/{owner_and_name}/blob/notebooks/{Path(docname).name}.ipynb"


def add_button(app, pagename, templatename, context, doctree):
    """Put the button before the theme's own."""
    if is_chapter(pagename):
        context["header_buttons"].insert(
            0,
            {
                "type": "link",
                "text": "",
                "tooltip": "Open the notebook in Colab",
                "icon": "fas fa-rocket",
                "url": colab_url(pagename),
                "label": "colab-button",
            },
        )


def setup(app):
    app.connect("html-page-context", add_button, priority=550)
