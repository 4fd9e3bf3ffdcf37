"""What the master knows: frameworks, agents, tasks, offers and operations, and what each of them uses.

Data and its bookkeeping only. All amounts are kept up to date as things come and go, so that whoever shows them
(``operator/``, ``legacy/``) adds nothing up. Who changes what, and whom that is told, is in the modules beside this
one; what outlives the master is in ``registry.py``. The resources of an agent's and a framework's tasks and executors
are *used*, those of outstanding offers are *offered*; both carry their allocation info.

Times are seconds since the epoch; 0.0 or None where something has not happened yet.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from typing import TYPE_CHECKING

from pymesoskit.testing.allocator.metrics import TimerMetric
from pymesoskit.testing.engine.master.entities import EMPTY, Holdings
from pymesoskit.testing.engine.master.metrics import task_counter
from pymesoskit.testing.engine.master.transitions import (
    AGENT,
    FRAMEWORK,
    AgentCause,
    AgentState,
    FrameworkCause,
    FrameworkState,
)
from pymesoskit.testing.engine.states import step
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pymesoskit.testing.allocator import OfferConstraints
    from pymesoskit.testing.engine.http.v1 import EventStream
    from pymesoskit.testing.engine.master.entities import Executor, InverseOffer, Offer, Operation, Task
    from pymesoskit.testing.engine.master.machines import MachineKey
    from pymesoskit.testing.engine.master.registry import AgentRecord, Registry, Unreachable
    from pymesoskit.testing.runtime.clock import Timer


Capability = mesos.FrameworkInfo.Capability


class Framework:
    """A framework that is, or was, registered."""

    def __init__(
        self, info: mesos.FrameworkInfo, state: FrameworkState, max_completed: int, max_unreachable: int
    ) -> None:
        self.id: str = info.id.value
        self.state: FrameworkState = state
        self.info: mesos.FrameworkInfo = info
        self.roles: frozenset[str] = frozenset()
        self.capabilities: frozenset[int] = frozenset()
        self.suppressed_roles: frozenset[str] = frozenset()
        self.offer_constraints: scheduler.OfferConstraints | None = None
        self.constraints: OfferConstraints | None = None  # the same, compiled
        self.set_info(info)

        self.stream: EventStream | None = None
        self.stream_id: str | None = None
        self.epoch = 0  # counts subscriptions: what belongs to an older one is void
        self.failover_timer: Timer | None = None
        self.heartbeat_timer: Timer | None = None
        self.registered_time: float = 0.0
        self.reregistered_time: float = 0.0
        self.unregistered_time: float = 0.0

        self.tasks: dict[str, Task] = {}
        self.unreachable_tasks: OrderedDict[str, Task] = OrderedDict()
        self.completed_tasks: deque[Task] = deque(maxlen=max_completed)
        self._max_unreachable = max_unreachable
        self.executors: dict[str, dict[str, Executor]] = {}  # agent id -> executor id -> executor
        self.offers: dict[str, Offer] = {}
        self.inverse_offers: dict[str, InverseOffer] = {}
        self.operations: dict[bytes, Operation] = {}  # by uuid
        self.operation_uuids: dict[str, bytes] = {}  # by the framework's own id
        self.used: Holdings = Holdings()  # by agent
        self.offered: Holdings = Holdings()  # by agent
        self.counters: Counter[str] = Counter()  # below master/frameworks/<name>/<id>/

    def set_info(self, info: mesos.FrameworkInfo) -> None:
        """Replaces the info and what follows from it."""
        self.info = info
        self.capabilities = frozenset(capability.type for capability in info.capabilities)
        self.roles = frozenset(roles_of(info))

    def step(self, cause: FrameworkCause) -> None:
        """Moves on in the table ``FRAMEWORK``."""
        self.state = step(FRAMEWORK, self.state, cause)

    def has(self, capability: Capability.Type) -> bool:
        """Whether the framework has the capability."""
        return capability in self.capabilities

    @property
    def partition_aware(self) -> bool:
        return Capability.PARTITION_AWARE in self.capabilities

    @property
    def principal(self) -> str | None:
        return self.info.principal if self.info.HasField("principal") else None

    @property
    def connected(self) -> bool:
        return self.state is FrameworkState.ACTIVE

    @property
    def active(self) -> bool:
        """Whether it gets offers. (Over HTTP that is the same as being connected.)"""
        return self.state is FrameworkState.ACTIVE

    @property
    def recovered(self) -> bool:
        return self.state is FrameworkState.RECOVERED

    def add_unreachable_task(self, task: Task) -> None:
        """Remembers the task as unreachable; the oldest is forgotten beyond --max_unreachable_tasks_per_framework."""
        self.unreachable_tasks[task.id] = task
        while len(self.unreachable_tasks) > self._max_unreachable:
            self.unreachable_tasks.popitem(last=False)

    def executor(self, agent_id: str, executor_id: str) -> Executor | None:
        return self.executors.get(agent_id, {}).get(executor_id)


class Agent:
    """A registered agent."""

    def __init__(
        self, info: mesos.AgentInfo, address: str, version: str, capabilities: Iterable[str], record: AgentRecord
    ) -> None:
        self.id: str = info.id.value
        self.state: AgentState = AgentState.UNKNOWN
        self.info = info
        self.record = record  # its entry in the registry
        self.address = address  # slave(1)@ip:port, shown as pid
        self.version = version
        self.capabilities: tuple[str, ...] = tuple(capabilities)
        self.registered_time: float = 0.0
        self.reregistered_time: float | None = None
        self.estimated_drain_start_time: float | None = None  # only if it was there to be told

        self.checkpointed_resources = EMPTY  # dynamic reservations and persistent volumes
        self.total_resources = EMPTY
        self.oversubscribed_resources = EMPTY
        self.tasks: dict[str, dict[str, Task]] = {}  # framework id -> task id -> task
        self.killed_tasks: dict[str, set[str]] = {}  # framework id -> tasks to kill again when it is back
        self.executors: dict[str, dict[str, Executor]] = {}  # framework id -> executor id -> executor
        self.offers: dict[str, Offer] = {}
        self.inverse_offers: dict[str, InverseOffer] = {}
        self.inverse_answers: dict[str, float] = {}  # framework id -> when it last answered an inverse offer
        self.operations: dict[bytes, Operation] = {}  # by uuid
        self.used: Holdings = Holdings()  # by framework
        self.offered: Holdings = Holdings()  # by framework

        self.ping_timer: Timer | None = None
        self.is_pinged = False  # and has not answered yet
        self.missed_pings = 0
        self.removal: Callable[[], None] | None = (
            None  # withdraws its marking as unreachable, while that waits its turn
        )
        self.reregister_timer: Timer | None = None  # runs while it is disconnected

    def step(self, cause: AgentCause) -> None:
        """Moves on in the table ``AGENT``."""
        self.state = step(AGENT, self.state, cause)

    @property
    def connected(self) -> bool:
        return self.state is AgentState.CONNECTED

    @property
    def deactivated(self) -> bool:
        """Whether an operator has taken it out of service, or it drains."""
        return self.record.deactivated

    @property
    def drain_config(self) -> mesos.DrainConfig | None:
        """How it drains, or None if it does not."""
        return self.record.drain_config

    @property
    def drain_state(self) -> mesos.DrainState | None:
        """How far its draining is, or None if it does not drain."""
        return self.record.drain_state

    @property
    def active(self) -> bool:
        """Whether it is offered."""
        return self.connected and not self.record.deactivated

    @property
    def hostname(self) -> str:
        return self.info.hostname

    @property
    def ip(self) -> str:
        """Its IP address, out of its libprocess address."""
        return self.address.partition("@")[2].rpartition(":")[0]

    @property
    def port(self) -> int:
        """Its port, out of its libprocess address."""
        return int(self.address.rpartition(":")[2])

    @property
    def machine(self) -> MachineKey:
        """Its machine for maintenance."""
        return (self.info.hostname.lower(), self.ip)

    @property
    def description(self) -> str:
        """How error texts name it: ``<id> at <pid> (<hostname>)``."""
        return f"{self.id} at {self.address} ({self.info.hostname})"

    def task(self, framework_id: str, task_id: str) -> Task | None:
        return self.tasks.get(framework_id, {}).get(task_id)

    def all_tasks(self) -> Iterator[Task]:
        for tasks in self.tasks.values():
            yield from tasks.values()

    def executor(self, framework_id: str, executor_id: str) -> Executor | None:
        return self.executors.get(framework_id, {}).get(executor_id)


class MasterState:
    """All that one master knows. What is kept longer is in its registry."""

    def __init__(self, master_id: str, start_time: float, registry: Registry, max_completed_frameworks: int) -> None:
        self.master_id = master_id
        self.registry = registry
        self.start_time = start_time
        self.elected_time = start_time
        self.frameworks: dict[str, Framework] = {}  # registered and recovered ones
        self.completed_frameworks: OrderedDict[str, Framework] = OrderedDict()
        self._max_completed_frameworks = max_completed_frameworks
        self.agents: dict[str, Agent] = {}  # registered ones
        self.agents_by_address: dict[str, Agent] = {}
        self.recovered_agents: dict[str, AgentRecord] = {}  # in the registry, not back yet
        self.removed: set[str] = set()  # agents removed by this master
        self._unreachable_tasks: dict[str, list[Task]] = {}  # by agent; some may be forgotten by their frameworks
        self.offers: dict[str, Offer] = {}
        self.inverse_offers: dict[str, InverseOffer] = {}
        self.principals: set[str] = set()  # of all frameworks that there ever were
        self.machines: dict[MachineKey, mesos.MachineID] = {}  # those heard of, as they were first named
        self.inverse_answers: dict[tuple[str, str], float] = {}  # (agent id, framework id) -> when it answered last
        self.counters: Counter[str] = Counter()  # metrics that count, by full name (master/messages_kill_task)
        self.stores: TimerMetric = TimerMetric("registrar/state_store_ms")
        self._next_framework = 0
        self._next_agent = 0
        self._next_offer = 0

    @property
    def unreachable(self) -> dict[str, Unreachable]:
        return self.registry.unreachable

    @property
    def gone(self) -> dict[str, float]:
        """Agents marked gone, by id: since when."""
        return self.registry.gone

    def new_framework_id(self) -> str:
        self._next_framework += 1
        return f"{self.master_id}-{self._next_framework - 1:04d}"

    def new_agent_id(self) -> str:
        self._next_agent += 1
        return f"{self.master_id}-S{self._next_agent - 1}"

    def new_offer_id(self) -> str:
        """Offers and inverse offers share one counter."""
        self._next_offer += 1
        return f"{self.master_id}-O{self._next_offer - 1}"

    def add_completed_framework(self, framework: Framework) -> None:
        """Remembers it as completed; the oldest is forgotten beyond --max_completed_frameworks."""
        self.completed_frameworks[framework.id] = framework
        while len(self.completed_frameworks) > self._max_completed_frameworks:
            self.completed_frameworks.popitem(last=False)

    # Bookkeeping of what hangs on both a framework and an agent

    def add_task(self, task: Task, framework: Framework | None, agent: Agent) -> None:
        agent.tasks.setdefault(task.framework_id, {})[task.id] = task
        if framework is not None:
            framework.tasks[task.id] = task
            framework.counters[task_counter(task.state)] += 1
        if task.holds_resources:
            agent.used.add(task.framework_id, task.resources)
            if framework is not None:
                framework.used.add(agent.id, task.resources)

    def add_framework(self, framework: Framework) -> None:
        """The framework is registered, or known again."""
        self.frameworks[framework.id] = framework
        if framework.principal:
            self.principals.add(framework.principal)

    def adopt(self, framework: Framework) -> None:
        """A framework that was not known until now owns what its agents run for it."""
        for agent in self.agents.values():
            for task in agent.tasks.get(framework.id, {}).values():
                framework.tasks[task.id] = task
                framework.counters[task_counter(task.state)] += 1
            executors = agent.executors.get(framework.id)
            if executors:
                framework.executors[agent.id] = dict(executors)
            for operation in agent.operations.values():
                if operation.framework_id == framework.id:
                    framework.operations[operation.uuid] = operation
                    if operation.id:
                        framework.operation_uuids[operation.id] = operation.uuid
            used = agent.used.by.get(framework.id)
            if used is not None:
                framework.used.add(agent.id, used)

    def release_task(self, task: Task) -> None:
        """Its resources are in use no longer; the task itself stays. To be called once, when it becomes so."""
        self.agents[task.agent_id].used.subtract(task.framework_id, task.resources)
        framework = self.frameworks.get(task.framework_id)
        if framework is not None:
            framework.used.subtract(task.agent_id, task.resources)

    def forget_task(self, task: Task) -> None:
        """Takes the task off its framework and its agent. Its resources must have been released."""
        framework = self.frameworks.get(task.framework_id)
        if framework is not None:
            framework.tasks.pop(task.id, None)
        tasks = self.agents[task.agent_id].tasks
        of_framework = tasks[task.framework_id]
        del of_framework[task.id]
        if not of_framework:
            del tasks[task.framework_id]

    def add_unreachable_task(self, task: Task, framework: Framework) -> None:
        """Its agent does not answer: the task is kept apart from the completed ones, as the agent may bring it back."""
        framework.add_unreachable_task(task)
        self._unreachable_tasks.setdefault(task.agent_id, []).append(task)

    def take_unreachable_tasks(self, agent_id: str) -> list[Task]:
        """Takes those that are still kept off their frameworks: the agent is back, or never will be."""
        taken = []
        for task in self._unreachable_tasks.pop(agent_id, []):
            framework = self.frameworks.get(task.framework_id)
            if framework is not None and framework.unreachable_tasks.get(task.id) is task:
                del framework.unreachable_tasks[task.id]
                taken.append(task)
        return taken

    def add_executor(self, executor: Executor, framework: Framework | None, agent: Agent) -> None:
        agent.executors.setdefault(executor.framework_id, {})[executor.id] = executor
        agent.used.add(executor.framework_id, executor.resources)
        if framework is not None:
            framework.executors.setdefault(agent.id, {})[executor.id] = executor
            framework.used.add(agent.id, executor.resources)

    def forget_executor(self, executor: Executor) -> None:
        """Takes the executor and its resources off its framework and its agent."""
        agent = self.agents[executor.agent_id]
        del agent.executors[executor.framework_id][executor.id]
        if not agent.executors[executor.framework_id]:
            del agent.executors[executor.framework_id]
        agent.used.subtract(executor.framework_id, executor.resources)
        framework = self.frameworks.get(executor.framework_id)
        if framework is not None and executor.id in framework.executors.get(agent.id, {}):
            del framework.executors[agent.id][executor.id]
            if not framework.executors[agent.id]:
                del framework.executors[agent.id]
            framework.used.subtract(agent.id, executor.resources)

    def add_offer(self, offer: Offer) -> None:
        self.offers[offer.id] = offer
        framework, agent = self.frameworks[offer.framework_id], self.agents[offer.agent_id]
        framework.offers[offer.id] = offer
        framework.offered.add(agent.id, offer.resources)
        agent.offers[offer.id] = offer
        agent.offered.add(framework.id, offer.resources)

    def forget_offer(self, offer: Offer) -> None:
        del self.offers[offer.id]
        framework, agent = self.frameworks[offer.framework_id], self.agents[offer.agent_id]
        del framework.offers[offer.id]
        framework.offered.subtract(agent.id, offer.resources)
        del agent.offers[offer.id]
        agent.offered.subtract(framework.id, offer.resources)

    def add_inverse_offer(self, offer: InverseOffer) -> None:
        self.inverse_offers[offer.id] = offer
        self.frameworks[offer.framework_id].inverse_offers[offer.id] = offer
        self.agents[offer.agent_id].inverse_offers[offer.id] = offer

    def forget_inverse_offer(self, offer: InverseOffer) -> None:
        del self.inverse_offers[offer.id]
        del self.frameworks[offer.framework_id].inverse_offers[offer.id]
        del self.agents[offer.agent_id].inverse_offers[offer.id]

    def add_operation(self, operation: Operation) -> None:
        self.agents[operation.agent_id].operations[operation.uuid] = operation
        framework = self.frameworks.get(operation.framework_id)
        if framework is not None:
            framework.operations[operation.uuid] = operation
            if operation.id:
                framework.operation_uuids[operation.id] = operation.uuid

    def forget_operation(self, operation: Operation) -> None:
        self.agents[operation.agent_id].operations.pop(operation.uuid, None)
        framework = self.frameworks.get(operation.framework_id)
        if framework is not None:
            framework.operations.pop(operation.uuid, None)
            if framework.operation_uuids.get(operation.id) == operation.uuid:
                del framework.operation_uuids[operation.id]


def roles_of(info: mesos.FrameworkInfo) -> list[str]:
    """The roles of a framework: ``roles`` with MULTI_ROLE, else ``role`` (default ``*``)."""
    if any(capability.type == Capability.MULTI_ROLE for capability in info.capabilities):
        return list(info.roles)
    return [info.role]
