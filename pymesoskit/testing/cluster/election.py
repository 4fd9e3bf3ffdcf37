"""Who of several masters leads: what ZooKeeper is to a real cluster.

Each life of a master has a ``Session`` and stands for election with it. Of those that stand, the one that stood first
leads. Who is not heard of (killed, frozen, cut off) keeps its place until the session timeout (--zk_session_timeout) is
over; until then the others go on pointing to it. When it is over, the next one leads at once. Who was cut off knows as
soon as the others: it sees no leader any more, so one that led ends, and one that did not stands again when it is back.

Both are a ``Leadership``: a session for its master, the election for agents. All in the actor's turn.
Source: docs/reference/failover.md, "Several masters".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.runtime.actor import Actor
    from pymesoskit.testing.runtime.clock import Timer
    from pymesoskit.wire.v1 import mesos


#: The reason why a master is not heard of that keeps it from knowing so itself.
FROZEN = "frozen"


class Watchers:
    """Who is to be told of changes."""

    def __init__(self) -> None:
        self._watchers: list[Callable[[], None]] = []

    def add(self, changed: Callable[[], None]) -> Callable[[], None]:
        """``changed()`` is called after each change from now on; returns what ends that."""
        self._watchers.append(changed)
        return lambda: self._watchers.remove(changed) if changed in self._watchers else None

    def tell(self) -> None:
        """Something has changed."""
        for changed in list(self._watchers):
            if changed in self._watchers:  # it may have gone because of one before it
                changed()


class Election:
    """Elects one of the candidates as leader, as ZooKeeper does. ``session_timeout`` is in seconds."""

    def __init__(self, actor: Actor, session_timeout: float) -> None:
        self._actor = actor
        self.session_timeout = session_timeout
        self._candidates: dict[Session, mesos.MasterInfo] = {}  # in the order in which they stood
        self._sessions: dict[Session, None] = {}
        self._watchers = Watchers()
        self._closed = False

    def leader(self) -> mesos.MasterInfo | None:
        """The leading master, None while there is none. It may have died a moment ago."""
        return next(iter(self._candidates.values()), None)

    def connect(self) -> Session:
        """A session for the life of a master that begins."""
        session = Session(self, self._actor)
        self._sessions[session] = None
        return session

    def close(self) -> None:
        """Nobody is elected any more: the cluster ends."""
        self._closed = True
        for session in list(self._sessions):
            session.drop()

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """``changed()`` is called after each change of the leader; returns what ends that."""
        return self._watchers.add(changed)

    # For the sessions

    def stand(self, session: Session, info: mesos.MasterInfo) -> None:
        """One more candidate, behind all others."""
        if not self._closed:
            self._candidates[session] = info
            if len(self._candidates) == 1:
                self._tell()

    def withdraw(self, session: Session) -> None:
        """The session has expired."""
        led = next(iter(self._candidates), None) is session
        self._candidates.pop(session, None)
        if led and not self._closed:
            self._tell()

    def forget(self, session: Session) -> None:
        """Nobody holds the session any more."""
        self._sessions.pop(session, None)

    def _tell(self) -> None:
        for session in list(self._sessions):
            session.look()
        self._watchers.tell()


class Session:
    """What one life of a master sees of the election (its ``Leadership``), and whether the election hears of it."""

    def __init__(self, election: Election, actor: Actor) -> None:
        self._election = election
        self._actor = actor
        self._info: mesos.MasterInfo | None = None  # None: it does not stand
        self._seen = election.leader()
        self._watchers = Watchers()
        self._silent: set[str] = set()  # why it is not heard of
        self._timer: Timer | None = None  # until it expires
        self._expired = False
        self._ended = False

    def leader(self) -> mesos.MasterInfo | None:
        """The leading master as far as this one knows: while it is cut off, the one that led before."""
        return self._seen

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """``changed()`` is called after each change of what ``leader`` says; returns what ends that."""
        return self._watchers.add(changed)

    def stand(self, info: mesos.MasterInfo) -> None:
        """The master can be elected from now on."""
        self._info = info
        self._election.stand(self, info)

    def silence(self, reason: str) -> None:
        """Nothing is heard of it from now on, and it hears nothing."""
        self._silent.add(reason)
        if self._timer is None and not self._expired:
            self._timer = self._actor.clock.call_later(self._election.session_timeout, self._expire)

    def speak(self, reason: str) -> None:
        """The reason is over. If no other is left, it learns what has happened, at first if its session has expired."""
        if reason not in self._silent:
            return
        self._silent.remove(reason)
        if self._expired and FROZEN not in self._silent:
            self._see(None)
        if self._silent or self._ended:
            return
        self._stop_timer()
        if self._expired:
            self._actor.post(self._stand_again)
        else:
            self.look()

    def end(self) -> None:
        """The master has ended, in whatever way: its place is free when the session expires."""
        if self._ended:
            return
        self._ended = True
        if self._expired or self._info is None:
            self.drop()
        else:
            self.silence("ended")

    def drop(self) -> None:
        """Ends the session at once; nobody is notified."""
        self._ended = True
        self._stop_timer()
        self._election.forget(self)

    def look(self) -> None:
        """The leader may be another."""
        if not self._silent and not self._ended:
            self._see(self._election.leader())

    def _see(self, leader: mesos.MasterInfo | None) -> None:
        if leader is not self._seen:
            self._seen = leader
            self._watchers.tell()

    def _expire(self) -> None:
        self._timer = None
        self._expired = True
        if self._ended:
            self._election.forget(self)
        elif FROZEN not in self._silent:
            self._see(None)  # its own clock tells it: nobody waits for it any more
        self._election.withdraw(self)

    def _stand_again(self) -> None:
        if self._ended or self._silent or not self._expired:
            return
        self._expired = False
        if self._info is not None:
            self._election.stand(self, self._info)
        self.look()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
