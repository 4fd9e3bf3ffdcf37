"""A Mesos cluster in this process: the façade that tests, the pytest plugin and the command line use.

``Cluster`` runs in real time in a thread of its own, with HTTP on loopback or without sockets; ``SimulatedCluster`` has
no thread and moves in virtual time. Both hold one master or several (``election.py``) and any number of agents
(``members.py``), and leave nothing behind when they end: no process, thread, port or temporary file.
"""

from __future__ import annotations

import atexit
import random
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, Union

from attrs import evolve

from pymesoskit.testing.allocator import HierarchicalAllocator
from pymesoskit.testing.cluster.agents import AgentSpec, ClusterAgent
from pymesoskit.testing.cluster.election import Election
from pymesoskit.testing.cluster.faults import Faults
from pymesoskit.testing.cluster.masters import ClusterMaster, OnlyMaster, Quorum
from pymesoskit.testing.cluster.members import ClusterError, Member, Stage
from pymesoskit.testing.cluster.scratch import Scratch
from pymesoskit.testing.cluster.views import FrameworkView, TaskView, frameworks_of, tasks_of
from pymesoskit.testing.engine.authorization import AuthorizerError, choose_authorizer
from pymesoskit.testing.engine.flags.flags import AgentFlags, MasterFlags
from pymesoskit.testing.engine.http.web_pages import OriginError, WebPages
from pymesoskit.testing.engine.machine.pace import INSTANT, Pace
from pymesoskit.testing.engine.master.registry import Registry
from pymesoskit.testing.runtime.actor import Actor, Deadlock, SimulatedActor, ThreadActor
from pymesoskit.testing.runtime.history import History, HistoryEvent
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from pymesoskit.testing.allocator import AllocatorFactory
    from pymesoskit.testing.cluster.inprocess import Address, InProcessTransport
    from pymesoskit.testing.engine.authorization import Authorizer
    from pymesoskit.testing.engine.http.handler import Handler
    from pymesoskit.testing.engine.machine.simulated import Outcomes
    from pymesoskit.testing.runtime.clock import VirtualClock

__all__ = ["AgentSpec", "Cluster", "ClusterAgent", "ClusterError", "ClusterMaster", "SimulatedCluster"]

T = TypeVar("T")

#: How agents can be given: how many with the default resources, or each as text ``RESOURCES[@ATTRIBUTES]`` or in full.
Agents = Union[int, "Sequence[str | AgentSpec]"]

#: Where master and agents say that they listen when nobody listens (no HTTP): the first agent has the next port.
MASTER_PORT = 5050

#: Where the ports of agents begin that listen only when somebody asks: any of these, out of what systems give away
#: themselves, so that clusters that run beside each other seldom want the same.
UNHEARD_PORTS = range(10_000, 25_000)

#: Seconds for which ``wait_for`` waits unless told otherwise: of real time, or of virtual.
PATIENCE = 15.0


