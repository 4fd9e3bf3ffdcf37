"""One life of a master's process: it joins the parts, recovers from the registry, and ends.

``Master`` is what the cluster holds. It is a ``Party`` of the network (agents speak to it there) and has a ``Handler``
for HTTP; all of its rules are in the modules beside this one. Source: docs/reference/failover.md, agent-executor.md 2.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pymesoskit.testing.allocator import AllocatorOptions, Quota
from pymesoskit.testing.engine.authorization import choose_authorizer
from pymesoskit.testing.engine.endpoints.assets import Assets
from pymesoskit.testing.engine.http.guarded import Guarded
from pymesoskit.testing.engine.http.v1 import Router
from pymesoskit.testing.engine.master import agents, draining, events, leadership, operations, registration, status
from pymesoskit.testing.engine.master.auth import master_authenticator
from pymesoskit.testing.engine.master.calls import SchedulerApi
from pymesoskit.testing.engine.master.core import Core
from pymesoskit.testing.engine.master.offers import AllocationListener
from pymesoskit.testing.engine.master.operator.endpoints import OperatorEndpoints
from pymesoskit.testing.engine.master.operator.quota import guarantees_of, limits_of
from pymesoskit.testing.engine.master.options import fault_domain
from pymesoskit.testing.engine.master.registry import Registry, Unreachable
from pymesoskit.testing.engine.master.transitions import MasterCause, MasterPhase
from pymesoskit.testing.engine.network.dispatch import Dispatch
from pymesoskit.testing.engine.network.messages import (
    ExecutorToFramework,
    ExitedExecutor,
    Message,
    PongAgent,
    RegisterAgent,
    ReregisterAgent,
    StatusUpdate,
    UnregisterAgent,
    UpdateAgent,
    UpdateOperationStatus,
)
from pymesoskit.testing.runtime.units import print_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from pymesoskit.testing.allocator import AllocatorFactory
    from pymesoskit.testing.engine.authorization import Authorizer
    from pymesoskit.testing.engine.flags.flags import MasterFlags
    from pymesoskit.testing.engine.http.handler import Request, Responder
    from pymesoskit.testing.engine.leadership import Leadership
    from pymesoskit.testing.engine.network.network import Address, Network
    from pymesoskit.testing.runtime.actor import Actor
    from pymesoskit.testing.runtime.history import HistoryWriter
    from pymesoskit.testing.runtime.process_log import LogFile
    from pymesoskit.testing.runtime.units import Rate

#: Seconds between two looks at the whitelist.
_WHITELIST_INTERVAL = 5.0


def allocator_options(flags: MasterFlags) -> AllocatorOptions:
    """The flags that concern allocation."""
    return AllocatorOptions(
        allocation_interval=flags.allocation_interval,
        min_allocatable_resources=[dict(quantities.items()) for quantities in flags.min_allocatable_resources],
        filter_gpu_resources=flags.filter_gpu_resources,
        fair_sharing_excluded_resource_names=frozenset(flags.fair_sharing_excluded_resource_names or ()),
        role_sorter=flags.role_sorter,
        framework_sorter=flags.framework_sorter,
        domain=fault_domain(flags.domain) if flags.domain is not None else None,
        allocator_recovery_timeout=flags.allocator_recovery_timeout,
        allocator_agent_recovery_factor=flags.allocator_agent_recovery_factor,
    )


def _dispatch(core: Core) -> Dispatch:
    """What is done on each message of an agent."""
    dispatch = Dispatch()
    dispatch.on(RegisterAgent, partial(registration.register, core))
    dispatch.on(ReregisterAgent, partial(registration.reregister, core))
    dispatch.on(UnregisterAgent, partial(agents.unregister, core))
    dispatch.on(PongAgent, partial(agents.pong, core))
    dispatch.on(UpdateAgent, partial(agents.update, core))
    dispatch.on(StatusUpdate, partial(status.status_update, core))
    dispatch.on(ExitedExecutor, partial(status.exited_executor, core))
    dispatch.on(ExecutorToFramework, partial(status.executor_to_framework, core))
    dispatch.on(UpdateOperationStatus, partial(operations.update_status, core))
    return dispatch


class Master:
    """A master's process. ``start`` it once; when it has ended, another one may take its address and registry.

    ``authorizers``: those that ``--authorizers`` may name, beside the local one. Raises ``CredentialsError`` and
    ``AuthorizerError`` for flags that cannot be met.
    """

    def __init__(
        self,
        address: Address,
        flags: MasterFlags,
        *,
        actor: Actor,
        network: Network,
        rng: Random,
        registry: Registry,
        allocator: AllocatorFactory,
        history: HistoryWriter,
        hostname: str,
        ip: str,
        port: int,
        leader: Leadership | None = None,
        name: str = "master",
        on_end: Callable[[str], None] = lambda _: None,
        authorizers: Mapping[str, Authorizer] = MappingProxyType({}),
        log_file: LogFile | None = None,
        metrics_limit: Rate | None = None,
    ) -> None:
        authenticator = master_authenticator(
            credentials=flags.credentials,
            readonly=flags.authenticate_http_readonly,
            readwrite=flags.authenticate_http_readwrite,
            frameworks=flags.authenticate_http_frameworks,
        )
        self.core: Core
        self.core = core = Core(
            address=address,
            flags=flags,
            actor=actor,
            network=network,
            rng=rng,
            registry=registry,
            history=history,
            hostname=hostname,
            ip=ip,
            port=port,
            leadership=leader,
            name=name,
            authenticator=authenticator,
            authorizer=choose_authorizer(flags.authorizers, flags.acls, authorizers),
            log_file=log_file,
        )
        core.released.connect(partial(draining.check, core))
        core.allocator = allocator(core.lifeline, rng, AllocationListener(core), allocator_options(flags))
        self._operators = OperatorEndpoints(core, authenticator, metrics_limit)
        self._router = Router(
            "master",
            {**self._operators.routes(), "/api/v1/scheduler": SchedulerApi(core, authenticator)},
            Assets(flags.webui_dir).find,
        )
        self._on_end = on_end
        self._unwatch: Callable[[], None] = lambda: None
        self._unread: list[Responder] = []  # of requests that came while it was frozen
        self._messages = _dispatch(core)

    @property
    def id(self) -> str:
        """The master's id: new for each life."""
        return self.core.state.master_id

    def paths(self) -> list[str]:
        """The paths of its endpoints."""
        return self._router.paths()

    # Its life

    def start(self) -> None:
        """Joins the network. If it leads, or as soon as it does, it recovers what the registry holds, and serves."""
        core = self.core
        core.network.attach(core.address, self)
        core.note(f"master {self.id} starts")
        core.allocator.start()
        self._read_whitelist()
        self._unwatch = core.leadership.watch(self._leader_changed)
        self._leader_changed()

    def _leader_changed(self) -> None:
        """Begins to lead when it is elected; a master that has led and is not elected any more ends."""
        phase, leads = self.core.phase, leadership.leads(self.core)
        if phase in {MasterPhase.RECOVERING, MasterPhase.SERVING} and not leads:
            self._end("it has lost its leadership")
        elif phase is MasterPhase.STANDBY and leads:
            self.core.step(MasterCause.ELECT)
            self.core.note(f"master {self.id} leads")
            self.core.state.elected_time = self.core.now()
            self._fetch()

    def _fetch(self) -> None:
        """Reads the registry, which takes no time unless a fault holds it."""
        core = self.core
        storage = core.registry.storage
        if storage.readable:
            self._recover()
            return
        timeout = core.call_later(core.flags.registry_fetch_timeout, self._not_fetched)

        def read() -> None:
            timeout.cancel()
            core.lifeline.deliver(self._recover)

        storage.when_readable(read)

    def _not_fetched(self) -> None:
        within = print_duration(self.core.flags.registry_fetch_timeout)
        self._end(f"Recovery failed: Failed to recover registrar: Failed to perform fetch within {within}")

    def _recover(self) -> None:
        """Takes up what the registry holds."""
        core = self.core
        registry = core.registry
        core.step(MasterCause.RECOVER)
        core.state.recovered_agents.update(registry.admitted)
        core.call_later(core.flags.registry_gc_interval, self._collect)
        core.call_later(core.flags.agent_reregister_timeout, self._give_up_recovered, len(registry.admitted))
        quotas = {
            role: Quota(dict(guarantees_of(config).items()), dict(limits_of(config).items()))
            for role, config in registry.quotas.items()
        }
        core.allocator.recover(len(registry.admitted), quotas)
        core.store()
        if not registry.weights and core.flags.weights:  # those of the flag count, and are kept, only until some are
            registry.weights.update(dict(core.flags.weights))
            core.store()
        if registry.weights:
            core.allocator.update_weights(dict(registry.weights))
        core.state.machines.update((key, machine.id) for key, machine in registry.machines.items())
        core.note(f"master {self.id} has recovered {len(registry.admitted)} agents from the registry")

    def freeze(self) -> None:
        """Stands still as by SIGSTOP: neither reads, sends nor acts. Harmless if it does so already."""
        self.core.lifeline.freeze()
        self.core.network.freeze(self.core.address)

    def thaw(self) -> None:
        """Goes on as by SIGCONT, with all that has been sent to it meanwhile."""
        self._unread.clear()
        self.core.network.thaw(self.core.address)
        self.core.lifeline.thaw()

    def stop(self) -> None:
        """Ends in good order. To the others it is the same as ``terminate``: a master says no farewell."""
        self.terminate()

    def terminate(self) -> None:
        """Ends as by SIGKILL: streams break, timers are off, and nothing that still arrives has an effect."""
        self._end("")

    def _end(self, reason: str) -> None:
        """Ends, by itself if there is a reason: the process exits with it."""
        core = self.core
        if core.phase is MasterPhase.ENDED:
            return
        core.step(MasterCause.END)
        self._unwatch()
        core.note(f"master {self.id} ends" + (f": {reason}" if reason else ""))
        core.allocator.stop()
        core.lifeline.end()
        core.network.detach(core.address)
        self._operators.close()
        for framework in core.state.frameworks.values():
            if framework.stream is not None:
                framework.stream.abort()
                framework.stream = None
        unread, self._unread = self._unread, []
        for responder in unread:
            responder.abort()
        self._on_end(reason)

    # HTTP

    def http(self, request: Request, responder: Responder) -> None:
        """Serves a request (``http.Handler``)."""
        lifeline = self.core.lifeline
        if lifeline.frozen:
            self._unread.append(responder)
        lifeline.deliver(self._serve, request, Guarded(responder, lifeline))

    def _serve(self, request: Request, responder: Responder) -> None:
        self.core.log.write(f"HTTP {request.method} for {request.path}")
        self._router(request, responder)

    # Party of the network

    def receive(self, sender: Address, message: Message) -> None:
        """A message from an agent. Dropped unless this master leads and has recovered."""
        core = self.core
        if core.phase is MasterPhase.ENDED:
            return
        core.log.write(f"receives {type(message).__name__} from {sender}", 1)
        if not core.recovered or not self._messages(sender, message):
            core.count("dropped_messages")

    def exited(self, peer: Address) -> None:
        """The process of an agent is gone."""
        if self.core.recovered:
            agents.link_broken(self.core, peer)

    # Later

    def _collect(self) -> None:
        """Now and then forgets unreachable and gone agents of long ago, and the tasks of the unreachable ones."""
        core, flags = self.core, self.core.flags
        core.call_later(flags.registry_gc_interval, self._collect)
        before = list(core.registry.unreachable)
        if core.registry.collect(core.now(), flags.registry_max_agent_age, flags.registry_max_agent_count):
            core.store()
        for agent_id in before:
            if agent_id not in core.registry.unreachable:
                core.state.take_unreachable_tasks(agent_id)

    def _read_whitelist(self) -> None:
        """--whitelist names a file of hostnames, one a line, that is looked at every few seconds."""
        path = self.core.flags.whitelist
        if path is None:
            return
        try:
            hostnames = {line.strip() for line in Path(path).read_text().splitlines() if line.strip()}
        except (OSError, UnicodeDecodeError) as error:
            self.core.note(f"the whitelist {path} cannot be read: {error}")
        else:
            self.core.allocator.update_whitelist(hostnames)
        self.core.call_later(_WHITELIST_INTERVAL, self._read_whitelist)

    def _give_up_recovered(self, expected: int) -> None:
        """Agents in the registry that have not come back are unreachable. If they are more of those ``expected`` than
        --recovery_agent_removal_limit allows, the master rather ends.
        """
        core = self.core
        missing = list(core.state.recovered_agents)
        limit = core.flags.recovery_agent_removal_limit
        if missing and len(missing) / expected > limit:
            timeout = print_duration(core.flags.agent_reregister_timeout)
            self._end(
                f"Post-recovery agent removal limit exceeded! After {timeout} there were {len(missing)} agents (of "
                f"{expected}) recovered from the registry that did not reregister; the limit is {limit:.4g} of them"
            )
            return
        for agent_id in missing:
            core.count("slave_unreachable_scheduled")
            core.removals.acquire(partial(self._give_up, agent_id))

    def _give_up(self, agent_id: str) -> None:
        core = self.core
        record = core.state.recovered_agents.pop(agent_id, None)
        if record is None:
            core.count("slave_unreachable_canceled")
            return
        core.count("slave_unreachable_completed")
        core.note(f"agent {agent_id} is unreachable: it did not come back after the failover")
        core.count("slave_removals")
        core.count("slave_removals/reason_unhealthy")
        core.count("recovery_slave_removals")
        core.registry.admitted.pop(agent_id, None)
        core.registry.unreachable[agent_id] = Unreachable(core.now(), record)
        core.store()
        core.tell_all(events.agent_failure(agent_id))
