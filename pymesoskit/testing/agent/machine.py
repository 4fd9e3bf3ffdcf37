"""What the executors of one machine share: time, chance, launchers, and what looks at ports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import frozen

from pymesoskit.testing.agent.pace import INSTANT, Pace

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from pymesoskit.testing.actor import Actor
    from pymesoskit.testing.agent.checks import Prober
    from pymesoskit.testing.agent.launcher import Launcher
    from pymesoskit.testing.clock import Clock
    from pymesoskit.wire.v1 import mesos


class Fetcher(Protocol):
    """Brings a command's URIs into its sandbox."""

    def fetch(
        self, command: mesos.CommandInfo, directory: str, user: str | None, done: Callable[[str | None], None]
    ) -> None:
        """Fetches all; ``done(None)``, or with the reason why not, is called in a later turn."""


@frozen
class Machine:
    """See the module's text."""

    actor: Actor
    launcher: Launcher
    prober: Prober
    fetcher: Fetcher
    rng: random.Random
    pace: Pace = INSTANT

    @property
    def clock(self) -> Clock:
        return self.actor.clock
