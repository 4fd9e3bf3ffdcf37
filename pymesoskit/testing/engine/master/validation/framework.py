"""FrameworkInfo, as SUBSCRIBE and UPDATE_FRAMEWORK bring it. Source: docs/reference/scheduler-api.md 3 and 9."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from pymesoskit.resources import role_error
from pymesoskit.testing.engine.master.state import Capability, roles_of
from pymesoskit.testing.engine.validation import first, id_error

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pymesoskit.wire.v1 import mesos

#: Seconds that fit into 64 bits of nanoseconds.
_MAX_SECONDS = (2**63 - 1) / 1e9


def framework_error(
    info: mesos.FrameworkInfo,
    suppressed_roles: Collection[str],
    *,
    whitelist: Collection[str] | None,
    root_submissions: bool,
    is_completed: bool,
) -> str | None:
    """What SUBSCRIBE and UPDATE_FRAMEWORK check alike, in their order; offer constraints and old values come after.

    ``whitelist`` is --roles, None if there is none. ``is_completed`` is whether the id is that of a completed
    framework.
    """
    return first(_errors(info, suppressed_roles, whitelist, root_submissions, is_completed))


def _errors(
    info: mesos.FrameworkInfo,
    suppressed_roles: Collection[str],
    whitelist: Collection[str] | None,
    root_submissions: bool,
    is_completed: bool,
) -> Iterator[str | None]:
    yield _roles_error(info)
    if info.id.value:
        yield id_error(info.id.value)
    for filters in info.offer_filters.values():
        yield _offer_filters_error(filters)
    roles = roles_of(info)
    if whitelist is not None:
        unlisted = [role for role in sorted(roles) if role != "*" and role not in whitelist]
        if unlisted:
            yield f"Roles {{ {', '.join(unlisted)} }} are not present in the master's --roles"
    for role in suppressed_roles:
        if role not in roles:
            yield f"Suppressed role '{role}' is not contained in the list of roles"
    if info.user == "root" and not root_submissions:
        yield "User 'root' is not allowed to run frameworks without --root_submissions set"
    if is_completed:
        yield "Framework has been removed"
    timeout = info.failover_timeout
    if not math.isfinite(timeout) or abs(timeout) > _MAX_SECONDS:
        yield f"The framework failover_timeout ({timeout:g}) is invalid"


def _roles_error(info: mesos.FrameworkInfo) -> str | None:
    multi_role = any(capability.type == Capability.MULTI_ROLE for capability in info.capabilities)
    if multi_role and info.HasField("role"):
        return "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"
    if not multi_role and info.roles:
        return "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable"
    if not multi_role:
        error = role_error(info.role)
        return f"'FrameworkInfo.role' is not a valid role: {error}" if error is not None else None
    seen: set[str] = set()
    duplicates: dict[str, None] = {}
    for role in info.roles:
        if role in seen:
            duplicates[role] = None
        seen.add(role)
    if duplicates:
        return f"'FrameworkInfo.roles' contains duplicate items: {{ {', '.join(duplicates)} }}"
    for role in info.roles:
        error = role_error(role)
        if error is not None:
            return f"'FrameworkInfo.roles' contains invalid role: {error}"
    return None


def _offer_filters_error(filters: mesos.OfferFilters) -> str | None:
    for quantities in filters.min_allocatable_resources.quantities:
        if not quantities.quantities:
            return "Resource quantities must contain at least one quantity"
        for name, quantity in quantities.quantities.items():
            error = scalar_error(quantity.value)
            if error is not None:
                return f"Invalid resource quantity for '{name}': {error}"
    return None


def scalar_error(value: float) -> str | None:
    """What is wrong with an amount that somebody typed in: it must be finite, not subnormal and not negative."""
    if math.isinf(value):
        return "Infinite values not supported"
    if math.isnan(value):
        return "NaN not supported"
    if 0 < abs(value) < sys.float_info.min:
        return "Subnormal values not supported"
    return "Negative values not supported" if value < 0 else None


def update_error(old: mesos.FrameworkInfo, new: mesos.FrameworkInfo) -> str | None:
    """What UPDATE_FRAMEWORK cannot change."""
    error = principal_error(old, new)
    if error is not None:
        return error
    if new.user != old.user:
        return f"Updating 'FrameworkInfo.user' is unsupported; attempted to update from '{old.user}' to '{new.user}'"
    if new.checkpoint != old.checkpoint:
        before, after = (str(info.checkpoint).lower() for info in (old, new))
        return f"Updating 'FrameworkInfo.checkpoint' is unsupported; attempted to update from '{before}' to '{after}'"
    return None


def principal_error(old: mesos.FrameworkInfo, new: mesos.FrameworkInfo) -> str | None:
    """The principal never changes; none is not the same as an empty one."""
    if (old.HasField("principal"), old.principal) != (new.HasField("principal"), new.principal):
        return "Changing framework's principal is not allowed."
    return None
