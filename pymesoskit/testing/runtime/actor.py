"""The one thread (or turn) that owns all cluster state.

Whatever reaches the cluster from a socket, a timer, a subprocess or a test is posted here and runs one after the other,
in the order of arrival. ``SimulatedActor`` has no thread: the caller's turns move it, in virtual time, so a history is
the same on each run. ``ThreadActor`` runs an asyncio event loop in a thread of its own; the HTTP front end lives there.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from pymesoskit.testing.runtime.clock import Clock, RealClock, Timer, VirtualClock, VirtualTimer

T = TypeVar("T")

#: What is posted and has not run yet.
Queue = deque[tuple[Callable[..., object], tuple[Any, ...]]]

#: What an actor does with an exception that nobody caught: called with where it happened, and the exception.
Report = Callable[[str, BaseException], None]

#: How many posted callbacks run before the event loop looks at sockets and timers again.
BURST = 256

#: How often the loop goes round in the end: a connection that was just accepted is made and closed in so many rounds.
LAST_ROUNDS = 5

#: How long a chain of callbacks, each posted by the one before, may become while virtual time stands still.
MAX_CHAIN = 100_000


class Deadlock(Exception):
    """Nothing is left to happen in virtual time, and the condition that was waited for does not hold."""


class Livelock(Exception):
    """Things happen without end at one moment of virtual time, for example because a framework relaunches at once."""


class Actor(Protocol):
    """Runs callbacks one at a time."""

    @property
    def clock(self) -> Clock:
        """The time of this actor; its timers run in the actor's turn."""

    def post(self, callback: Callable[..., object], *args: Any) -> None:
        """Runs ``callback(*args)`` in a later turn, after all that was posted before. Any thread may call."""


class SimulatedActor:
    """An actor without a thread, in virtual time: it moves only in ``settle``, ``advance`` and ``run_until``.

    All three raise ``Livelock`` if more than ``max_chain`` callbacks, each posted by the one before, run at one moment.
    """

    def __init__(self, clock: VirtualClock | None = None, max_chain: int = MAX_CHAIN) -> None:
        self._clock = clock if clock is not None else VirtualClock()
        self._queue: Queue = deque()
        self._moment = _Moment(self._clock, max_chain)

    @property
    def clock(self) -> VirtualClock:
        return self._clock

    def post(self, callback: Callable[..., object], *args: Any) -> None:
        self._queue.append((callback, args))

    def settle(self) -> None:
        """Runs all that is posted, and what that posts in turn. Time stands still."""
        self._moment.begin()
        self._settle()

    def advance(self, seconds: float) -> None:
        """Lets ``seconds`` of virtual time pass and runs what falls due on the way, each moment to its end."""
        self._moment.begin()
        self._run(self._clock.monotonic() + seconds)

    def run_until(self, condition: Callable[[], bool], limit: float = 3600.0) -> None:
        """Lets time jump from timer to timer until ``condition()`` holds.

        Raises ``Deadlock`` if no timer is left, or ``limit`` seconds of virtual time are over, before it does.
        """
        until = self._clock.monotonic() + limit
        self._moment.begin()
        self._settle()
        while not condition():
            due = self._clock.next_due()
            if due is None:
                raise Deadlock("nothing is left to happen")
            if due > until:
                raise Deadlock(f"timed out after {limit:g} s of virtual time")
            self._run(due)

    def _run(self, until: float) -> None:
        self._settle()
        while (timer := self._clock.pop_due(until)) is not None:
            if timer.callback is not None:
                self._moment.timer_runs(timer)
                timer.callback(*timer.args)
            self._settle()

    def _settle(self) -> None:
        queue = self._queue
        while queue:
            self._moment.next_link()
            for _ in range(len(queue)):
                if not queue:  # one of them has settled all itself
                    break
                callback, args = queue.popleft()
                callback(*args)


