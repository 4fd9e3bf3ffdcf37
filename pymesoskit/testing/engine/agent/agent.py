"""One life of an agent's process: it joins the parts, recovers, registers, and ends.

``Agent`` is what the cluster holds. It is a ``Party`` of the network (masters speak to it there), has a handler for
HTTP, and is the ``AgentPort`` of its host. All of its rules are in the modules beside this one; what outlives it is in
``host.py``. Source: docs/reference/agent-executor.md, docs/reference/failover.md.
"""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from pymesoskit.resources import Resources, ResourcesError
from pymesoskit.testing.engine.agent import calls, draining, executors, operations, recovery, reports
from pymesoskit.testing.engine.agent.access import Access
from pymesoskit.testing.engine.agent.auth import ExecutorAuthenticator
from pymesoskit.testing.engine.agent.core import Core
from pymesoskit.testing.engine.agent.dispatch import ALWAYS, dispatch_of, from_master
from pymesoskit.testing.engine.agent.endpoints import AgentEndpoints
from pymesoskit.testing.engine.agent.limits import Limits
from pymesoskit.testing.engine.agent.oversubscription import Oversubscription, QosController, ResourceEstimator
from pymesoskit.testing.engine.agent.recovery import Found, IncompatibleAgent
from pymesoskit.testing.engine.agent.registration import Registration
from pymesoskit.testing.engine.agent.transitions import ExecutorState, Phase, PhaseCause
from pymesoskit.testing.engine.agent.updates import UpdateStreams
from pymesoskit.testing.engine.authorization import choose_authorizer
from pymesoskit.testing.engine.containers.environment import executor_socket
from pymesoskit.testing.engine.containers.sandboxes import Sandboxes
from pymesoskit.testing.engine.endpoints.files import FileRoots
from pymesoskit.testing.engine.http.authentication import load_credential
from pymesoskit.testing.engine.network.messages import ShutdownAgent, UnregisterAgent
from pymesoskit.testing.runtime.lifeline import Lifeline
from pymesoskit.testing.runtime.process_log import ProcessLog
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from pymesoskit.testing.engine.agent.container import Container
    from pymesoskit.testing.engine.agent.host import Host
    from pymesoskit.testing.engine.authorization import Authorizer
    from pymesoskit.testing.engine.flags.flags import AgentFlags
    from pymesoskit.testing.engine.http.handler import Request, Responder
    from pymesoskit.testing.engine.leadership import Leadership
    from pymesoskit.testing.engine.network.endpoint import Endpoint
    from pymesoskit.testing.engine.network.messages import Message
    from pymesoskit.testing.engine.network.network import Address, Network
    from pymesoskit.testing.runtime.actor import Actor
    from pymesoskit.testing.runtime.history import HistoryWriter
    from pymesoskit.testing.runtime.process_log import LogFile
    from pymesoskit.testing.runtime.units import Rate
    from pymesoskit.wire.v1 import executor as executor_v1

#: The name of an agent's process in its address and in its paths.
PROCESS = "slave(1)"


