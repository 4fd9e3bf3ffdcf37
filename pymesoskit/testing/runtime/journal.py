"""The journal of a cluster: everything that passes between its parties, and the verdict on each.

Everything between a framework and the cluster passes the place where requests meet their handler
(``testing.cluster.traffic``), everything between masters and agents passes the network
(``testing.engine.network``). Both record an ``Entry`` here before anything happens to it. *Judges* decide its ``Fate``;
*watchers* see the entry with its fate. The story, failure reports, recordings and checkers are views of the journal.

Times are in seconds since the Unix epoch on the cluster's clock, virtual or not. Everything but ``entries`` is used in
the cluster's turn.
"""

from __future__ import annotations

import threading
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.runtime.lines import Gate

#: How many of the newest entries are kept.
LIMIT = 2000

#: How many bytes of messages the kept entries may have together.
SIZE_LIMIT = 16_000_000


class Way(Enum):
    """What kind of thing passes."""

    CALL = "call"  # a request of a client
    REPLY = "reply"  # the answer to one
    EVENT = "event"  # a record of a stream
    MESSAGE = "message"  # between masters and agents
    NOTE = "note"  # nothing passes: somebody says what happened


#: The names that a fate can have.
FATES = ("deliver", "drop", "duplicate", "cut", "lose-reply", "cut-within")


@frozen
class Fate:
    """What happens to an entry.

    ======================  ==========================================================================================
    ``deliver``             it arrives, after ``delay`` seconds, once all ``gates`` are open
    ``drop``                a message is lost. A request or an event vanishes, and so does everything else on its
                            connection from then on, while neither side notices (a half-open connection)
    ``duplicate``           a message between master and agent, or an UPDATE event, arrives twice
    ``cut``                 the connection breaks before the request or event arrives
    ``lose-reply``          a request arrives; the connection breaks before its answer leaves
    ``cut-within``          as ``lose-reply``, but half of the answer arrives; half of an event arrives
    ======================  ==========================================================================================
    """

    name: str = "deliver"
    delay: float = 0.0
    gates: tuple[Gate, ...] = ()

    def __attrs_post_init__(self) -> None:
        if self.name not in FATES:
            raise ValueError(f"unknown fate {self.name!r}, known are {', '.join(FATES)}")
        if self.delay < 0:
            raise ValueError(f"the delay of a fate must not be negative, but is {self.delay:g}")

    def also(self, other: Fate) -> Fate:
        """Returns the fate of what has both: the delays add up, and of two other fates this one counts."""
        name = self.name if self.name != "deliver" else other.name
        return Fate(name, self.delay + other.delay, self.gates + other.gates)

    def __str__(self) -> str:
        return f"{self.name}={self.delay:g}s" if self.delay else self.name


DELIVER = Fate()


class Entry:
    """One thing that passes, with its fate. The message is decoded when it is first read."""

    __slots__ = (
        "_decode",
        "_kind",
        "_message",
        "_raw",
        "about",
        "arrived",
        "fate",
        "number",
        "sender",
        "size",
        "time",
        "to",
        "way",
    )

    def __init__(
        self,
        number: int,
        time: float,
        way: Way,
        sender: str,
        to: str,
        kind: str | None,
        message: Any,
        raw: bytes | None,
        decode: Callable[[bytes], tuple[str, Any]] | None,
        about: Entry | None,
        size: int,
    ) -> None:
        self.number: int = number
        self.time: float = time
        self.way: Way = way
        self.sender: str = sender
        self.to: str = to
        self.about: Entry | None = about  # of a reply: the call
        self.size: int = size
        self.fate: Fate = DELIVER
        self.arrived: bool = False  # of an event: whether it has left for the client
        self._kind: str | None = kind
        self._message: Any = message
        self._raw: bytes | None = raw
        self._decode: Callable[[bytes], tuple[str, Any]] | None = decode

    def _read(self) -> None:
        decode, self._decode = self._decode, None
        raw, self._raw = self._raw, None
        if decode is not None and raw is not None:
            self._kind, self._message = decode(raw)

    @property
    def kind(self) -> str:
        """Type of the call (``ACCEPT``), event (``UPDATE``) or message (``RunTask``); status and call of a reply."""
        if self._kind is None:
            self._read()
        return self._kind or ""

    @property
    def message(self) -> Any:
        """The message, or None if it has none that can be decoded. The text of a note."""
        if self._decode is not None:
            self._read()
        return self._message

    def __repr__(self) -> str:
        return (
            f"<{self.way.value} {self.number} at {self.time:.3f}: {self.sender} -> {self.to} {self.kind} {self.fate}>"
        )


