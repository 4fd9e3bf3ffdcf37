"""Role names: which are valid, and which is part of which (docs/reference/scheduler-api.md, section 3).

Roles form a tree by their slashes: ``eng/web`` is a strict sub-role of ``eng``. ``*`` stands for no role in particular.
"""

from __future__ import annotations

from functools import lru_cache

from pymesoskit.resources.errors import ResourcesError

DEFAULT_ROLE = "*"

_UNPRINTABLE = frozenset("\x09\x0a\x0b\x0c\x0d\x20\x7f")


def role_error(role: str) -> str | None:
    """What is wrong with a role's name, in Mesos's words; None if it is valid."""
    if role == DEFAULT_ROLE:
        return None
    return _remember(role) if len(role) <= _LONGEST_REMEMBERED else _find_error(role)


# Roles come again and again; only those of a sensible length are remembered, so that memory stays bounded.
_LONGEST_REMEMBERED = 256


@lru_cache(maxsize=4096)
def _remember(role: str) -> str | None:
    return _find_error(role)


def _find_error(role: str) -> str | None:
    if role.startswith("/"):
        return f"Role '{role}' cannot start with a slash"
    if role.endswith("/"):
        return f"Role '{role}' cannot end with a slash"
    if "//" in role:
        return f"Role '{role}' cannot contain two adjacent slashes"
    if not role:
        return "Role names cannot be the empty string"
    for component in role.split("/"):
        if component in {".", "..", "*"}:
            return f"Role '{role}' cannot include '{component}' as a component"
        if component.startswith("-"):
            return f"Role component '{component}' is invalid because it starts with a dash"
        if not _UNPRINTABLE.isdisjoint(component):
            return f"Role component '{component}' is invalid because it contains backspace or whitespace"
    return None


def validate_role(role: str) -> None:
    """Raise ResourcesError if this is no valid name of a role."""
    error = role_error(role)
    if error is not None:
        raise ResourcesError(error)


def is_strict_subrole_of(role: str, ancestor: str) -> bool:
    """Whether `role` lies below `ancestor` in the tree of roles (a role is not below itself)."""
    return len(role) > len(ancestor) and role.startswith(ancestor) and role[len(ancestor)] == "/"
