"""Streams of updates that are sent until they are acknowledged.

One stream per task (or operation): updates leave in order, only the head is under way, and it is sent again after 10
s, then after twice as long each time, up to 10 minutes, until its acknowledgement comes. While the master is away
nothing is sent. Source: docs/reference/agent-executor.md 3.1.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Collection, Hashable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import define, field

if TYPE_CHECKING:
    from pymesoskit.testing.runtime.clock import Clock, Timer

#: Seconds until the first repetition, and at most between two.
RETRY_MIN = 10.0
RETRY_MAX = 600.0

K = TypeVar("K", bound=Hashable)
U = TypeVar("U")


@define(eq=False)
class Stream(Generic[U]):
    """The updates of one task."""

    pending: list[tuple[bytes, U, bool]] = field(factory=list)  # uuid, update, whether it is terminal; short lists
    seen: set[bytes] = field(factory=set)  # uuids, acknowledged or not
    interval: float = RETRY_MIN
    due: float | None = None  # of the head's next repetition


class UpdateStreams(Generic[K, U]):
    """The streams of updates of an agent that wait for acknowledgements. ``forward`` sends one update."""

    def __init__(self, clock: Clock, forward: Callable[[K, U], None]) -> None:
        self._clock = clock
        self._forward = forward
        self._streams: dict[K, Stream[U]] = {}
        self._paused = True
        self._queue: list[tuple[float, int, K, Stream[U]]] = []  # of repetitions; those no longer due are skipped
        self._order = itertools.count()
        self._timer: Timer | None = None
        self._timer_due = 0.0

    def __contains__(self, key: K) -> bool:
        return key in self._streams

    def knows(self, key: K, uuid: bytes) -> bool:
        """Whether an update of that uuid has been taken in, acknowledged or not."""
        stream = self._streams.get(key)
        return stream is not None and uuid in stream.seen

    def keys(self) -> Iterator[K]:
        return iter(list(self._streams))

    def add(self, key: K, uuid: bytes, update: U, *, terminal: bool) -> bool:
        """Takes in an update; False if it was known already (acknowledged or not)."""
        stream = self._stream(key)
        if uuid in stream.seen:
            return False
        stream.seen.add(uuid)
        stream.pending.append((uuid, update, terminal))
        if len(stream.pending) == 1:
            self._send_head(key, stream)
        return True

    def acknowledge(self, key: K, uuid: bytes) -> bool:
        """The head has arrived if this is its uuid: the next one leaves. False if it is not, or there is no such
        stream.

        A stream whose terminal update is acknowledged is over, with whatever came after that.
        """
        stream = self._streams.get(key)
        if stream is None or not stream.pending or stream.pending[0][0] != uuid:
            return False
        terminal = stream.pending.pop(0)[2]
        stream.due = None
        stream.interval = RETRY_MIN
        if terminal:
            del self._streams[key]
        else:
            self._send_head(key, stream)
        return True

    def restore(self, key: K, uuid: bytes, update: U | None, *, terminal: bool) -> None:
        """Takes in what was recorded: an update, or (None) the acknowledgement of the head. Nothing is sent."""
        stream = self._stream(key)
        if update is not None:
            if uuid not in stream.seen:
                stream.seen.add(uuid)
                stream.pending.append((uuid, update, terminal))
        elif stream.pending and stream.pending[0][0] == uuid and stream.pending.pop(0)[2]:
            del self._streams[key]

    def pause(self) -> None:
        """Sends nothing until ``resume``."""
        self._paused = True
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def resume(self, but: Collection[bytes] = ()) -> None:
        """Sends the head of each stream (again) and continues from there; ``but``: uuids of updates to leave out."""
        self._paused = False
        heads = [(key, stream) for key, stream in self._streams.items() if stream.pending]
        for key, stream in heads:
            if stream.pending[0][0] not in but:
                stream.interval = RETRY_MIN
                self._schedule(key, stream)
        for key, stream in heads:
            if stream.pending[0][0] not in but:
                self._forward(key, stream.pending[0][1])

    def drop(self, key: K) -> None:
        """Forgets a stream; harmless if there is none."""
        stream = self._streams.pop(key, None)
        if stream is not None:
            stream.due = None

    def _stream(self, key: K) -> Stream[U]:
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = Stream()
        return stream

    def _send_head(self, key: K, stream: Stream[U]) -> None:
        if self._paused or not stream.pending:
            return
        self._schedule(key, stream)  # first: if it cannot be sent now, it is sent again
        self._forward(key, stream.pending[0][1])

    def _schedule(self, key: K, stream: Stream[U]) -> None:
        stream.due = due = self._clock.monotonic() + stream.interval
        heapq.heappush(self._queue, (due, next(self._order), key, stream))
        if self._timer is None or due < self._timer_due:
            self._set_timer(due)

    def _set_timer(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = due
        self._timer = self._clock.call_later(due - self._clock.monotonic(), self._repeat)

    def _repeat(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        queue = self._queue
        try:
            while queue and (queue[0][0] <= now or queue[0][0] != queue[0][3].due):
                due, _, key, stream = heapq.heappop(queue)
                if due == stream.due and self._streams.get(key) is stream and stream.pending:
                    stream.interval = min(2 * stream.interval, RETRY_MAX)
                    self._send_head(key, stream)
        finally:
            if queue and self._timer is None:
                self._set_timer(queue[0][0])
