"""An agent's checkpoints, which survive its death.

Names are relative to ``<work_dir>/meta`` (``layout.py``). ``DiskStore`` keeps files in Mesos's layout; ``MemoryStore``
serves machines without a work directory. Writes are atomic.
"""

from __future__ import annotations

import shutil
import struct
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LENGTH = struct.Struct("<I")


class Store(Protocol):
    """Named documents and logs."""

    def write(self, name: str, data: bytes) -> None:
        """Replaces the document."""

    def append(self, name: str, record: bytes) -> None:
        """Appends a record to a log."""

    def read(self, name: str) -> bytes | None:
        """Returns the document, None if there is none."""

    def records(self, name: str) -> list[bytes]:
        """Returns the records of a log, without an incomplete one at the end."""

    def names(self, directory: str) -> list[str]:
        """Returns the names right below a directory, sorted."""

    def remove(self, name: str) -> None:
        """Removes a document, or a directory with its contents; does nothing if there is none."""


def split_records(data: bytes) -> Iterator[bytes]:
    """Yields the complete records at the beginning of the data."""
    at = 0
    while at + _LENGTH.size <= len(data):
        end = at + _LENGTH.size + _LENGTH.unpack_from(data, at)[0]
        if end > len(data):
            return
        yield data[at + _LENGTH.size : end]
        at = end


class DiskStore:
    """Keeps documents as files below a directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, name: str, data: bytes) -> None:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        fresh.write_bytes(data)
        fresh.replace(path)

    def append(self, name: str, record: bytes) -> None:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(_LENGTH.pack(len(record)) + record)

    def read(self, name: str) -> bytes | None:
        try:
            return (self._root / name).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def records(self, name: str) -> list[bytes]:
        return list(split_records(self.read(name) or b""))

    def names(self, directory: str) -> list[str]:
        try:
            return sorted(entry.name for entry in (self._root / directory).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def remove(self, name: str) -> None:
        path = self._root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


class MemoryStore:
    """Keeps documents in memory."""

    def __init__(self) -> None:
        self._documents: dict[str, bytearray] = {}

    def write(self, name: str, data: bytes) -> None:
        self._documents[name] = bytearray(data)

    def append(self, name: str, record: bytes) -> None:
        self._documents.setdefault(name, bytearray()).extend(_LENGTH.pack(len(record)) + record)

    def read(self, name: str) -> bytes | None:
        found = self._documents.get(name)
        return None if found is None else bytes(found)

    def records(self, name: str) -> list[bytes]:
        return list(split_records(self.read(name) or b""))

    def names(self, directory: str) -> list[str]:
        prefix = directory.rstrip("/") + "/"
        return sorted({name[len(prefix) :].split("/")[0] for name in self._documents if name.startswith(prefix)})

    def remove(self, name: str) -> None:
        for known in [known for known in self._documents if known == name or known.startswith(name + "/")]:
            del self._documents[known]
