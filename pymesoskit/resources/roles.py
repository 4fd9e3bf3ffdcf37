"""Names of roles: which are valid, and which is below which (docs/reference/scheduler-api.md, section 3).

Slashes form a tree: ``eng/web`` is a strict sub-role of ``eng``. ``*`` is the default role.
"""

from __future__ import annotations

from functools import lru_cache

from pymesoskit.resources.errors import ResourcesError

DEFAULT_ROLE = "*"

_UNPRINTABLE = frozenset("\x09\x0a\x0b\x0c\x0d\x20\x7f")


def role_error(role: str) -> str | None:
    """Returns Mesos's text of what is wrong with the name of a role; None if it is valid."""
    if role == DEFAULT_ROLE:
        return None
    return _remember(role) if len(role) <= _LONGEST_REMEMBERED else _find_error(role)


# The same roles are checked very often, so results are cached; not for long names, so that the memory is bounded.
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
    """Raises ``ResourcesError`` if the name of a role is invalid."""
    error = role_error(role)
    if error is not None:
        raise ResourcesError(error)


def is_strict_subrole_of(role: str, ancestor: str) -> bool:
    """Returns whether ``role`` is below ``ancestor`` in the tree of roles; a role is not below itself."""
    return len(role) > len(ancestor) and role.startswith(ancestor) and role[len(ancestor)] == "/"
