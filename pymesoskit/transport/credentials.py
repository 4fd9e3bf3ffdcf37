"""Who this program says it is: the ``Authorization`` header.

A seam: anything with ``headers()`` serves, also one that fetches tokens. ``refused`` tells it that what it gave last
was answered with 401, so that it can fetch anew; the answer says whether to try again.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen

if TYPE_CHECKING:
    from pymesoskit.transport.base import Headers


class Credentials(Protocol):
    """Gives the headers that prove who is asking."""

    def headers(self) -> Headers:
        """The headers to add to requests of a new connection."""

    def refused(self) -> bool:
        """They were answered with 401; returns whether new ones may do better (if not, the client gives up)."""


@frozen
class Anonymous:
    """No credentials."""

    def headers(self) -> Headers:
        return ()

    def refused(self) -> bool:
        return False


@frozen
class Basic:
    """HTTP basic authentication: a principal and its secret, as in the master's ``--credentials``."""

    principal: str
    secret: str = field(repr=False)

    def headers(self) -> Headers:
        token = b64encode(f"{self.principal}:{self.secret}".encode()).decode()
        return (("Authorization", f"Basic {token}"),)

    def refused(self) -> bool:
        return False


@frozen
class Bearer:
    """A token, as agents give to executors (``MESOS_EXECUTOR_AUTHENTICATION_TOKEN``)."""

    token: str = field(repr=False)

    def headers(self) -> Headers:
        return (("Authorization", f"Bearer {self.token}"),)

    def refused(self) -> bool:
        return False
