"""Time and chance where a handler runs.

A driver enters its surroundings before it calls handlers. Over a transport in virtual time they are the cluster's clock
and a generator that its seed determines, so that ids and timestamps made in a handler are the same on each run.
Elsewhere they are the machine's.
"""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

_time: ContextVar[Callable[[], float]] = ContextVar("pymesoskit time", default=time.time)
_chance: ContextVar[random.Random | None] = ContextVar("pymesoskit chance", default=None)


@contextmanager
def surroundings(now: Callable[[], float], chance: random.Random | None) -> Iterator[None]:
    """Within the block ``current_time`` asks ``now``, and ``new_uuid`` takes ``chance`` (None: the system's)."""
    time_token, chance_token = _time.set(now), _chance.set(chance)
    try:
        yield
    finally:
        _time.reset(time_token)
        _chance.reset(chance_token)


def current_time() -> float:
    """Returns the seconds since the Unix epoch."""
    return _time.get()()


def new_uuid() -> uuid.UUID:
    """Returns a new random UUID."""
    chance = _chance.get()
    return uuid.uuid4() if chance is None else uuid.UUID(int=chance.getrandbits(128), version=4)
