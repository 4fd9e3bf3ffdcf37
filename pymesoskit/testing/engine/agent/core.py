"""What the parts of one agent share: its state, and its ways to the master, the machine and the disk."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from attrs import define, field

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.agent.state import COMPLETED_FRAMEWORKS, Executor, Framework, Phase, Task
from pymesoskit.testing.engine.authorization import Permissions
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pymesoskit.testing.engine.agent.host import Host
    from pymesoskit.testing.engine.authorization import Authorizer, Subject
    from pymesoskit.testing.engine.flags.flags import AgentFlags
    from pymesoskit.testing.engine.http.authentication import Credential
    from pymesoskit.testing.engine.network.endpoint import Endpoint
    from pymesoskit.testing.engine.network.messages import Message
    from pymesoskit.testing.engine.network.network import Address, Network
    from pymesoskit.testing.runtime.history import HistoryWriter
    from pymesoskit.testing.runtime.lifeline import Lifeline
    from pymesoskit.testing.runtime.process_log import ProcessLog

#: What agents of this version can do (``AgentInfo.Capability``).
CAPABILITIES = (
    "MULTI_ROLE",
    "HIERARCHICAL_ROLE",
    "RESERVATION_REFINEMENT",
    "RESOURCE_PROVIDER",
    "RESIZE_VOLUME",
    "AGENT_OPERATION_FEEDBACK",
    "AGENT_DRAINING",
    "TASK_RESOURCE_LIMITS",
)


@define(eq=False)
class Core:
    """See the module's text."""

    flags: AgentFlags
    endpoint: Endpoint
    address: Address
    host: Host
    lifeline: Lifeline
    network: Network
    rng: random.Random
    history: HistoryWriter
    info: mesos.AgentInfo  # with its id once it has one; its resources are those of the flags
    total: Resources  # what it has, reservations and volumes applied
    start_time: float
    log: ProcessLog
    credential: Credential | None = None  # who it is, to masters
    authorizer: Authorizer | None = None  # None: all is allowed
    executor_socket: Path | None = None  # the unix domain socket of executors, if there is one
    phase: Phase = Phase.RECOVERING
    master: Address | None = None
    frameworks: dict[str, Framework] = field(factory=dict)
    completed_frameworks: deque[Framework] = field(factory=lambda: deque(maxlen=COMPLETED_FRAMEWORKS))
    operations: dict[bytes, mesos.Operation] = field(factory=dict)
    oversubscribed: Resources = field(factory=Resources)  # revocable ones, what of them is in use included
    drain: mesos.DrainConfig | None = None
    drain_start: float = 0.0
    counters: dict[str, int] = field(factory=dict)
    removals: Callable[[], Mapping[str, int]] = dict  # of sandboxes, by outcome

    @property
    def agent_id(self) -> str:
        return self.info.id.value

    def count(self, name: str) -> None:
        """One more of it (a counter of ``metrics.py``)."""
        self.counters[name] = self.counters.get(name, 0) + 1

    def note(self, text: str) -> None:
        """Writes a line of the cluster's story, and of the agent's log."""
        self.history.note(self.agent_id or self.address, text)
        self.log.write(text)

    def permissions(self, subject: Subject | None) -> Permissions:
        """What somebody may do here."""
        return Permissions(self.authorizer, subject, self.note)

    def send(self, message: Message) -> None:
        """Sends a message to the master it has found, if any."""
        if self.master is not None:
            self.log.write(f"sends {type(message).__name__} to {self.master}", 1)
            self.network.send(self.address, self.master, message)

    def executors(self) -> Iterator[tuple[Framework, Executor]]:
        """All executors that have not been removed."""
        for framework in self.frameworks.values():
            for executor in framework.executors.values():
                yield framework, executor

    def tasks(self) -> Iterator[Task]:
        """All tasks that are not completed."""
        for _, executor in self.executors():
            yield from executor.queued.values()
            yield from executor.launched.values()
            yield from executor.terminated.values()

    def lost_state(self, framework: Framework | None, state: mesos.TaskState) -> mesos.TaskState:
        """The state itself for frameworks that are PARTITION_AWARE, TASK_LOST for others."""
        return state if framework is not None and framework.partition_aware else mesos.TASK_LOST
