"""Which authorizer the flags mean.

The name ``local`` is the one with ACLs; without ``--acls`` it is none, and all is allowed. Another name is that of an
authorizer that was handed in (in Mesos: by a module), and then ``--acls`` counts for nothing. Source:
docs/authorization.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.authorization.local import LocalAuthorizer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymesoskit.testing.engine.authorization.acls import Acls
    from pymesoskit.testing.engine.authorization.api import Authorizer

LOCAL = "local"


class AuthorizerError(ValueError):
    """There is no authorizer of the name that a flag gives."""


def choose_authorizer(name: str, acls: Acls | None, others: Mapping[str, Authorizer]) -> Authorizer | None:
    """The authorizer, None if all is allowed. Raises ``AuthorizerError``."""
    if name == LOCAL:
        return None if acls is None else LocalAuthorizer(acls)
    if name not in others:
        known = ", ".join(sorted({LOCAL, *others}))
        raise AuthorizerError(f"Could not create '{name}' authorizer: it was not handed in. There are: {known}")
    return others[name]
