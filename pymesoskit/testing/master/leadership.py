"""Who leads, where there are several masters, and what the others answer: go there.

Election itself is not here: whoever holds the masters hands in a ``Leadership`` that knows. A master that is alone
leads. Source: docs/reference/scheduler-api.md 1.2 (rows 2 and 3), operator-api.md 1, failover.md "Several masters".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pymesoskit.testing.api import Refused, refuse
from pymesoskit.testing.http import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.master.core import Core
    from pymesoskit.wire.v1 import mesos


class Leadership(Protocol):
    """Knows who leads, and tells when that changes."""

    def leader(self) -> mesos.MasterInfo | None:
        """The leading master as this one knows it, or None while there is none."""

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """``changed()`` is called after each change of the leader; returns what ends that."""


class Alone:
    """One master, which leads."""

    def __init__(self, info: mesos.MasterInfo) -> None:
        self._info = info

    def leader(self) -> mesos.MasterInfo | None:
        """The only master there is."""
        return self._info

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:  # noqa: ARG002 (nothing ever changes)
        """Nothing ever changes."""
        return lambda: None


def leads(core: Core) -> bool:
    """Whether this life of the master is the leading one: another life at its address is another master."""
    leader = core.leadership.leader()
    return leader is not None and leader.id == core.info.id


def location(core: Core) -> str | None:
    """Where the leader answers HTTP (``//host:port``), or None while there is none."""
    leader = core.leadership.leader()
    return None if leader is None else f"//{leader.hostname}:{leader.port}"


def require(core: Core, request: Request) -> None:
    """Raises ``Refused`` unless this master leads: 307 to the leader, 503 while there is none."""
    if leads(core):
        return
    where = location(core)
    if where is None:
        raise refuse(503, "No leader elected")
    raise Refused(Response(307, b"", (("Location", where + request.target),)))


def require_recovered(core: Core, request: Request) -> None:
    """The same for those who also need what is in the registry: 503 until the leader has read it."""
    require(core, request)
    if not core.recovered:
        raise refuse(503, "Master has not finished recovery")
