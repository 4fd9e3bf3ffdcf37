"""Who somebody is: HTTP basic authentication, as master and agents do it, and agents that a master knows.

Here live the credentials and the check of one request against one realm. Which endpoint belongs to which realm, and
which realms ask for credentials at all, master and agents say themselves (``master/auth.py``, ``agent/auth.py``). What
a principal may do is not decided here (``authorization/``). Source: docs/reference/operator-api.md 1,
scheduler-api.md 1.2.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import field, frozen

from pymesoskit.testing.engine.http.handler import Request, Response
from pymesoskit.testing.engine.http.v1 import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet

T = TypeVar("T")


class CredentialsError(ValueError):
    """A credentials file that cannot be used; the text names the file and what is wrong with it."""


@frozen
class Credential:
    """A principal and its secret."""

    principal: str
    secret: str = field(repr=False)


def load_credentials(path: str) -> dict[str, str]:
    """Principals and their secrets from a file as ``--credentials`` takes it (``/path`` or ``file:///path``).

    The file holds ``{"credentials": [{"principal": …, "secret": …}, …]}``. Raises ``CredentialsError``.
    """
    return _load(path, _credentials)


def load_credential(path: str) -> Credential:
    """The one credential of a file as an agent's ``--credential`` takes it: ``{"principal": …, "secret": …}``.

    Raises ``CredentialsError``.
    """
    return _load(path, lambda document: _credential(document, "the file"))


def _load(path: str, read: Callable[[Any], T]) -> T:
    try:
        text = Path(path.removeprefix("file://")).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialsError(f"Failed to read the credentials file '{path}': {error}") from error
    try:
        return read(json.loads(text))
    except ValueError as error:
        raise CredentialsError(f"Failed to parse the credentials file '{path}': {error}") from error


def _credentials(document: Any) -> dict[str, str]:
    entries = document.get("credentials") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise CredentialsError('expected {"credentials": [{"principal": "…", "secret": "…"}, …]}')
    found = [_credential(entry, f"credentials[{number}]") for number, entry in enumerate(entries)]
    return {credential.principal: credential.secret for credential in found}


def _credential(entry: Any, what: str) -> Credential:
    principal = entry.get("principal") if isinstance(entry, dict) else None
    secret = entry.get("secret", "") if isinstance(entry, dict) else None
    if not isinstance(principal, str) or not isinstance(secret, str):
        raise CredentialsError(f"{what} needs a 'principal' and a 'secret', both text")
    return Credential(principal, secret)


class Authenticator:
    """Knows who may come in: asks for credentials in some realms, and lets everybody pass in all others."""

    def __init__(self, credentials: Mapping[str, str] | None = None, realms: AbstractSet[str] = frozenset()) -> None:
        self._credentials = dict(credentials or {})
        self._realms = frozenset(realms)

    def required(self, realm: str) -> bool:
        """Whether the realm asks for credentials."""
        return realm in self._realms

    def authenticate(self, request: Request, realm: str) -> str | None:
        """The principal that the request comes from; None in a realm that asks for no credentials.

        Raises ``Refused`` (401 with a challenge for the realm) where credentials are needed and the right ones are
        not given.
        """
        if realm not in self._realms:
            return None
        principal = self._principal(request.header("authorization"))
        if principal is None:
            challenge = ("WWW-Authenticate", f'Basic realm="{realm}"')
            raise Refused(Response.text(401, "401 Unauthorized.", (challenge,)))
        return principal

    def _principal(self, header: str | None) -> str | None:
        """Whose credentials the header carries, or None. A colon in a secret never matches, as in libprocess."""
        parts = (header or "").split(" ")
        if len(parts) != 2 or parts[0] != "Basic":
            return None
        try:
            pair = base64.b64decode(parts[1], validate=True).decode().split(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return pair[0] if len(pair) == 2 and self.knows(Credential(*pair)) else None

    def knows(self, credential: Credential) -> bool:
        """Whether there is such a principal, and that is its secret."""
        expected = self._credentials.get(credential.principal)
        return expected is not None and hmac.compare_digest(expected.encode(), credential.secret.encode())
