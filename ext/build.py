"""`make book`: build the whole book strictly, and start afresh whatever a change of the library makes stale."""

import os
import shutil
import subprocess
import sys

from ext import COMPILED, HALF_WRITTEN, ROOT
from ext.settings import cache_path, digest
from ext.timings import listing

BUILD = ROOT / "_build"


def main() -> int:
    """Return Jupyter Book's exit status; a failed build leaves no page that would pass the next one unread."""
    pages, stamp = BUILD / ".doctrees", BUILD / "html" / ".stamp"
    state = digest("slt/**/*", "ext/**/*", "solutions/*.py", "constraints.txt", "_config.yml", "_toc.yml", "*.bib")
    mark = pages / "state"
    if not mark.exists() or mark.read_text() != state:
        shutil.rmtree(pages, ignore_errors=True)
    stamp.unlink(missing_ok=True)
    for old in BUILD.glob(".jupyter_cache-*"):
        if old != cache_path():
            shutil.rmtree(old)
    environment = COMPILED | os.environ | {"SLT_BOOK": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    # Without ipywidgets tqdm draws its bar in text, which is what a page needs; it need not say so.
    environment.pop("MPLBACKEND", None)
    environment["PYTHONWARNINGS"] = f"ignore:IProgress not found,ignore:{HALF_WRITTEN}"
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command += ["build", ".", "-n", "-W", "--keep-going", *sys.argv[1:]]
    status = subprocess.run(command, cwd=ROOT, env=environment).returncode
    if status:
        shutil.rmtree(pages, ignore_errors=True)
        print("The build of the book failed: see the warnings above; each one counts as an error.", file=sys.stderr)
        return status
    print(listing())
    mark.write_text(state)
    stamp.touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
