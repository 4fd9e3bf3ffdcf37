"""Who leads: how a master learns whether it leads, and how an agent finds the leading master.

The election itself is outside the engine: whoever holds the masters passes in a ``Leadership``. Source:
docs/reference/failover.md, "Several masters".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.wire.v1 import mesos


class Leadership(Protocol):
    """Knows the leading master, and reports changes."""

    def leader(self) -> mesos.MasterInfo | None:
        """Returns the leading master as this party knows it, or None while there is none."""

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Calls ``changed()`` after each change of the leader; returns a function that stops this."""


class FixedLeader:
    """A leadership that never changes: the master with this ``info`` leads, even if its process is replaced."""

    def __init__(self, info: mesos.MasterInfo) -> None:
        self._info = info

    def leader(self) -> mesos.MasterInfo | None:
        """Returns the only master."""
        return self._info

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:  # noqa: ARG002 (the leader never changes)
        """Returns a function that does nothing: ``changed`` is never called."""
        return lambda: None
