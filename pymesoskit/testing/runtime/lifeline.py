"""What a master's or an agent's process can still do: run, stand still, or nothing any more.

Everything that reaches such a process (timers, requests, ends of containers, executors' calls) passes its ``Lifeline``.
A frozen process (SIGSTOP) acts on nothing, and catches up in order when it thaws; one that has ended hears nothing
more, and its timers are gone with it. Messages of the network are held back by the network itself (``network.py``).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.runtime.clock import Clock, Timer


class _GuardedTimer:
    """A timer whose callback passes the lifeline."""

    __slots__ = ("args", "callback", "lifeline", "timer")

    def __init__(self, lifeline: Lifeline, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.lifeline: Lifeline = lifeline
        self.callback: Callable[..., object] | None = callback
        self.args: tuple[()] = args
        self.timer: Timer | None = None

    def fire(self) -> None:
        self.lifeline.deliver(self.run)

    def run(self) -> None:
        callback, args = self.callback, self.args
        self.cancel()
        if callback is not None:
            callback(*args)

    def cancel(self) -> None:
        self.callback, self.args = None, ()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.lifeline.forget(self)


class Lifeline:
    """Lets callbacks through while the process runs; a ``Clock`` for all that lives in the process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._timers: set[_GuardedTimer] = set()
        self._held: deque[tuple[Callable[..., object], tuple[Any, ...]]] | None = None
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._ended

    @property
    def frozen(self) -> bool:
        """Whether the process stands still."""
        return self._held is not None

    @property
    def pending(self) -> int:
        """How many timers run."""
        return len(self._timers)

    def time(self) -> float:
        return self._clock.time()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Timer:
        timer = _GuardedTimer(self, callback, args)
        if not self._ended:
            timer.timer = self._clock.call_later(delay, timer.fire)
            self._timers.add(timer)
        return timer

    def forget(self, timer: _GuardedTimer) -> None:
        """The timer is over."""
        self._timers.discard(timer)

    def deliver(self, callback: Callable[..., object], *args: Any) -> None:
        """Runs ``callback(*args)`` now, or when the process thaws; never if it has ended."""
        if self._ended:
            return
        if self._held is not None:
            self._held.append((callback, args))
        else:
            callback(*args)

    def freeze(self) -> None:
        """The process stands still from now on."""
        if self._held is None and not self._ended:
            self._held = deque()

    def thaw(self) -> None:
        """Lets the process go on: it first does what it has missed, in order.

        A callback that raises does not keep the others from running. Raises what it raised, or an ``ExceptionGroup`` if
        several did, after all have run.
        """
        held = self._held
        failures: list[Exception] = []
        while held:  # all of it before anything new, which joins the end of the queue
            callback, args = held.popleft()
            if not self._ended:
                try:
                    callback(*args)
                except Exception as error:  # noqa: BLE001 (raised below)
                    failures.append(error)
        self._held = None
        if len(failures) == 1:
            raise failures[0]
        if failures:
            raise ExceptionGroup("callbacks that were held while the process was frozen", failures)

    def end(self) -> None:
        """The process is gone, with its timers."""
        self._ended = True
        self._held = None
        for timer in list(self._timers):
            timer.cancel()
