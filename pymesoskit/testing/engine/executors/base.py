"""What the built-in executors have in common: how they talk to their agent, and how they outlive it.

In Mesos they are processes of their own, and here they act like processes: they live on the machine (``host.py``) and
reach the agent only through executor calls. While the agent is away they continue; when it is back they subscribe
again and resend what has not been acknowledged. Source: docs/reference/agent-executor.md 6.4, 8 and 9.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

from pymesoskit.testing.engine.machine.launcher import Exit, Usage
from pymesoskit.wire.v1 import executor, mesos

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.executors.docker.container import DockerSettings
    from pymesoskit.testing.engine.machine.machine import Machine
    from pymesoskit.testing.runtime.clock import Timer

#: Seconds that an executor whose work is done waits for the last acknowledgement.
LAST_ACKNOWLEDGEMENT = 60.0
#: Seconds between the end of a task and the exit of a command executor that does not use HTTP, acknowledged or not.
PARTING = 1.0
#: Seconds of the shutdown grace period that the executor keeps for itself.
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
    docker: DockerSettings | None = None  # how it runs in a Docker container, if it does
    http: bool = False  # whether the command executor uses the HTTP API
    secrets: bool = False  # whether secret variables are resolved
    switch_user: bool = True  # whether tasks may have users of their own
    isolators: frozenset[str] = frozenset()  # --isolation


class Line(Protocol):
    """How an executor reaches its agent and its machine."""

    def call(self, call: executor.Call) -> None:
        """Sends the call to the agent, if there is one."""

    def exit(self, how: Exit) -> None:
        """Ends the executor's process."""

    def fail(self, why: str) -> None:
        """Reports that the executor could not start the task that it was launched for."""


class BuiltinExecutor(ABC):
    """Base class of the built-in executors. ``start`` is its main program; ``receive`` takes events."""

    def __init__(self, spec: Spec, machine: Machine, line: Line) -> None:
        self.spec = spec
        self.machine = machine
        self.line = line
        self.dead: bool = False
        self._unacknowledged: dict[bytes, executor.Call.Update] = {}
        self._new_tasks: dict[str, mesos.TaskInfo] = {}  # tasks of which no update has been acknowledged
        self._recovery: Timer | None = None
        self._patience: Timer | None = None

    # The agent

    def start(self) -> None:
        """Starts the executor: it subscribes."""
        self._subscribe()

    def agent_lost(self) -> None:
        """Called when the connection to the agent has broken."""
        if self.dead:
            return
        if not self.spec.checkpoint:
            self._shutdown(None)
        elif self._recovery is None:
            self._recovery = self.machine.clock.call_later(self.spec.recovery_timeout, self._shutdown, None)

    def agent_found(self) -> None:
        """Called when there is an agent again."""
        if not self.dead:
            self._subscribe()

    def agent_recovered(self) -> None:  # noqa: B027 (most do not care)
        """The agent has finished its recovery."""

    def receive(self, event: executor.Event) -> None:
        """Handles an event; an event of an unknown type is ignored."""
        handler = _HANDLERS.get(event.type)
        if handler is not None and not self.dead:
            handler(self, event)

    def destroy(self) -> None:
        """Called when its process has been killed: ends everything that it ran, without a report."""
        self.dead = True
        for timer in (self._recovery, self._patience):
            if timer is not None:
                timer.cancel()
        self._destroy_tasks()

    def when_gone(self, callback: Callable[[], None]) -> None:
        """Calls ``callback`` in a later turn, when everything that a destroyed executor ran has ended."""
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
        """Sends a status update, and resends it with each subscription until the agent has acknowledged it."""
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
        """Handles LAUNCH."""

    @abstractmethod
    def _launch_group(self, event: executor.Event) -> None:
        """Handles LAUNCH_GROUP."""

    @abstractmethod
    def _kill(self, event: executor.Event) -> None:
        """Handles KILL."""

    @abstractmethod
    def _shutdown(self, event: executor.Event | None) -> None:
        """Handles SHUTDOWN. ``event`` is None when the agent has been away for too long."""

    # For subclasses

    def usages(self) -> list[Usage | None]:
        """Returns the usage of its tasks that are not in containers of their own."""
        return []

    @abstractmethod
    def _is_done(self) -> bool:
        """Returns whether nothing runs and nothing will be launched."""

    @abstractmethod
    def _destroy_tasks(self) -> None:
        """Ends everything that runs, without a report."""

    # The end

    def _wind_down(self) -> None:
        """Exits once all updates are acknowledged, or when that takes too long."""
        if not self._unacknowledged:
            self._exit()
        elif self._patience is None:
            self._patience = self.machine.clock.call_later(LAST_ACKNOWLEDGEMENT, self._exit)

    def _exit(self) -> None:
        if not self.dead:
            self.destroy()
            self.line.exit(Exit.of_code(0))


#: The handler of each type of event. The table does not belong to an executor, so a dead executor is not kept alive by
#: references to itself: there can be very many.
_HANDLERS: dict[int, Callable[[BuiltinExecutor, executor.Event], None]] = {
    executor.Event.SUBSCRIBED: lambda self, event: self._subscribed(event),
    executor.Event.LAUNCH: lambda self, event: self._launch(event),
    executor.Event.LAUNCH_GROUP: lambda self, event: self._launch_group(event),
    executor.Event.KILL: lambda self, event: self._kill(event),
    executor.Event.ACKNOWLEDGED: lambda self, event: self._acknowledged(event),
    executor.Event.SHUTDOWN: lambda self, event: self._shutdown(event),
}
