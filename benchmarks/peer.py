"""Another package in an environment of its own: made from `peers/NAME.txt`, called through a pipe.

`Peer("arviz").call("waic", path)` is a contestant for `race`: it runs `waic(path)` of `peers/arviz.py` in the peer's
interpreter, which stays alive between calls and times each call itself. Arrays travel as files.
"""

import hashlib
import json
import pickle
import shutil
import subprocess
import sys
import venv
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.table import Timed

HERE = Path(__file__).parent
BUILD = HERE.parent / "_build" / "bench"


def environment(name: str) -> Path:
    """The interpreter of a peer's environment, made afresh where its list of requirements has changed."""
    wanted = (HERE / "peers" / f"{name}.txt").read_bytes()
    folder = BUILD / name
    python, stamp = folder / "bin" / "python", folder / "stamp"
    state = hashlib.sha256(wanted + sys.version.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != state:
        shutil.rmtree(folder, ignore_errors=True)
        print(f"installing {name} into {folder.relative_to(HERE.parent)} ...", file=sys.stderr)
        venv.create(folder, with_pip=True)
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, "-r", HERE / "peers" / f"{name}.txt"], check=True)
        stamp.write_text(state)
    return python


class Peer:
    """A running interpreter of the peer's environment."""

    def __init__(self, name: str):
        self.name = name
        command = [environment(name), "-W", "ignore", "-m", "benchmarks.peer", name]
        self.process = subprocess.Popen(
            command, cwd=HERE.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.version = self._ask("version")["value"]

    def call(self, function: str, *arguments: Any) -> Callable[[], Timed]:
        """A contestant: the peer's function with these arguments (strings and numbers)."""
        return lambda: Timed(**self._ask(function, *arguments))

    def _ask(self, function: str, *arguments: Any) -> dict[str, Any]:
        print(json.dumps([function, arguments]), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the environment of {self.name} ended in {function}: see its message above.")
        return pickle.loads(b64decode(line))

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def serve(name: str) -> None:
    """Answer calls until the pipe closes; what the functions print goes to standard error."""
    import importlib

    from benchmarks.table import timed

    answers, sys.stdout = sys.stdout, sys.stderr
    functions = importlib.import_module(f"benchmarks.peers.{name}")
    for line in sys.stdin:
        function, arguments = json.loads(line)
        found = timed(lambda f=function, a=arguments: getattr(functions, f)(*a))
        print(b64encode(pickle.dumps(found._asdict())).decode(), file=answers, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
