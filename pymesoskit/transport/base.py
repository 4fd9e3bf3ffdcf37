"""The seam between the clients and what carries their bytes.

A ``Transport`` makes ``Reactor``s; a reactor is the one turn in which a client's connections and timers live. Real
sockets (``http.py``) have a thread with an event loop; the in-process transport
(``pymesoskit.testing.cluster.inprocess``) lives in the cluster's own turn, in real or virtual time. Sessions know
neither: they are given times and bytes (``pymesoskit.subscription.session``).

All times are in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from attrs import frozen

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from pymesoskit.transport.address import Address
    from pymesoskit.transport.deaths import Death
    from pymesoskit.transport.errors import TransportError

#: Header names are in lower case in answers, as given in requests; values are text.
Headers = tuple[tuple[str, str], ...]


def header(headers: Headers, name: str) -> str | None:
    """The value of the first header of that (lower-case) name."""
    return next((value for key, value in headers if key == name), None)


@frozen(eq=False)
class Head:
    """All of a POST request but its body: made once, used for many, so that it is rendered once per connection."""

    target: str
    headers: Headers = ()


class Timer(Protocol):
    """A callback that is due later."""

    def cancel(self) -> None:
        """Makes sure that the callback will not run; harmless when it has run."""


class Reply(Protocol):
    """Who waits for the whole answer to one request."""

    def on_reply(self, status: int, headers: Headers, body: bytes) -> None:
        """The answer. Called once, unless ``on_failure`` is."""

    def on_failure(self, error: TransportError, sent: bool) -> None:  # a callback's datum
        """The connection ended before the answer; ``sent`` tells whether any of the request may have left."""


class Sink(Protocol):
    """Who reads an answer that is a stream."""

    def on_head(self, status: int, headers: Headers) -> None:
        """The answer's status and headers."""

    def on_data(self, data: bytes) -> None:
        """A piece of the answer's body, of any size."""

    def on_end(self, error: TransportError | None) -> None:
        """The answer is over: in good order (None), or because the connection broke or could not be made."""


class Connection(Protocol):
    """One ordered connection; answers come in the order of the requests. Used only in the reactor's turn.

    What is asked of it before it is open waits until it is. ``post`` does not wait for earlier answers (pipelining).
    """

    def post(self, head: Head, body: bytes, reply: Reply) -> None:
        """Sends a POST whose answer is wanted whole."""

    def stream(self, head: Head, body: bytes, sink: Sink) -> None:
        """Sends a POST whose answer is read as it comes. Nothing may be sent on this connection after it."""

    def pause(self) -> None:
        """Stops reading, so that the other side is held back."""

    def resume(self) -> None:
        """Goes on reading."""

    @property
    def oldest(self) -> Reply | None:
        """Who has waited longest for an answer to ``post``."""

    def close(self, reason: TransportError) -> None:
        """Closes it. Who still waits for an answer is told; then nothing more is called back, not ``on_lost``
        either.
        """


class Reactor(Protocol):
    """A turn with connections and timers. All but ``post`` and ``start`` is used in that turn only."""

    @property
    def threaded(self) -> bool:
        """Whether time passes by itself; if not (virtual time), nobody may block waiting for something to happen."""

    @property
    def chance(self) -> random.Random:
        """Where everything random comes from; the cluster's seed determines it in virtual time."""

    def time(self) -> float:
        """Seconds since the Unix epoch. Any thread may call."""

    def monotonic(self) -> float:
        """Seconds that only ever grow."""

    def hand_over(self, callback: Callable[..., object], *args: Any) -> None:
        """``post`` for what handlers are called with: a simulation may let handlers take time."""

    def post(self, callback: Callable[..., object], *args: Any) -> None:
        """Runs ``callback(*args)`` in the turn, after all that was posted before. Any thread may call."""

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Timer:
        """Runs ``callback(*args)`` in the turn after ``delay`` seconds."""

    def connect(
        self, address: Address, on_open: Callable[[], None], on_lost: Callable[[TransportError], None]
    ) -> Connection:
        """A connection that is being made. ``on_open`` is called when it is open; ``on_lost`` once, when it cannot be
        made or has ended by the other side's doing, after whoever waits for answers on it was told.
        """

    def start(self, on_crash: Callable[[BaseException], None]) -> None:
        """Begins to run what is posted. ``on_crash`` is called, in the turn, with what a callback raised: nothing goes
        unnoticed.
        """

    def stop(self) -> None:
        """Closes what is open and ends the turn; returns when it has ended, or at once if called in it."""

    def died(self, death: Death) -> None:
        """Tells the servers in this process that the client was connected to how it died. Any thread may call."""


class Transport(Protocol):
    """Makes reactors."""

    def reactor(self, name: str) -> Reactor:
        """A reactor that has not been started; ``name`` names its thread, if it has one."""
