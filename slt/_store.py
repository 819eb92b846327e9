"""Finished parts of a long computation in a folder: each written whole or not at all, and never mixed up (floor 0)."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np


class Store:
    """Numbered parts, each a dictionary of arrays. Without a folder nothing is kept."""

    def __init__(self, folder: Any, about: Mapping[str, Any]):
        self.folder = None if folder is None else Path(folder)
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        manifest, wanted = self.folder / "experiment.json", json.loads(json.dumps(dict(about)))
        if not manifest.exists():
            self._write(manifest, json.dumps(wanted, indent=1).encode())
        found = json.loads(manifest.read_text())
        differ = [f"{k} {found.get(k)!r}, not {v!r}" for k, v in wanted.items() if found.get(k) != v]
        if differ:
            raise ValueError(
                f"{self.folder} holds another experiment: it has {'; '.join(differ)}. Use an empty folder, or the same "
                "key, model and options."
            )

    def load(self, part: int) -> dict[str, np.ndarray] | None:
        """The part, or `None` if it is not there."""
        if self.folder is None or not (path := self._path(part)).exists():
            return None
        with np.load(path) as arrays:
            return dict(arrays)

    def save(self, part: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Write the part under another name first, then move it: a kill leaves the whole file or none."""
        if self.folder is not None:
            path = self._path(part)
            temporary = path.with_suffix(f".{uuid4().hex}.npz")
            named: dict[str, Any] = dict(arrays)
            np.savez(temporary, **named)
            os.replace(temporary, path)

    def _path(self, part: int) -> Path:
        assert self.folder is not None
        return self.folder / f"part-{part:06d}.npz"

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        temporary = path.with_suffix(f".{uuid4().hex}")
        temporary.write_bytes(content)
        os.replace(temporary, path)

    @staticmethod
    def digest(*parts: Any) -> str:
        """A short name for a program: its text, without addresses in memory, and its constants."""
        found = hashlib.sha256()
        for part in parts:
            text, constants = part if isinstance(part, tuple) else (part, ())
            found.update(re.sub(r"0x[0-9a-f]+", "", text).encode())
            for constant in constants:
                found.update(np.asarray(constant).tobytes())
        return found.hexdigest()[:16]
