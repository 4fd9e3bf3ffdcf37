"""The tokens by which executors show whose they are: JSON web tokens signed with HMAC-SHA256.

Source: docs/reference/agent-executor.md 6.1 and 7.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADER = {"alg": "HS256", "typ": "JWT"}


class TokenError(ValueError):
    """A token that is none, or not ours; the text says why."""


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise TokenError("Failed to base64url-decode") from None


def _signature(secret: bytes, signed: str) -> bytes:
    return hmac.new(secret, signed.encode(), hashlib.sha256).digest()


def sign(secret: bytes, claims: Mapping[str, str]) -> str:
    """A token with those claims."""
    parts = (_encode(json.dumps(part, separators=(",", ":")).encode()) for part in (_HEADER, dict(claims)))
    signed = ".".join(parts)
    return f"{signed}.{_encode(_signature(secret, signed))}"


def verify(secret: bytes, token: str) -> dict[str, str]:
    """The claims of a token that was signed with the secret. Raises ``TokenError``."""
    parts = token.split(".")
    if len(parts) != 3:
        raise TokenError(f"Expected 3 components in token, got {len(parts)}")
    try:
        header, claims = json.loads(_decode(parts[0])), json.loads(_decode(parts[1]))
    except ValueError as error:
        raise TokenError(f"Failed to parse token: {error}") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenError("Token is not made of JSON objects")
    if header.get("alg") != "HS256":
        raise TokenError(f"Unsupported token algorithm: {header.get('alg')}")
    if not hmac.compare_digest(_decode(parts[2]), _signature(secret, f"{parts[0]}.{parts[1]}")):
        raise TokenError("Token signature does not match")
    return {str(name): str(value) for name, value in claims.items()}
