"""A master as the cluster holds it: its lives, and which master leads. Used in the cluster's turn only.

Source: docs/reference/failover.md.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import attrs
from attrs import frozen

from pymesoskit.testing.cluster.election import FROZEN
from pymesoskit.testing.cluster.errors import ClusterError
from pymesoskit.testing.cluster.members import Member, close_log, open_log
from pymesoskit.testing.engine.master.master import Master
from pymesoskit.testing.engine.master.registry import Registry
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.allocator import AllocatorFactory
    from pymesoskit.testing.cluster.election import Election, Session
    from pymesoskit.testing.cluster.members import Stage
    from pymesoskit.testing.engine.flags.flags import MasterFlags
    from pymesoskit.testing.runtime.process_log import LogFile


@frozen
class Quorum:
    """What the masters of a cluster have in common."""

    registry: Registry
    election: Election | None  # None: there is one master, which leads
    allocator: AllocatorFactory  # makes each life's allocation policy


class MasterMember(Member):
    """A master. Its registry outlives it."""

    def __init__(self, stage: Stage, name: str, flags: MasterFlags, *, ip: str, port: int, quorum: Quorum) -> None:
        super().__init__(stage, name, flags, ip, port)
        self.flags = flags
        self.quorum = quorum
        self.process: Master | None = None  # of this life
        self.reason: str = ""  # why the last life ended, if it did so by itself
        self._session: Session | None = None  # with the election, if there is one
        self._log: LogFile | None = None  # of this life
        self.lives: int = 0  # that have begun

    @property
    def hostname(self) -> str:
        return self.flags.hostname or self.advertised_ip

    @property
    def frozen(self) -> bool:
        """Whether its process is frozen."""
        return self.process is not None and self.process.core.lifeline.frozen

    @property
    def process_address(self) -> str:
        """Its address on the cluster's network, ``master@ip:port``."""
        return f"master@{self.advertised_address}"

    @property
    def leads(self) -> bool:
        """Whether it runs and is the leading master; one that is frozen or cut off leads until another is elected."""
        election = self.quorum.election
        if self.process is None or election is None:
            return self.process is not None
        leader = election.leader()
        return leader is not None and leader.id == self.process.id

    def alive(self) -> Master:
        """Returns the process. Raises ``ClusterError`` while it is not running."""
        if self.process is None:
            raise ClusterError(f"the {self.name} is not running")
        return self.process

    def begin(self) -> None:
        """Starts a life. Raises ``ClusterError`` if it is running."""
        if self.process is not None:
            raise ClusterError(f"the {self.name} is running")
        stage = self.stage
        self.lives += 1
        self.reason = ""
        self._log = open_log(self.flags, "mesos-master", self.hostname, stage)
        flags = attrs.evolve(
            self.flags,
            ip=self.ip,
            port=self.port,
            hostname=self.hostname,
            advertise_ip=self.advertised_ip,
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
                rng=stage.chance(f"{self.name}/{self.lives}"),
                registry=self._registry(),
                allocator=self.quorum.allocator,
                history=stage.history,
                hostname=self.hostname,
                ip=self.advertised_ip,
                port=self.advertised_port,
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
        """Returns the registry that all lives of all masters share; with --registry=in_memory, one for this life."""
        shared = self.quorum.registry
        return Registry(storage=shared.storage) if self.flags.registry == "in_memory" else shared

    def reset_connections(self) -> None:
        """Breaks all its HTTP connections with RST."""
        if self.server is not None:
            self.server.reset_connections()

    def end(self) -> None:
        """Ends the life."""
        if self.process is not None:
            self.process.terminate()

    def cut_off(self, reason: str) -> None:
        """Cuts its session with the election, for a reason that ``rejoin`` takes back."""
        if self._session is not None:
            self._session.silence(reason)

    def rejoin(self, reason: str) -> None:
        """Takes a reason of ``cut_off`` back."""
        if self._session is not None:
            self._session.speak(reason)

    def pause(self) -> None:
        """Freezes the process, its connections and its session. Raises ``ClusterError`` if it is not running."""
        self.alive().freeze()
        if self.server is not None:
            self.server.freeze()
        self.cut_off(FROZEN)

    def resume(self) -> None:
        """Lets it go on. Raises ``ClusterError`` if it is not running."""
        self.alive()
        self.rejoin(FROZEN)  # at first: a master that does not lead any more does nothing of what it has missed
        if self.process is None:
            return
        try:
            self.process.thaw()
        finally:
            if self.server is not None:
                self.server.thaw()

    def _ended(self, reason: str) -> None:
        self.process = None
        self.reason = reason
        self.hang_up()
        close_log(self._log)
        session, self._session = self._session, None
        if session is not None:
            session.end()


class OnlyMaster:
    """The ``Leadership`` of a cluster with one master: it always leads, and agents do not notice its restarts."""

    def __init__(self, master: MasterMember) -> None:
        self._master = master

    def leader(self) -> mesos.MasterInfo:
        """Returns the master as agents need it: its address, whose port is known once it is reserved."""
        return mesos.MasterInfo(pid=self._master.process_address)

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:  # noqa: ARG002 (nothing ever changes)
        """Returns a function that does nothing: ``changed`` is never called."""
        return lambda: None
