"""An agent and its machine as the cluster holds them: its lives. Used in the cluster's turn only."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import attrs

from pymesoskit.testing.cluster.errors import ClusterError
from pymesoskit.testing.cluster.members import Member, close_log, open_log
from pymesoskit.testing.cluster.ports import own_ports
from pymesoskit.testing.engine.agent.agent import Agent
from pymesoskit.testing.engine.agent.host import Host
from pymesoskit.testing.engine.http.server import HttpServer
from pymesoskit.testing.engine.machine.fetcher import Settings
from pymesoskit.testing.engine.machine.pace import INSTANT
from pymesoskit.testing.engine.machine.simulated import SimulatedLauncher
from pymesoskit.testing.engine.network.endpoint import Endpoint

if TYPE_CHECKING:
    from pymesoskit.testing.cluster.members import Stage
    from pymesoskit.testing.cluster.specs import AgentSpec
    from pymesoskit.testing.engine.flags.flags import AgentFlags
    from pymesoskit.testing.engine.leadership import Leadership
    from pymesoskit.testing.runtime.process_log import LogFile


class AgentMember(Member):
    """An agent and its machine. Executors and their tasks live on the machine and outlive the agent's process."""

    def __init__(
        self,
        stage: Stage,
        index: int,
        spec: AgentSpec,
        flags: AgentFlags,
        *,
        ip: str,
        port: int,
        leadership: Leadership,
    ) -> None:
        super().__init__(stage, f"agent {index}", flags, ip, port)
        self.index: int = index
        self.spec: AgentSpec = spec
        self.flags: AgentFlags = flags
        self.process: Agent | None = None  # of this life
        self._ports = own_ports(index) if spec.finds_ports else None
        self._resources = spec.total(flags, stage.work_dir, self._ports)
        self._attributes = spec.labels()
        self._leadership = leadership
        self._log: LogFile | None = None  # of this life
        self._lives = 0
        self._reason: str | None = None  # why the last life ended
        self._host: Host | None = None
        self._executor_server: HttpServer | None = None  # on the unix domain socket, if the flags ask for one

    @property
    def hostname(self) -> str:
        return self.flags.hostname or self.advertised_ip

    @property
    def process_address(self) -> str:
        """Its address on the cluster's network, ``slave(1)@ip:port``."""
        return f"slave(1)@{self.advertised_address}"

    def reserve(self, port: int) -> None:
        """Takes the port. An agent whose tasks are simulated does not listen before somebody asks for its URL."""
        if self.spec.simulated is None:
            super().reserve(port)

    def listen(self) -> None:
        """Listens, if it does not yet. Raises ``ListenError``."""
        if self.server is not None or self.stage.loop is None:
            return
        server = self.new_server(self.stage.loop)
        server.reserve(self.ip, self.port)
        self.server: HttpServer | None = server
        if self.handler is not None:
            server.open(self.handler)
        if self.process is not None and self.process.lifeline.frozen:
            server.freeze()

    def begin(self, backoff: float | None) -> None:
        """Starts a life that registers after ``backoff`` seconds; None is a random time, as in Mesos."""
        if self.process is not None:
            raise ClusterError(f"{self.name} is running")
        stage = self.stage
        host = self.machine()
        self._lives += 1
        self._log = open_log(self.flags, "mesos-agent", self.hostname, stage)
        self._reason = None
        leader = self._leadership.leader()
        flags = attrs.evolve(
            self.flags,
            ip=self.ip,
            port=self.port,
            hostname=self.hostname,
            advertise_ip=self.advertised_ip,
            master=leader.pid.partition("@")[2] if leader is not None else None,
            resources=self.spec.resources,
            attributes=self.spec.attributes or None,
            work_dir=str(host.work_dir) if host.work_dir is not None else self.flags.work_dir,
        )
        with ExitStack() as stack:
            if self._log is not None:
                stack.callback(self._log.close)
            agent = Agent(
                Endpoint(self.hostname, self.advertised_ip, self.advertised_port),
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
        self.process = agent
        agent.start(backoff)
        if self.process is None:
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
        super().hang_up()
        if self._executor_server is not None:
            self._executor_server.close()
            self._executor_server = None

    def end(self) -> None:
        """Ends the life."""
        if self.process is not None:
            self.process.terminate()

    def reset_connections(self) -> None:
        """Breaks all its HTTP connections with RST."""
        for server in (self.server, self._executor_server):
            if server is not None:
                server.reset_connections()

    def close(self) -> None:
        """Ends the agent and everything that runs on its machine."""
        self.end()
        if self._host is not None:
            self._host.close()
        self.release()

    def machine(self) -> Host:
        """Returns the machine. It is made when it is first needed."""
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

    def start(self, spec: AgentSpec | None) -> None:
        """Starts a life, with another ``spec`` from now on if one is given. Raises ``ClusterError``."""
        before = self.spec, self.flags
        if spec is not None and self.process is None:
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
        self.spec = spec
        self.flags = flags

    def shut_down(self) -> None:
        """Begins to shut down, as by SIGUSR1."""
        if self.process is not None:
            self.process.shutdown()

    def reset(self) -> None:
        """Starts a life with an empty work directory. Raises ``ClusterError`` if it is running."""
        if self.process is not None:
            raise ClusterError(f"{self.name} is running")
        self.machine().wipe()
        self.begin(None)

    def reboot(self) -> None:
        """Ends all that runs on the machine, then starts a life. Raises ``ClusterError`` if it is running."""
        if self.process is not None:
            raise ClusterError(f"{self.name} is running")
        self.machine().reboot()
        self.begin(None)

    def pause(self) -> None:
        """Freezes the process and its connections. Raises ``ClusterError`` if it is not running."""
        self._alive().freeze()
        for server in (self.server, self._executor_server):
            if server is not None:
                server.freeze()

    def resume(self) -> None:
        """Lets it go on. Raises ``ClusterError`` if it is not running."""
        try:
            self._alive().thaw()
        finally:
            for server in (self.server, self._executor_server):
                if server is not None:
                    server.thaw()

    def _alive(self) -> Agent:
        if self.process is None:
            raise ClusterError(f"{self.name} is not running")
        return self.process

    def _ended(self, reason: str | None) -> None:
        self.process = None
        self._reason = reason
        self.hang_up()
        close_log(self._log)
