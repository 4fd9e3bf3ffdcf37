"""What happened in a cluster, for people: the newest events in a bounded ring.

Every party notes what it does in one line. A failing test prints the story. Nothing here decides anything.
"""

from __future__ import annotations

import sys
import traceback
from collections import deque
from time import gmtime
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

from pymesoskit.testing.runtime.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable


#: How many characters of a text are kept.
TEXT_LIMIT = 2000


@frozen
class HistoryEvent:
    """One line of the story."""

    time: float  # seconds since the Unix epoch, on the cluster's clock
    source: str  # who tells: "master", "agent 0", "http", "cluster", ...
    text: str

    def __str__(self) -> str:
        moment = gmtime(self.time)
        milliseconds = int(self.time % 1 * 1000)
        return f"{moment.tm_hour:02}:{moment.tm_min:02}:{moment.tm_sec:02}.{milliseconds:03} {self.source}: {self.text}"


class HistoryWriter(Protocol):
    """Accepts lines of the story: all that masters and agents need of a ``History``."""

    def note(self, source: str, text: str) -> None:
        """Adds a line: ``source`` did or saw ``text``."""


class History:
    """The newest events; older ones are forgotten when there are more than ``limit``.

    ``now`` gives seconds since the Unix epoch: the cluster's clock, virtual or not. Any thread may note and read.
    """

    def __init__(self, now: Callable[[], float], limit: int = 2000) -> None:
        self.journal: Journal = Journal(now)  # in which all that is noted here is an entry, too
        self._now = now
        self._events: deque[HistoryEvent] = deque(maxlen=limit)
        self._noted = 0
        self._failures = 0

    def note(self, source: str, text: str) -> None:
        """Adds an event. A text of more than ``TEXT_LIMIT`` characters is cut: it may repeat what a client sent."""
        self._noted += 1
        if len(text) > TEXT_LIMIT:
            text = f"{text[:TEXT_LIMIT]}… ({len(text)} characters)"
        event = HistoryEvent(self._now(), source, text)
        self._events.append(event)
        self.journal.note(source, text, event.time)

    def report(self, source: str, error: BaseException) -> None:
        """Adds an exception that should not have happened: in short here, in full on stderr."""
        self._failures += 1
        self.note(source, f"FAILURE {type(error).__name__}: {error}")
        trace = "".join(traceback.format_exception(error))
        sys.stderr.write(f"pymesoskit: an unexpected error in {source}\n{trace}")

    @property
    def noted(self) -> int:
        """How many events there were, forgotten ones too."""
        return self._noted

    @property
    def failures(self) -> int:
        """How many unexpected exceptions were reported."""
        return self._failures

    def events(self) -> tuple[HistoryEvent, ...]:
        """The events that are still known, the oldest first."""
        return tuple(self._events.copy())

    def story(self, newest: int | None = None) -> str:
        """The events as lines of text, the oldest first; only so many of the newest if a number is given."""
        events = self.events()
        shown = events if newest is None else events[max(0, len(events) - newest) :]
        lines = [str(event) for event in shown]
        missing = self._noted - len(shown)
        return "\n".join([f"({missing} earlier events)", *lines] if missing > 0 else lines)
