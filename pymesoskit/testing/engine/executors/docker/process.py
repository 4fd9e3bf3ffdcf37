"""A Docker container in which a custom executor runs, as a ``Process``.

Source: docs/reference/agent-executor.md 10.3.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from attrs import define, field

from pymesoskit.testing.engine.executors.docker.container import DockerContainer, DockerSettings, Inspected
from pymesoskit.testing.engine.machine.launcher import Exit

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.executors.docker.options import RunOptions
    from pymesoskit.testing.engine.machine.launcher import ProcessIo, Usage
    from pymesoskit.testing.engine.machine.machine import Machine


@define(eq=False)
class DockerProcess:
    """A container that runs a custom executor. The callbacks are those of ``Launcher.launch``."""

    settings: DockerSettings
    machine: Machine
    options: RunOptions  # of ``docker run``
    on_start: Callable[[], None]
    on_exit: Callable[[Exit], None]
    on_error: Callable[[str], None]
    io: ProcessIo | None = None
    healthy: bool | None = None  # checks look for themselves
    _container: DockerContainer = field(init=False)
    _started: bool = False
    _killed: bool = False

    def __attrs_post_init__(self) -> None:
        self._container = DockerContainer(self.settings, self.machine, self, self.options)

    def start(self) -> None:
        self._container.run()

    # ``launcher.Process``

    @property
    def pid(self) -> int:
        """The container's first process; 0 until it is known."""
        return self._container.found.pid or 0 if self._container.found is not None else 0

    def kill(self, number: int) -> None:  # noqa: ARG002 (agents send executors nothing but SIGKILL)
        """Destroys the container, whatever the signal."""
        if not self._killed:
            self._killed = True
            self._container.destroy(self._gone)

    def usage(self) -> Usage | None:
        return self._container.usage()

    # ``container.Listener``

    def inspected(self, found: Inspected) -> None:
        """Reports the start, unless the container has ended already."""
        if found.pid is not None and not self._killed:
            self._started = True
            self.on_start()

    def ended(self, how: Exit | None) -> None:
        if self._killed:
            return
        if self._started:
            self.on_exit(Exit.of_signal(signal.SIGKILL) if how is None else how)
        elif how is not None and how.code != 0:
            self.on_error(f"Container {how.describe()}")
        else:
            self.on_error("Unable to get executor pid after launch")
        self._container.destroy(lambda: None)

    def failed(self, why: str) -> None:
        self.on_error(why)

    def _gone(self) -> None:
        self.on_exit(Exit.of_signal(signal.SIGKILL))