class BaseCluster(ABC):
    """What clusters in real and in virtual time have in common."""

    def __init__(
        self,
        actor: Actor,
        agents: Agents,
        *,
        master_flags: MasterFlags | Mapping[str, str] | None,
        agent_flags: AgentFlags | Mapping[str, str] | None,
        seed: int | None,
        simulated: Outcomes | None,
        loop: ThreadActor | None,
        bind: str,
        work_dir: Path | None,
        masters: int,
        allocator: AllocatorFactory,
        authorizers: Mapping[str, Authorizer] | None,
    ) -> None:
        self._master_flags = MasterFlags.of(master_flags)
        self._agent_flags = AgentFlags.of(agent_flags)
        self.seed: int = random.SystemRandom().randrange(1 << 32) if seed is None else seed
        self._specs = _specs(agents, simulated)
        for spec in self._specs:  # texts that are wrong show before anything has started
            spec.total(spec.flags or self._agent_flags)
            spec.labels()
        authorizers = dict(authorizers or {})
        _check_authorizers(authorizers, self._master_flags, [spec.flags or self._agent_flags for spec in self._specs])
        self.history: History = History(actor.clock.time)
        self._actor = actor
        self._stage = Stage(
            actor,
            self.history,
            seed=self.seed,
            ip=bind,
            loop=loop,
            work_dir=work_dir,
            authorizers=authorizers,
        )
        if masters < 1:
            raise ClusterError(f"a cluster has 1 or more masters, not {masters}")
        if not callable(allocator):
            raise ClusterError(
                f"the allocator {allocator!r} cannot be called with (clock, rng, listener, options) to make a policy"
            )
        registry = Registry()
        self._election = Election(actor, self._master_flags.zk_session_timeout) if masters > 1 else None
        quorum = Quorum(registry, self._election, allocator)
        self.masters: list[ClusterMaster] = [
            ClusterMaster(
                self._stage,
                self,
                "master" if masters == 1 else f"master {index}",
                self._master_flags,
                MASTER_PORT - index,
                quorum,
            )
            for index in range(masters)
        ]
        leadership = self._election if self._election is not None else OnlyMaster(self.masters[0])
        first = MASTER_PORT + 1 if loop is None else random.SystemRandom().choice(UNHEARD_PORTS)
        self.agents: list[ClusterAgent] = [
            ClusterAgent(self._stage, self, index, spec, spec.flags or self._agent_flags, first + index, leadership)
            for index, spec in enumerate(self._specs)
        ]
        self.faults: Faults = Faults(self._stage.network, actor, self, registry.storage)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None:
        """Starts it; returns when all agents are registered, in the order given, and the master answers."""

    @abstractmethod
    def stop(self) -> None:
        """Ends it with all that it has started; harmless if it has ended."""

    @abstractmethod
    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Runs ``function(*args)`` in the cluster's turn, alone; returns or raises what it does."""

    @abstractmethod
    def wait_for(self, condition: Callable[[], bool], what: str = "the condition", timeout: float = PATIENCE) -> None:
        """Waits until ``condition()`` holds. It is asked in the cluster's turn whenever something has happened.

        Raises ``ClusterError``, which tells the newest events, if it does not within ``timeout`` seconds.
        """

    # What is there

    @property
    def master(self) -> ClusterMaster:
        """The leading master; while none leads, the first."""
        return next((master for master in self.masters if master.leads), self.masters[0])

    @property
    def addresses(self) -> str:
        """``ip:port`` of all masters, separated by commas: what a client is given that is to find the leader itself."""
        return ",".join(master.address for master in self.masters)

    @property
    def address(self) -> str:
        """``ip:port`` of the leading master."""
        return self.master.address

    @property
    def master_url(self) -> str:
        """``http://ip:port`` of the leading master."""
        return self.master.url

    @property
    def transport(self) -> InProcessTransport:
        """A transport for clients that leads straight to master and agents, without sockets."""
        from pymesoskit.testing.cluster.inprocess import InProcessTransport

        return InProcessTransport(self._actor, self._resolve)

    def tasks(self) -> list[TaskView]:
        """All tasks that the master knows: running, completed, unreachable."""
        return self.call(lambda: tasks_of(self.master.process))

    def task(self, task_id: str) -> TaskView | None:
        """The newest task of that id, None if the master knows none."""
        return next((task for task in reversed(self.tasks()) if task.id == task_id), None)

    def frameworks(self) -> list[FrameworkView]:
        """All frameworks that the master knows, completed ones too."""
        return self.call(lambda: frameworks_of(self.master.process))

    def agent_of(self, task_id: str) -> ClusterAgent:
        """The agent that the task is or was on. Raises ``ClusterError`` if there is no such task or agent."""
        task = self.task(task_id)
        for agent in self.agents:
            if task is not None and agent.id == task.agent_id:
                return agent
        raise ClusterError(f"no agent of this cluster has a task '{task_id}'")

    def events(self) -> tuple[HistoryEvent, ...]:
        """What happened, the oldest first; only the newest are kept."""
        return self.history.events()

    def story(self, newest: int = 60) -> str:
        """The newest events as text, with the seed."""
        return f"seed {self.seed}\n{self.history.story(newest)}"

    # Waiting

    def wait_for_agents(self, registered: int | None = None, timeout: float = PATIENCE) -> None:
        """Waits until so many agents (None: all of the cluster) are registered and the master counts them as active."""
        wanted = len(self.agents) if registered is None else registered
        self.wait_for(lambda: self._active_agents() == wanted, f"{wanted} agents to be registered", timeout)

    def wait_for_task(self, task_id: str, *states: str, timeout: float = PATIENCE) -> TaskView:
        """Waits until the task has been in one of the states (``TASK_RUNNING``, …; none: until it is known).

        A state that it has left again counts too. Returns the task as it is then.
        """
        for state in states:
            if state not in mesos.TaskState.keys():  # noqa: SIM118 (a wrapper, not a dict)
                raise ClusterError(f"'{state}' is no state of a task; states are {', '.join(mesos.TaskState.keys())}")
        found: list[TaskView] = []

        def has_been() -> bool:
            found[:] = [
                task
                for task in tasks_of(self.master.process)
                if task.id == task_id and (not states or not set(states).isdisjoint(task.states))
            ]
            return bool(found)

        self.wait_for(has_been, f"task '{task_id}' to be {' or '.join(states) or 'known'}", timeout)
        return found[-1]

    def wait_for_framework(self, name: str, timeout: float = PATIENCE) -> FrameworkView:
        """Waits until a framework of that name is subscribed; returns it."""
        found: list[FrameworkView] = []

        def is_there() -> bool:
            found[:] = [one for one in frameworks_of(self.master.process) if one.name == name and one.connected]
            return bool(found)

        self.wait_for(is_there, f"a framework '{name}' to be subscribed", timeout)
        return found[0]

    # Inside

    def _resolve(self, address: Address) -> Handler | None:
        members: list[Member] = [*self.masters, *self.agents]
        return next((member.handler for member in members if member.port == address.port), None)

    def _active_agents(self) -> int:
        if self.master.process is None:
            return -1
        return sum(agent.active for agent in self.master.process.core.state.agents.values())

    def _begin(self) -> None:
        """In the turn: starts the masters, the first of which leads, then the agents, which register at once."""
        for master in self.masters:
            master.begin()
        for agent in self.agents:
            agent.begin(0.0)

    def _end(self) -> None:
        """In the turn: ends the agents with all that runs on their machines, then the masters."""
        for agent in self.agents:
            agent.close()
        if self._election is not None:
            self._election.close()
        for master in self.masters:
            master.end()
            master.release()

    def _ready(self) -> bool:
        for agent in self.agents:
            if not agent.running:
                raise ClusterError(f"{agent.name} ended while the cluster started")
        return self._active_agents() == len(self.agents) and all(agent.registered for agent in self.agents)

    def _timed_out(self, what: str, timeout: float) -> ClusterError:
        return ClusterError(f"waited {timeout:g} s in vain for {what}\n{self.story()}")


