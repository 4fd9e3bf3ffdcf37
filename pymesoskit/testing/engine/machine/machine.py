"""What the executors of one machine share: time, chance, launchers, and what looks at ports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import define, field, frozen

from pymesoskit.testing.engine.machine.fetcher import uris_error
from pymesoskit.testing.engine.machine.pace import INSTANT, Pace

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from pymesoskit.testing.engine.machine.launcher import Launcher
    from pymesoskit.testing.runtime.actor import Actor
    from pymesoskit.testing.runtime.clock import Clock
    from pymesoskit.wire.v1 import mesos


class Prober(Protocol):
    """Looks at ports. The callbacks come in the actor's turn."""

    def http(self, url: str, timeout: float, on_result: Callable[[int | None], None]) -> None:
        """GETs the URL (redirects followed, certificates not checked): the status code, None if there was no answer."""

    def tcp(self, host: str, port: int, timeout: float, on_result: Callable[[bool], None]) -> None:
        """Whether something listens there."""


class Fetcher(Protocol):
    """Brings a command's URIs into its sandbox."""

    def fetch(
        self, command: mesos.CommandInfo, directory: str, user: str | None, done: Callable[[str | None], None]
    ) -> None:
        """Fetches all; ``done(None)``, or with the reason why not, is called in a later turn."""

    @property
    def cache_used(self) -> int:
        """How many bytes of what was fetched are kept to be used again."""


@frozen
class FetchFailure:
    """Why a command's URIs are not there."""

    detail: str  # for people: left in the sandbox
    refused: bool  # they were not even looked for

    def text(self, container_id: str) -> str:
        """What the launch of the container fails with."""
        if self.refused:
            return f"Could not fetch: {self.detail}"
        return f"Failed to fetch all URIs for container '{container_id}': exited with status 1"


@define
class Fetches:
    """How many containers' URIs were fetched, and could not be, in an agent's life."""

    succeeded: int = 0
    failed: int = 0


@frozen
class Machine:
    """See the module's text."""

    actor: Actor
    launcher: Launcher
    prober: Prober
    fetcher: Fetcher
    rng: random.Random
    pace: Pace = INSTANT
    fetches: Fetches = field(factory=Fetches)

    @property
    def clock(self) -> Clock:
        return self.actor.clock

    def fetch(
        self,
        command: mesos.CommandInfo,
        directory: str | None,
        user: str | None,
        done: Callable[[FetchFailure | None], None],
    ) -> None:
        """Brings the command's URIs into the sandbox; ``done`` is called at once if there are none to bring (or no
        sandbox), else in a later turn.
        """

        def ended(failure: FetchFailure | None) -> None:
            if failure is None:
                self.fetches.succeeded += 1
            else:
                self.fetches.failed += 1
            done(failure)

        def fetched(error: str | None) -> None:
            ended(None if error is None else FetchFailure(error, refused=False))

        wrong = uris_error(command)
        if directory is None or not command.uris:
            ended(None)
        elif wrong is not None:
            self.actor.post(ended, FetchFailure(wrong, refused=True))
        else:
            self.fetcher.fetch(command, directory, user, fetched)
