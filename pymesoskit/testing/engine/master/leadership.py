"""What a master that does not lead answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.http.handler import Request, Response
from pymesoskit.testing.engine.http.v1 import Refused, refuse

if TYPE_CHECKING:
    from pymesoskit.testing.engine.master.core import Core


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
