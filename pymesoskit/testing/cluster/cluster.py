"""A Mesos cluster in this process: what tests, the pytest plugin and the command line use.

``Cluster`` runs in real time in a thread of its own, with HTTP on loopback or without sockets; ``SimulatedCluster`` has
no thread and moves in virtual time. Both hold one master or several and any number of agents, and leave nothing behind
when they end: no process, thread, port or temporary file.
"""

from __future__ import annotations

import atexit
import random
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pymesoskit.testing.allocator import HierarchicalAllocator
from pymesoskit.testing.cluster.addresses import agent_addresses, check_ip
from pymesoskit.testing.cluster.agents import AgentMember
from pymesoskit.testing.cluster.drivers import DeadDrivers
from pymesoskit.testing.cluster.election import Election
from pymesoskit.testing.cluster.errors import ClusterError
from pymesoskit.testing.cluster.faults import Faults
from pymesoskit.testing.cluster.handles import ClusterAgent, ClusterMaster
from pymesoskit.testing.cluster.masters import MasterMember, OnlyMaster, Quorum
from pymesoskit.testing.cluster.members import Member, Stage
from pymesoskit.testing.cluster.scratch import Scratch
from pymesoskit.testing.cluster.specs import Agents, AgentSpec, Options, check_port
from pymesoskit.testing.cluster.views import FrameworkView, TaskView, frameworks_of, tasks_of
from pymesoskit.testing.engine.http.web_pages import OriginError, WebPages
from pymesoskit.testing.engine.machine.pace import INSTANT, Pace
from pymesoskit.testing.engine.master.registry import Registry
from pymesoskit.testing.runtime.actor import Actor, Deadlock, Livelock, SimulatedActor, ThreadActor
from pymesoskit.testing.runtime.clock import VirtualClock
from pymesoskit.testing.runtime.history import History, HistoryEvent
from pymesoskit.testing.story.lines import StoryTeller
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from pymesoskit.testing.allocator import AllocatorFactory
    from pymesoskit.testing.cluster.inprocess import Address, InProcessTransport
    from pymesoskit.testing.engine.authorization import Authorizer
    from pymesoskit.testing.engine.flags.flags import AgentFlags, MasterFlags
    from pymesoskit.testing.engine.http.handler import Handler
    from pymesoskit.testing.engine.machine.simulated import Outcomes
    from pymesoskit.testing.runtime.journal import Journal

__all__ = ["AgentSpec", "BaseCluster", "Cluster", "ClusterAgent", "ClusterError", "ClusterMaster", "SimulatedCluster"]

T = TypeVar("T")

#: The ports of masters and agents without sockets: the first master has this one, the first agent the next.
MASTER_PORT = 5050

#: Where the ports of agents begin that listen only when somebody asks: a random one of these, below those that systems
#: give away themselves, so that clusters that run beside each other seldom want the same.
UNHEARD_PORTS = range(10_000, 25_000)

#: Seconds for which the waiting methods wait by default, in real time.
PATIENCE = 15.0

#: The same in virtual time: longer than Mesos's own timeouts, of which --agent_reregister_timeout is 10 minutes.
VIRTUAL_PATIENCE = 3600.0

#: Lines of the story in an error.
STORY_LINES = 60


