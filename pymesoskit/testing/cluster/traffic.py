"""The place where requests meet their handler: it records what clients and members say, and carries out the verdicts.

A ``Traffic`` stands in front of the handler of one master or agent. It works the same for sockets and for the
in-process transport, since both hand it a ``Request`` and a ``Responder``. A connection is, at any time:

==========  ================================================================================
open        requests and answers pass, each way in order, late if their fates say so
silent      nothing passes any more, and neither side notices (half-open)
cut         the connection is broken; what the client still sends on it is dropped
==========  ================================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from google.protobuf.message import DecodeError, Message

from pymesoskit.testing.runtime.journal import Entry, Fate, Journal, Way
from pymesoskit.testing.runtime.lines import Line
from pymesoskit.wire import ConversionError, JsonSyntaxError, from_json
from pymesoskit.wire.v1 import agent, executor, master, scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pymesoskit.testing.engine.http.handler import Handler, Headers, Request, Responder, Response, Stream
    from pymesoskit.testing.runtime.clock import Clock

_JSON = "application/json"

#: Who sends what is not a framework's or an executor's.
CLIENT = "client"

_CUT = Fate("cut")


class Traffic:
    """Records the requests and answers of one member, and carries out their fates. It is a ``Handler``."""

    def __init__(self, member: str, handler: Handler, journal: Journal, clock: Clock) -> None:
        self._member = member
        self._handler = handler
        self._journal = journal
        self._clock = clock
        self._operator_call: type[Message] = master.Call if member.startswith("master") else agent.Call
        self._links: WeakKeyDictionary[object, _Link] = WeakKeyDictionary()
        self._frameworks: dict[str, str] = {}  # stream id -> name of the framework

    def __call__(self, request: Request, responder: Responder) -> None:
        connection = request.connection
        if connection is None:
            self._handler(request, responder)
            return
        link = self._links.get(connection)
        if link is None:
            link = self._links[connection] = _Link(self._clock)
        if link.state == "cut":
            responder.abort()
            return
        if link.state == "silent":
            return
        party, entry = self._record(request)
        fate = entry.fate
        match fate.name:
            case "cut":
                link.inward.carry(fate.delay, fate.gates, link.break_by, responder)
            case "drop":
                link.silence()
            case _:
                answer = _Answer(self, link, entry, party, responder)
                link.inward.carry(fate.delay, fate.gates, self._serve, link, request, answer)

    def _serve(self, link: _Link, request: Request, answer: _Answer) -> None:
        if link.state == "open":
            self._handler(request, answer)

    def _record(self, request: Request) -> tuple[str, Entry]:
        path, body = request.path, request.body
        size = len(body)
        if request.method != "POST" or not body:
            call_type = None
        else:
            call_type = _CALLS.get(path[path.rfind("/api/v1") :] if "/api/v1" in path else "")
            if call_type is None and path.endswith("/api/v1"):
                call_type = self._operator_call
        journal = self._journal
        if call_type is None:
            return CLIENT, journal.record(Way.CALL, CLIENT, self._member, f"{request.method} {path}", size=size)
        decode = _decoder(call_type, request.header("content-type") or "", "call")
        if call_type is scheduler.Call:
            stream_id = request.header("mesos-stream-id")
            party = self._frameworks.get(stream_id) if stream_id is not None else None
            if party is not None:
                return party, journal.record(Way.CALL, party, self._member, raw=body, decode=decode, size=size)
        elif call_type is not executor.Call:
            return CLIENT, journal.record(Way.CALL, CLIENT, self._member, raw=body, decode=decode, size=size)
        kind, call = decode(body)
        party = _party(call)
        return party, journal.record(Way.CALL, party, self._member, kind, call, size=size)

    def subscribed(self, headers: Headers, party: str) -> Callable[[], None]:
        """A framework has got a stream. Returns what is to be called when the stream is over."""
        stream_id = next((value for name, value in headers if name.lower() == "mesos-stream-id"), None)
        if stream_id is None:
            return lambda: None
        self._frameworks[stream_id] = party

        def over() -> None:
            self._frameworks.pop(stream_id, None)

        return over

    def record_reply(self, call: Entry, party: str, status: int, fate: Fate | None = None) -> Fate:
        """Records the answer to a call. Returns its fate, which is ``fate`` if that is given already."""
        return self._journal.record(Way.REPLY, self._member, party, str(status), about=call, fate=fate).fate

    def record_event(self, party: str, decode: Callable[[bytes], tuple[str, Any]] | None, data: bytes) -> Entry:
        """Records an event, which ``decode`` can read (None: nothing can)."""
        kind = "data" if decode is None else None
        return self._journal.record(Way.EVENT, self._member, party, kind, raw=data, decode=decode, size=len(data))


class _Link:
    """One connection: what is under way on it, each way."""

    __slots__ = ("__weakref__", "inward", "outward", "state")

    def __init__(self, clock: Clock) -> None:
        self.inward = Line(clock)
        self.outward = Line(clock)
        self.state = "open"

    def cut(self) -> None:
        """It is broken: what is under way is lost."""
        self.state = "cut"
        self.inward.drop()
        self.outward.drop()

    def break_by(self, side: Responder | Stream) -> None:
        """It breaks once what was sent before on this side has arrived."""
        self.cut()
        side.abort()

    def silence(self) -> None:
        """Nothing passes any more."""
        self.state = "silent"
        self.inward.drop()
        self.outward.drop()


class _Answer:
    """The ``Responder`` that the handler gets."""

    __slots__ = ("_call", "_inner", "_link", "_party", "_traffic")

    def __init__(self, traffic: Traffic, link: _Link, call: Entry, party: str, inner: Responder) -> None:
        self._traffic = traffic
        self._link = link
        self._call = call
        self._party = party
        self._inner = inner

    def respond(self, response: Response) -> None:
        link = self._link
        fate = self._fate(response.status)
        match fate.name if link.state == "open" else link.state:
            case "deliver":
                link.outward.carry(fate.delay, fate.gates, self._inner.respond, response)
            case "drop":
                link.silence()
            case "cut-within":
                link.outward.carry(fate.delay, fate.gates, self._send_half, response)
            case "silent":
                return
            case _:
                link.outward.carry(fate.delay, fate.gates, link.break_by, self._inner)

    def _fate(self, status: int) -> Fate:
        decided = self._call.fate.name in {"lose-reply", "cut-within"}
        return self._traffic.record_reply(self._call, self._party, status, self._call.fate if decided else None)

    def _send_half(self, response: Response) -> None:
        body = response.whole_body()
        stream = self._inner.stream(response.status, response.headers, lambda: None)
        if len(body) > 1:
            stream.write(body[: len(body) // 2])
        self._link.cut()
        stream.abort()

    def stream(self, status: int, headers: Headers, on_close: Callable[[], None]) -> _Events | Stream:
        link = self._link
        over = self._traffic.subscribed(headers, self._party)

        def closed() -> None:
            over()
            link.outward.drop()
            on_close()

        fate = self._fate(status)
        if fate.name in {"lose-reply", "cut", "cut-within"}:
            link.cut()
        elif fate.name == "drop":
            link.silence()
        stream = self._inner.stream(status, headers, closed)
        if link.state == "cut":
            stream.abort()
            over()
            return stream
        return _Events(self._traffic, link, self._call, self._party, headers, stream, over)

    def on_close(self, callback: Callable[[], None]) -> None:
        self._inner.on_close(callback)

    def abort(self) -> None:
        self._link.cut()
        self._inner.abort()


class _Events:
    """The ``Stream`` that the handler gets; each ``write`` is one event."""

    __slots__ = ("_decode", "_inner", "_link", "_over", "_party", "_traffic")

    def __init__(
        self,
        traffic: Traffic,
        link: _Link,
        call: Entry,
        party: str,
        headers: Headers,
        inner: Stream,
        over: Callable[[], None],
    ) -> None:
        self._traffic = traffic
        self._link = link
        self._party = party
        event_type = _EVENTS.get(type(call.message))
        content_type = next((value for name, value in headers if name.lower() == "content-type"), "")
        self._decode = None if event_type is None else _decoder(event_type, content_type, "event")
        self._inner = inner
        self._over = over

    def write(self, data: bytes | Iterable[bytes]) -> None:
        link = self._link
        if link.state != "open" or self._inner.closed:
            return
        if not isinstance(data, bytes):
            data = b"".join(data)
        entry = self._traffic.record_event(self._party, self._decode, data)
        fate = entry.fate
        match fate.name:
            case "cut" | "lose-reply":
                link.outward.carry(fate.delay, fate.gates, self.abort)
            case "cut-within":
                link.outward.carry(fate.delay, fate.gates, self._inner.write, data[: len(data) // 2])
                link.outward.carry(0.0, (), self.abort)
            case "drop":
                link.silence()
            case name:
                link.outward.carry(fate.delay, fate.gates, self._arrive, entry, data)
                if name == "duplicate" and entry.kind == "UPDATE":
                    link.outward.carry(fate.delay, fate.gates, self._arrive, entry, data)

    def _arrive(self, entry: Entry, data: bytes) -> None:
        entry.arrived = True
        self._inner.write(data)

    def end(self) -> None:
        self._over()
        if self._link.state == "open":
            self._link.outward.carry(0.0, (), self._inner.end)

    def abort(self) -> None:
        self._over()
        if self._link.state != "silent":
            self._link.cut()
            self._inner.abort()

    @property
    def closed(self) -> bool:
        return self._inner.closed


# Reading what passes, when somebody wants to know

_CALLS: dict[str, type[Message]] = {"/api/v1/scheduler": scheduler.Call, "/api/v1/executor": executor.Call}

_EVENTS: dict[type[Message], type[Message]] = {
    scheduler.Call: scheduler.Event,
    executor.Call: executor.Event,
    master.Call: master.Event,
}


def _party(call: Any) -> str:
    """Returns who makes a call that has no stream yet."""
    if isinstance(call, executor.Call):
        return f"executor {call.executor_id.value}"
    if isinstance(call, scheduler.Call):
        return call.subscribe.framework_info.name or CLIENT
    return CLIENT


_DECODERS: dict[tuple[str, bool, str], Callable[[bytes], tuple[str, Any]]] = {}


def _decoder(message_type: type[Message], content_type: str, what: str) -> Callable[[bytes], tuple[str, Any]]:
    """Returns a function that decodes a call, or an event with the length in front of it."""
    key = (message_type.DESCRIPTOR.full_name, content_type == _JSON, what)
    decoder = _DECODERS.get(key)
    if decoder is None:
        decoder = _DECODERS[key] = _new_decoder(message_type, what, is_json=content_type == _JSON)
    return decoder


def _new_decoder(message_type: type[Message], what: str, *, is_json: bool) -> Callable[[bytes], tuple[str, Any]]:
    names = message_type.DESCRIPTOR.enum_types_by_name["Type"].values_by_number

    def decode(data: bytes) -> tuple[str, Any]:
        """Returns the type and the message; a placeholder and None if it cannot be decoded."""
        if what == "event":
            data = data[data.find(b"\n") + 1 :]
        try:
            message = from_json(data, message_type) if is_json else message_type.FromString(data)
        except (ConversionError, DecodeError, JsonSyntaxError, UnicodeDecodeError):
            return f"unreadable {what}", None
        descriptor = names.get(message.type)  # type: ignore[attr-defined]  # all of these messages have one
        return (descriptor.name if descriptor is not None else "UNKNOWN"), message

    return decode
