"""Machines as maintenance knows them: what identifies one, which may be named in a schedule, and what is scheduled.

Source: docs/reference/operator-api.md 2.4.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from pymesoskit.wire import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pymesoskit.wire.v1 import maintenance as pb
    from pymesoskit.wire.v1 import mesos

#: (hostname in lower case, IP): what makes two machine ids the same.
MachineKey = tuple[str, str]


def machine_key(machine: mesos.MachineID) -> MachineKey:
    """What identifies a machine; hostnames are compared in lower case."""
    return (machine.hostname.lower(), machine.ip)


def print_machine(machine: mesos.MachineID) -> str:
    """A machine in plain words: ``hostname (ip)``, or the one of the two that is set."""
    if machine.HasField("hostname") and machine.HasField("ip"):
        return f"{machine.hostname} ({machine.ip})"
    return machine.hostname if machine.HasField("hostname") else machine.ip


def machines_error(machines: Iterable[mesos.MachineID], seen: set[MachineKey]) -> str | None:
    """What is wrong with a list of machines; ``seen`` are those named before, and grows."""
    for machine in machines:
        error = _machine_error(machine)
        if error is not None:
            return error
        key = machine_key(machine)
        if key in seen:
            return f"Machine '{to_json(machine)}' appears more than once in the schedule"
        seen.add(key)
    return None


def _machine_error(machine: mesos.MachineID) -> str | None:
    if not machine.hostname and not machine.ip:
        return "Both 'hostname' and 'ip' for a machine are empty"
    if machine.ip:
        try:
            ipaddress.IPv4Address(machine.ip)
        except ValueError:
            return f"Failed to parse IPv4: {machine.ip}"
    return None


def schedule_error(schedule: pb.Schedule, down: Mapping[MachineKey, mesos.MachineID]) -> str | None:
    """Why a schedule cannot replace the one before; ``down`` are the machines that are down."""
    scheduled: set[MachineKey] = set()
    for window in schedule.windows:
        if not window.machine_ids:
            return "List of machines in the maintenance window is empty"
        if window.unavailability.duration.nanoseconds < 0:
            return "Unavailability 'duration' is negative"
        error = machines_error(window.machine_ids, scheduled)
        if error is not None:
            return error
    for key, machine in down.items():
        if key not in scheduled:
            return f"Machine '{to_json(machine)}' is deactivated and cannot be removed from the schedule"
    return None
