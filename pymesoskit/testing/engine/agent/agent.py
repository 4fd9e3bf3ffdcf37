"""One life of an agent's process: it puts the parts together and hands each message and request to the right one.

What the parts do stands in their modules; what outlives this is the machine's (``host.py``). Source:
docs/reference/agent-executor.md, docs/reference/failover.md.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pymesoskit.resources import Resources, ResourcesError
from pymesoskit.testing.engine.agent.access import Access
from pymesoskit.testing.engine.agent.auth import ExecutorAuthenticator, agent_gate, guarded
from pymesoskit.testing.engine.agent.container_api import ContainerApi
from pymesoskit.testing.engine.agent.core import Core
from pymesoskit.testing.engine.agent.draining import Draining
from pymesoskit.testing.engine.agent.executor_api import ExecutorApi
from pymesoskit.testing.engine.agent.executors import BuiltinConnection, Executors
from pymesoskit.testing.engine.agent.launch import Launching
from pymesoskit.testing.engine.agent.legacy import Legacy
from pymesoskit.testing.engine.agent.limits import Limits
from pymesoskit.testing.engine.agent.metrics import snapshot
from pymesoskit.testing.engine.agent.operations import Operations
from pymesoskit.testing.engine.agent.operator_api import OperatorApi
from pymesoskit.testing.engine.agent.oversubscription import Oversubscription, QosController, ResourceEstimator
from pymesoskit.testing.engine.agent.recovery import Found, IncompatibleAgent, Recovery
from pymesoskit.testing.engine.agent.registration import Registration
from pymesoskit.testing.engine.agent.state import ExecutorState, Phase
from pymesoskit.testing.engine.authorization import Action, choose_authorizer
from pymesoskit.testing.engine.containers.environment import executor_socket
from pymesoskit.testing.engine.containers.sandboxes import Sandboxes
from pymesoskit.testing.engine.endpoints.files import FileRoots, routes
from pymesoskit.testing.engine.endpoints.metrics import MetricsEndpoint
from pymesoskit.testing.engine.http.authentication import load_credential
from pymesoskit.testing.engine.http.handler import Response
from pymesoskit.testing.engine.http.v1 import Router
from pymesoskit.testing.engine.network.messages import (
    AgentRegistered,
    AgentReregistered,
    ApplyOperation,
    AskForOperations,
    DrainAgent,
    FrameworkToExecutor,
    KillTask,
    Message,
    OperationStatusAcknowledgement,
    PingAgent,
    ReconcileOperations,
    RunTask,
    RunTaskGroup,
    ShutdownAgent,
    ShutdownExecutor,
    ShutdownFramework,
    StatusUpdateAcknowledgement,
    UnregisterAgent,
    UpdateFramework,
)
from pymesoskit.testing.runtime.lifeline import Lifeline
from pymesoskit.testing.runtime.process_log import ProcessLog
from pymesoskit.testing.runtime.rate_limiter import RateLimiter
from pymesoskit.wire.v1 import executor as executor_v1
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping

    from pymesoskit.testing.engine.agent.host import Container, Host
    from pymesoskit.testing.engine.authorization import Authorizer
    from pymesoskit.testing.engine.flags.flags import AgentFlags
    from pymesoskit.testing.engine.http.handler import Request, Responder
    from pymesoskit.testing.engine.http.v1 import RequestHandler
    from pymesoskit.testing.engine.leadership import Leadership
    from pymesoskit.testing.engine.network.endpoint import Endpoint
    from pymesoskit.testing.engine.network.network import Address, Network
    from pymesoskit.testing.runtime.actor import Actor
    from pymesoskit.testing.runtime.history import HistoryWriter
    from pymesoskit.testing.runtime.process_log import LogFile
    from pymesoskit.testing.runtime.units import Rate

#: The name of an agent's process in its address and in its paths.
PROCESS = "slave(1)"


#: Messages that are dropped in other phases than these.
HEEDED_IN: dict[type[Any], frozenset[Phase]] = {
    RunTask: frozenset({Phase.RUNNING, Phase.DISCONNECTED}),
    RunTaskGroup: frozenset({Phase.RUNNING, Phase.DISCONNECTED}),
    KillTask: frozenset({Phase.RUNNING, Phase.DISCONNECTED}),
    StatusUpdateAcknowledgement: frozenset({Phase.RUNNING}),
    FrameworkToExecutor: frozenset({Phase.RUNNING}),
    UpdateFramework: frozenset({Phase.RUNNING}),
    ShutdownFramework: frozenset({Phase.RUNNING, Phase.TERMINATING}),
    ShutdownExecutor: frozenset({Phase.RUNNING, Phase.TERMINATING}),
}


class Agent:
    """See the module's text, and ``pymesoskit.testing.engine.agent`` for how it is used."""

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
        self.lifeline = Lifeline(actor.clock)
        self._actor = actor
        self._network = network
        self._on_end = on_end
        self._farewell = ""  # why it shuts down
        info = mesos.AgentInfo(hostname=endpoint.hostname, port=endpoint.port, attributes=attributes)
        info.resources.extend(resources.to_messages())
        if domain is not None:
            info.domain.CopyFrom(domain)
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
            credential=load_credential(flags.credential) if flags.credential is not None else None,
            authorizer=choose_authorizer(flags.authorizer, flags.acls, authorizers),
        )
        access = Access(core)
        self._files = FileRoots()
        log = flags.external_log_file or core.log.path
        if log is not None:
            self._files.attach("/slave/log", Path(log).resolve(), lambda who: who.allows(Action.ACCESS_MESOS_LOG))
        self._sandboxes = None if host.work_dir is None else self._make_sandboxes(host.work_dir, access)
        core.executor_socket = executor_socket(flags, host.work_dir)
        authenticator = ExecutorAuthenticator(flags)
        self._executors = Executors(core, self._sandboxes, authenticator, self._idle)
        self._reports = self._executors.reports
        self._launching = Launching(core, self._executors)
        self._operations = Operations(core)
        self._draining = Draining(core, self._launching)
        self._oversubscription = Oversubscription(core, self._executors, estimator, qos_controller)
        self._recovery = Recovery(core, self._executors, self._operations)
        self._registration = Registration(
            core, leadership, connected=self._connected, disconnected=self._disconnected, ended=self._end
        )
        self._limits = Limits(core, host.meter, self._executors.kill)
        self._executor_api = ExecutorApi(core, self._executors, authenticator)
        self._operator_api = OperatorApi(core, self._reports, self._files, ContainerApi(core), access)
        self._gate = agent_gate(flags, authenticator, core)
        later = self.lifeline.call_later
        limiter = RateLimiter(partial(later, 0.0), later, metrics_limit) if metrics_limit is not None else None
        self._metrics = MetricsEndpoint(lambda: snapshot(core), limiter)
        of_executors: dict[str, RequestHandler] = {"/api/v1/executor": self._executor_api.handle}
        answers = {**Legacy(core, self._reports, access).routes(), **routes(self._files)}
        served = {"/api/v1": self._serve_operator, "/metrics/snapshot": self._serve_metrics}
        self._router = Router(PROCESS, {**served, **of_executors, **guarded(self._gate, answers)})
        self._executor_socket_router = Router(PROCESS, {"/api/v1": self._serve_unasked, **of_executors})
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            RunTask: self._launching.run_task,
            RunTaskGroup: self._launching.run_group,
            KillTask: self._launching.kill,
            StatusUpdateAcknowledgement: self._reports.acknowledge,
            ShutdownFramework: self._shutdown_framework,
            ShutdownExecutor: self._shutdown_executor,
            FrameworkToExecutor: self._message_to_executor,
            UpdateFramework: self._update_framework,
            ApplyOperation: self._operations.apply,
            OperationStatusAcknowledgement: self._operation_acknowledged,
            ReconcileOperations: self._operations.reconcile,
            AskForOperations: self._operations.answer,
            DrainAgent: self._draining.drain,
            ShutdownAgent: self._asked_to_shut_down,
        }

    def _make_sandboxes(self, work_dir: Path, access: Access) -> Sandboxes:
        core = self.core
        assert core.host.remover is not None
        sandboxes = Sandboxes(
            work_dir=work_dir,
            clock=self.lifeline,
            files=self._files,
            store=core.host.store,
            remover=core.host.remover,
            agent_id=lambda: core.agent_id,
            live=lambda: (executor.run for _, executor in core.executors()),
            enters=access.enters_sandbox,
            gc_delay=core.flags.gc_delay,
            headroom=core.flags.gc_disk_headroom,
            watch_interval=core.flags.disk_watch_interval,
        )
        core.removals = sandboxes.removals
        return sandboxes

    @property
    def agent_id(self) -> str:
        """Its id; "" before it has one."""
        return self.core.agent_id

    @property
    def executor_socket(self) -> Path | None:
        """Where executors expect a unix domain socket; whoever opens sockets opens it. None unless the flags ask."""
        return self.core.executor_socket

    @property
    def phase(self) -> Phase:
        return self.core.phase

    @property
    def registered(self) -> bool:
        """Whether a master has taken it in."""
        return self.core.phase is Phase.RUNNING

    @property
    def recovered(self) -> bool:
        """Whether it has found what was there before it started (it answers HTTP before)."""
        return self.core.phase is not Phase.RECOVERING

    # Its life

    def start(self, backoff: float | None = None) -> None:
        """Recovers what its machine holds, waits for executors that may come back, registers.

        ``backoff``: the seconds until its first attempt to register; None leaves them to chance, as Mesos does.
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
            found = self._recovery.run()
        except (IncompatibleAgent, ResourcesError) as error:
            self._end(str(error))
            return
        if self._sandboxes is not None:
            self._sandboxes.start()
        waits = bool(core.frameworks)  # for their executors, even if none of them lives
        cleans_up = core.flags.recover == "cleanup"
        if cleans_up:
            core.phase = Phase.TERMINATING
            self._farewell = "has cleaned up (--recover=cleanup)"
        for framework, executor in found.ended:
            self._executors.ended(framework, executor, None)
        self._recovery.reconnect(found)
        if cleans_up:
            for framework, executor in found.waiting:
                self._executors.shutdown(framework, executor)
            self._idle()
        elif waits:
            timeout = core.flags.executor_reregistration_timeout
            self.lifeline.call_later(timeout, self._finish_recovery, found)
        else:
            self._finish_recovery(found)

    def _finish_recovery(self, found: Found) -> None:
        if self.core.phase is not Phase.RECOVERING:
            return  # it was told to shut down meanwhile
        self.core.phase = Phase.DISCONNECTED
        self.core.host.agent_recovered(self)
        self._draining.go_on()
        self._registration.start()
        self._oversubscription.start()
        self._limits.start()
        for framework, executor in found.waiting:
            if executor.state is ExecutorState.REGISTERING:
                self._executors.never_reregistered(framework, executor)

    def terminate(self) -> None:
        """Ends as by SIGKILL: no word to anybody; its executors live on."""
        self._end(None)

    def freeze(self) -> None:
        """Stands still as by SIGSTOP."""
        self.lifeline.freeze()
        self._network.freeze(self.address)

    def thaw(self) -> None:
        """Goes on as by SIGCONT, with all that has been sent to it meanwhile."""
        self._network.thaw(self.address)
        self.lifeline.thaw()

    def shutdown(self) -> None:
        """Ends as by SIGUSR1: unregisters, shuts its executors down, and ends when they have."""
        core = self.core
        if core.phase in {Phase.RUNNING, Phase.DISCONNECTED} and core.info.HasField("id"):
            core.send(UnregisterAgent(core.agent_id))
        self._shut_down("unregisters and shuts down")

    def _asked_to_shut_down(self, message: ShutdownAgent) -> None:
        self._shut_down(f"was asked to shut down: {message.message}")

    def _shut_down(self, why: str) -> None:
        core = self.core
        if core.phase in {Phase.TERMINATING, Phase.ENDED}:
            return
        core.note(why)
        self._registration.stop()
        core.phase = Phase.TERMINATING
        for framework in list(core.frameworks.values()):
            self._executors.shutdown_framework(framework)
        self._farewell = why
        self._idle()

    def _idle(self) -> None:
        """Nothing of any framework is left."""
        if self.core.frameworks:
            return
        if self.core.phase is Phase.TERMINATING:
            self._end(self._farewell)
        else:
            self._draining.check_done()

    def _end(self, reason: str | None) -> None:
        core = self.core
        if core.phase is Phase.ENDED:
            return
        core.note("ends" if reason is None else f"ends: {reason}")
        core.phase = Phase.ENDED
        self._registration.stop()
        self.lifeline.end()
        for _, executor in core.executors():
            if executor.connection is not None:
                executor.connection.abort()
        core.host.detach(self)
        self._network.detach(self.address)
        self._on_end(reason)

    # HTTP

    def http(self, request: Request, responder: Responder) -> None:
        """Serves its HTTP endpoint."""
        self.lifeline.deliver(self._serve, request, responder)

    def paths(self) -> list[str]:
        """The paths of its endpoints."""
        return self._router.paths()

    def _serve(self, request: Request, responder: Responder) -> None:
        self.core.log.write(f"HTTP {request.method} for {request.path}")
        self._router(request, responder)

    def _serve_metrics(self, request: Request, responder: Responder) -> None:
        self._gate.admit(request, "/metrics/snapshot")
        self._metrics(request, responder)

    def _serve_operator(self, request: Request, responder: Responder) -> None:
        self._operator_api.handle(request, responder, self._gate.admit(request, "/api/v1"))

    def _serve_unasked(self, request: Request, responder: Responder) -> None:
        """On the executors' own socket nobody is asked who it is."""
        self._operator_api.handle(request, responder, self.core.permissions(None))

    def handle_executor_socket(self, request: Request, responder: Responder) -> None:
        """Serves the unix domain socket of executors (``executor_socket``): the v1 API only."""
        if self._executor_socket_router.find(request.path) is None:
            responder.respond(Response.text(403, "403 Forbidden."))
        else:
            self.lifeline.deliver(self._executor_socket_router, request, responder)

    # Messages

    def receive(self, sender: Address, message: Message) -> None:
        """A message has arrived (``Party``)."""
        if self.core.phase is Phase.ENDED:
            return
        self.core.log.write(f"receives {type(message).__name__} from {sender}", 1)
        if isinstance(message, PingAgent):
            self._registration.ping(sender, message)
        elif isinstance(message, AgentRegistered):
            self._registration.registered(sender, message)
        elif isinstance(message, AgentReregistered):
            self._reregistered(sender, message)
        else:
            handler = self._handlers.get(type(message))
            phases = HEEDED_IN.get(type(message))
            if handler is not None and sender == self.core.master and (phases is None or self.core.phase in phases):
                handler(message)

    def exited(self, peer: Address) -> None:
        """The master's process is gone: the agent waits to be pinged by another (``Party``)."""
        self.core.note(f"lost its connection to {peer}")

    def executor_call(self, container: Container, call: executor_v1.Call) -> None:
        """A built-in executor says something (``host.AgentPort``)."""
        self.lifeline.deliver(self._executor_call, container, call)

    def _executor_call(self, container: Container, call: executor_v1.Call) -> None:
        framework = self.core.frameworks.get(call.framework_id.value)
        executor = None if framework is None else framework.executors.get(call.executor_id.value)
        if framework is None or executor is None or executor.container is not container:
            return
        if call.type == executor_v1.Call.SUBSCRIBE:
            connection = BuiltinConnection(self.core, container)
            self._executors.subscribe(framework, executor, connection, call.subscribe)
        elif executor.state is not ExecutorState.REGISTERING:
            self._executor_api.carry_out(framework, executor, call)

    def _connected(self, new: bool) -> None:
        if new:
            self._recovery.checkpoint_agent()
        self._oversubscription.connected()
        self._reports.connected()
        self._operations.streams.resume()

    def _disconnected(self) -> None:
        self._reports.disconnected()
        self._operations.streams.pause()

    def _reregistered(self, sender: Address, message: AgentReregistered) -> None:
        if not self._registration.reregistered(sender, message):
            return
        infos = {info.id.value: info for info in message.frameworks}
        for framework_id, task_id in message.unknown_tasks:
            framework = self.core.frameworks.get(framework_id)
            if framework is not None and framework.task(task_id) is not None:
                continue
            info = framework.info if framework is not None else infos.get(framework_id)
            aware = info is not None and is_partition_aware(info)
            self._reports.unknown_task(framework_id, task_id, mesos.TASK_DROPPED if aware else mesos.TASK_LOST)

    def _operation_acknowledged(self, message: OperationStatusAcknowledgement) -> None:
        self._operations.acknowledge(message)
        if self.core.drain is not None:
            self._draining.check_done()

    def _shutdown_framework(self, message: ShutdownFramework) -> None:
        framework = self.core.frameworks.get(message.framework_id)
        if framework is not None:
            self.core.note(f"shuts down framework {framework.id}")
            self._executors.shutdown_framework(framework)

    def _shutdown_executor(self, message: ShutdownExecutor) -> None:
        framework = self.core.frameworks.get(message.framework_id)
        executor = None if framework is None else framework.executors.get(message.executor_id)
        if framework is not None and executor is not None and not framework.terminating:
            self._executors.shutdown(framework, executor)

    def _message_to_executor(self, message: FrameworkToExecutor) -> None:
        framework = self.core.frameworks.get(message.framework_id)
        executor = None if framework is None else framework.executors.get(message.executor_id)
        if executor is None or executor.connection is None or executor.state is not ExecutorState.RUNNING:
            self.core.count("invalid_framework_messages")
            return
        self.core.count("valid_framework_messages")
        event = executor_v1.Event(type=executor_v1.Event.MESSAGE)
        event.message.data = message.data
        executor.connection.send(event)

    def _update_framework(self, message: UpdateFramework) -> None:
        framework = self.core.frameworks.get(message.framework.id.value)
        if framework is None or framework.terminating:
            return
        framework.update(message.framework)
        self._executors.checkpoint_framework(framework)
        self._reports.framework_updated(after_reregistration=message.after_reregistration)


def is_partition_aware(info: mesos.FrameworkInfo) -> bool:
    """Whether the framework has the capability PARTITION_AWARE."""
    return any(item.type == mesos.FrameworkInfo.Capability.PARTITION_AWARE for item in info.capabilities)
