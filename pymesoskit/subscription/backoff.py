"""How long to wait before trying again.

The growth is any of tenacity's wait strategies; the jitter comes from a generator that is handed in, so that a
simulation with a seed waits the same on each run. A subscription must have lived for ``stable_after`` seconds before
its loss counts as a first failure again: a master that accepts and closes at once is not stormed.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen
from tenacity import RetryCallState, Retrying
from tenacity.wait import wait_base, wait_exponential

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Backoff"]


def _default_wait() -> wait_base:
    return wait_exponential(multiplier=0.1, max=30)


@frozen
class Backoff:
    """The policy of retries: 0.1 s doubling to 30 s, each shortened by up to a half by chance."""

    wait: wait_base | Callable[[RetryCallState], float] = field(factory=_default_wait)
    jitter: float = 0.5  # the largest part of a wait that chance takes off, 0 to 1
    stable_after: float = 10.0  # seconds
    rng: random.Random | None = field(default=None, repr=False)  # None: the chance of the transport

    def delay(self, attempt: int) -> float:
        """Seconds to wait after the ``attempt``-th failure in a row (from 1)."""
        state = RetryCallState(_RETRYING, None, (), {})
        state.attempt_number = attempt
        full = float(self.wait(state))
        return full * (1.0 - self.jitter * (self.rng or _CHANCE).random()) if self.jitter else full

    def with_chance(self, chance: random.Random) -> Backoff:
        """Returns the same policy, with this generator if it has none of its own."""
        return self if self.rng is not None else evolve(self, rng=chance)

    @classmethod
    def constant(cls, seconds: float) -> Backoff:
        """Always the same wait, without chance."""

        def wait(_: Any) -> float:
            return seconds

        return cls(wait=wait, jitter=0.0)


_CHANCE = random.Random()  # noqa: S311 (waits, not secrets)
_RETRYING = Retrying()  # what tenacity's strategies are handed with each state; nothing is run with it
