"""The processes of a cluster as its façade holds them: each master, and each agent with its machine.

A member outlives the process: it keeps its address, flags, work directory and registry, and starts another life of it.
The commands are those of an operator with a shell: kill, term, shutdown, start, reset, pause, resume.
Source: tests/conformance/README.md, "Control".
"""

from __future__ import annotations

import os
import random
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import attrs
from attrs import frozen

from pymesoskit.resources import Attributes, Resources, ResourcesError, parse_attributes
from pymesoskit.testing.agent.agent import Agent
from pymesoskit.testing.agent.detector import Endpoint
from pymesoskit.testing.agent.fetcher import Settings, ThreadFetcher
from pymesoskit.testing.agent.host import Host
from pymesoskit.testing.agent.pace import INSTANT
from pymesoskit.testing.agent.prober import NetworkProber
from pymesoskit.testing.agent.process import ProcessLauncher
from pymesoskit.testing.agent.simulated import Outcomes, SimulatedLauncher
from pymesoskit.testing.election import FROZEN
from pymesoskit.testing.flag_syntax import Rate
from pymesoskit.testing.flags import AgentFlags, MasterFlags
from pymesoskit.testing.master.master import Master
from pymesoskit.testing.master.registry import Registry
from pymesoskit.testing.network import Network
from pymesoskit.testing.process_log import LogFile
from pymesoskit.testing.server import HttpServer
from pymesoskit.testing.system import detected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pymesoskit.testing.actor import Actor, ThreadActor
    from pymesoskit.testing.agent.detector import Detector
    from pymesoskit.testing.agent.oversubscription import QosController, ResourceEstimator
    from pymesoskit.testing.allocator import AllocatorFactory
    from pymesoskit.testing.authorization import Authorizer
    from pymesoskit.testing.election import Election, Session
    from pymesoskit.testing.history import History
    from pymesoskit.testing.http import Handler
    from pymesoskit.testing.network import Address

T = TypeVar("T")

#: The variable of the environment by which libprocess is told how often to answer.
_METRICS_LIMIT = "LIBPROCESS_METRICS_SNAPSHOT_ENDPOINT_RATE_LIMIT"


class ClusterError(RuntimeError):
    """The cluster cannot do what was asked of it, or what was waited for did not happen; the text says why."""


class Runner(Protocol):
    """How a member gets its turn."""

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Runs it in the cluster's turn."""

    def wait_for(self, condition: Callable[[], bool], what: str, timeout: float = ...) -> None:
        """Waits until the condition holds."""


#: Among an agent's resources: it finds out what it is not told.
AUTO = "auto"


@frozen
class AgentSpec:
    """What an agent has. Texts are Mesos's; ``simulated`` lets its tasks only pretend to run.

    It has the resources that it is told of, on every machine the same. With ``auto`` among them (``auto;cpus:2``) it
    finds out, as a real one does, what it is not told: cpus, mem, disk and ports.
    """

    resources: str = "cpus:4;mem:4096;disk:10000;ports:[31000-32000]"
    attributes: str = ""
    flags: AgentFlags | None = None  # None: those of all agents of the cluster
    simulated: Outcomes | None = None
    estimator: ResourceEstimator | None = None  # says what can be oversubscribed
    qos_controller: QosController | None = None  # says which executors have to go for it

    @classmethod
    def parse(cls, text: str) -> AgentSpec:
        """Reads ``RESOURCES[@ATTRIBUTES]``. Raises ``ClusterError``."""
        resources, _, attributes = text.partition("@")
        spec = cls(resources, attributes)
        spec.total(AgentFlags())
        spec.labels()
        return spec

    def total(self, flags: AgentFlags, work_dir: Path | None = None) -> Resources:
        """The resources. Raises ``ClusterError`` for text that is none."""
        tokens = [token.strip() for token in self.resources.split(";")]
        text = self.resources
        if AUTO in tokens:
            told = [token for token in tokens if token not in {AUTO, ""}]
            names = {token.partition(":")[0].partition("(")[0].strip() for token in told}
            text = ";".join([*told, detected(names, work_dir)])
        try:
            return Resources.parse(text, flags.default_role)
        except ResourcesError as error:
            raise ClusterError(f"resources '{self.resources}' of an agent: {error}") from None

    def labels(self) -> Attributes:
        """The attributes. Raises ``ClusterError`` for text that is none."""
        try:
            return parse_attributes(self.attributes)
        except ResourcesError as error:
            raise ClusterError(f"attributes '{self.attributes}' of an agent: {error}") from None


