"""Who comes in at an endpoint: who it is, and whether the path is open to them.

One table says which endpoints somebody must be allowed to use at all. Most only filter what they show, or look at what
is to be changed; that is with those who show and change. Source: docs/authorization.md,
docs/reference/operator-api.md 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.authorization.acls import AUTHORIZABLE_ENDPOINTS
from pymesoskit.testing.engine.authorization.api import Action, Object
from pymesoskit.testing.engine.http.v1 import check_method

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pymesoskit.testing.engine.authorization.api import Subject
    from pymesoskit.testing.engine.authorization.permissions import Permissions
    from pymesoskit.testing.engine.http.handler import Request

#: What it takes to use an endpoint.
REQUIRED: Mapping[str, tuple[Action, Object | None]] = {
    "/flags": (Action.VIEW_FLAGS, None),
    **{path: (Action.GET_ENDPOINT_WITH_PATH, Object(value=path)) for path in AUTHORIZABLE_ENDPOINTS},
}

#: Endpoints that look at the method only if there is an authorizer.
_ONLY_GET = frozenset({"/flags", "/containers", "/containerizer/debug", "/files/debug", "/monitor/statistics"})


class Gate:
    """The gate of one process. ``realms``: of each endpoint that is not open to all."""

    def __init__(
        self,
        realms: Mapping[str, str],
        authenticate: Callable[[Request, str], Subject | None],
        permissions: Callable[[Subject | None], Permissions],
    ) -> None:
        self._realms = realms
        self._authenticate = authenticate
        self._permissions = permissions

    def admit(self, request: Request, path: str) -> Permissions:
        """What whoever asks may do. Raises ``Refused``: 401, 403, or 405 for a method that there is not."""
        realm = self._realms.get(path)
        permissions = self._permissions(None if realm is None else self._authenticate(request, realm))
        if not permissions.unrestricted and path in REQUIRED:
            if path in _ONLY_GET:
                check_method(request, "GET")
            action, thing = REQUIRED[path]
            permissions.require(action, thing)
        return permissions
