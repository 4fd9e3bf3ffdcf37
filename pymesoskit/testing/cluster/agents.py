"""An agent and its machine as the cluster holds them: what it has, and its lives."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import attrs
from attrs import frozen

from pymesoskit.resources import Attributes, Resources, ResourcesError, parse_attributes
from pymesoskit.testing.cluster.members import ClusterError, Member, close_log, open_log
from pymesoskit.testing.cluster.ports import AUTO_PORTS, own_ports, usual_ports
from pymesoskit.testing.engine.agent.agent import Agent
from pymesoskit.testing.engine.agent.host import Host
from pymesoskit.testing.engine.flags.flags import AgentFlags
from pymesoskit.testing.engine.http.server import HttpServer
from pymesoskit.testing.engine.machine.fetcher import Settings
from pymesoskit.testing.engine.machine.pace import INSTANT
from pymesoskit.testing.engine.machine.simulated import Outcomes, SimulatedLauncher
from pymesoskit.testing.engine.network.endpoint import Endpoint
from pymesoskit.testing.runtime.system import detected

if TYPE_CHECKING:
    from pathlib import Path

    from pymesoskit.testing.cluster.members import Runner, Stage
    from pymesoskit.testing.engine.agent.oversubscription import QosController, ResourceEstimator
    from pymesoskit.testing.engine.leadership import Leadership
    from pymesoskit.testing.runtime.process_log import LogFile

#: Among an agent's resources: it finds out what it is not told.
AUTO = "auto"


@frozen
class AgentSpec:
    """What an agent has. Texts are Mesos's; ``simulated`` lets its tasks only pretend to run.

    It has the resources that it is told of, on every machine the same. With ``auto`` among them (``auto;cpus:2``) it
    finds out, as a real one does, what it is not told: cpus, mem, disk and ports. ``ports:auto`` is a range of free
    ports that no other agent of the cluster has, for the first agent within ``[31000-32000]``; agents whose tasks are
    simulated all have exactly that range.
    """

    resources: str = "cpus:4;mem:4096;disk:10000;ports:auto"
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

    @property
    def finds_ports(self) -> bool:
        """Whether it has ports of its own: its tasks are real, and it is not told which ports it has."""
        tokens = {token.strip() for token in self.resources.split(";")}
        told = any(token.startswith("ports") and token != AUTO_PORTS for token in tokens)
        return self.simulated is None and (AUTO_PORTS in tokens or (AUTO in tokens and not told))

    def total(self, flags: AgentFlags, work_dir: Path | None = None, ports: str | None = None) -> Resources:
        """The resources; ``ports`` are those that it has found. Raises ``ClusterError`` for text that is none."""
        ports = f"ports:{usual_ports() if ports is None else ports}"
        tokens = [ports if token.strip() == AUTO_PORTS else token.strip() for token in self.resources.split(";")]
        text = ";".join(tokens)
        if AUTO in tokens:
            told = [token for token in tokens if token not in {AUTO, ""}]
            names = {token.partition(":")[0].partition("(")[0].strip() for token in told}
            found = detected({*names, "ports"}, work_dir)
            text = ";".join([*told, *([found] if found else []), *([] if "ports" in names else [ports])])
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
        leadership: Leadership,
    ) -> None:
        super().__init__(stage, runner, f"agent {index}", port)
        self.index = index
        self.spec: AgentSpec = spec
        self.flags: AgentFlags = flags
        self._ports = own_ports(index) if spec.finds_ports else None
        self._resources = spec.total(flags, stage.work_dir, self._ports)
        self._attributes = spec.labels()
        self._leadership = leadership
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
    def hostname(self) -> str | None:
        """The host name that its flags give it."""
        return self.flags.hostname

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
        server = self.new_server(self.stage.loop)
        server.reserve(self.stage.ip, self.port)
        self.server: HttpServer | None = server
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
        self._log = open_log(self.flags, "mesos-agent", stage)
        self._reason = None
        leader = self._leadership.leader()
        flags = attrs.evolve(
            self.flags,
            ip=self.flags.ip or stage.host,
            port=self.port,
            hostname=self.flags.hostname or stage.host,
            advertise_ip=self.flags.advertise_ip or stage.host,
            master=leader.pid.partition("@")[2] if leader is not None else None,
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
                leadership=self._leadership,
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
        if spec.finds_ports and self._ports is None:
            self._ports = own_ports(self.index)
        self._resources, self._attributes = spec.total(flags, ports=self._ports), spec.labels()
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
        close_log(self._log)
