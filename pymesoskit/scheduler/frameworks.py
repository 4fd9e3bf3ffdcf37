"""The constructor of ``FrameworkInfo`` for the usual case. What each field does: docs/reference/scheduler-api.md 3."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable

Capability = mesos.FrameworkInfo.Capability

#: The capabilities of a modern framework: several roles, distinct states for partitioned tasks, refined reservations.
USUAL_CAPABILITIES = (Capability.MULTI_ROLE, Capability.PARTITION_AWARE, Capability.RESERVATION_REFINEMENT)


def framework_info(
    name: str,
    roles: Iterable[str] = ("*",),
    *,
    user: str | None = None,
    failover_timeout: float = 0.0,
    capabilities: Iterable[Capability.Type] = (),
) -> mesos.FrameworkInfo:
    """Returns the description of a framework with one or several roles.

    ``user`` is the user whom tasks run as (default: the user who runs this program). ``failover_timeout`` is in
    seconds: for so long after the scheduler has disconnected its tasks keep running, and it can subscribe again with
    the same id. Agents checkpoint the tasks of a framework with a failover timeout, so that they survive a restart of
    the agent, too. ``capabilities`` are added to ``USUAL_CAPABILITIES``.

    Raises ``TypeError`` if ``roles`` is a string.
    """
    if isinstance(roles, str):
        raise TypeError(f"roles must be a list of names, not a string: [{roles!r}]")
    return mesos.FrameworkInfo(
        user=getpass.getuser() if user is None else user,
        name=name,
        roles=roles,
        failover_timeout=failover_timeout,
        checkpoint=failover_timeout > 0,
        capabilities=[Capability(type=kind) for kind in dict.fromkeys([*USUAL_CAPABILITIES, *capabilities])],
    )