class BaseCluster(ABC):
    """What clusters in real and in virtual time have in common."""

    def __init__(
        self, actor: Actor, options: Options, *, loop: ThreadActor | None, bind: str, port: int, patience: float
    ) -> None:
        self.seed: int = options.seed
        self.history: History = History(actor.clock.time)
        self._actor = actor
        self._patience = patience
        self._dead_drivers = DeadDrivers(actor, self.history)
        self._stage = Stage(
            actor,
            self.history,
            seed=options.seed,
            bind=bind,
            loop=loop,
            work_dir=None,
            authorizers=options.authorizers,
        )
        registry = Registry()
        flags = options.master_flags
        several = options.masters > 1
        self._election = Election(actor, flags.zk_session_timeout) if several else None
        quorum = Quorum(registry, self._election, options.allocator)
        master_ip = check_ip(flags.ip, "the flag 'ip' of mesos-master") if flags.ip is not None else bind
        self._master_members = [
            MasterMember(
                self._stage,
                f"master {index}" if several else "master",
                flags,
                ip=master_ip,
                port=port if port and index == 0 else MASTER_PORT - index,
                quorum=quorum,
            )
            for index in range(options.masters)
        ]
        leadership = self._election if self._election is not None else OnlyMaster(self._master_members[0])
        agent_flags = [options.flags_of(spec) for spec in options.specs]
        ips = agent_addresses(bind, agent_flags)
        first = MASTER_PORT + 1 if loop is None else random.SystemRandom().choice(UNHEARD_PORTS)
        self._agent_members = [
            AgentMember(
                self._stage, index, spec, agent_flags[index], ip=ips[index], port=first + index, leadership=leadership
            )
            for index, spec in enumerate(options.specs)
        ]
        self.masters: list[ClusterMaster] = [ClusterMaster(self, member) for member in self._master_members]
        self.agents: list[ClusterAgent] = [ClusterAgent(self, member) for member in self._agent_members]
        self.faults: Faults = Faults(self.history.journal, self, registry.storage, self._reset_connections)
        self._transports: list[InProcessTransport] = []  # the first is for clients without one of their own

    def __repr__(self) -> str:
        members = f"{len(self.masters)} masters" if len(self.masters) > 1 else "1 master"
        return f"<{type(self).__name__} at {self.addresses}: {members}, {len(self.agents)} agents, seed {self.seed}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None:
        """Starts the cluster. Returns when all agents are registered, in the order given, and the master answers.

        Raises ``ClusterError`` if it was started before or an agent cannot start.
        """

    @abstractmethod
    def stop(self) -> None:
        """Ends the cluster and everything that it has started. Harmless if it has ended."""

    @abstractmethod
    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Runs ``function(*args)`` in the cluster's turn, where nothing else runs. Returns or raises what it does."""

    def wait_for(
        self, condition: Callable[[], bool], what: str = "the condition", timeout: float | None = None
    ) -> None:
        """Waits until ``condition()`` holds. It is asked in the cluster's turn whenever something has happened.

        Raises ``ClusterError`` with the newest events if it does not hold within ``timeout`` seconds (by default 15 in
        real time, 3600 in virtual time), and at once, with the driver's error as the cause, if a driver of this process
        that was connected to the cluster has died and the test has not been given its error.
        """

        def holds() -> bool:
            if condition():
                return True
            self._dead_drivers.check(f"while the test waited for {what}")
            return False

        patience = self._patience if timeout is None else timeout
        try:
            self._wait(holds, what, patience)
        except ClusterError as error:
            if error.__cause__ is None:
                raise
            raise ClusterError(f"{error}\n{self.story()}") from error.__cause__

    @abstractmethod
    def _wait(self, condition: Callable[[], bool], what: str, timeout: float) -> None:
        """Waits until ``condition()`` holds. Raises ``ClusterError`` if it does not within ``timeout`` seconds."""

    def check_drivers(self) -> None:
        """Raises ``ClusterError``, with the driver's error as the cause, for a driver as in ``wait_for``."""
        self._dead_drivers.check("during the test")

    # What is there

    @property
    def master(self) -> ClusterMaster:
        """The leading master, or the first while none leads."""
        return next((master for master in self.masters if master.leads), self.masters[0])

    @property
    def addresses(self) -> str:
        """``ip:port`` of all masters, separated by commas: for a client that finds the leader itself."""
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
        """A transport for clients in this process that leads to masters and agents without sockets."""
        return self._transports[0] if self._transports else self.new_transport()

    def new_transport(
        self, name: str = "client", handler_time: Callable[[], float] | None = None
    ) -> InProcessTransport:
        """Returns a transport as ``transport`` is, whose clients can be killed and frozen together.

        The cluster's seed and ``name`` determine the chance of the clients. ``handler_time()`` draws how many seconds
        of virtual time pass before something is handled.
        """
        from pymesoskit.testing.cluster.inprocess import InProcessTransport

        seed = f"{self.seed}/{name}"
        transport = InProcessTransport(self._actor, self._resolve, self._dead_drivers.add, seed, handler_time)
        self._transports.append(transport)
        return transport

    @property
    def journal(self) -> Journal:
        """Everything that passes between clients, masters and agents."""
        return self.history.journal

    def tasks(self) -> list[TaskView]:
        """Returns all tasks that the master knows: completed, unreachable and running ones, the newest last."""
        return self.call(lambda: tasks_of(self._master.process))

    def task(self, task_id: str) -> TaskView | None:
        """Returns the newest task with this id, or None if the master knows none."""
        return next((task for task in reversed(self.tasks()) if task.id == task_id), None)

    def frameworks(self) -> list[FrameworkView]:
        """Returns all frameworks that the master knows, also the completed ones."""
        return self.call(lambda: frameworks_of(self._master.process))

    def agent_of(self, task_id: str) -> ClusterAgent:
        """Returns the agent that the task is or was on. Raises ``ClusterError`` if there is no such task or agent."""
        task = self.task(task_id)
        for agent in self.agents:
            if task is not None and agent.id == task.agent_id:
                return agent
        raise ClusterError(f"no agent of this cluster has or had a task '{task_id}'")

    def events(self) -> tuple[HistoryEvent, ...]:
        """Returns what happened, the oldest first. Only the newest 2000 events are kept."""
        return self.history.events()

    def story(self, newest: int = STORY_LINES) -> str:
        """Returns the seed and the ``newest`` events as text."""
        return f"seed {self.seed}\n{self.history.story(newest)}"

    def conversation(self, newest: int = STORY_LINES) -> str:
        """Returns what clients, masters and agents said to each other, as text: the ``newest`` entries of the journal.

        Times are in seconds since the first of them. Offers and agents have short names (``O0``, ``S1``); pings and
        heartbeats are left out.
        """
        lines = list(StoryTeller().lines(self.journal.entries(), notes=False))
        missing = len(lines) - newest
        return "\n".join([f"({missing} earlier lines)", *lines[missing:]] if missing > 0 else lines)

    # Waiting

    def wait_for_agents(self, registered: int | None = None, timeout: float | None = None) -> None:
        """Waits until so many agents (None: all of the cluster) are registered and active. As ``wait_for``."""
        wanted = len(self.agents) if registered is None else registered
        self.wait_for(lambda: self._active_agents() == wanted, f"{wanted} agents to be registered", timeout)

    def wait_for_task(self, task_id: str, *states: str, timeout: float | None = None) -> TaskView:
        """Waits until the task has been in one of the states (``TASK_RUNNING``, …; none: until it is known).

        A state that it has left again counts, too. Returns the task as it is then. Raises ``ClusterError`` as
        ``wait_for`` does, for an unknown state, and at once if the task has ended in another state.
        """
        for state in states:
            if state not in mesos.TaskState.keys():  # noqa: SIM118 (a wrapper, not a dict)
                raise ClusterError(f"unknown task state {state!r}, known are {', '.join(mesos.TaskState.keys())}")
        what = f"task '{task_id}' to be {' or '.join(states) or 'known'}"
        found: list[TaskView] = []

        def has_been() -> bool:
            tasks = [task for task in tasks_of(self._master.process) if task.id == task_id]
            found[:] = [task for task in tasks if not states or not set(states).isdisjoint(task.states)]
            if not found and tasks and all(task.ended for task in tasks):
                raise _EndedOtherwise(tasks[-1])
            return bool(found)

        try:
            self.wait_for(has_been, what, timeout)
        except _EndedOtherwise as ended:
            message = f": {ended.task.message}" if ended.task.message else ""
            reason = f" ({ended.task.reason})" if ended.task.reason else ""
            raise ClusterError(
                f"waited for {what}, but it has ended as {ended.task.state}{message}{reason}\n{self.story()}"
            ) from None
        return found[-1]

    def wait_for_framework(self, name: str, timeout: float | None = None) -> FrameworkView:
        """Waits until a framework of this name is subscribed. Returns it. As ``wait_for``."""
        found: list[FrameworkView] = []

        def is_there() -> bool:
            found[:] = [one for one in frameworks_of(self._master.process) if one.name == name and one.connected]
            return bool(found)

        self.wait_for(is_there, f"a framework '{name}' to be subscribed", timeout)
        return found[0]

    # Inside

    @property
    def _master(self) -> MasterMember:
        """The leading master, or the first while none leads."""
        return next((master for master in self._master_members if master.leads), self._master_members[0])

    @property
    def _members(self) -> list[Member]:
        return [*self._master_members, *self._agent_members]

    def _member_at(self, address: Address) -> Member | None:
        return next((member for member in self._members if member.serves(address.host, address.port)), None)

    def _resolve(self, address: Address) -> Handler | None:
        member = self._member_at(address)
        return member.handler if member is not None else None

    def _reset_connections(self, handle: ClusterMaster | ClusterAgent) -> None:
        member = handle._member
        member.reset_connections()
        for transport in self._transports:
            transport.reset_connections(lambda address: self._member_at(address) is member)

    def _active_agents(self) -> int:
        process = self._master.process
        return -1 if process is None else sum(agent.active for agent in process.core.state.agents.values())

    def _begin(self) -> None:
        """In the turn: starts the masters, the first of which leads, then the agents, which register at once."""
        taken: dict[str, str] = {}
        for member in self._members:
            other = taken.setdefault(member.advertised_address, member.name)
            if other != member.name:
                raise ClusterError(f"{other} and {member.name} both have the address {member.advertised_address}")
            self.history.journal.call_it(member.process_address, member.name)
        for master in self._master_members:
            master.begin()
        for agent in self._agent_members:
            agent.begin(0.0)

    def _end(self) -> None:
        """In the turn: ends the agents with all that runs on their machines, then the masters."""
        for agent in self._agent_members:
            agent.close()
        if self._election is not None:
            self._election.close()
        for master in self._master_members:
            master.end()
            master.release()

    def _ready(self) -> bool:
        for agent in self._agent_members:
            if agent.process is None:
                raise ClusterError(f"{agent.name} ended while the cluster started")
        return self._active_agents() == len(self.agents) and all(agent.registered for agent in self.agents)

    def _timed_out(self, what: str, timeout: float) -> ClusterError:
        return ClusterError(f"timed out after {timeout:g} s waiting for {what}{self._hint()}\n{self.story()}")

    def _hint(self) -> str:
        """What to do if a master was restarted and its agents have not noticed."""
        master = self._master
        waiting = sum(agent.process is not None for agent in self._agent_members) - self._active_agents()
        if len(self.masters) > 1 or master.lives < 2 or master.process is None or waiting <= 0:
            return ""
        flags = master.flags
        seconds = flags.agent_ping_timeout * flags.max_agent_ping_timeouts
        return (
            f" (the master was restarted, and agents notice that only when its pings have been missing for {seconds:g} "
            "s; for a quick test set the master's flags agent_ping_timeout=1secs and max_agent_ping_timeouts=1)"
        )


