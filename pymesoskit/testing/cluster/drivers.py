"""The drivers in this process that died while they were connected to the cluster.

A handler that raised is the usual reason why a test waits for something that never happens. So the death of a driver is
in the story, and waiting fails at once with the driver's error as the cause, unless the test has been given the error
by the driver itself. Here the cluster hears of it (``pymesoskit.transport.deaths``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.cluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.runtime.actor import Actor
    from pymesoskit.testing.runtime.history import History
    from pymesoskit.transport.deaths import Death


class DeadDrivers:
    """Those that have died. Any thread may call."""

    def __init__(self, actor: Actor, history: History) -> None:
        self._actor = actor
        self._history = history
        self._deaths: list[Death] = []

    def watch(self, serves: Callable[[tuple[str, int]], bool]) -> Callable[[], None]:
        """Hears of drivers that are connected over HTTP to addresses that ``serves`` knows, until the function that it
        returns is called.
        """
        from pymesoskit.transport.deaths import watch

        return watch(serves, self.add)

    def add(self, death: Death) -> None:
        """A driver has died."""
        cause = death.error.__cause__
        why = f" ({type(cause).__name__}: {cause})" if cause is not None else ""
        self._history.note("driver", f"{death.name} has died: {type(death.error).__name__}: {death.error}{why}")
        if death.is_programs_fault:
            self._deaths.append(death)
        self._actor.post(_look)

    def check(self, meanwhile: str) -> None:
        """Raises ``ClusterError`` for a driver that this program's fault has ended and whose error is unseen."""
        for death in self._deaths:
            if not death.fetched():
                self._deaths.remove(death)  # it is seen now
                raise ClusterError(f"the driver '{death.name}' has died {meanwhile}: {death.error}") from death.error


def _look() -> None:
    """A turn in which nothing happens, after which those who wait look again."""
