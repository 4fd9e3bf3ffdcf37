"""What the executors of one machine share: time, chance, launchers, and what looks at ports."""

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
    reason: str | None = None  # what the launch fails with; None: the fetcher has ended with an error

    @classmethod
    def refused(cls, detail: str) -> FetchFailure:
        """The URIs were not even looked for."""
        return cls(detail, f"Could not fetch: {detail}")

    def text(self, container_id: str) -> str:
        """Returns what the launch of the container fails with."""
        if self.reason is not None:
            return self.reason
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

        ``user`` is whom the container runs as (None: as the cluster). A command that names a user of its own is
        fetched for as that one, even if the agent does not switch users: then there must be such a user, and the files
        of the container's output become the user's.
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
    """Makes the files of a container's output the property of that user, and returns what is wrong, or None."""
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
    """Makes the files of a container's output, which a process may not do itself: they become the user's, if this
    process is root. Raises OSError, and KeyError if there is no such user.
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
