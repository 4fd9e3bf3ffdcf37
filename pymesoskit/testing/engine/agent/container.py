"""Executors' containers on an agent's machine, and what agent and machine must offer each other for them."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol, Union

from attrs import define, field

from pymesoskit.testing.engine.executors.command import CommandExecutor
from pymesoskit.testing.engine.executors.default import DefaultExecutor
from pymesoskit.testing.engine.executors.docker.executor import DockerExecutor
from pymesoskit.testing.engine.executors.simulated import SimulatedExecutor

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.executors.base import Spec
    from pymesoskit.testing.engine.machine.launcher import Exit, Process
    from pymesoskit.wire.v1 import executor


class Kind(Enum):
    """What an executor is."""

    COMMAND = "command"
    DEFAULT = "default"
    CUSTOM = "custom"


class AgentPort(Protocol):
    """The agent as the executors on its machine see it."""

    def executor_call(self, container: Container, call: executor.Call) -> None:
        """An executor says something."""


Builtin = Union[CommandExecutor, DefaultExecutor, DockerExecutor, SimulatedExecutor]


@define(eq=False)
class Container:
    """An executor's container; it is on the host until it has ended."""

    kind: Kind
    spec: Spec
    on_end: Callable[[Exit], None]
    builtin: Builtin | None = None
    process: Process | None = None
    launched: bool = False
    doomed: bool = False  # destroyed, but not gone yet
    abandon: Callable[[], None] | None = None  # gives up its launch while something is fetched or pulled for it
    waiters: list[Callable[[Exit], None]] = field(factory=list)  # who wants to know how it ends, besides

    @property
    def id(self) -> str:
        return self.spec.container_id

    @property
    def pid(self) -> int:
        """Its process; of a built-in executor, that of its task."""
        if self.builtin is not None:
            return self.builtin.pid
        return 0 if self.process is None else self.process.pid


class Callbacks(Protocol):
    """What whoever launches a container wants to hear, each in a later turn."""

    def launched(self) -> None:
        """It runs."""

    def failed(self, why: str, how: Exit | None = None) -> None:
        """Instead of the others: it could not be launched; ``how`` its process ended, if it had one already."""

    def ended(self, how: Exit) -> None:
        """It has ended."""
