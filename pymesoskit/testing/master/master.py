"""One life of a master's process: it joins the parts, recovers from the registry, and ends.

``Master`` is what the cluster holds. It is a ``Party`` of the network (agents speak to it there) and has a ``Handler``
for HTTP; all of its rules are in the modules beside this one. Source: docs/reference/failover.md, agent-executor.md 2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from pymesoskit.testing.allocator import Allocator, AllocatorOptions, Listener, Quota
from pymesoskit.testing.api import Router
from pymesoskit.testing.clock import Clock
from pymesoskit.testing.master import agents, events, leadership, operations, registration, status
from pymesoskit.testing.master.auth import master_authenticator
from pymesoskit.testing.master.calls import SchedulerApi
from pymesoskit.testing.master.core import Core, History
from pymesoskit.testing.master.endpoints import OperatorEndpoints
from pymesoskit.testing.master.leadership import Alone, Leadership
from pymesoskit.testing.master.offers import AllocationListener
from pymesoskit.testing.master.options import fault_domain
from pymesoskit.testing.master.quota import guarantees_of, limits_of
from pymesoskit.testing.master.registry import Registry, Unreachable
from pymesoskit.testing.messages import (
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

if TYPE_CHECKING:
    from pymesoskit.testing.actor import Actor
    from pymesoskit.testing.flag_syntax import Rate
    from pymesoskit.testing.flags import MasterFlags
    from pymesoskit.testing.http import Request, Responder
    from pymesoskit.testing.network import Address, Network
    from pymesoskit.testing.process_log import LogFile

#: Seconds between two looks at the whitelist.
_WHITELIST_INTERVAL = 5.0

#: Makes an allocator out of (options, listener, clock, chance).
AllocatorFactory = Callable[[AllocatorOptions, Listener, Clock, Random], Allocator]


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


class Master:
    """A master's process. ``start`` it once; when it has ended, another one may take its address and registry."""

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
        history: History,
        hostname: str,
        ip: str,
        port: int,
        leader: Leadership | None = None,
        log_file: LogFile | None = None,
        metrics_limit: Rate | None = None,
    ) -> None:
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
            leadership=leader if leader is not None else Alone(address),
            log_file=log_file,
        )
        core.drained_to_be_gone = self._mark_gone_later
        core.allocator = allocator(allocator_options(flags), AllocationListener(core), actor.clock, rng)
        authenticator = master_authenticator(
            credentials=flags.credentials,
            readonly=flags.authenticate_http_readonly,
            readwrite=flags.authenticate_http_readwrite,
            frameworks=flags.authenticate_http_frameworks,
        )
        self._operators = OperatorEndpoints(core, authenticator, metrics_limit)
        self._router = Router(
            "master", {**self._operators.routes(), "/api/v1/scheduler": SchedulerApi(core, authenticator)}
        )
        self._running = False
        self._leading = False
        self._unwatch: Callable[[], None] = lambda: None

    @property
    def id(self) -> str:
        """The master's id: new for each life."""
        return self.core.state.master_id

    def paths(self) -> list[str]:
        """The paths of its endpoints."""
        return self._router.paths()

    def start(self) -> None:
        """Joins the network. If it leads, or as soon as it does, it recovers what the registry holds, and serves."""
        core = self.core
        core.network.attach(core.address, self)
        self._running = True
        core.note(f"master {self.id} starts")
        self._unwatch = core.leadership.watch(self._leader_changed)
        self._leader_changed()

    def _leader_changed(self) -> None:
        """Begins to lead when it is elected; a master that has led and is not elected any more ends."""
        leads = leadership.leads(self.core)
        if self._leading and not leads:
            self.core.note(f"master {self.id} has lost its leadership")
            self.terminate()
        elif leads and not self._leading:
            self._leading = True
            self._lead()

    def _lead(self) -> None:
        core = self.core
        core.state.elected_time = core.now()
        quotas = {
            role: Quota(dict(guarantees_of(config).items()), dict(limits_of(config).items()))
            for role, config in core.registry.quotas.items()
        }
        core.allocator.recover(len(core.registry.admitted), quotas)
        core.store()
        if not core.registry.weights and core.flags.weights:
            core.registry.weights.update(core.flags.weights)  # later on the registry alone counts
            core.store()
        if core.registry.weights:
            core.allocator.update_weights(dict(core.registry.weights))
        core.state.machines.update((key, machine.id) for key, machine in core.registry.machines.items())
        core.state.recovered_agents.update(core.registry.admitted)
        if core.registry.admitted:
            core.call_later(core.flags.agent_reregister_timeout, self._give_up_recovered)
        core.allocator.start()
        self._collect()
        self._read_whitelist()

    def stop(self) -> None:
        """Ends in good order. To the others it is the same as ``terminate``: a master says no farewell."""
        self.terminate()

    def terminate(self) -> None:
        """Ends as by SIGKILL: streams break, timers are off, and nothing that still arrives has an effect."""
        if not self._running:
            return
        self._running = False
        self._unwatch()
        core = self.core
        core.note(f"master {self.id} ends")
        core.allocator.stop()
        for timer in list(core.timers):
            timer.cancel()
        core.network.detach(core.address)
        self._operators.close()
        for framework in core.state.frameworks.values():
            if framework.stream is not None:
                framework.stream.abort()
                framework.stream = None

    def http(self, request: Request, responder: Responder) -> None:
        """Serves a request (``http.Handler``)."""
        if self._running:
            self.core.log.write(f"HTTP {request.method} for {request.path}")
            self._router(request, responder)

    # Party of the network

    def receive(self, sender: Address, message: Message) -> None:
        """A message from an agent."""
        if not self._running or not self._leading:
            return
        core = self.core
        core.log.write(f"receives {type(message).__name__} from {sender}", 1)
        match message:
            case StatusUpdate():
                status.status_update(core, message)
            case PongAgent():
                agents.pong(core, sender)
            case RegisterAgent():
                registration.register(core, sender, message)
            case ReregisterAgent():
                registration.reregister(core, sender, message)
            case UnregisterAgent():
                agent = core.state.agents.get(message.agent_id)
                if agent is not None and agent.address == sender:
                    agents.unregister(core, agent)
            case UpdateAgent():
                agents.update(core, message)
            case ExitedExecutor():
                status.exited_executor(core, message)
            case ExecutorToFramework():
                status.executor_to_framework(core, message)
            case UpdateOperationStatus():
                operations.update_status(core, message)
            case _:
                core.count("dropped_messages")

    def exited(self, peer: Address) -> None:
        """The process of an agent is gone."""
        if self._running:
            agents.link_broken(self.core, peer)

    # Later

    def _mark_gone_later(self, agent_id: str) -> None:
        self.core.actor.post(self._mark_gone, agent_id)

    def _mark_gone(self, agent_id: str) -> None:
        if self._running:
            agents.mark_gone(self.core, agent_id)

    def _collect(self) -> None:
        """Now and then forgets unreachable and gone agents of long ago."""
        flags = self.core.flags
        registry, now = self.core.registry, self.core.now()
        if registry.collect(now, flags.registry_max_agent_age, flags.registry_max_agent_count):
            self.core.store()
        self.core.call_later(flags.registry_gc_interval, self._collect)

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

    def _give_up_recovered(self) -> None:
        """Agents in the registry that have not come back are unreachable."""
        core = self.core
        for agent_id in list(core.state.recovered_agents):
            core.removals.acquire(partial(self._give_up, agent_id))

    def _give_up(self, agent_id: str) -> None:
        core = self.core
        record = core.state.recovered_agents.pop(agent_id, None)
        if record is None or not self._running:
            return
        core.note(f"agent {agent_id} is unreachable: it did not come back after the failover")
        core.count("slave_removals")
        core.count("slave_removals/reason_unhealthy")
        core.count("recovery_slave_removals")
        core.registry.admitted.pop(agent_id, None)
        core.registry.unreachable[agent_id] = Unreachable(core.now(), record)
        core.store()
        core.tell_all(events.agent_failure(agent_id))
