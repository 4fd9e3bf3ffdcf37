"""Whether an agent that starts may take up what the one before it left: its flags may have changed meanwhile.

Two policies (``--reconfiguration_policy``): nothing may have changed, or only by becoming more. Source:
docs/reference/agent-executor.md 5.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources import Resources
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NOT_PERMITTED = "Configuration change not permitted under `additive` policy: "


def equal_error(before: mesos.AgentInfo, now: mesos.AgentInfo) -> str | None:
    """What has changed; None if nothing has."""
    if before == now:
        return None
    line = "-" * 60
    return (
        f"Incompatible agent info detected.\n{line}\nOld agent info:\n{before}\n{line}\nNew agent info:\n{now}\n{line}"
    )


def additive_error(before: mesos.AgentInfo, now: mesos.AgentInfo) -> str | None:
    """What has become less or other; None if nothing has."""
    for what, old, new in (("Hostname", before.hostname, now.hostname), ("Port", before.port, now.port)):
        if old != new:
            return f"{_NOT_PERMITTED}{what} changed from {old} to {new}"
    if before.HasField("domain") and before.domain != now.domain:
        return f"{_NOT_PERMITTED}Domain changed from {before.domain} to {now.domain}"
    return _resources_error(before, now) or _attributes_error(before, now)


def _resources_error(before: mesos.AgentInfo, now: mesos.AgentInfo) -> str | None:
    present = Resources.from_messages(now.resources)
    for resource in Resources.from_messages(before.resources):
        if not present.contains(resource):
            same = present.filter(lambda other, name=resource.name: other.name == name)  # type: ignore[misc]
            if not same:
                return f"{_NOT_PERMITTED}Resource not found: {resource}"
            return f"{_NOT_PERMITTED}Resource '{resource.name}' decreased from {resource} to {same}"
    return None


def _attributes_error(before: mesos.AgentInfo, now: mesos.AgentInfo) -> str | None:
    for attribute in before.attributes:
        match = next((other for other in now.attributes if other.name == attribute.name), None)
        if match is None:
            return f"{_NOT_PERMITTED}Couldn't find attribute '{attribute.name}'"
        if match.type != attribute.type:
            return f"{_NOT_PERMITTED}Type of attribute '{attribute.name}' changed"
        if attribute.type == mesos.Value.RANGES:
            kept = _within(attribute.ranges, match.ranges)
        elif attribute.type == mesos.Value.TEXT:
            kept = attribute.text == match.text
        else:
            kept = attribute.scalar == match.scalar
        if not kept:
            return f"{_NOT_PERMITTED}Value of attribute '{attribute.name}' changed"
    return None


def _within(part: mesos.Value.Ranges, whole: mesos.Value.Ranges) -> bool:
    """Whether each number of the one is among the others."""
    ends: dict[int, int] = {}
    last = None
    for item in sorted(whole.range, key=lambda each: (each.begin, each.end)):
        if last is not None and item.begin <= ends[last] + 1:
            ends[last] = max(ends[last], item.end)
        else:
            last = item.begin
            ends[last] = item.end
    return all(any(begin <= item.begin and item.end <= end for begin, end in ends.items()) for item in part.range)


#: What each policy has against a change.
POLICIES: Mapping[str, Callable[[mesos.AgentInfo, mesos.AgentInfo], str | None]] = {
    "equal": equal_error,
    "additive": additive_error,
}
