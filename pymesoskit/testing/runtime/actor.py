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

from pymesoskit.testing.runtime.clock import Clock, RealClock, Timer, VirtualClock

T = TypeVar("T")

#: What an actor does with an exception that nobody caught: called with where it happened, and the exception.
Report = Callable[[str, BaseException], None]

#: How many posted callbacks run before the event loop looks at sockets and timers again.
BURST = 256


class Deadlock(Exception):
    """Nothing is left to happen, and what was waited for has not happened."""


class Actor(Protocol):
    """Runs callbacks one at a time."""

    @property
    def clock(self) -> Clock:
        """The time of this actor; its timers run in the actor's turn."""

    def post(self, callback: Callable[..., object], *args: Any) -> None:
        """Runs ``callback(*args)`` in a later turn, after all that was posted before. Any thread may call."""


class SimulatedActor:
    """An actor without a thread, in virtual time: it moves only in ``settle``, ``advance`` and ``run_until``."""

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self._clock = clock if clock is not None else VirtualClock()
        self._queue: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()

    @property
    def clock(self) -> VirtualClock:
        return self._clock

    def post(self, callback: Callable[..., object], *args: Any) -> None:
        self._queue.append((callback, args))

    def settle(self) -> None:
        """Runs all that is posted, and what that posts in turn. Time stands still."""
        queue = self._queue
        while queue:
            callback, args = queue.popleft()
            callback(*args)

    def advance(self, seconds: float) -> None:
        """Lets that much virtual time pass, running what falls due on the way, each moment to its end."""
        until = self._clock.monotonic() + seconds
        self.settle()
        while (timer := self._clock.pop_due(until)) is not None:
            if timer.callback is not None:
                timer.callback(*timer.args)
            self.settle()

    def run_until(self, condition: Callable[[], bool], limit: float = 3600.0) -> None:
        """Lets time jump from timer to timer until ``condition()`` holds.

        Raises ``Deadlock`` if no timer is left, or ``limit`` seconds of virtual time are over, before it does.
        """
        until = self._clock.monotonic() + limit
        self.settle()
        while not condition():
            due = self._clock.next_due()
            if due is None:
                raise Deadlock("nothing is left to happen and the condition does not hold")
            if due > until:
                raise Deadlock(f"the condition did not come to hold within {limit:g} s of virtual time")
            self.advance(max(0.0, due - self._clock.monotonic()))


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
        self._queue: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
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
        """Lets virtual time pass; only with a ``VirtualClock``. Whatever is posted runs before and between timers."""
        clock = self._clock
        if not isinstance(clock, VirtualClock):
            raise TypeError("this cluster runs in real time: there is nothing to advance")
        self.call(self._advance, clock, clock.monotonic() + seconds)

    def _advance(self, clock: VirtualClock, until: float) -> None:
        self._settle()
        while (timer := clock.pop_due(until)) is not None:
            if timer.callback is not None:
                self._turn(timer.callback, timer.args)
            self._settle()

    def _settle(self) -> None:
        while self._queue:
            self._turn(*self._queue.popleft())

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
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())

    def _drain(self) -> None:
        queue = self._queue
        for _ in range(min(len(queue), BURST)):
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
