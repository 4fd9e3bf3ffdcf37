"""Random ids from a given generator, so that they depend on the seed."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

_VERSION_4 = 0x4000_8000_0000_0000_0000
_RANDOM_BITS = (1 << 128) - 1 ^ (0xF000 << 64) ^ (0xC000 << 48)


def uuid_bytes(rng: random.Random) -> bytes:
    """Returns the 16 bytes of a random UUID (version 4)."""
    return (rng.getrandbits(128) & _RANDOM_BITS | _VERSION_4).to_bytes(16, "big")


def uuid_text(rng: random.Random) -> str:
    """Returns a random UUID (version 4) as text."""
    return str(uuid.UUID(bytes=uuid_bytes(rng)))


def is_uuid(data: bytes) -> bool:
    """Returns whether Mesos accepts the bytes as a UUID: 16 bytes of a known version."""
    return len(data) == 16 and 1 <= data[6] >> 4 <= 5
