"""Who leads, where there are several masters, and what the others answer: go there.

Election itself is not here: whoever holds the masters hands in a ``Leadership`` that knows. A master that is alone
leads. Source: docs/reference/scheduler-api.md 1.2 (rows 2 and 3), operator-api.md 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pymesoskit.testing.api import Refused, refuse
from pymesoskit.testing.http import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.master.core import Core
    from pymesoskit.testing.network import Address


class Leadership(Protocol):
    """Knows who leads, and tells when that changes."""

    def leader(self) -> Address | None:
        """The leading master's address, or None while there is none."""

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """``changed()`` is called after each change of the leader; returns what ends that."""


class Alone:
    """One master, which leads."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def leader(self) -> Address | None:
        """The only master there is."""
        return self._address

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:  # noqa: ARG002 (nothing ever changes)
        """Nothing ever changes."""
        return lambda: None


def leads(core: Core) -> bool:
    """Whether this master is the leading one."""
    return core.leadership.leader() == core.address


def location(core: Core) -> str | None:
    """Where the leader answers HTTP (``//host:port``), or None while there is none."""
    leader = core.leadership.leader()
    if leader is None:
        return None
    if leader == core.address:
        return f"//{core.info.hostname}:{core.info.port}"
    return f"//{leader.partition('@')[2]}"


def require(core: Core, request: Request) -> None:
    """Raises ``Refused`` unless this master leads: 307 to the leader, 503 while there is none."""
    if leads(core):
        return
    where = location(core)
    if where is None:
        raise refuse(503, "No leader elected")
    raise Refused(Response(307, b"", (("Location", where + request.target),)))
