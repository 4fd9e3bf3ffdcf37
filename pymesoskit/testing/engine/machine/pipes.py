"""The pipes, or the pseudo-terminal, of a process that is talked to.

Threads read and write, so that neither a silent process nor one that does not read blocks the actor. What they read is
also appended to the files of the command's output, as by Mesos's container logger.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import queue
import select
import struct
import termios
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymesoskit.testing.engine.machine.launcher import Command, Interaction
    from pymesoskit.testing.runtime.actor import Actor

_CHUNK = 1 << 16
STDOUT, STDERR = 1, 2


class Pipes:
    """Three pipes or one pseudo-terminal. ``theirs`` are the ends for the process; the other ends stay here."""

    def __init__(self, interaction: Interaction, command: Command) -> None:
        self._interaction = interaction
        self._command = command
        if interaction.tty:
            ours, theirs = pty.openpty()
            self.theirs: tuple[int, int, int] = (theirs, theirs, theirs)
            self._outputs = {ours: STDOUT}
            self._input: int | None = ours
            self.resize(interaction.rows, interaction.columns)
        else:
            stdin, self._input = os.pipe()
            out, stdout = os.pipe()
            err, stderr = os.pipe()
            self.theirs = (stdin, stdout, stderr)
            self._outputs = {out: STDOUT, err: STDERR}
        self._writes: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._ended = False

    def start(self, actor: Actor) -> None:
        """Called when the process has its ends: starts to read and to write."""
        for fd in set(self.theirs):
            os.close(fd)
        threading.Thread(target=self._read, args=(actor,), name="pymesoskit-output", daemon=True).start()
        threading.Thread(target=self._write, name="pymesoskit-input", daemon=True).start()

    def abandon(self) -> None:
        """Called when there is no process: closes all ends."""
        for fd in {*self.theirs, *self._outputs, *(() if self._input is None else (self._input,))}:
            os.close(fd)

    # ``launcher.ProcessIo``

    def write(self, data: bytes) -> None:
        """Writes to its stdin as soon as it reads."""
        self._writes.put(data)

    def close_input(self) -> None:
        """Closes its stdin; a terminal stays open."""
        if not self._interaction.tty:
            self._writes.put(None)

    def resize(self, rows: int, columns: int) -> None:
        """Sets the size of the terminal's window."""
        if self._interaction.tty and rows and columns and self._input is not None:
            with contextlib.suppress(OSError):  # the process has just ended
                fcntl.ioctl(self._input, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    # Threads

    def _read(self, actor: Actor) -> None:
        logs = self._open_logs()
        watched = dict(self._outputs)
        while watched:
            for fd in select.select(list(watched), [], [])[0]:
                try:
                    data = os.read(fd, _CHUNK)
                except OSError:  # EIO: the other end of the terminal is closed
                    data = b""
                if not data:
                    del watched[fd]
                    continue
                if watched[fd] in logs:
                    with contextlib.suppress(OSError):  # the disk is full: listeners still get the data
                        os.write(logs[watched[fd]], data)
                actor.post(self._interaction.on_output, watched[fd], data)
        for fd in logs.values():
            os.close(fd)
        self._ended = True
        self._writes.put(None)
        actor.post(self._interaction.on_end)

    def _open_logs(self) -> dict[int, int]:
        directory = self._command.directory
        if directory is None:
            return {}
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        logs = {}
        for kind, name in ((STDOUT, self._command.stdout), (STDERR, self._command.stderr)):
            with contextlib.suppress(OSError):  # there is something else of that name
                logs[kind] = os.open(directory / name, flags, 0o644)
        return logs

    def _write(self) -> None:
        while (data := self._writes.get()) is not None:
            while data and self._input is not None and not self._ended:
                try:
                    data = data[os.write(self._input, data) :]
                except OSError:
                    break
        if not self._interaction.tty:
            self._close_input()
        while not self._ended:
            self._writes.get()
        for fd in self._outputs:
            os.close(fd)  # with a terminal this is its input too

    def _close_input(self) -> None:
        fd, self._input = self._input, None
        if fd is not None:
            os.close(fd)