class _Moment:
    """How long the chain of callbacks has become since virtual time last moved.

    Counting callbacks would not do: a burst of a million independent ones is legitimate. So each link of the chain is
    all that was posted when the link before had run. Timers that were set without a delay cannot be grouped like that;
    ten times as many of them are allowed.
    """

    def __init__(self, clock: VirtualClock, limit: int) -> None:
        self._clock = clock
        self._limit = limit
        self._at = clock.monotonic()
        self._links = 0
        self._timers = 0

    def begin(self) -> None:
        """The program lets things happen: the chain begins."""
        self._links = self._timers = 0

    def next_link(self) -> None:
        """One more link. Raises ``Livelock`` if the chain has become too long."""
        self._look_at_clock()
        self._links += 1
        self._check()

    def timer_runs(self, timer: VirtualTimer) -> None:
        """A timer is about to run. Raises ``Livelock`` if there were too many of them without a delay."""
        if timer.at_once:
            self._look_at_clock()
            self._timers += 1
            self._check()

    def _look_at_clock(self) -> None:
        now = self._clock.monotonic()
        if now != self._at:
            self._at = now
            self._links = self._timers = 0

    def _check(self) -> None:
        if self._links > self._limit or self._timers > 10 * self._limit:
            raise Livelock(
                f"virtual time stands still: {self._limit} callbacks have run at one moment, each posted by the one "
                "before; let some time pass, for example decline for a while or give simulated tasks a run_time"
            )


class ActorEnded(RuntimeError):
    """The actor's thread has ended: nothing can be asked of it any more."""


def _print_failure(where: str, error: BaseException) -> None:
    sys.stderr.write(f"pymesoskit: an unexpected error in {where}\n{''.join(traceback.format_exception(error))}")


class _Waiter:
    """Somebody who waits for a condition."""

    def __init__(self, condition: Callable[[], bool]) -> None:
        self._condition = condition
        self.future: Future[bool] = Future()

    def look(self) -> None:
        """Asks the condition."""
        try:
            if self._condition():
                self.future.set_result(True)
        except BaseException as error:  # noqa: BLE001 (it is raised where somebody waits)
            self.future.set_exception(error)


