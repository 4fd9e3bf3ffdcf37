"""HTTP basic authentication, as master and agents do it.

Here live the credentials and the check of one request against one realm. Which endpoint belongs to which realm, and
which realms ask for credentials at all, master and agents say themselves (``master/auth.py``, ``agent``). What a
principal may do is not decided here. Source: docs/reference/operator-api.md 1, scheduler-api.md 1.2.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymesoskit.testing.api import Refused
from pymesoskit.testing.http import Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet


class CredentialsError(ValueError):
    """A credentials file that cannot be used; the text names the file and what is wrong with it."""


def load_credentials(path: str) -> dict[str, str]:
    """Principals and their secrets from a file as ``--credentials`` takes it (``/path`` or ``file:///path``).

    The file holds ``{"credentials": [{"principal": …, "secret": …}, …]}``. Raises ``CredentialsError``.
    """
    try:
        text = Path(path.removeprefix("file://")).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialsError(f"Failed to read the credentials file '{path}': {error}") from error
    try:
        return _credentials(json.loads(text))
    except ValueError as error:
        raise CredentialsError(f"Failed to parse the credentials file '{path}': {error}") from error


def _credentials(document: Any) -> dict[str, str]:
    entries = document.get("credentials") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise CredentialsError('expected {"credentials": [{"principal": "…", "secret": "…"}, …]}')
    credentials: dict[str, str] = {}
    for number, entry in enumerate(entries):
        principal = entry.get("principal") if isinstance(entry, dict) else None
        secret = entry.get("secret", "") if isinstance(entry, dict) else None
        if not isinstance(principal, str) or not isinstance(secret, str):
            raise CredentialsError(f"credentials[{number}] needs a 'principal' and a 'secret', both text")
        credentials[principal] = secret
    return credentials


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
        if len(pair) != 2 or pair[0] not in self._credentials:
            return None
        expected = self._credentials[pair[0]].encode()
        return pair[0] if hmac.compare_digest(expected, pair[1].encode()) else None
