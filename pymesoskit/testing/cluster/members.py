"""What the processes of a cluster are as its façade holds them: a member has an address, and lives.

A member outlives the process: it keeps its address, flags, work directory and registry, and starts another life of it.
The commands are those of an operator with a shell: kill, term, shutdown, start, reset, pause, resume. What is a
master's is in ``cluster_master.py``, what is an agent's in ``cluster_agent.py``.
Source: tests/conformance/README.md, "Control".
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

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
    from collections.abc import Callable, Mapping

    from pymesoskit.testing.engine.authorization import Authorizer
    from pymesoskit.testing.engine.flags.flags import AgentFlags, MasterFlags
    from pymesoskit.testing.engine.http.handler import Handler
    from pymesoskit.testing.runtime.actor import Actor, ThreadActor
    from pymesoskit.testing.runtime.history import History

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
        self.host: str = "127.0.0.1" if ip in {"0.0.0.0", "::"} else ip  # noqa: S104 (where they say that they are)
        self.loop = loop  # None: nobody listens
        self.work_dir = work_dir  # None: nothing is kept on disk
        self.authorizers = authorizers  # by the names that flags may give
        self.pace = INSTANT
        self.pages: WebPages = WebPages()
        self.metrics_limit: Rate | None = _metrics_limit(os.environ.get(_METRICS_LIMIT, ""))
        self.network: Network = Network(actor)
        self.processes: ProcessLauncher = ProcessLauncher(actor)
        self.prober: NetworkProber = NetworkProber(actor)
        self.fetcher: ThreadFetcher = ThreadFetcher(actor)

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
            self.server = self.new_server(self.stage.loop)
            self._port = self.server.reserve(self.stage.ip, port)

    def new_server(self, loop: ThreadActor) -> HttpServer:
        """Returns a server for its address, which knows the web pages that the cluster lets in."""
        stage, hostname = self.stage, self.hostname
        names = (hostname,) if hostname is not None else ()
        return HttpServer(loop, nobody, stage.history, self.name, pages=stage.pages, names=names)

    @property
    def hostname(self) -> str | None:
        """The host name that its flags give it."""
        return None

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


def open_log(flags: MasterFlags | AgentFlags, program: str, stage: Stage) -> LogFile | None:
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


def close_log(log: LogFile | None) -> None:
    if log is not None:
        log.close()


def nobody(_request: object, _responder: object) -> None:
    """Serves no one: a reserved port does not listen."""