class Journal:
    """Records what passes between parties, and decides its fate."""

    def __init__(self, now: Callable[[], float], limit: int = LIMIT) -> None:
        self._now = now
        self._limit = limit
        self._entries: deque[Entry] = deque()
        self._size = 0
        self._lock = threading.Lock()  # notes come from any thread
        self._judges: list[Callable[[Entry], Fate | None]] = []
        self._watchers: list[Callable[[Entry], None]] = []
        self._names: dict[str, str] = {}
        self.recorded: int = 0  # how many there were, forgotten ones too

    def record(
        self,
        way: Way,
        sender: str,
        to: str,
        kind: str | None = None,
        message: Any = None,
        raw: bytes | None = None,
        decode: Callable[[bytes], tuple[str, Any]] | None = None,
        about: Entry | None = None,
        size: int = 0,
        fate: Fate | None = None,
        time: float | None = None,
    ) -> Entry:
        """Adds an entry and decides its fate, unless ``fate`` says it.

        If ``kind`` and ``message`` are not known yet, ``decode(raw)`` returns them when somebody asks.
        """
        entry = Entry(
            self.recorded,
            self._now() if time is None else time,
            way,
            sender,
            to,
            kind,
            message,
            raw,
            decode,
            about,
            size,
        )
        self.recorded += 1
        if fate is not None:
            entry.fate = fate
        elif way is not Way.NOTE:
            for judge in self._judges:
                verdict = judge(entry)
                if verdict is not None:
                    entry.fate = verdict if entry.fate is DELIVER else entry.fate.also(verdict)
        self._keep(entry)
        for watcher in self._watchers:
            watcher(entry)
        return entry

    def _keep(self, entry: Entry) -> None:
        entries = self._entries
        with self._lock:
            entries.append(entry)
            self._size += entry.size
            while len(entries) > self._limit or (self._size > SIZE_LIMIT and len(entries) > 1):
                self._size -= entries.popleft().size

    def note(self, source: str, text: str, time: float | None = None) -> None:
        """Adds what somebody says. Any thread may call."""
        self.record(Way.NOTE, source, "", "", text, size=len(text), time=time)

    def now(self) -> float:
        """Returns the seconds since the Unix epoch. Any thread may call."""
        return self._now()

    def entries(self) -> tuple[Entry, ...]:
        """Returns the newest entries, the oldest first. Any thread may call."""
        return tuple(self._entries.copy())

    def judge(self, judge: Callable[[Entry], Fate | None]) -> Callable[[], None]:
        """Asks ``judge`` about each entry from now on. Fates of several judges add up.

        Returns a function that takes it off again.
        """
        self._judges.append(judge)
        return lambda: self._judges.remove(judge)

    def watch(self, watcher: Callable[[Entry], None]) -> Callable[[], None]:
        """Shows each entry to ``watcher`` from now on. Returns what takes it off again."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def call_it(self, address: str, name: str) -> None:
        """The party at this address of the network is called ``name``."""
        self._names[address] = name

    def name_of(self, address: str) -> str:
        """Returns the name of the party at an address; the address itself if it has none."""
        return self._names.get(address, address)
