"""The interface between executors and what runs for them: processes or simulations.

A ``Launcher`` starts commands and reports how they ended. ``process.py`` has real processes, ``simulated.py`` scripted
ones. Executors, not launchers, make the statuses that frameworks see.
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
    """The connection to a process that is talked to. The callbacks come in the actor's turn."""

    on_output: Callable[[int, bytes], None]  # 1: stdout, 2: stderr
    on_end: Callable[[], None]  # the output is complete
    tty: bool = False  # a terminal instead of three pipes
    rows: int = 0
    columns: int = 0


class ProcessIo(Protocol):
    """The other end of a process's pipes or terminal."""

    def write(self, data: bytes) -> None:
        """Writes to its stdin as soon as it reads."""

    def close_input(self) -> None:
        """Closes its stdin; a terminal stays open."""

    def resize(self, rows: int, columns: int) -> None:
        """Sets the size of the terminal's window."""


@frozen
class Remains:
    """Something that a command makes outside of its process tree, such as a container, and that could outlive it."""

    name: str
    removal: tuple[str, ...]  # the command that removes such things, without their names at the end
    environment: Mapping[str, str]  # of that command


@frozen
class Command:
    """What runs, and as which user."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path | None  # the working directory. None: the launcher needs none
    executable: str | None = None  # what is executed instead of argv[0]; looked up in the directory, then on the path
    path: str | None = None  # where it is looked up. None: the environment's PATH
    stdout: str = "stdout"  # the files that its output is appended to, in its directory unless absolute
    stderr: str = "stderr"
    whole_tree: bool = True  # signals go to all its descendants, too; otherwise only SIGKILL does
    user: str | None = None  # None: as the cluster
    rlimits: tuple[tuple[str, int | None, int | None], ...] = ()  # (RLIMIT name, soft, hard), None: unlimited
    task: mesos.TaskInfo | None = None  # the task whose command it is, if there is one
    delay: float = 0.0  # seconds between the start of the process and that of the command
    interaction: Interaction | None = None  # it is talked to: pipes or a terminal instead of files
    remains: Remains | None = None  # removed by the launcher when it ends everything
    removes: str | None = None  # if it exits with 0, the remains of that name are gone


@frozen
class Usage:
    """The resources that a process tree has used so far."""

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
    exceeded: str | None = None  # the limit that it has exceeded, so that the launcher has killed it

    @classmethod
    def of_signal(cls, number: int) -> Exit:
        """Returns the end by a signal."""
        return cls(number)

    @classmethod
    def of_code(cls, code: int) -> Exit:
        """Returns the exit with a code."""
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
        """Returns Mesos's text: ``exited with status 3`` or ``terminated with signal Killed``."""
        number = self.signal
        if number is None:
            return f"exited with status {self.code}"
        text = signal.strsignal(number) or f"Unknown signal {number}"
        return f"terminated with signal {text}" + (" (core dumped)" if self.status & 0x80 else "")


class Process(Protocol):
    """A command that has been launched."""

    @property
    def pid(self) -> int:
        """Its process id; 0 until it has started."""

    @property
    def io(self) -> ProcessIo | None:
        """The connection to it, if the command was launched with an ``Interaction``."""

    @property
    def healthy(self) -> bool | None:
        """Whether checks of a simulated process succeed now; None for a real process, which they have to look at."""

    def kill(self, number: int) -> None:
        """Sends the signal to the process and all its descendants; does nothing when it has ended."""

    def usage(self) -> Usage | None:
        """Returns the current usage of its tree, None when that is not known (any more)."""


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
        """Ends everything that it has started, and itself."""