class Stage:
    """What all members of a cluster share."""

    def __init__(
        self,
        actor: Actor,
        history: History,
        *,
        seed: int,
        ip: str,
        loop: ThreadActor | None,
        work_dir: Path | None,
        authorizers: Mapping[str, Authorizer],
    ) -> None:
        self.actor = actor
        self.history = history
        self.seed = seed
        self.ip = ip  # where they listen
        self.host = "127.0.0.1" if ip in {"0.0.0.0", "::"} else ip  # noqa: S104 (where they say that they are)
        self.loop = loop  # None: nobody listens
        self.work_dir = work_dir  # None: nothing is kept on disk
        self.authorizers = authorizers  # by the names that flags may give
        self.pace = INSTANT
        self.metrics_limit = _metrics_limit(os.environ.get(_METRICS_LIMIT, ""))
        self.network = Network(actor)
        self.processes = ProcessLauncher(actor)
        self.prober = NetworkProber(actor)
        self.fetcher = ThreadFetcher(actor)

    def chance(self, name: str) -> random.Random:
        """A generator of its own for each member and life, so that one's use of chance does not change another's."""
        return random.Random(f"{self.seed}/{name}")  # noqa: S311

    def close(self) -> None:
        """Ends all processes and threads."""
        self.processes.close()
        self.prober.close()
        self.fetcher.close()


class Member:
    """What the master and the agents have in common: an address, and whether somebody answers there."""

    def __init__(self, stage: Stage, runner: Runner, name: str, port: int) -> None:
        self.stage = stage
        self.runner = runner
        self.name = name
        self.server: HttpServer | None = None
        self._port = port
        self._handler: Handler | None = None

    @property
    def port(self) -> int:
        """The port of its HTTP address; it is the same for all its lives."""
        return self._port

    @property
    def address(self) -> str:
        """``ip:port`` of its HTTP address."""
        return f"{self.stage.host}:{self._port}"

    @property
    def url(self) -> str:
        """``http://ip:port``"""
        return f"http://{self.address}"

    @property
    def handler(self) -> Handler | None:
        """Who answers requests now; None if nobody does."""
        return self._handler

    def reserve(self, port: int) -> None:
        """Takes the port; any free one for 0. Raises ``ListenError``."""
        if self.stage.loop is not None:
            self.server = HttpServer(self.stage.loop, _nobody, self.stage.history, self.name)
            self._port = self.server.reserve(self.stage.ip, port)

    def answer(self, handler: Handler) -> None:
        """From now on somebody answers."""
        self._handler = handler
        if self.server is not None:
            self.server.open(handler)

    def hang_up(self) -> None:
        """The process is gone, its connections break."""
        self._handler = None
        if self.server is not None:
            self.server.close()

    def release(self) -> None:
        """Gives up the port."""
        self._handler = None
        if self.server is not None:
            self.server.release()


@frozen
class Quorum:
    """What the masters of a cluster have in common."""

    registry: Registry
    election: Election | None  # None: there is one master, which leads
    allocator: AllocatorFactory  # makes each life's allocation policy


