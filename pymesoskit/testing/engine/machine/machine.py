"""What the executors of one machine share: the clock, the random generator, the launcher, the prober, the fetcher."""

from __future__ import annotations

import os
import pwd
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
    """Probes ports for checks. The callbacks come in the actor's turn."""

    def http(self, url: str, timeout: float, on_result: Callable[[int | None], None]) -> None:
        """GETs the URL; redirects are followed and certificates not checked. The result is the status code, or None
        without an answer.
        """

    def tcp(self, host: str, port: int, timeout: float, on_result: Callable[[bool], None]) -> None:
        """Connects to the port. The result is whether something listens there."""


class Fetcher(Protocol):
    """Fetches a command's URIs into its sandbox."""

    def fetch(
        self, command: mesos.CommandInfo, directory: str, user: str | None, done: Callable[[str | None], None]
    ) -> None:
        """Fetches all URIs; ``done(None)`` or ``done(reason)`` is called in a later turn."""

    @property
    def cache_used(self) -> int:
        """The size of the cached files in bytes."""


@frozen
class FetchFailure:
    """Why a command's URIs could not be fetched."""

    detail: str  # for people: written into the sandbox
    reason: str | None = None  # the error of the launch; None: the fetcher has exited with an error

    @classmethod
    def refused(cls, detail: str) -> FetchFailure:
        """Returns the failure of URIs that are refused before anything is fetched."""
        return cls(detail, f"Could not fetch: {detail}")

    def text(self, container_id: str) -> str:
        """Returns the error of the container's launch."""
        if self.reason is not None:
            return self.reason
        return f"Failed to fetch all URIs for container '{container_id}': exited with status 1"


@define
class Fetches:
    """The number of containers whose URIs were fetched, and could not be fetched, in one life of an agent."""

    succeeded: int = 0
    failed: int = 0


@frozen
class Machine:
    """One machine, as its executors see it."""

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
        """Fetches the command's URIs into the sandbox. ``done`` is called at once if there are no URIs or there is no
        sandbox, otherwise in a later turn.

        ``user`` is the user of the container (None: that of the cluster). If the command names a user, its URIs are
        fetched as that user, even if the agent does not switch users. In that case the user must exist, and gets the
        files of the container's output.
        """
        owner = command.user or user

        def ended(failure: FetchFailure | None) -> None:
            if failure is None:
                self.fetches.succeeded += 1
            else:
                self.fetches.failed += 1
            done(failure)

        def fetched(error: str | None) -> None:
            ended(None if error is None else FetchFailure(error))

        if directory is None:
            ended(None)
            return
        if owner is not None and user is None:
            error = give_output(directory, owner)
            if error is not None:
                self.actor.post(ended, FetchFailure(error, error))
                return
        wrong = uris_error(command)
        if not command.uris:
            ended(None)
        elif wrong is not None:
            self.actor.post(ended, FetchFailure.refused(wrong))
        else:
            self.fetcher.fetch(command, directory, owner, fetched)


def give_output(directory: str, user: str) -> str | None:
    """Gives the files of a container's output to that user, and returns the error, or None."""
    name = f"{directory}/stdout"
    try:
        pwd.getpwnam(user)
        open_output(directory, user)
    except KeyError:
        return f"Failed to chown '{name}' to user '{user}' : No such user '{user}'"
    except OSError as error:
        return f"Failed to chown '{name}' to user '{user}' : {error.strerror}"
    return None


def open_output(directory: str, user: str | None) -> None:
    """Makes the files of a container's output for a container that may not do so itself, and gives them to the user if
    this process runs as root. Raises OSError, and KeyError if there is no such user.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
    for name in ("stdout", "stderr"):
        descriptor = os.open(f"{directory}/{name}", flags, 0o644)
        try:
            if user is not None and os.geteuid() == 0:
                entry = pwd.getpwnam(user)
                os.fchown(descriptor, entry.pw_uid, entry.pw_gid)
        finally:
            os.close(descriptor)