class Cluster(BaseCluster):
    """A cluster in real time, in a thread of its own.

    ``agents``: how many, or each one's ``RESOURCES[@ATTRIBUTES]``. ``http`` False: nobody listens, clients use
    ``transport``. ``simulated``: tasks only pretend to run, with the outcomes given (``{}``: all finish at once).
    ``work_dir``: where sandboxes and checkpoints go and stay; None is a temporary directory. ``seed``: of all chance in
    the cluster. ``clock``: a virtual one stands still until ``advance``. ``pace``: how long executors and commands take
    to get going (``pace.MESOS``: as in a real Mesos); nothing unless told otherwise. ``masters``: how many; the first
    leads at first. ``allocator``: makes the allocation policy of each master's life out of (clock, rng, listener,
    options); Mesos's unless told otherwise. ``authorizers``: those that the flags ``authorizers`` (of masters) and
    ``authorizer`` (of agents) may name, beside ``local`` (docs/authorization.md). ``allow_origins``: web pages of these
    origins (``http://localhost:3000``) may use the cluster, beside its own (docs/security.md).

    Raises ``FlagError`` or ``ClusterError`` for wrong texts; ``start`` raises ``ListenError`` for a taken port.
    """

    def __init__(
        self,
        agents: Agents = 1,
        *,
        master_flags: MasterFlags | Mapping[str, str] | None = None,
        agent_flags: AgentFlags | Mapping[str, str] | None = None,
        seed: int | None = None,
        http: bool = True,
        bind: str = "127.0.0.1",
        port: int = 0,
        work_dir: str | Path | None = None,
        simulated: Outcomes | None = None,
        masters: int = 1,
        allocator: AllocatorFactory = HierarchicalAllocator,
        authorizers: Mapping[str, Authorizer] | None = None,
        clock: VirtualClock | None = None,
        pace: Pace = INSTANT,
        allow_origins: Iterable[str] = (),
    ) -> None:
        pages = _pages(allow_origins)
        self._thread = ThreadActor(clock)
        self._port = port
        self._given_dir = Path(work_dir) if work_dir is not None else None
        self._temporary: Scratch | None = None
        self._started = False
        try:
            super().__init__(
                self._thread,
                agents,
                master_flags=master_flags,
                agent_flags=agent_flags,
                seed=seed,
                simulated=simulated,
                loop=self._thread if http else None,
                bind=bind,
                work_dir=None,
                masters=masters,
                allocator=allocator,
                authorizers=authorizers,
            )
        except BaseException:
            self._thread.stop()
            raise
        self._thread.report = self.history.report
        self._stage.pace = pace
        self._stage.pages = pages

    def start(self, timeout: float = 60.0) -> None:
        if self._started:
            raise ClusterError("the cluster was started before")
        self._started = True
        atexit.register(self.stop)
        try:
            self._stage.work_dir = self._make_work_dir()
            self._thread.start()
            self.call(self._open)
            self.wait_for(self._ready, "the cluster to be ready", timeout)
        except BaseException:
            self.stop()
            raise
        self.history.note("cluster", f"ready: {len(self.agents)} agents, leading master at {self.master.address}")

    def stop(self) -> None:
        atexit.unregister(self.stop)
        if self._thread.is_alive:
            self.call(self._end)
            self.call(self._stage.close)
        self._thread.stop()
        if self._temporary is not None:
            self._temporary.remove()
            self._temporary = None

    def call(self, function: Callable[..., T], *args: Any) -> T:
        return self._thread.call(function, *args)

    def wait_for(self, condition: Callable[[], bool], what: str = "the condition", timeout: float = PATIENCE) -> None:
        if not self._thread.wait_for(condition, timeout):
            raise self._timed_out(what, timeout)

    def advance(self, seconds: float) -> None:
        """Lets virtual time pass; only for a cluster with a ``VirtualClock``."""
        self._thread.advance(seconds)

    def _make_work_dir(self) -> Path | None:
        if self._given_dir is not None:
            try:
                self._given_dir.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ClusterError(f"cannot use work directory {self._given_dir}: {error.strerror}") from None
            return self._given_dir.resolve()
        if all(spec.simulated is not None for spec in self._specs):
            return None
        self._temporary = Scratch.make()
        return self._temporary.path

    def _open(self) -> None:
        """In the turn: takes the ports, then starts all."""
        for index, master in enumerate(self.masters):
            master.reserve(self._port if index == 0 else 0)
        for agent in self.agents:
            agent.reserve(0)
        self._begin()