class ClusterMaster(Member):
    """A master. Its registry outlives it."""

    def __init__(self, stage: Stage, runner: Runner, name: str, flags: MasterFlags, port: int, quorum: Quorum) -> None:
        super().__init__(stage, runner, name, port)
        self.flags = flags
        self.quorum = quorum
        self.process: Master | None = None
        self.reason = ""  # why the last life ended, if it did so by itself
        self._session: Session | None = None  # with the election, if there is one
        self._log: LogFile | None = None  # of this life
        self._lives = 0

    @property
    def running(self) -> bool:
        """Whether its process is there, be it frozen."""
        return self.process is not None

    @property
    def frozen(self) -> bool:
        """Whether its process stands still."""
        return self.process is not None and self.process.core.lifeline.frozen

    @property
    def id(self) -> str:
        """The id of this life. Raises ``ClusterError`` while it is not running."""
        return self.alive().id

    @property
    def process_address(self) -> str:
        """Its address on the cluster's network, ``master@ip:port``."""
        return f"master@{self.address}"

    @property
    def leads(self) -> bool:
        """Whether it runs and is the leading master; one that is frozen or cut off leads until another is elected."""
        election = self.quorum.election
        if self.process is None or election is None:
            return self.running
        leader = election.elected()
        return leader is not None and leader.id == self.process.id

    def alive(self) -> Master:
        """The process. Raises ``ClusterError`` while it is not running."""
        if self.process is None:
            raise ClusterError(f"the {self.name} is not running")
        return self.process

    def kill(self) -> None:
        """Ends it as by SIGKILL; harmless if it is not running. Returns when it has ended."""
        self.runner.call(self.end)

    def start(self) -> None:
        """Starts it with its flags, address and registry. Raises ``ClusterError`` if it is running."""
        self.runner.call(self.begin)

    def pause(self) -> None:
        """Freezes it as by SIGSTOP. Raises ``ClusterError`` if it is not running."""
        self.runner.call(self._pause)

    def resume(self) -> None:
        """Lets it go on as by SIGCONT: if another leads by now and this one did, it ends. Raises ``ClusterError`` if it
        is not running.
        """
        self.runner.call(self._resume)

    # In the turn

    def begin(self) -> None:
        """Starts a life."""
        if self.process is not None:
            raise ClusterError(f"the {self.name} is running")
        stage = self.stage
        self._lives += 1
        self.reason = ""
        self._log = _open_log(self.flags, "mesos-master", stage)
        flags = attrs.evolve(
            self.flags,
            ip=self.flags.ip or stage.host,
            port=self.port,
            hostname=self.flags.hostname or stage.host,
            advertise_ip=self.flags.advertise_ip or stage.host,
            work_dir=self.flags.work_dir or (str(stage.work_dir / "master") if stage.work_dir is not None else None),
        )
        with ExitStack() as stack:
            if self._log is not None:
                stack.callback(self._log.close)
            self._session = self.quorum.election.connect() if self.quorum.election is not None else None
            self.process = master = Master(
                self.process_address,
                flags,
                actor=stage.actor,
                network=stage.network,
                rng=stage.chance(f"{self.name}/{self._lives}"),
                registry=self._registry(),
                allocator=self.quorum.allocator,
                history=stage.history,
                hostname=str(flags.hostname),
                ip=stage.host,
                port=self.port,
                leader=self._session,
                name=self.name,
                on_end=self._ended,
                authorizers=stage.authorizers,
                log_file=self._log,
                metrics_limit=stage.metrics_limit,
            )
            master.start()
            stack.pop_all()
        self.answer(master.http)
        if self._session is not None:
            self._session.stand(master.core.info)

    def _registry(self) -> Registry:
        """The one that all lives of all masters share; with --registry=in_memory one that ends with this life."""
        shared = self.quorum.registry
        return Registry(storage=shared.storage) if self.flags.registry == "in_memory" else shared

    def end(self) -> None:
        """Ends the life."""
        if self.process is not None:
            self.process.terminate()

    def cut_off(self, reason: str) -> None:
        """The election hears nothing of it any more, nor it of the election, for a reason that ``rejoin`` ends."""
        if self._session is not None:
            self._session.silence(reason)

    def rejoin(self, reason: str) -> None:
        """The reason is over."""
        if self._session is not None:
            self._session.speak(reason)

    def _pause(self) -> None:
        self.alive().freeze()
        if self.server is not None:
            self.server.freeze()
        self.cut_off(FROZEN)

    def _resume(self) -> None:
        self.alive()
        self.rejoin(FROZEN)  # at first: a master that does not lead any more does nothing of what it has missed
        if self.process is None:
            return
        self.process.thaw()
        if self.server is not None:
            self.server.thaw()

    def _ended(self, reason: str) -> None:
        self.process = None
        self.reason = reason
        self.hang_up()
        _close_log(self._log)
        session, self._session = self._session, None
        if session is not None:
            session.end()


class OnlyMaster:
    """The ``Detector`` of a cluster with one master: it is always the leader, and agents do not notice its restarts."""

    def __init__(self, master: ClusterMaster) -> None:
        self._master = master

    def leader(self) -> Address | None:
        """The master's address; its port is known once it is reserved."""
        return self._master.process_address

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:  # noqa: ARG002 (nothing ever changes)
        """Nothing ever changes."""
        return lambda: None


