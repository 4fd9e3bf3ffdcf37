"""ACLs in a line, and who sends a request."""

from __future__ import annotations

import base64
from typing import Any

ANY, NONE = {"type": "ANY"}, {"type": "NONE"}
CREDENTIALS = {"credentials": [{"principal": name, "secret": "s"} for name in ("op", "guest", "boss")]}


def some(*values: str) -> dict[str, Any]:
    return {"values": list(values)}


def acl(objects: str, principals: Any = ANY, **things: Any) -> dict[str, Any]:
    return {"principals": principals, objects: things[objects]}


def as_(principal: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{principal}:s".encode()).decode()}


def dynamic(role: str = "web", **fields: str) -> list[dict[str, Any]]:
    return [{"type": "DYNAMIC", "role": role, **fields}]
