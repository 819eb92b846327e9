"""What each label is called in the built book ("Theorem 1.3", "(1.7)"), as `_build/labels.json` for the notebooks."""

import json
from pathlib import Path


def proof_name(env, label: str) -> str:
    """Type and number of a numbered statement, e.g. "Theorem 1.3"."""
    item = env.proof_list[label]
    numbers = env.toc_fignumbers.get(item["docname"], {}).get(item["countertype"], {}).get(label, ())
    return " ".join([item["realtype"].title(), ".".join(map(str, numbers))]).strip()


def names(env) -> dict[str, str]:
    """Every label of the book with the name that a reference to it shows."""
    found = {label: str(title) for label, (_, _, title) in env.get_domain("std").labels.items()}
    for kind, prefix, before, after in (
        ("displaymath", "equation-", "(", ")"),
        ("exercise", "", "Exercise ", ""),
        ("figure", "", "Figure ", ""),
        ("table", "", "Table ", ""),
    ):
        for page in env.toc_fignumbers.values():
            for label, number in page.get(kind, {}).items():
                found[label.removeprefix(prefix)] = before + ".".join(map(str, number)) + after
    found |= {label: proof_name(env, label) for label in getattr(env, "proof_list", {})}
    return found


def write(app, error):
    """Write the names beside the built book."""
    if error is None and app.builder.format == "html":
        path = Path(app.outdir).parent / "labels.json"
        path.write_text(json.dumps(names(app.env), indent=1, ensure_ascii=False, sort_keys=True), encoding="utf-8")


def setup(app):
    app.connect("build-finished", write)
