"""Those who listen to a container's output, and the way to its input: what Mesos calls the I/O switchboard.

A container has one if it was launched to be talked to: a session, or a task with a terminal. Several may listen, to
what comes from then on. Source: docs/reference/operator-api.md 4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.machine.launcher import Interaction, ProcessIo

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.wire.v1 import mesos

    #: Gets (1: stdout or 2: stderr, data); (0, b"") once there is no more.
    Listener = Callable[[int, bytes], None]


class Switchboard:
    """See the module's text. ``io`` is set when the process is launched."""

    def __init__(self, *, tty: bool, rows: int = 0, columns: int = 0) -> None:
        self.tty = tty
        self.io: ProcessIo | None = None
        self.ended: bool = False
        self.input_taken = False  # somebody writes to its input; nobody else may meanwhile
        self.interaction: Interaction = Interaction(self._output, self._end, tty, rows, columns)
        self._listeners: list[Listener] = []

    @classmethod
    def of(cls, container: mesos.ContainerInfo) -> Switchboard | None:
        """That of a container whose description asks for a terminal, else None."""
        if not container.HasField("tty_info"):
            return None
        size = container.tty_info.window_size
        return cls(tty=True, rows=size.rows, columns=size.columns)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """``listener`` gets the output from now on; returns what ends that."""
        if self.ended:
            listener(0, b"")
        else:
            self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def at_end(self, callback: Callable[[], None]) -> None:
        """Calls back when there will be no more output, at once if that is so already."""
        self.listen(lambda kind, _: callback() if kind == 0 else None)

    def _output(self, kind: int, data: bytes) -> None:
        for listener in list(self._listeners):
            listener(kind, data)

    def _end(self) -> None:
        self.ended = True
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener(0, b"")
