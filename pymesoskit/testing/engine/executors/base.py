"""What the built-in executors have in common: how they talk to their agent, and outlive it.

They are processes of their own in Mesos and act like such here: they live on the machine (``host.py``), reach the
agent only by executor calls, go on while it is away, and subscribe again, with what is unacknowledged, when it is back.
Source: docs/reference/agent-executor.md 6.4, 8 and 9.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Protocol

from attrs import frozen

from pymesoskit.testing.engine.machine.launcher import Exit, Usage
from pymesoskit.wire.v1 import executor, mesos

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.executors.docker.container import DockerSettings
    from pymesoskit.testing.engine.machine.machine import Machine
    from pymesoskit.testing.runtime.clock import Timer

#: How long an executor whose work is done waits for the last acknowledgement, in seconds.
LAST_ACKNOWLEDGEMENT = 60.0
#: How long a command executor that does not speak HTTP stays when its task has ended, acknowledged or not, in seconds.
PARTING = 1.0
#: What of the shutdown grace period is kept for the executor itself, in seconds.
OWN_GRACE = 2.0


@frozen
class Spec:
    """An executor to run."""

    framework: mesos.FrameworkInfo
    info: mesos.ExecutorInfo
    container_id: str
    directory: str | None  # the sandbox; None on machines without a disk
    environment: dict[str, str]
    checkpoint: bool
    recovery_timeout: float  # seconds it waits for an agent that is away
    shutdown_grace: float  # seconds between SHUTDOWN and the end
    user: str | None
    ip: str
    docker: DockerSettings | None = None  # how it runs in a container of the Docker engine, if it does
    http: bool = False  # whether the command executor speaks HTTP
    secrets: bool = False  # whether variables that are secrets are resolved
    switch_user: bool = True  # whether tasks may have users of their own
    isolators: frozenset[str] = frozenset()  # --isolation


class Line(Protocol):
    """How an executor reaches the world."""

    def call(self, call: executor.Call) -> None:
        """Calls the agent, if there is one."""

    def exit(self, how: Exit) -> None:
        """Its process ends."""

    def fail(self, why: str) -> None:
        """It could not even start what it was launched for."""


class BuiltinExecutor(ABC):
    """The base of the built-in executors; ``start`` is its main(), events come by ``receive``."""

    #: Which method takes which event.
    HANDLERS: ClassVar[dict[int, str]] = {
        executor.Event.SUBSCRIBED: "_subscribed",
        executor.Event.LAUNCH: "_launch",
        executor.Event.LAUNCH_GROUP: "_launch_group",
        executor.Event.KILL: "_kill",
        executor.Event.ACKNOWLEDGED: "_acknowledged",
        executor.Event.SHUTDOWN: "_shutdown",
    }

    def __init__(self, spec: Spec, machine: Machine, line: Line) -> None:
        self.spec = spec
        self.machine = machine
        self.line = line
        self.dead = False
        self._unacknowledged: dict[bytes, executor.Call.Update] = {}
        self._new_tasks: dict[str, mesos.TaskInfo] = {}  # no update of them has been acknowledged yet
        self._recovery: Timer | None = None
        self._patience: Timer | None = None

    # The agent

    def start(self) -> None:
        """Subscribes."""
        self._subscribe()

    def agent_lost(self) -> None:
        """The connection to the agent broke."""
        if self.dead:
            return
        if not self.spec.checkpoint:
            self._shutdown(None)
        elif self._recovery is None:
            self._recovery = self.machine.clock.call_later(self.spec.recovery_timeout, self._shutdown, None)

    def agent_found(self) -> None:
        """There is an agent again."""
        if not self.dead:
            self._subscribe()

    def agent_recovered(self) -> None:  # noqa: B027 (most do not care)
        """The agent has finished its recovery."""

    def receive(self, event: executor.Event) -> None:
        """Acts on an event."""
        name = self.HANDLERS.get(event.type)
        if name is not None and not self.dead:
            getattr(self, name)(event)

    def destroy(self) -> None:
        """Its process was killed, and what it ran with it."""
        self.dead = True
        for timer in (self._recovery, self._patience):
            if timer is not None:
                timer.cancel()
        self._destroy_tasks()

    def when_gone(self, callback: Callable[[], None]) -> None:
        """Calls back, in a later turn, when what a destroyed executor ran has ended."""
        self.machine.actor.post(callback)

    def _call(self, call_type: executor.Call.Type) -> executor.Call:
        call = executor.Call(type=call_type)
        call.executor_id.CopyFrom(self.spec.info.executor_id)
        call.framework_id.CopyFrom(self.spec.framework.id)
        return call

    def _subscribe(self) -> None:
        call = self._call(executor.Call.SUBSCRIBE)
        call.subscribe.SetInParent()
        call.subscribe.unacknowledged_tasks.extend(self._new_tasks.values())
        call.subscribe.unacknowledged_updates.extend(self._unacknowledged.values())
        self.line.call(call)

    def report(self, status: mesos.TaskStatus) -> None:
        """Sends a status update, again and again with each subscription until the agent has acknowledged it."""
        if self.dead:
            return
        call = self._call(executor.Call.UPDATE)
        call.update.status.CopyFrom(status)
        self._unacknowledged[status.uuid] = call.update
        self.line.call(call)

    # Events

    def _subscribed(self, _event: executor.Event) -> None:
        if self._recovery is not None:
            self._recovery.cancel()
            self._recovery = None

    def _acknowledged(self, event: executor.Event) -> None:
        self._unacknowledged.pop(event.acknowledged.uuid, None)
        self._new_tasks.pop(event.acknowledged.task_id.value, None)
        if self._is_done() and not self._unacknowledged:
            self._exit()

    @abstractmethod
    def _launch(self, event: executor.Event) -> None:
        """A task."""

    @abstractmethod
    def _launch_group(self, event: executor.Event) -> None:
        """A group of tasks."""

    @abstractmethod
    def _kill(self, event: executor.Event) -> None:
        """A task is to be killed."""

    @abstractmethod
    def _shutdown(self, event: executor.Event | None) -> None:
        """All is to end; without an event when the agent has been away for too long."""

    # What subclasses say

    def usages(self) -> list[Usage | None]:
        """What its tasks use that are not in containers of their own."""
        return []

    @abstractmethod
    def _is_done(self) -> bool:
        """Whether nothing runs any more and nothing will."""

    @abstractmethod
    def _destroy_tasks(self) -> None:
        """Ends what runs, without a word."""

    # The end

    def _wind_down(self) -> None:
        """Nothing is left to do: exits once all updates are acknowledged, or when that takes too long."""
        if not self._unacknowledged:
            self._exit()
        elif self._patience is None:
            self._patience = self.machine.clock.call_later(LAST_ACKNOWLEDGEMENT, self._exit)

    def _exit(self) -> None:
        if not self.dead:
            self.destroy()
            self.line.exit(Exit.of_code(0))
