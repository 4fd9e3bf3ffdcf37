"""Where the framework's id is kept, so that a scheduler that is started again is the same framework.

A seam: anything with these three methods serves. The id is stored before any handler gets it
(docs/reference/scheduler-api.md 3: an empty id on SUBSCRIBE makes a second framework, while the first holds its offers
and tasks until its failover timeout).
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Protocol


class FrameworkIdStore(Protocol):
    """Keeps one framework id."""

    def load(self) -> str | None:
        """The id, or None if none is stored."""

    def save(self, framework_id: str) -> None:
        """Stores it; when this returns it is safe. Raises what goes wrong, which ends the driver."""

    def clear(self) -> None:
        """Forgets it: it can never be used again."""


class MemoryStore:
    """Keeps it for the life of the object: a scheduler that is started again is a new framework."""

    def __init__(self, framework_id: str | None = None) -> None:
        self._framework_id = framework_id

    def load(self) -> str | None:
        return self._framework_id

    def save(self, framework_id: str) -> None:
        self._framework_id = framework_id

    def clear(self) -> None:
        self._framework_id = None


class FileStore:
    """Keeps it in a file, which is replaced in one step: at any moment it holds the old id or the new one."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def load(self) -> str | None:
        """Raises ``ValueError`` if the file holds something else than one id."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        framework_id = text.strip()
        if not framework_id or any(character.isspace() for character in framework_id):
            raise ValueError(f"{self._path} does not hold a framework id but {text!r}")
        return framework_id

    def save(self, framework_id: str) -> None:
        directory = self._path.parent
        handle, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=directory)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(framework_id + "\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _sync(directory)

    def clear(self) -> None:
        self._path.unlink(missing_ok=True)
        _sync(self._path.parent)


def _sync(directory: Path) -> None:
    """Makes sure that a change of the directory survives a crash of the machine."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
