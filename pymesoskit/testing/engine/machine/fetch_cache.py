"""The fetcher's cache: URIs with ``cache`` are downloaded once for each machine and user, and copied from there.

The cache is in the machine's work directory. When it exceeds its capacity, the least recently used files are removed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: (URI, user)
Key = tuple[str, str | None]


@define(eq=False)
class _Entry:
    """A file of the cache."""

    path: Path
    size: int | None = None  # None: it has not been downloaded yet
    users: int = 0  # how many copy or unpack it now
    lock: threading.Lock = field(factory=threading.Lock)  # held while it is downloaded


class FetchCache:
    """A cache with a capacity in bytes. Its methods can be called from any thread."""

    def __init__(self, directory: Path, capacity: int) -> None:
        self._directory = directory
        self._capacity = capacity
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()  # the least recently used first
        self._lock = threading.Lock()
        self._count = 0

    @property
    def used(self) -> int:
        """The size of all its files in bytes."""
        with self._lock:
            return self._used()

    def _used(self) -> int:
        return sum(entry.size or 0 for entry in self._entries.values())

    @contextmanager
    def file(self, key: Key, name: str, bring: Callable[[Path], None]) -> Iterator[Path]:
        """Yields the path of the file, which stays while the caller is in the context. ``bring(path)`` makes the file
        if it is missing. Its name ends like ``name``. Raises what ``bring`` raises; then nothing is kept.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                self._count += 1
                entry = self._entries[key] = _Entry(self._directory / f"c{self._count}-{name[-20:]}")
            self._entries.move_to_end(key)
            entry.users += 1
        try:
            with entry.lock:
                if entry.size is None or not entry.path.exists():
                    entry.path.parent.mkdir(parents=True, exist_ok=True)
                    bring(entry.path)
                    entry.size = entry.path.stat().st_size
            yield entry.path
        finally:
            with self._lock:
                entry.users -= 1
                self._make_room()

    def _make_room(self) -> None:
        """Removes failed entries, and the oldest ones beyond the capacity."""
        used = self._used()
        for key, entry in list(self._entries.items()):
            if entry.users == 0 and (entry.size is None or used > self._capacity):
                used -= entry.size or 0
                del self._entries[key]
                entry.path.unlink(missing_ok=True)
