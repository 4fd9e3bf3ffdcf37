"""Maintenance: the schedule, and the machines it takes from UP to DRAINING to DOWN and back.

The registry keeps both; a machine that is UP has no entry there. When a schedule is posted, the offers and inverse
offers on all agents are rescinded, and the allocator makes them anew with the unavailability of now.
Source: docs/reference/operator-api.md 2.4, allocator.md 8 and 9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.authorization import Action, Object
from pymesoskit.testing.engine.http.v1 import refuse
from pymesoskit.testing.engine.master import agents, offers
from pymesoskit.testing.engine.master.machines import MachineKey, machine_key, machines_error, schedule_error
from pymesoskit.testing.engine.master.options import unavailability_of
from pymesoskit.testing.engine.master.registry import Machine
from pymesoskit.testing.engine.network.messages import ShutdownAgent
from pymesoskit.wire import to_json
from pymesoskit.wire.v1 import allocator as pb_allocator
from pymesoskit.wire.v1 import maintenance as pb
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.master.core import Core
    from pymesoskit.testing.engine.master.state import Agent

DRAINING = mesos.MachineInfo.DRAINING
DOWN = mesos.MachineInfo.DOWN

#: What agents and frameworks are told when their machine goes down.
MACHINE_DOWN = "Operator initiated 'Machine DOWN'"


def schedule(core: Core, permissions: Permissions) -> pb.Schedule:
    """The schedule, with those machines that can be seen; empty if there is none."""
    found = _schedule(core)
    if permissions.unrestricted:
        return found
    visible = pb.Schedule()
    for window in found.windows:
        machines = permissions.machines(Action.GET_MAINTENANCE_SCHEDULE, window.machine_ids)
        if machines:
            visible.windows.add(machine_ids=machines, unavailability=window.unavailability)
    return visible


def _schedule(core: Core) -> pb.Schedule:
    return core.registry.schedule if core.registry.schedule is not None else pb.Schedule()


def update_schedule(core: Core, updated: pb.Schedule, permissions: Permissions) -> None:
    """Replaces the schedule. Raises ``Refused`` (400, 403), and then changes nothing."""
    registry = core.registry
    down = {key: core.state.machines[key] for key, machine in registry.machines.items() if machine.mode == DOWN}
    error = schedule_error(updated, down)
    if error is not None:
        raise refuse(400, error)
    for window in updated.windows:
        for machine_id in window.machine_ids:
            permissions.require(Action.UPDATE_MAINTENANCE_SCHEDULE, Object(machine_id=machine_id))
    before = registry.machines
    registry.machines = {
        (key := machine_key(machine)): Machine(
            machine, before[key].mode if key in before else DRAINING, window.unavailability
        )
        for window in updated.windows
        for machine in window.machine_ids
    }
    registry.schedule = updated
    core.store()
    for key, machine in registry.machines.items():
        core.state.machines.setdefault(key, machine.id)
    for agent in list(core.state.agents.values()):
        # Offers first, so that the allocator starts from a clean slate with the new unavailability.
        offers.rescind_of_agent(core, agent)
        entry = registry.machines.get(agent.machine)
        unavailability = entry.unavailability if entry is not None else None
        core.allocator.update_unavailability(
            agent.id, unavailability_of(unavailability) if unavailability is not None else None
        )


def start(core: Core, machines: Sequence[mesos.MachineID], permissions: Permissions) -> None:
    """START_MAINTENANCE: brings draining machines down; their agents end and are removed.

    Raises ``Refused`` (400, 403).
    """
    what = "is not in DRAINING mode and cannot be brought down"
    found = _find(core, machines, DRAINING, what, permissions, Action.START_MAINTENANCE)
    for agent in [agent for agent in core.state.agents.values() if agent.machine in found]:
        core.send(agent, ShutdownAgent(MACHINE_DOWN))
        agents.remove(core, agent, MACHINE_DOWN)
    for machine in found.values():
        machine.mode = DOWN
    core.store()


def stop(core: Core, machines: Sequence[mesos.MachineID], permissions: Permissions) -> None:
    """STOP_MAINTENANCE: machines that are down are up again, and off the schedule. Raises ``Refused`` (400, 403)."""
    what = "is not in DOWN mode and cannot be brought up"
    found = _find(core, machines, DOWN, what, permissions, Action.STOP_MAINTENANCE)
    for key in found:
        del core.registry.machines[key]
    rest = pb.Schedule()
    for window in _schedule(core).windows:
        left = [machine for machine in window.machine_ids if machine_key(machine) not in found]
        if left:
            rest.windows.add(machine_ids=left, unavailability=window.unavailability)
    core.registry.schedule = rest if rest.windows else None
    core.store()


def status(core: Core, permissions: Permissions) -> pb.ClusterStatus:
    """Machines that drain, with what frameworks answered to inverse offers, and machines that are down; those of them
    that can be seen.
    """
    on_machine: dict[MachineKey, list[Agent]] = {}
    for agent in core.state.agents.values():
        on_machine.setdefault(agent.machine, []).append(agent)
    answers = core.allocator.inverse_offer_statuses()
    cluster = pb.ClusterStatus()
    for key, machine in core.registry.machines.items():
        if not permissions.allows(Action.GET_MAINTENANCE_STATUS, Object(machine_id=machine.id)):
            continue
        if machine.mode == DOWN:
            cluster.down_machines.append(core.state.machines[key])
            continue
        draining = cluster.draining_machines.add(id=core.state.machines[key])
        for agent in on_machine.get(key, []):
            for framework_id, answer in answers.get(agent.id, {}).items():
                draining.statuses.add(
                    status=pb_allocator.InverseOfferStatus.Status.Value(answer),
                    framework_id=mesos.FrameworkID(value=framework_id),
                    timestamp=mesos.TimeInfo(nanoseconds=int(agent.inverse_answers.get(framework_id, 0.0) * 1e9)),
                )
    return cluster


def _find(
    core: Core,
    machines: Sequence[mesos.MachineID],
    mode: mesos.MachineInfo.Mode,
    otherwise: str,
    permissions: Permissions,
    action: Action,
) -> dict[MachineKey, Machine]:
    if not machines:
        raise refuse(400, "List of machines is empty")
    error = machines_error(machines, set())
    if error is not None:
        raise refuse(400, error)
    found: dict[MachineKey, Machine] = {}
    for machine in machines:
        key = machine_key(machine)
        entry = core.registry.machines.get(key)
        if key not in core.state.machines:
            raise refuse(400, f"Machine '{to_json(machine)}' is not part of a maintenance schedule")
        if entry is None or entry.mode != mode:
            raise refuse(400, f"Machine '{to_json(machine)}' {otherwise}")
        permissions.require(action, Object(machine_id=machine))
        found[key] = entry
    return found
