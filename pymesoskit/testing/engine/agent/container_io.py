"""The calls that talk to containers: sessions, attaching to output and to input, as streams of ``ProcessIO`` records.

Source: docs/reference/operator-api.md 4.1. Who listens and what is written is the ``Switchboard``'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from pymesoskit.testing.engine.agent.media_types import check_streaming, parse
from pymesoskit.testing.engine.agent.validation import call_error, process_io_error
from pymesoskit.testing.engine.http.handler import Responder, Response
from pymesoskit.testing.engine.http.v1 import Event, EventStream, Refused, refuse
from pymesoskit.wire import RecordDecoder, WireError
from pymesoskit.wire.v1 import agent

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.agent.media_types import MediaTypes
    from pymesoskit.testing.engine.containers.switchboard import Switchboard
    from pymesoskit.testing.engine.http.handler import Headers
    from pymesoskit.testing.runtime.clock import Clock, Timer
    from pymesoskit.wire.v1 import mesos

_KINDS = {1: agent.ProcessIO.Data.STDOUT, 2: agent.ProcessIO.Data.STDERR}


@define(eq=False)
class OutputStream:
    """One listener over HTTP: what a container writes, and a heartbeat now and then."""

    clock: Clock
    interval: float  # seconds between heartbeats
    finished: Callable[[], None] = lambda: None
    stream: EventStream | None = None
    _early: list[tuple[int, bytes]] = field(factory=list)  # what came before there was a stream
    _leave: Callable[[], None] = lambda: None
    _timer: Timer | None = None

    def listen(self, switchboard: Switchboard) -> None:
        """Listens from now on."""
        self._leave = switchboard.listen(self._output)

    def open(self, responder: Responder, kind: str, headers: Headers) -> None:
        """Answers with the stream."""
        self.stream = EventStream(responder.stream(200, headers, self._closed), kind)
        self._beat_later()
        early, self._early = self._early, []
        for piece in early:
            self._output(*piece)

    def _output(self, kind: int, data: bytes) -> None:
        if self.stream is None:
            self._early.append((kind, data))
            return
        if kind == 0:
            self._stop()
            self.stream.end()
            return
        record = agent.ProcessIO(type=agent.ProcessIO.DATA)
        record.data.type = _KINDS[kind]
        record.data.data = data
        self.stream.send(Event(record))

    def _closed(self) -> None:
        self._stop()
        self.finished()

    def _stop(self) -> None:
        self._leave()
        if self._timer is not None:
            self._timer.cancel()

    def _beat_later(self) -> None:
        if self.stream is not None and not self.stream.closed:
            self._timer = self.clock.call_later(self.interval, self._beat)

    def _beat(self) -> None:
        assert self.stream is not None
        record = agent.ProcessIO(type=agent.ProcessIO.CONTROL)
        record.control.type = agent.ProcessIO.Control.HEARTBEAT
        record.control.heartbeat.interval.nanoseconds = int(self.interval * 1e9)
        self.stream.send(Event(record))
        self._beat_later()


@define(eq=False)
class InputStream:
    """A request that carries what is to be written to a container's input."""

    find: Callable[[mesos.ContainerID], Switchboard]  # raises ``Refused``
    responder: Responder
    media: MediaTypes
    _decoder: RecordDecoder = field(factory=RecordDecoder)
    _switchboard: Switchboard | None = None
    _answered: bool = False

    def data(self, data: bytes) -> None:
        """More of the body."""
        try:
            for record in self._decoder.feed(data):
                if not self._answered:
                    self._record(record)
        except WireError as error:
            self._answer(Response.text(400, f"Failed to decode the request: {error}"))
        except Refused as refused:
            self._answer(refused.response)

    def end(self) -> None:
        """The body is over."""
        if self._switchboard is None:
            self._answer(Response.text(400, "Received EOF while reading request body"))
        else:
            self._answer(Response(200))

    def _record(self, record: bytes) -> None:
        call = parse(record, self.media.message_content or "")
        error = call_error(call)
        if error is not None:
            raise refuse(400, f"Failed to validate agent::Call: {error}")
        attach = call.attach_container_input
        if self._switchboard is None:
            check_streaming(call, self.media)
            if attach.type != agent.Call.AttachContainerInput.CONTAINER_ID:
                raise refuse(400, "Expecting 'attach_container_input.type' to be CONTAINER_ID")
            found = self.find(attach.container_id)
            if found.input_taken:
                raise refuse(409, "Multiple input connections are not allowed")
            found.input_taken = True
            self._switchboard = found
            self.responder.on_close(self._left)
            found.at_end(self._ended)
        else:
            error = process_io_error(attach)
            if error is not None:
                raise refuse(400, error)
            self._write(self._switchboard, attach.process_io)

    def _write(self, switchboard: Switchboard, message: agent.ProcessIO) -> None:
        io = switchboard.io
        if io is None:
            return
        if message.type == agent.ProcessIO.DATA:
            if message.data.data:
                io.write(message.data.data)
            else:
                io.close_input()
        elif message.control.type == agent.ProcessIO.Control.TTY_INFO:
            size = message.control.tty_info.window_size
            io.resize(size.rows, size.columns)

    def _ended(self) -> None:
        """The container has ended: whoever still sends gets the answer."""
        self._answer(Response(200))

    def _left(self) -> None:
        if self._switchboard is not None:
            self._switchboard.input_taken = False

    def _answer(self, response: Response) -> None:
        if not self._answered:
            self._answered = True
            self._left()
            self.responder.respond(response)