class SimulatedCluster(BaseCluster):
    """A cluster without a thread, in virtual time: all happens in ``advance``, ``settle`` and the waiting methods.

    One seed gives one history. Tasks only pretend to run, with the ``outcomes`` given. Clients use ``transport``.
    ``masters`` and ``allocator`` are as for ``Cluster``.
    """

    def __init__(
        self,
        agents: Agents = 1,
        *,
        master_flags: MasterFlags | Mapping[str, str] | None = None,
        agent_flags: AgentFlags | Mapping[str, str] | None = None,
        seed: int = 0,
        simulated: Outcomes | None = None,
        masters: int = 1,
        allocator: AllocatorFactory = HierarchicalAllocator,
        authorizers: Mapping[str, Authorizer] | None = None,
        clock: VirtualClock | None = None,
    ) -> None:
        self.actor: SimulatedActor = SimulatedActor(clock)
        self._started = False
        super().__init__(
            self.actor,
            agents,
            master_flags=master_flags,
            agent_flags=agent_flags,
            seed=seed,
            simulated={} if simulated is None else simulated,
            loop=None,
            bind="127.0.0.1",
            work_dir=None,
            masters=masters,
            allocator=allocator,
            authorizers=authorizers,
        )

    def start(self) -> None:
        if self._started:
            raise ClusterError("the cluster was started before")
        self._started = True
        self._begin()
        self.wait_for(self._ready, "the cluster to be ready")

    def stop(self) -> None:
        self._end()
        self._stage.close()

    def call(self, function: Callable[..., T], *args: Any) -> T:
        result = function(*args)
        self.actor.settle()
        return result

    def wait_for(self, condition: Callable[[], bool], what: str = "the condition", timeout: float = PATIENCE) -> None:
        try:
            self.actor.run_until(condition, timeout)
        except Deadlock as deadlock:
            raise ClusterError(f"waited in vain for {what}: {deadlock}\n{self.story()}") from None

    def settle(self) -> None:
        """Lets all happen that can without time."""
        self.actor.settle()

    def advance(self, seconds: float) -> None:
        """Lets virtual time pass."""
        self.actor.advance(seconds)


F = TypeVar("F", MasterFlags, AgentFlags)


def _check_authorizers(
    authorizers: Mapping[str, Authorizer], master: MasterFlags, agents: Sequence[AgentFlags]
) -> None:
    """Names of authorizers that are wrong show before anything has started. Raises ``ClusterError``."""
    try:
        choose_authorizer(master.authorizers, master.acls, authorizers)
        for flags in agents:
            choose_authorizer(flags.authorizer, flags.acls, authorizers)
    except AuthorizerError as error:
        raise ClusterError(str(error)) from None


def _pages(allow_origins: Iterable[str]) -> WebPages:
    try:
        return WebPages((allow_origins,) if isinstance(allow_origins, str) else allow_origins)
    except OriginError as error:
        raise ClusterError(f"allow_origins: {error}") from None


def _specs(agents: Agents, simulated: Outcomes | None) -> list[AgentSpec]:
    given: Sequence[str | AgentSpec] = [AgentSpec()] * agents if isinstance(agents, int) else agents
    if isinstance(agents, int) and agents < 0:
        raise ClusterError(f"a cluster has 0 or more agents, not {agents}")
    specs = [AgentSpec.parse(one) if isinstance(one, str) else one for one in given]
    if simulated is None:
        return specs
    return [spec if spec.simulated is not None else evolve(spec, simulated=simulated) for spec in specs]