class ClusterAgent(Member):
    """An agent and its machine. Executors and their tasks live on the machine and outlive the agent's process."""

    def __init__(
        self,
        stage: Stage,
        runner: Runner,
        index: int,
        spec: AgentSpec,
        flags: AgentFlags,
        port: int,
        detector: Detector,
    ) -> None:
        super().__init__(stage, runner, f"agent {index}", port)
        self.index = index
        self.spec = spec
        self.flags = flags
        self._resources = spec.total(flags, stage.work_dir)
        self._attributes = spec.labels()
        self._detector = detector
        self._process: Agent | None = None
        self._log: LogFile | None = None  # of this life
        self._lives = 0
        self._reason: str | None = None  # why the last life ended
        self._host: Host | None = None
        self._executor_server: HttpServer | None = None  # on the unix domain socket, if the flags ask for one

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None

    @property
    def process(self) -> Agent | None:
        """The agent of this life, None if it is not running. To be used in the cluster's turn."""
        return self._process

    @property
    def registered(self) -> bool:
        """Whether a master has taken it in, as far as it knows."""
        return self._process is not None and self._process.registered

    @property
    def id(self) -> str:
        """Its agent id; "" before it has one, or while it is not running."""
        return self._process.agent_id if self._process is not None else ""

    @property
    def url(self) -> str:
        """``http://ip:port``. An agent whose tasks are simulated listens there from when this is first asked for: a
        thousand of them need no thousand sockets. Raises ``ListenError`` if another process has taken its port.
        """
        if self.spec.simulated is not None:
            self.runner.call(self._listen)
        return super().url

    @property
    def process_address(self) -> str:
        """Its address on the cluster's network, ``slave(1)@ip:port``."""
        return f"slave(1)@{self.address}"

    def kill(self) -> None:
        """Ends it as by SIGKILL; its executors live on. Harmless if it is not running."""
        self.runner.call(self.end)

    def term(self) -> None:
        """Ends it as by SIGTERM, which is the same."""
        self.runner.call(self.end)

    def shutdown(self, timeout: float = 30.0) -> None:
        """Ends it as by SIGUSR1: it unregisters and shuts its executors down. Returns when it has ended."""
        self.runner.call(self._shut_down)
        self.runner.wait_for(lambda: not self.running, f"{self.name} to end", timeout)

    def start(self, spec: AgentSpec | None = None) -> None:
        """Starts it again with its address and work directory, and with its flags, or those of ``spec`` from now on.

        What may have changed is up to ``--reconfiguration_policy``. Raises ``ClusterError`` if it is running, or if it
        refuses to start; then it still is what it was. Whether its tasks are simulated cannot change.
        """
        self.runner.call(self._start, spec)

    def reset(self) -> None:
        """Starts it with an empty work directory: a new agent at the old address. As ``start``."""
        self.runner.call(self._reset)

    def reboot(self) -> None:
        """Reboots its machine: nothing that ran there is left, all that it has on disk is. As ``start``."""
        self.runner.call(self._reboot)

    def pause(self) -> None:
        """Freezes it as by SIGSTOP; its executors go on. Raises ``ClusterError`` if it is not running."""
        self.runner.call(self._pause)

    def resume(self) -> None:
        """Lets it go on as by SIGCONT. Raises ``ClusterError`` if it is not running."""
        self.runner.call(self._resume)

    # In the turn

    def reserve(self, port: int) -> None:
        """Takes a port. An agent whose tasks are simulated only has its number until somebody asks for its URL."""
        if self.spec.simulated is None:
            super().reserve(port)

    def _listen(self) -> None:
        """Listens where this agent says that it does, if it does not yet."""
        if self.server is not None or self.stage.loop is None:
            return
        server = HttpServer(self.stage.loop, _nobody, self.stage.history, self.name)
        server.reserve(self.stage.ip, self.port)
        self.server = server
        if self._handler is not None:
            server.open(self._handler)
        if self._process is not None and self._process.lifeline.frozen:
            server.freeze()

    def begin(self, backoff: float | None) -> None:
        """Starts a life that tries to register after so many seconds; None leaves them to chance, as Mesos does."""
        if self._process is not None:
            raise ClusterError(f"{self.name} is running")
        stage = self.stage
        host = self.machine()
        self._lives += 1
        self._log = _open_log(self.flags, "mesos-agent", stage)
        self._reason = None
        flags = attrs.evolve(
            self.flags,
            ip=self.flags.ip or stage.host,
            port=self.port,
            hostname=self.flags.hostname or stage.host,
            advertise_ip=self.flags.advertise_ip or stage.host,
            master=(self._detector.leader() or "").partition("@")[2] or None,
            resources=self.spec.resources,
            attributes=self.spec.attributes or None,
            work_dir=str(host.work_dir) if host.work_dir is not None else self.flags.work_dir,
        )
        with ExitStack() as stack:
            if self._log is not None:
                stack.callback(self._log.close)
            agent = Agent(
                Endpoint(str(flags.hostname), stage.host, self.port),
                flags,
                resources=self._resources,
                attributes=self._attributes.to_messages(),
                host=host,
                actor=stage.actor,
                network=stage.network,
                detector=self._detector,
                rng=stage.chance(f"{self.name}/{self._lives}"),
                history=stage.history,
                on_end=self._ended,
                domain=flags.domain,
                estimator=self.spec.estimator,
                qos_controller=self.spec.qos_controller,
                log_file=self._log,
                metrics_limit=stage.metrics_limit,
                authorizers=stage.authorizers,
            )
            stack.pop_all()
        self._process = agent
        agent.start(backoff)
        if self._process is None:
            raise ClusterError(f"{self.name} ended at once: {self._reason}")
        self.answer(agent.http)
        self._open_executor_socket(agent)

    def _open_executor_socket(self, agent: Agent) -> None:
        if agent.executor_socket is not None and self.stage.loop is not None:
            agent.executor_socket.unlink(missing_ok=True)  # left behind by a cluster that was killed
            self._executor_server = HttpServer(
                self.stage.loop, agent.handle_executor_socket, self.stage.history, f"{self.name}, executors"
            )
            self._executor_server.open_unix(agent.executor_socket)

    def hang_up(self) -> None:
        """The process is gone, its connections break."""
        super().hang_up()
        if self._executor_server is not None:
            self._executor_server.close()
            self._executor_server = None

    def end(self) -> None:
        """Ends the life."""
        if self._process is not None:
            self._process.terminate()

    def close(self) -> None:
        """Ends the agent, and all that runs on its machine."""
        self.end()
        if self._host is not None:
            self._host.close()
        self.release()

    def machine(self) -> Host:
        """The machine, which is made when it is first needed."""
        if self._host is None:
            stage = self.stage
            simulated = self.spec.simulated
            directory = None
            if simulated is None and stage.work_dir is not None:
                directory = stage.work_dir / f"agent-{self.index}"
            self._host = Host(
                directory,
                actor=stage.actor,
                launcher=stage.processes if simulated is None else SimulatedLauncher(stage.actor, simulated),
                rng=stage.chance(f"{self.name}/machine"),
                environment=os.environ,
                prober=stage.prober,
                fetcher=stage.fetcher
                if directory is None
                else stage.fetcher.with_cache(
                    directory / "fetch",
                    self.flags.fetcher_cache_size,
                    Settings(self.flags.frameworks_home, self.flags.fetcher_stall_timeout),
                ),
                pace=stage.pace if simulated is None else INSTANT,
            )
        return self._host

    def _start(self, spec: AgentSpec | None) -> None:
        before = self.spec, self.flags
        if spec is not None and self._process is None:
            self._be(attrs.evolve(spec, simulated=self.spec.simulated), spec.flags or self.flags)
        try:
            self.begin(None)
        except ClusterError:
            self._be(*before)
            raise

    def _be(self, spec: AgentSpec, flags: AgentFlags) -> None:
        self._resources, self._attributes = spec.total(flags), spec.labels()
        self.spec, self.flags = spec, flags

    def _shut_down(self) -> None:
        if self._process is not None:
            self._process.shutdown()

    def _reset(self) -> None:
        if self._process is not None:
            raise ClusterError(f"{self.name} is running")
        self.machine().wipe()
        self.begin(None)

    def _reboot(self) -> None:
        if self._process is not None:
            raise ClusterError(f"{self.name} is running")
        self.machine().reboot()
        self.begin(None)

    def _pause(self) -> None:
        self._alive().freeze()
        for server in (self.server, self._executor_server):
            if server is not None:
                server.freeze()

    def _resume(self) -> None:
        self._alive().thaw()
        for server in (self.server, self._executor_server):
            if server is not None:
                server.thaw()

    def _alive(self) -> Agent:
        if self._process is None:
            raise ClusterError(f"{self.name} is not running")
        return self._process

    def _ended(self, reason: str | None) -> None:
        self._process = None
        self._reason = reason
        self.hang_up()
        _close_log(self._log)


def _open_log(flags: MasterFlags | AgentFlags, program: str, stage: Stage) -> LogFile | None:
    """A log for one life of a process, if its flags ask for one. Raises ``ClusterError``."""
    if flags.log_dir is None:
        return None
    try:
        return LogFile(
            Path(flags.log_dir), program, flags.hostname or stage.host, flags.logging_level, stage.actor.clock.time
        )
    except OSError as error:
        raise ClusterError(f"--log_dir '{flags.log_dir}' of {program}: {error}") from None


def _metrics_limit(text: str) -> Rate | None:
    """How often masters and agents answer ``/metrics/snapshot``; without a limit at once. Raises ``ClusterError``."""
    if not text:
        return None
    try:
        return Rate.parse(text)
    except (ValueError, ArithmeticError):
        expected = "(format is <number of requests>/<interval duration>)"
        raise ClusterError(f"Failed to parse {_METRICS_LIMIT} '{text}' {expected}") from None


def _close_log(log: LogFile | None) -> None:
    if log is not None:
        log.close()


def _nobody(_request: object, _responder: object) -> None:
    """Serves no one: a reserved port does not listen."""