class ThreadActor:
    """An actor with a thread of its own that runs an asyncio event loop; in real time unless it has a ``VirtualClock``.

    An exception that a turn lets escape goes to ``report`` and never ends the loop. After ``stop`` posts are ignored.
    """

    def __init__(self, clock: VirtualClock | None = None, name: str = "mesos-cluster") -> None:
        self.loop: asyncio.AbstractEventLoop  # from ``start`` on
        self.report: Report = _print_failure
        self._clock: Clock = clock if clock is not None else RealClock(self._call_later)
        self._moment: _Moment | None = None  # with a virtual clock
        if clock is not None:
            self._moment = _Moment(clock, MAX_CHAIN)
            clock.wake_for_due(lambda: self.post(self._run_due, clock))
        self._queue: Queue = deque()
        self._draining = False  # whether the loop is about to run what is posted; only touched in the actor's thread
        self._ended = False
        self._last: dict[Callable[[], object], None] | None = {}  # to be called in the last turn; None after it
        self._last_lock = threading.Lock()
        self._waiters: list[_Waiter] = []
        self._looking = False  # whether the loop is about to look at what they wait for
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._ident: int | None = None

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return not self._ended and self._thread.is_alive()

    def start(self) -> None:
        """Starts the thread. What was posted before runs first."""
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(self._loop_failure)
        self.loop.call_soon(self._drain)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and drops what is still posted; harmless when it has ended. Not to be called in a turn."""
        if self._ended:
            return
        self._ended = True
        if self._thread.ident is not None:  # it was started
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
            self.loop.close()
        else:
            self._last_turn()

    def at_end(self, callback: Callable[[], object]) -> None:
        """Calls back in the last turn; at once, if that is over. Any thread may call."""
        with self._last_lock:
            if self._last is not None:
                self._last[callback] = None
                return
        callback()

    def not_at_end(self, callback: Callable[[], object]) -> None:
        """Takes back what ``at_end`` was told."""
        with self._last_lock:
            if self._last is not None:
                self._last.pop(callback, None)

    def _last_turn(self) -> None:
        with self._last_lock:
            callbacks, self._last = self._last or {}, None
        for callback in callbacks:
            self._turn(callback, ())

    def post(self, callback: Callable[..., object], *args: Any) -> None:
        if self._ended:
            return
        self._queue.append((callback, args))
        if threading.get_ident() == self._ident:
            if not self._draining:
                self._draining = True
                self.loop.call_soon(self._drain)
        elif self._thread.ident is not None:
            with contextlib.suppress(RuntimeError):  # it ended just now
                self.loop.call_soon_threadsafe(self._drain)

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Runs ``function(*args)`` in the actor's turn, and returns or raises what it does. Raises ``ActorEnded``."""
        if threading.get_ident() == self._ident:
            return function(*args)
        if self._ended or not self._thread.is_alive():
            raise ActorEnded("the cluster has ended")
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(function(*args))
            except BaseException as error:  # noqa: BLE001 (it is raised where the call was made)
                answer.set_exception(error)

        self.post(run)
        while True:
            try:
                return answer.result(timeout=1.0)
            except TimeoutError:
                if answer.done():
                    raise  # the function's own
                if not self._thread.is_alive():
                    raise ActorEnded("the cluster ended during the call") from None

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Waits until ``condition()``, asked in the actor's turn whenever something has happened, holds.

        Returns whether it did within ``timeout`` seconds of real time. Raises what the condition raises, and
        ``ActorEnded``. Not to be called in a turn.
        """
        if self._ended or not self._thread.is_alive():
            raise ActorEnded("the cluster has ended")
        waiter = _Waiter(condition)
        self.post(self._waiters.append, waiter)
        try:
            return waiter.future.result(timeout)
        except TimeoutError:
            if waiter.future.done():
                raise  # the condition's own
            return False
        finally:
            self.post(self._forget, waiter)

    def happened(self) -> None:
        """Something happened in this turn that was neither posted nor a timer's: those who wait are to look."""
        if self._waiters and not self._looking:
            self._looking = True
            self.loop.call_soon(self._look)

    def _look(self) -> None:
        self._looking = False
        for waiter in list(self._waiters):
            waiter.look()
            if waiter.future.done():
                self._forget(waiter)

    def _forget(self, waiter: _Waiter) -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    def advance(self, seconds: float) -> None:
        """Lets ``seconds`` of virtual time pass. Whatever is posted runs before and between timers.

        Raises ``TypeError`` without a ``VirtualClock``, and ``Livelock``.
        """
        clock = self._clock
        if not isinstance(clock, VirtualClock) or self._moment is None:
            raise TypeError("this cluster runs in real time: time cannot be advanced")
        self.call(self._advance, clock, self._moment, clock.monotonic() + seconds)

    def _run_due(self, clock: VirtualClock) -> None:
        """Runs the timers that are due at the moment at which time stands still."""
        if (due := clock.next_due()) is not None and due <= clock.monotonic():
            timer = clock.pop_due(due)
            if timer is not None and timer.callback is not None:
                self._turn(timer.callback, timer.args)

    def _advance(self, clock: VirtualClock, moment: _Moment, until: float) -> None:
        moment.begin()
        self._settle(moment)
        while (timer := clock.pop_due(until)) is not None:
            if timer.callback is not None:
                moment.timer_runs(timer)
                self._turn(timer.callback, timer.args)
            self._settle(moment)

    def _settle(self, moment: _Moment) -> None:
        queue = self._queue
        while queue:
            moment.next_link()
            for _ in range(len(queue)):
                if not queue:  # one of them has advanced, too
                    break
                self._turn(*queue.popleft())
        if self._waiters:
            self._look()  # time may pass on before the loop has its turn

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self._ident = threading.get_ident()
        try:
            self.loop.run_forever()
        finally:
            self._last_turn()
            self._ident = None
            tasks = asyncio.all_tasks(self.loop)
            for task in tasks:
                task.cancel()
            if tasks:
                self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            for _ in range(LAST_ROUNDS):
                self.loop.run_until_complete(asyncio.sleep(0))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())

    def _drain(self) -> None:
        queue = self._queue
        for _ in range(min(len(queue), BURST)):
            if not queue:  # one of them has advanced the time, and run all the others on the way
                break
            self._turn(*queue.popleft())
        self._draining = bool(queue)
        if self._draining:
            self.loop.call_soon(self._drain)

    def _turn(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        try:
            callback(*args)
        except Exception as error:  # noqa: BLE001 (one turn's failure must not end the cluster)
            self.report("the cluster", error)
        if self._waiters and not self._looking:
            self._looking = True
            self.loop.call_soon(self._look)

    def _call_later(self, delay: float, callback: Callable[..., object], args: tuple[Any, ...]) -> Timer:
        return self.loop.call_later(delay, self._turn, callback, args)

    def _loop_failure(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception") or RuntimeError(context.get("message", "unknown"))
        self.report("the event loop", error)