class Agent:
    """An agent's process. ``start`` it once; a restart is a new ``Agent`` on the same host.

    ``on_end`` is called once when the process has ended: with None after ``terminate``, else with the reason. Raises
    ``CredentialsError`` and ``AuthorizerError`` for flags that cannot be met.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        flags: AgentFlags,
        *,
        resources: Resources,
        attributes: Iterable[mesos.Attribute],
        host: Host,
        actor: Actor,
        network: Network,
        leadership: Leadership,
        rng: random.Random,
        history: HistoryWriter,
        on_end: Callable[[str | None], None],
        domain: mesos.DomainInfo | None = None,
        estimator: ResourceEstimator | None = None,
        qos_controller: QosController | None = None,
        log_file: LogFile | None = None,
        metrics_limit: Rate | None = None,
        authorizers: Mapping[str, Authorizer] = MappingProxyType({}),
    ) -> None:
        self.address: Address = f"{PROCESS}@{endpoint.authority}"
        self.lifeline: Lifeline = Lifeline(actor.clock)
        self._network = network
        self._on_end = on_end
        self._farewell = ""  # why it shuts down
        info = mesos.AgentInfo(hostname=endpoint.hostname, port=endpoint.port, attributes=attributes)
        info.resources.extend(resources.to_messages())
        if domain is not None:
            info.domain.CopyFrom(domain)
        self.core: Core
        self.core = core = Core(
            flags=flags,
            endpoint=endpoint,
            address=self.address,
            host=host,
            lifeline=self.lifeline,
            network=network,
            rng=rng,
            history=history,
            info=info,
            total=resources,
            start_time=actor.clock.time(),
            log=ProcessLog(self.lifeline.call_later, log_file),
            authenticator=ExecutorAuthenticator(flags),
            credential=load_credential(flags.credential) if flags.credential is not None else None,
            authorizer=choose_authorizer(flags.authorizer, flags.acls, authorizers),
            executor_socket=executor_socket(flags, host.work_dir),
        )
        access = Access(core)
        self._files = FileRoots()
        core.sandboxes = None if host.work_dir is None else _sandboxes(core, host.work_dir, self._files, access)
        core.status_updates = UpdateStreams(core.lifeline, partial(reports.forward, core))
        core.operation_updates = UpdateStreams(core.lifeline, partial(operations.forward, core))
        self._oversubscription = Oversubscription(core, estimator, qos_controller)
        self._registration = Registration(core, leadership)
        self._limits = Limits(core)
        self._endpoints = AgentEndpoints(core, PROCESS, self._files, access, metrics_limit)
        self._messages = dispatch_of(core, self._registration)
        self._messages.on(ShutdownAgent, from_master(core, ALWAYS, self._asked_to_shut_down))
        core.registered.connect(self._registered)
        core.master_lost.connect(self._master_lost)
        core.failed.connect(self._end)
        core.reported.connect(partial(executors.settle, core))
        core.emptied.connect(self._emptied)

    @property
    def agent_id(self) -> str:
        """The agent's id; "" before it has one."""
        return self.core.agent_id

    @property
    def executor_socket(self) -> Path | None:
        """Where executors expect a unix domain socket, which the cluster has to open; None unless the flags ask."""
        return self.core.executor_socket

    @property
    def phase(self) -> Phase:
        return self.core.phase

    @property
    def registered(self) -> bool:
        """Whether the agent is registered with a master."""
        return self.core.phase is Phase.RUNNING

    @property
    def recovered(self) -> bool:
        """Whether the agent has finished its recovery (it answers HTTP before)."""
        return self.core.phase is not Phase.RECOVERING

    # Its life

    def start(self, backoff: float | None = None) -> None:
        """Recovers what its machine holds, waits for executors that may come back, and registers.

        ``backoff``: seconds until the first attempt to register; None leaves it random, as in Mesos.
        """
        core = self.core
        self._registration.first_backoff = backoff
        work_dir = core.host.work_dir
        if work_dir is not None:
            (work_dir / "meta").mkdir(parents=True, exist_ok=True)
            (work_dir / "volumes").mkdir(exist_ok=True)
            self._files.share(work_dir / "volumes")
        self._network.attach(self.address, self)
        core.host.attach(self)
        try:
            found = recovery.run(core)
        except (IncompatibleAgent, ResourcesError) as error:
            self._end(str(error))
            return
        if core.sandboxes is not None:
            core.sandboxes.start()
        waits = bool(core.frameworks)  # for their executors, even if none of them lives
        cleans_up = core.flags.recover == "cleanup"
        if cleans_up:
            self._terminate("has cleaned up (--recover=cleanup)")
        for framework, executor in found.ended:
            executors.ended(core, framework, executor, None)
        recovery.reconnect(core, found)
        if cleans_up:
            for framework, executor in found.waiting:
                executors.shutdown(core, framework, executor)
            self._emptied()
        elif waits:
            timeout = core.flags.executor_reregistration_timeout
            self.lifeline.call_later(timeout, self._finish_recovery, found)
        else:
            self._finish_recovery(found)

    def _finish_recovery(self, found: Found) -> None:
        core = self.core
        if core.phase is not Phase.RECOVERING:
            return  # it was told to shut down meanwhile
        core.step(PhaseCause.RECOVER)
        core.host.agent_recovered(self)
        draining.go_on(core)
        self._registration.start()
        self._oversubscription.start()
        self._limits.start()
        for framework, executor in found.waiting:
            if executor.state is ExecutorState.REGISTERING:
                executors.never_reregistered(core, framework, executor)

    def terminate(self) -> None:
        """Ends as by SIGKILL: no message to anybody; its executors live on."""
        self._end(None)

    def freeze(self) -> None:
        """Stops as by SIGSTOP."""
        self.lifeline.freeze()
        self._network.freeze(self.address)

    def thaw(self) -> None:
        """Continues as by SIGCONT, with all that has been sent to it meanwhile."""
        self._network.thaw(self.address)
        self.lifeline.thaw()

    def shutdown(self) -> None:
        """Ends as by SIGUSR1: unregisters, shuts its executors down, and ends when they have ended."""
        core = self.core
        if core.phase in {Phase.RUNNING, Phase.DISCONNECTED} and core.info.HasField("id"):
            core.send(UnregisterAgent(core.agent_id))
        self._shut_down("unregisters and shuts down")

    def _asked_to_shut_down(self, _: Core, message: ShutdownAgent) -> None:
        self._shut_down(f"was asked to shut down: {message.message}")

    def _shut_down(self, why: str) -> None:
        core = self.core
        if core.phase in {Phase.TERMINATING, Phase.ENDED}:
            return
        core.note(why)
        self._registration.stop()
        self._terminate(why)
        for framework in list(core.frameworks.values()):
            executors.shutdown_framework(core, framework)
        self._emptied()

    def _terminate(self, why: str) -> None:
        self._farewell = why
        recovering = self.core.phase is Phase.RECOVERING
        self.core.step(PhaseCause.SHUT_DOWN)
        if recovering:
            self.core.host.agent_recovered(self)

    def _emptied(self, _: None = None) -> None:
        """Ends, or ends the drain, if nothing of any framework is left."""
        if self.core.frameworks:
            return
        if self.core.phase is Phase.TERMINATING:
            self._end(self._farewell)
        else:
            draining.check_done(self.core)

    def _end(self, reason: str | None) -> None:
        core = self.core
        if core.phase is Phase.ENDED:
            return
        core.note("ends" if reason is None else f"ends: {reason}")
        core.step(PhaseCause.END)
        self._registration.stop()
        self.lifeline.end()
        for _, executor in core.executors():
            if executor.connection is not None:
                executor.connection.abort()
        core.host.detach(self)
        self._network.detach(self.address)
        self._on_end(reason)

    def _registered(self, new: bool) -> None:
        core = self.core
        if new:
            recovery.checkpoint_agent(core)
        self._oversubscription.tell()
        reports.resume(core)
        core.operation_updates.resume()

    def _master_lost(self, _: None) -> None:
        self.core.status_updates.pause()
        self.core.operation_updates.pause()

    # What reaches it

    def http(self, request: Request, responder: Responder) -> None:
        """Serves its HTTP port."""
        self._endpoints.http(request, responder)

    def handle_executor_socket(self, request: Request, responder: Responder) -> None:
        """Serves the unix domain socket of executors (``executor_socket``)."""
        self._endpoints.executor_socket(request, responder)

    def paths(self) -> list[str]:
        """Returns the paths of its endpoints."""
        return self._endpoints.paths()

    def receive(self, sender: Address, message: Message) -> None:
        """Acts on a message (``Party``)."""
        if self.core.phase is not Phase.ENDED:
            self.core.log.write(f"receives {type(message).__name__} from {sender}", 1)
            self._messages(sender, message)

    def exited(self, peer: Address) -> None:
        """The master's process is gone; the agent waits for pings of another one (``Party``)."""
        self.core.note(f"lost its connection to {peer}")

    def executor_call(self, container: Container, call: executor_v1.Call) -> None:
        """Acts on the call of a built-in executor (``AgentPort``)."""
        self.lifeline.deliver(calls.builtin_call, self.core, container, call)


def _sandboxes(core: Core, work_dir: Path, files: FileRoots, access: Access) -> Sandboxes:
    assert core.host.remover is not None
    return Sandboxes(
        work_dir=work_dir,
        clock=core.lifeline,
        files=files,
        store=core.host.store,
        remover=core.host.remover,
        agent_id=lambda: core.agent_id,
        live=lambda: (executor.run for _, executor in core.executors()),
        enters=access.enters_sandbox,
        gc_delay=core.flags.gc_delay,
        headroom=core.flags.gc_disk_headroom,
        watch_interval=core.flags.disk_watch_interval,
    )
