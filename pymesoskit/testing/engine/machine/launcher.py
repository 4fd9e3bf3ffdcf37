"""The seam between executors and what really runs: processes or simulations.

A ``Launcher`` starts commands and tells how they ended. ``process.py`` has real processes, ``simulated.py`` scripted
ones. The statuses that frameworks see are made by executors, never here.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pymesoskit.wire.v1 import mesos


@frozen
class Interaction:
    """How somebody talks to a process. The callbacks come in the actor's turn."""

    on_output: Callable[[int, bytes], None]  # 1: stdout, 2: stderr
    on_end: Callable[[], None]  # there will be no more output
    tty: bool = False  # a terminal instead of three pipes
    rows: int = 0
    columns: int = 0


class ProcessIo(Protocol):
    """The other end of a process's pipes or terminal."""

    def write(self, data: bytes) -> None:
        """Sends to its stdin, as soon as it reads."""

    def close_input(self) -> None:
        """Its stdin ends; a terminal stays open."""

    def resize(self, rows: int, columns: int) -> None:
        """The terminal's window has another size."""


@frozen
class Remains:
    """Something that a command brings about and that is no process of its tree, so that it could outlive everything."""

    name: str
    removal: tuple[str, ...]  # the command that removes such things; their names come after its arguments
    environment: Mapping[str, str]  # of that command


@frozen
class Command:
    """What to run, and as whom."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path | None  # working directory. None: the launcher needs none
    executable: str | None = None  # what is executed if not argv[0]; looked for in the directory, then on the path
    path: str | None = None  # where to look for it. None: the environment's PATH
    stdout: str = "stdout"  # the files that its output is appended to, in its directory unless absolute
    stderr: str = "stderr"
    whole_tree: bool = True  # signals go to all its descendants, too. Without: only SIGKILL does
    user: str | None = None  # None: as the cluster
    rlimits: tuple[tuple[str, int | None, int | None], ...] = ()  # (RLIMIT name, soft, hard), None: unlimited
    task: mesos.TaskInfo | None = None  # the task this is the command of, if it is one's
    delay: float = 0.0  # seconds between the start of the process and that of the command
    interaction: Interaction | None = None  # somebody talks to it: no files, but pipes or a terminal
    remains: Remains | None = None  # what the launcher removes when it ends everything
    removes: str | None = None  # if it exits with 0, the remains of that name are gone


@frozen
class Usage:
    """What a process tree has used so far."""

    cpus_user_time_secs: float = 0.0
    cpus_system_time_secs: float = 0.0
    mem_rss_bytes: int = 0
    processes: int = 0
    threads: int = 0


@frozen
class Exit:
    """How a process ended: its wait status, as wait(2) gives it."""

    status: int
    usage: Usage = Usage()
    breaks_executor: bool = False  # only simulated processes do that
    exceeded: str | None = None  # the limit for which the launcher has ended it

    @classmethod
    def of_signal(cls, number: int) -> Exit:
        """Ended by that signal."""
        return cls(number)

    @classmethod
    def of_code(cls, code: int) -> Exit:
        """Exited with that code."""
        return cls((code & 0xFF) << 8)

    @property
    def code(self) -> int | None:
        """The exit code, None if a signal ended it."""
        return (self.status >> 8) & 0xFF if self.status & 0x7F == 0 else None

    @property
    def signal(self) -> int | None:
        """The signal that ended it, None if it exited."""
        return self.status & 0x7F or None

    def describe(self) -> str:
        """``exited with status 3``, ``terminated with signal Killed``: Mesos's words."""
        number = self.signal
        if number is None:
            return f"exited with status {self.code}"
        text = signal.strsignal(number) or f"Unknown signal {number}"
        return f"terminated with signal {text}" + (" (core dumped)" if self.status & 0x80 else "")


class Process(Protocol):
    """A command that was launched."""

    @property
    def pid(self) -> int:
        """Its process id; 0 until it has started."""

    @property
    def io(self) -> ProcessIo | None:
        """Its other end, if the command was launched with an ``Interaction``."""

    @property
    def healthy(self) -> bool | None:
        """What checks of the process find at the moment, if it is simulated; None for a real process, at which they
        have to look.
        """

    def kill(self, number: int) -> None:
        """Sends the signal to the process and all its descendants; harmless when it has ended."""

    def usage(self) -> Usage | None:
        """What its tree uses now; None when that is not known (any more)."""


class Launcher(Protocol):
    """Starts commands."""

    @property
    def needs_sandbox(self) -> bool:
        """Whether commands run in a directory that must exist."""

    def launch(
        self,
        command: Command,
        on_start: Callable[[], None],
        on_exit: Callable[[Exit], None],
        on_error: Callable[[str], None],
    ) -> Process:
        """Starts the command. In later turns either ``on_error(why)`` is called, or ``on_start()`` and, once,
        ``on_exit``.
        """

    def close(self) -> None:
        """Ends all that it has started, and itself."""
