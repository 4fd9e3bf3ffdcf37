"""The fetcher's cache: URIs that ask for it are brought to a machine once, for each user, and copied from there.

It is in the machine's work directory. When it grows beyond its capacity, what has not been used for longest goes.
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
    size: int | None = None  # None: it has not been brought yet
    users: int = 0  # who are about to copy or unpack it
    lock: threading.Lock = field(factory=threading.Lock)  # held by who brings it


class FetchCache:
    """See the module's text. Any thread may call. ``capacity`` is in bytes."""

    def __init__(self, directory: Path, capacity: int) -> None:
        self._directory = directory
        self._capacity = capacity
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()  # the least recently used first
        self._lock = threading.Lock()
        self._count = 0

    @property
    def used(self) -> int:
        """How many bytes it holds."""
        with self._lock:
            return self._used()

    def _used(self) -> int:
        return sum(entry.size or 0 for entry in self._entries.values())

    @contextmanager
    def file(self, key: Key, name: str, bring: Callable[[Path], None]) -> Iterator[Path]:
        """The file, which stays while the caller is in the context; ``bring(path)`` makes it if it is not there. What
        it is called ends as ``name`` does. Raises what ``bring`` raises; then nothing is kept.
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
        """Removes what failed, and what is too much."""
        used = self._used()
        for key, entry in list(self._entries.items()):
            if entry.users == 0 and (entry.size is None or used > self._capacity):
                used -= entry.size or 0
                del self._entries[key]
                entry.path.unlink(missing_ok=True)
