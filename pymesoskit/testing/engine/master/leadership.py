"""Who leads, where there are several masters, and what the others answer: go there.

Election itself is not here: whoever holds the masters hands in a ``Leadership`` that knows. A master that is alone
leads. Source: docs/reference/scheduler-api.md 1.2 (rows 2 and 3), operator-api.md 1, failover.md "Several masters".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.wire.v1 import mesos


class Leadership(Protocol):
    """Knows who leads, and tells when that changes."""

    def leader(self) -> mesos.MasterInfo | None:
        """The leading master as this one knows it, or None while there is none."""

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """``changed()`` is called after each change of the leader; returns what ends that."""


class Alone:
    """One master, which leads."""

    def __init__(self, info: mesos.MasterInfo) -> None:
        self._info = info

    def leader(self) -> mesos.MasterInfo | None:
        """The only master there is."""
        return self._info

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:  # noqa: ARG002 (nothing ever changes)
        """Nothing ever changes."""
        return lambda: None
