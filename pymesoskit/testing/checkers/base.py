"""What a check is."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeAlias, Union

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymesoskit.testing.runtime.journal import Entry, Journal


@frozen
class Valid:
    """The rule held."""


@frozen
class Invalid:
    """The rule was broken."""

    why: str
    evidence: tuple[Entry, ...] = field(default=(), repr=False)


@frozen
class Unknown:
    """What happened does not say whether the rule held."""

    why: str


Verdict: TypeAlias = Union[Valid, Invalid, Unknown]


class Check:
    """A rule. Subclasses define ``see`` and, if something is only known in the end, ``end``.

    A check that was given to ``simulate`` is copied for each run, so it may keep state.
    """

    name: str = ""

    def __init__(self) -> None:
        self.verdict: Verdict = Valid()
        self.name = self.name or type(self).__name__

    def see(self, entry: Entry) -> None:
        """Looks at an entry. Calls ``break_rule`` if it breaks the rule."""

    def end(self, now: float) -> None:
        """The run is over, at ``now`` (seconds since the epoch). Sets ``verdict`` if only that decides."""

    def break_rule(self, why: str, *evidence: Entry) -> None:
        """Notes that the rule is broken; the first time counts."""
        if not isinstance(self.verdict, Invalid):
            self.verdict = Invalid(why, evidence)

    @property
    def broken(self) -> bool:
        """Whether the rule is known to be broken."""
        return isinstance(self.verdict, Invalid)


class RuleBroken(AssertionError):
    """A check found that its rule was broken."""


class Journaled(Protocol):
    """A cluster: all that checks need of it."""

    @property
    def journal(self) -> Journal:
        """Its journal."""

    def call(self, function: Callable[[], None]) -> None:
        """Runs the function in the cluster's turn."""


class Checking:
    """Checks that watch a journal."""

    def __init__(self, journal: Journal, checks: tuple[Check, ...]) -> None:
        self._journal = journal
        self.checks: tuple[Check, ...] = tuple(copy.deepcopy(check) for check in checks)
        self._unwatch = journal.watch(self._see)

    def _see(self, entry: Entry) -> None:
        for check in self.checks:
            check.see(entry)

    @property
    def broken(self) -> Check | None:
        """The first check whose rule is broken, or None."""
        return next((check for check in self.checks if check.broken), None)

    def end(self, now: float) -> None:
        """Stops watching and lets the checks decide."""
        self._unwatch()
        for check in self.checks:
            if not check.broken:
                check.end(now)


@contextmanager
def checking(cluster: Journaled, *checks: Check) -> Iterator[Checking]:
    """Watches a cluster while the block runs. Raises ``RuleBroken`` at its end if a rule was broken."""
    journal = cluster.journal
    watching = Checking(journal, checks)
    try:
        yield watching
    except BaseException:
        watching.end(journal.now())
        raise
    watching.end(journal.now())
    for check in watching.checks:
        if isinstance(check.verdict, Invalid):
            raise RuleBroken(f"{check.name}: {check.verdict.why}")
