"""FrameworkInfo of the usual kind, made in one line. What each field does: docs/reference/scheduler-api.md 3."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable

Capability = mesos.FrameworkInfo.Capability

#: What a framework written now can do: have several roles, be told of partitions as what they are, refine reservations.
USUAL_CAPABILITIES = (Capability.MULTI_ROLE, Capability.PARTITION_AWARE, Capability.RESERVATION_REFINEMENT)


def framework_info(
    name: str,
    roles: Iterable[str] = ("*",),
    *,
    user: str | None = None,
    failover_timeout: float = 0.0,
    capabilities: Iterable[Capability.Type] = (),
) -> mesos.FrameworkInfo:
    """A framework of one or several roles that takes partitions for what they are (``USUAL_CAPABILITIES``, and these).

    ``user`` is whose the tasks are (default: who runs this). For ``failover_timeout`` seconds after the scheduler has
    gone its tasks live on, until it subscribes again with its id. Agents checkpoint the tasks of such a framework, so
    that they outlive the agent's restart, too. Raises ``TypeError`` if the roles are one text.
    """
    if isinstance(roles, str):
        raise TypeError(f"roles are several: [{roles!r}], not {roles!r}")
    return mesos.FrameworkInfo(
        user=getpass.getuser() if user is None else user,
        name=name,
        roles=roles,
        failover_timeout=failover_timeout,
        checkpoint=failover_timeout > 0,
        capabilities=[Capability(type=kind) for kind in dict.fromkeys([*USUAL_CAPABILITIES, *capabilities])],
    )
