"""What all parts of one agent work with: its state, what was handed in, and the ways to tell somebody something.

The agent's parts (``launch.py``, ``executors.py``, ``reports.py``, …) are functions on a ``Core``. A class exists only
where something has state that nobody else writes (``Registration``, ``Limits``, ``UpdateStreams``) or a life of its own
(``Executor``). Here are no rules. The agent never opens a socket, sleeps, or reads clock or chance of its own: all of
that was given to it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from attrs import define, field

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.agent.state import COMPLETED_FRAMEWORKS, Executor, Framework, Task
from pymesoskit.testing.engine.agent.transitions import PHASE, Phase, PhaseCause
from pymesoskit.testing.engine.authorization import Permissions
from pymesoskit.testing.engine.states import step
from pymesoskit.testing.runtime.hook import Hook
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pymesoskit.testing.engine.agent.auth import ExecutorAuthenticator
    from pymesoskit.testing.engine.agent.host import Host
    from pymesoskit.testing.engine.agent.updates import UpdateStreams
    from pymesoskit.testing.engine.authorization import Authorizer, Subject
    from pymesoskit.testing.engine.containers.sandboxes import Sandboxes
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


#: The key of a task's stream of updates: (framework id, task id).
StreamKey = tuple[str, str]


@define(eq=False)
class Core:
    """The state of one life of an agent's process.

    The fields without a default in the middle part are handed in by ``Agent`` before the agent starts.
    """

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
    authenticator: ExecutorAuthenticator
    credential: Credential | None = None  # who it is, to masters
    authorizer: Authorizer | None = None  # None: all is allowed
    executor_socket: Path | None = None  # the unix domain socket of executors, if there is one

    status_updates: UpdateStreams[StreamKey, mesos.TaskStatus] = field(init=False)
    operation_updates: UpdateStreams[bytes, mesos.OperationStatus] = field(init=False)
    sandboxes: Sandboxes | None = field(init=False)  # None on machines without a disk

    phase: Phase = Phase.RECOVERING
    master: Address | None = None
    frameworks: dict[str, Framework] = field(factory=dict)
    completed_frameworks: deque[Framework] = field(factory=lambda: deque(maxlen=COMPLETED_FRAMEWORKS))
    operations: dict[bytes, mesos.Operation] = field(factory=dict)
    oversubscribed: Resources = field(factory=Resources)  # revocable ones, what of them is in use included
    drain: mesos.DrainConfig | None = None
    drain_start: float = 0.0
    ever_registered: bool = False  # in this life
    made_in_recovery: set[bytes] = field(factory=set)  # uuids of updates that it made before it was registered
    counters: dict[str, int] = field(factory=dict)

    # What parts report to those above them
    registered: Hook[bool] = field(factory=Hook)  # by a master; whether the agent is new
    master_lost: Hook[None] = field(factory=Hook)  # it looks for a master (again)
    failed: Hook[str] = field(factory=Hook)  # it cannot go on, and why
    reported: Hook[Executor] = field(factory=Hook)  # all updates of a task of the executor are acknowledged
    emptied: Hook[None] = field(factory=Hook)  # nothing of any framework is left

    def step(self, cause: PhaseCause) -> None:
        """Moves on in the table ``PHASE``."""
        self.phase = step(PHASE, self.phase, cause)

    @property
    def agent_id(self) -> str:
        return self.info.id.value

    def count(self, name: str) -> None:
        """Counts one more in the counter ``slave/<name>`` (``metrics.py``)."""
        self.counters[name] = self.counters.get(name, 0) + 1

    def note(self, text: str) -> None:
        """Writes a line of the cluster's story, and of the agent's log."""
        self.history.note(self.agent_id or self.address, text)
        self.log.write(text)

    def permissions(self, subject: Subject | None) -> Permissions:
        """Returns what somebody may do here."""
        return Permissions(self.authorizer, subject, self.note)

    def send(self, message: Message) -> None:
        """Sends a message to the master it has found, if any."""
        if self.master is not None:
            self.log.write(f"sends {type(message).__name__} to {self.master}", 1)
            self.network.send(self.address, self.master, message)

    def executors(self) -> Iterator[tuple[Framework, Executor]]:
        """Yields all executors that have not been removed, with their frameworks."""
        for framework in self.frameworks.values():
            for executor in framework.executors.values():
                yield framework, executor

    def executor_of(self, framework_id: str, executor_id: str) -> tuple[Framework, Executor] | None:
        """Returns the executor with its framework, if both are known and it has not been removed."""
        framework = self.frameworks.get(framework_id)
        executor = None if framework is None else framework.executors.get(executor_id)
        return None if framework is None or executor is None else (framework, executor)

    def post(self, callback: Callable[..., object], *args: Any) -> None:
        """Calls ``callback(*args)`` in a later turn, unless the agent has ended by then."""
        self.host.machine.actor.post(self.lifeline.deliver, callback, *args)

    def tasks(self) -> Iterator[Task]:
        """Yields all tasks that are not completed."""
        for _, executor in self.executors():
            yield from executor.queued.values()
            yield from executor.launched.values()
            yield from executor.terminated.values()

    def lost_state(self, framework: Framework | None, state: mesos.TaskState) -> mesos.TaskState:
        """Returns the state itself for frameworks that are PARTITION_AWARE, TASK_LOST for others."""
        return state if framework is not None and framework.partition_aware else mesos.TASK_LOST
