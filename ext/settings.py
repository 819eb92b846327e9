"""Settings that are computed: the repository's address (from pyproject.toml) and the path of the execution cache.

The cache of executed chapters does not notice a change in `slt/`, so its path carries a hash of the library and of the
pinned versions: another library, another cache.
"""

import hashlib

from ext import REPOSITORY, ROOT


def digest(*patterns: str) -> str:
    """A short hash of the names and contents of all files that match, `__pycache__` left out."""
    found = hashlib.sha256()
    for path in sorted(p for pattern in patterns for p in ROOT.glob(pattern)):
        if path.is_file() and "__pycache__" not in path.parts:
            found.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:12]


def cache_path():
    """Where the executed chapters are kept."""
    return ROOT / "_build" / f".jupyter_cache-{digest('slt/**/*', 'constraints.txt')}"


def configure(app, config):
    """Write the computed settings into Sphinx's configuration before any other extension reads them."""
    config.nb_execution_cache_path = str(cache_path())
    config.html_context = {**config.html_context, "default_mode": "auto"}
    config.html_theme_options = {
        **config.html_theme_options,
        "repository_url": REPOSITORY,
        "repository_branch": "main",
        "path_to_docs": "",
        "use_edit_page_button": True,
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": {},
    }


def setup(app):
    app.connect("config-inited", configure, priority=1)
