"""The listeners to a container's output and the writer to its input: Mesos's I/O switchboard.

A container has one if it was launched to be talked to: a session, or a task with a terminal. There can be several
listeners; each hears the output from then on. Source: docs/reference/operator-api.md 4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.machine.launcher import Interaction, ProcessIo

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.wire.v1 import mesos

    #: Called with (1: stdout or 2: stderr, data), and with (0, b"") at the end.
    Listener = Callable[[int, bytes], None]


class Switchboard:
    """The switchboard of one container. ``io`` is set when its process is launched."""

    def __init__(self, *, tty: bool, rows: int = 0, columns: int = 0) -> None:
        self.tty = tty
        self.io: ProcessIo | None = None
        self.ended: bool = False
        self.input_taken = False  # there is a writer to its input, and only one is allowed
        self.interaction: Interaction = Interaction(self._output, self._end, tty, rows, columns)
        self._listeners: list[Listener] = []

    @classmethod
    def of(cls, container: mesos.ContainerInfo) -> Switchboard | None:
        """Returns the switchboard of a container that asks for a terminal, else None."""
        if not container.HasField("tty_info"):
            return None
        size = container.tty_info.window_size
        return cls(tty=True, rows=size.rows, columns=size.columns)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Passes the output from now on to ``listener``, and returns a function that stops it."""
        if self.ended:
            listener(0, b"")
        else:
            self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def at_end(self, callback: Callable[[], None]) -> None:
        """Calls ``callback`` when the output has ended, at once if it already has."""
        self.listen(lambda kind, _: callback() if kind == 0 else None)

    def _output(self, kind: int, data: bytes) -> None:
        for listener in list(self._listeners):
            listener(kind, data)

    def _end(self) -> None:
        self.ended = True
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener(0, b"")