class _EndedOtherwise(Exception):
    """A task has ended in a state that nobody waits for."""

    def __init__(self, task: TaskView) -> None:
        super().__init__(task.id)
        self.task = task


class Cluster(BaseCluster):
    """A cluster in real time, in a thread of its own.

    - ``agents``: how many, or the resources of each as text ``RESOURCES[@ATTRIBUTES]`` or ``AgentSpec``.
    - ``master_flags``, ``agent_flags``: flags of mesos-master and mesos-agent 1.11, as texts or typed.
    - ``seed``: seed for all randomness in the cluster; None draws one.
    - ``http``: False means without sockets; clients use ``transport``.
    - ``bind``, ``port``: where the master listens; port 0 is any free one.
    - ``work_dir``: where sandboxes and checkpoints go, and stay; None is a temporary directory.
    - ``simulated``: tasks only pretend to run, with these outcomes (``{}``: all finish at once).
    - ``masters``: how many; the first leads.
    - ``allocator``: makes the allocation policy of each master's life from (clock, rng, listener, options).
    - ``authorizers``: authorizers, beside ``local``, that the flags ``authorizers`` of masters and ``authorizer`` of
      agents may name (docs/authorization.md).
    - ``clock``: a ``VirtualClock`` makes time stand still until ``advance``.
    - ``pace``: how long executors and commands take to start (``MESOS``: about as long as in a real Mesos).
    - ``allow_origins``: web pages of these origins (``http://localhost:3000``), beside the cluster's own, may use it
      (docs/security.md).

    Raises ``FlagError`` or ``ClusterError`` for a wrong value; ``start`` raises ``ListenError`` for a taken port.
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
        options = Options.checked(
            agents,
            master_flags=master_flags,
            agent_flags=agent_flags,
            seed=seed,
            masters=masters,
            allocator=allocator,
            authorizers=authorizers,
            simulated=simulated,
        )
        bind = check_ip(_of_type("bind", bind, str), "bind")
        self._port = _one_port(check_port(port), options.master_flags)
        given = _of_type("work_dir", work_dir, (str, Path, type(None)))
        self._given_dir = Path(given) if given is not None else None
        self._needs_dir = any(spec.simulated is None for spec in options.specs)
        self._temporary: Scratch | None = None
        self._started = False
        self._unwatch: Callable[[], None] = lambda: None
        self._thread = ThreadActor(_of_type("clock", clock, (VirtualClock, type(None))))
        try:
            super().__init__(
                self._thread,
                options,
                loop=self._thread if http else None,
                bind=bind,
                port=self._port,
                patience=PATIENCE,
            )
        except BaseException:
            self._thread.stop()
            raise
        self._thread.report = self.history.report
        self._stage.pace = _of_type("pace", pace, Pace)
        self._stage.pages = _pages(allow_origins)

    def start(self, timeout: float = 60.0) -> None:
        if self._started:
            raise ClusterError("the cluster was started before; make a new one")
        self._started = True
        atexit.register(self.stop)
        try:
            self._stage.work_dir = self._make_work_dir()
            self._thread.start()
            self.call(self._open)
            self.wait_for(self._ready, "the cluster to be ready", timeout)
            if self._stage.loop is not None:
                self._unwatch = self._dead_drivers.watch(self._is_listening_at)
        except BaseException:
            self.stop()
            raise
        self.history.note("cluster", f"ready: {len(self.agents)} agents, leading master at {self.master.address}")

    def stop(self) -> None:
        atexit.unregister(self.stop)
        self._unwatch()
        if self._thread.is_alive:
            self.call(self._end)
            self.call(self._stage.close)
        self._thread.stop()
        if self._temporary is not None:
            self._temporary.remove()
            self._temporary = None

    def call(self, function: Callable[..., T], *args: Any) -> T:
        return self._thread.call(function, *args)

    def advance(self, seconds: float) -> None:
        """Lets ``seconds`` of virtual time pass.

        Raises ``TypeError`` for a cluster without a ``VirtualClock``, and ``Livelock``.
        """
        try:
            self._thread.advance(seconds)
        except Livelock as livelock:
            raise Livelock(f"{livelock}\n{self.story()}") from None

    def _wait(self, condition: Callable[[], bool], what: str, timeout: float) -> None:
        if not self._thread.wait_for(condition, timeout):
            raise self._timed_out(what, timeout)

    def _is_listening_at(self, peer: tuple[str, int]) -> bool:
        return any(member.serves(*peer) for member in self._members)

    def _make_work_dir(self) -> Path | None:
        if self._given_dir is not None:
            try:
                self._given_dir.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ClusterError(f"cannot use work directory {self._given_dir}: {error.strerror}") from None
            return self._given_dir.resolve()
        if not self._needs_dir:
            return None
        self._temporary = Scratch.make()
        return self._temporary.path

    def _open(self) -> None:
        """In the turn: takes the ports, then starts all."""
        for index, master in enumerate(self._master_members):
            master.reserve(self._port if index == 0 else 0)
        for agent in self._agent_members:
            agent.reserve(agent.flags.port or 0)
        self._begin()


class SimulatedCluster(BaseCluster):
    """A cluster without a thread, in virtual time: it moves in ``advance``, ``settle`` and the waiting methods only.

    One seed gives one history. Tasks only pretend to run, with the outcomes of ``simulated`` ({}: all finish at once).
    Clients use ``transport``. The other arguments are those of ``Cluster``.
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
        options = Options.checked(
            agents,
            master_flags=master_flags,
            agent_flags=agent_flags,
            seed=seed,
            masters=masters,
            allocator=allocator,
            authorizers=authorizers,
            simulated={} if simulated is None else simulated,
        )
        self.actor: SimulatedActor = SimulatedActor(_of_type("clock", clock, (VirtualClock, type(None))))
        self._started = False
        port = _one_port(0, options.master_flags)
        super().__init__(self.actor, options, loop=None, bind="127.0.0.1", port=port, patience=VIRTUAL_PATIENCE)

    def start(self) -> None:
        if self._started:
            raise ClusterError("the cluster was started before; make a new one")
        self._started = True
        self._begin()
        self.wait_for(self._ready, "the cluster to be ready")

    def stop(self) -> None:
        self._end()
        self._stage.close()

    def call(self, function: Callable[..., T], *args: Any) -> T:
        result = function(*args)
        self.settle()
        return result

    def settle(self) -> None:
        """Lets everything happen that needs no time. Raises ``Livelock`` if that has no end."""
        self._move(self.actor.settle)

    def advance(self, seconds: float) -> None:
        """Lets ``seconds`` of virtual time pass. Raises ``Livelock`` if things happen without end at one moment."""
        self._move(self.actor.advance, seconds)

    def _wait(self, condition: Callable[[], bool], what: str, timeout: float) -> None:
        try:
            self._move(self.actor.run_until, condition, timeout)
        except Deadlock as deadlock:
            raise ClusterError(f"{deadlock} while waiting for {what}{self._hint()}\n{self.story()}") from None

    def _move(self, how: Callable[..., None], *args: Any) -> None:
        try:
            how(*args)
        except Livelock as livelock:
            raise Livelock(f"{livelock}\n{self.story()}") from None


def _of_type(name: str, value: T, kind: type | tuple[type, ...]) -> T:
    """Returns the value of an argument. Raises ``ClusterError`` if it has another type."""
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        raise ClusterError(
            f"{name} must be {' or '.join(one.__name__ for one in kinds if one is not type(None))}, not {value!r}"
        )
    return value


def _one_port(port: int, flags: MasterFlags) -> int:
    """Returns the port of the first master. Raises ``ClusterError`` if argument and flag differ."""
    if flags.port and port and flags.port != port:
        raise ClusterError(f"port={port} and the flag 'port' of mesos-master, {flags.port}, differ")
    return port or flags.port or 0


def _pages(allow_origins: Iterable[str]) -> WebPages:
    try:
        return WebPages((allow_origins,) if isinstance(allow_origins, str) else allow_origins)
    except OriginError as error:
        raise ClusterError(f"allow_origins: {error}") from None
