"""The members of a cluster, used in the cluster's turn only: what masters and agents have in common.

A member outlives its process: it keeps its address, flags, work directory and registry, and starts another life of the
process. ``masters.py`` and ``agents.py`` add what differs; tests hold handles (``handles.py``), whose methods take the
turn.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TYPE_CHECKING

from pymesoskit.testing.cluster.addresses import advertised, check_ip, netloc
from pymesoskit.testing.cluster.errors import ClusterError
from pymesoskit.testing.cluster.traffic import Traffic
from pymesoskit.testing.engine.http.server import HttpServer
from pymesoskit.testing.engine.http.web_pages import WebPages
from pymesoskit.testing.engine.machine.fetcher import ThreadFetcher
from pymesoskit.testing.engine.machine.pace import INSTANT
from pymesoskit.testing.engine.machine.prober import NetworkProber
from pymesoskit.testing.engine.machine.process import ProcessLauncher
from pymesoskit.testing.engine.network.network import Network
from pymesoskit.testing.runtime.process_log import LogFile
from pymesoskit.testing.runtime.units import Rate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymesoskit.testing.engine.authorization import Authorizer
    from pymesoskit.testing.engine.flags.flags import AgentFlags, MasterFlags
    from pymesoskit.testing.engine.http.handler import Handler
    from pymesoskit.testing.runtime.actor import Actor, ThreadActor
    from pymesoskit.testing.runtime.history import History

#: The variable of the environment that limits how often libprocess answers.
_METRICS_LIMIT = "LIBPROCESS_METRICS_SNAPSHOT_ENDPOINT_RATE_LIMIT"


class Stage:
    """What all members of a cluster share."""

    def __init__(
        self,
        actor: Actor,
        history: History,
        *,
        seed: int,
        bind: str,
        loop: ThreadActor | None,
        work_dir: Path | None,
        authorizers: Mapping[str, Authorizer],
    ) -> None:
        self.actor = actor
        self.history = history
        self.seed = seed
        self.bind = bind  # where they listen, unless their flags say otherwise
        self.loop = loop  # None: there are no sockets
        self.work_dir = work_dir  # None: nothing is kept on disk
        self.authorizers = authorizers  # by the names that flags may give
        self.pace = INSTANT
        self.pages: WebPages = WebPages()
        self.metrics_limit: Rate | None = _metrics_limit(os.environ.get(_METRICS_LIMIT, ""))
        self.network: Network = Network(actor, history.journal)
        self.processes: ProcessLauncher = ProcessLauncher(actor)
        self.prober: NetworkProber = NetworkProber(actor)
        self.fetcher: ThreadFetcher = ThreadFetcher(actor)

    def chance(self, name: str) -> random.Random:
        """Returns a generator for one member and life, so that its random numbers do not depend on the others'."""
        return random.Random(f"{self.seed}/{name}")  # noqa: S311

    def close(self) -> None:
        """Ends all processes and threads."""
        self.processes.close()
        self.prober.close()
        self.fetcher.close()


class Member:
    """A master or an agent: an address, and the HTTP handler of its process while that runs."""

    def __init__(self, stage: Stage, name: str, flags: MasterFlags | AgentFlags, ip: str, port: int) -> None:
        self.stage = stage
        self.name = name
        self.ip = ip  # where it listens
        self.host: str = advertised(ip)  # where others reach it
        self.port: int = flags.port or port  # the same for all its lives
        self.server: HttpServer | None = None
        self.handler: Handler | None = None  # None: nothing answers requests now
        self._advertised_ip = check_ip(flags.advertise_ip, "the flag 'advertise_ip'") if flags.advertise_ip else None
        self._advertised_port = flags.advertise_port

    @property
    def address(self) -> str:
        """``ip:port`` at which it answers HTTP."""
        return netloc(self.host, self.port)

    @property
    def advertised_ip(self) -> str:
        """The IP that it tells others, ``advertise_ip`` of its flags or its own."""
        return self._advertised_ip or self.host

    @property
    def advertised_port(self) -> int:
        """The port that it tells others, ``advertise_port`` of its flags or its own."""
        return self._advertised_port or self.port

    @property
    def advertised_address(self) -> str:
        """``ip:port`` that it tells others."""
        return netloc(self.advertised_ip, self.advertised_port)

    def serves(self, host: str, port: int) -> bool:
        """Whether a client that connects to this host and port reaches it."""
        return port == self.port and host in {self.ip, self.host, self.hostname, "localhost"}

    @property
    def process_address(self) -> str:
        """Its address on the cluster's network, ``NAME@ip:port``."""
        raise NotImplementedError

    @property
    def hostname(self) -> str:
        """Its host name, ``hostname`` of its flags or its address."""
        return self.host

    def reserve(self, port: int) -> None:
        """Takes the port of its flags, or else ``port`` (0: any free one). Raises ``ListenError``."""
        if self.stage.loop is not None:
            self.server = self.new_server(self.stage.loop)
            self.port = self.server.reserve(self.ip, port)

    def new_server(self, loop: ThreadActor) -> HttpServer:
        """Returns a server for its address, which knows the web pages that the cluster lets in."""
        stage = self.stage
        return HttpServer(loop, nobody, stage.history, self.name, pages=stage.pages, names=(self.hostname,))

    def answer(self, handler: Handler) -> None:
        """Answers requests with ``handler`` from now on."""
        self.handler = Traffic(self.name, handler, self.stage.history.journal, self.stage.actor.clock)
        if self.server is not None:
            self.server.open(self.handler)

    def hang_up(self) -> None:
        """Breaks all connections: the process has ended."""
        self.handler = None
        if self.server is not None:
            self.server.close()

    def release(self) -> None:
        """Gives up the port."""
        self.handler = None
        if self.server is not None:
            self.server.release()


def open_log(flags: MasterFlags | AgentFlags, program: str, hostname: str, stage: Stage) -> LogFile | None:
    """Opens the log for one life of a process, if its flags ask for one. Raises ``ClusterError``."""
    if flags.log_dir is None:
        return None
    try:
        return LogFile(Path(flags.log_dir), program, hostname, flags.logging_level, stage.actor.clock.time)
    except OSError as error:
        raise ClusterError(f"--log_dir '{flags.log_dir}' of {program}: {error}") from None


def _metrics_limit(text: str) -> Rate | None:
    """Reads how often ``/metrics/snapshot`` is answered; None is no limit. Raises ``ClusterError``."""
    if not text:
        return None
    try:
        return Rate.parse(text)
    except (ValueError, ArithmeticError):
        expected = "(format is <number of requests>/<interval duration>)"
        raise ClusterError(f"Failed to parse {_METRICS_LIMIT} '{text}' {expected}") from None


def close_log(log: LogFile | None) -> None:
    """Closes the log of a life that has ended."""
    if log is not None:
        log.close()


def nobody(_request: object, _responder: object) -> None:
    """Answers nothing: the handler of a port that is reserved and not listened on."""
