"""Containers that are nested in an executor's or stand alone: they are launched, awaited, killed and removed by id.

The default executor and the agent's operator API share them. They belong to the machine, so they outlive the agent.
Source: docs/reference/operator-api.md 4.1, agent-executor.md 9.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from attrs import define, field

from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.containers.switchboard import Switchboard
    from pymesoskit.testing.engine.machine.launcher import Command, Exit, Launcher, Process, ProcessIo, Usage

#: The id of a container and of those around it: (top, child, …).
Path = tuple[str, ...]


def path_of(container_id: mesos.ContainerID) -> Path:
    """Returns the ids from the outermost container to this one."""
    path: list[str] = []
    at = container_id
    while True:
        path.append(at.value)
        if not at.HasField("parent"):
            return tuple(reversed(path))
        at = at.parent


def message_of(path: Path) -> mesos.ContainerID:
    """Returns the message for such an id."""
    message = mesos.ContainerID(value=path[0])
    for name in path[1:]:
        message = mesos.ContainerID(value=name, parent=message)
    return message


@define(eq=False)
class NestedContainer:
    """A nested or standalone container."""

    path: Path
    command: Command
    process: Process | None = None
    ended: Exit | None = None
    waiters: list[Callable[[Exit], None]] = field(factory=list)
    switchboard: Switchboard | None = None  # if it was launched to be talked to

    @property
    def pid(self) -> int:
        return 0 if self.process is None else self.process.pid

    @property
    def runs(self) -> bool:
        return self.ended is None

    def kill(self, number: int) -> None:
        if self.process is not None and self.ended is None:
            self.process.kill(number)

    @property
    def io(self) -> ProcessIo | None:
        return None if self.process is None else self.process.io

    @property
    def healthy(self) -> bool | None:
        return None if self.process is None else self.process.healthy

    def usage(self) -> Usage | None:
        return None if self.process is None or self.ended is not None else self.process.usage()


class ContainerTree:
    """All nested and standalone containers of one machine."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._containers: dict[Path, NestedContainer] = {}

    def find(self, path: Path) -> NestedContainer | None:
        """Returns the container, running or ended, until it is removed; None if there is none."""
        return self._containers.get(path)

    def running(self, path: Path) -> NestedContainer | None:
        """Returns the container if it runs."""
        found = self._containers.get(path)
        return found if found is not None and found.runs else None

    def below(self, *top: str) -> list[NestedContainer]:
        """Returns the containers that are nested in one, at any depth."""
        depth = len(top)
        return [item for path, item in self._containers.items() if len(path) > depth and path[:depth] == top]

    def all(self) -> list[NestedContainer]:
        return list(self._containers.values())

    def launch(
        self,
        path: Path,
        command: Command,
        on_start: Callable[[], None],
        on_exit: Callable[[Exit], None],
        on_error: Callable[[str], None],
        switchboard: Switchboard | None = None,
    ) -> NestedContainer:
        """Runs the command in a new container of that id. The caller ensures that no container of that id runs.

        Containers that are nested in it end with it. Its exit status is kept until it is removed or the outermost
        container ends, so nothing is kept of a standalone container.
        """
        container = NestedContainer(path, command, switchboard=switchboard)
        self._containers[path] = container

        def ended(how: Exit) -> None:
            container.ended = how
            waiters, container.waiters = container.waiters, []
            for inner in self.below(*path):
                inner.kill(signal.SIGKILL)
            if len(path) == 1:
                self.remove(path)
            on_exit(how)
            for waiter in waiters:
                waiter(how)

        def failed(why: str) -> None:
            self._containers.pop(path, None)
            on_error(why)

        container.process = self._launcher.launch(command, on_start, ended, failed)
        if switchboard is not None:
            switchboard.io = container.process.io
        return container

    def launcher_for(self, path: Path, switchboard: Switchboard | None = None) -> Launcher:
        """Returns a ``Launcher`` whose command becomes the container of that id."""
        return _ContainerLauncher(self, self._launcher, path, switchboard)

    def remove(self, path: Path) -> None:
        """Forgets the container and those nested in it; does nothing if there is none."""
        for known in [known for known in self._containers if known[: len(path)] == path]:
            del self._containers[known]


@define(eq=False)
class _ContainerLauncher:
    """Launches its command as a container of a tree."""

    tree: ContainerTree
    launcher: Launcher
    path: Path
    switchboard: Switchboard | None

    @property
    def needs_sandbox(self) -> bool:
        return self.launcher.needs_sandbox

    def launch(
        self,
        command: Command,
        on_start: Callable[[], None],
        on_exit: Callable[[Exit], None],
        on_error: Callable[[str], None],
    ) -> Process:
        return self.tree.launch(self.path, command, on_start, on_exit, on_error, self.switchboard)

    def close(self) -> None:
        """Does nothing: what it has launched belongs to the tree."""
