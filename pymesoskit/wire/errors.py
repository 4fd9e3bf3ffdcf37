"""What can be wrong with bytes and texts on the wire. Nothing here knows of connections or HTTP.

.. code-block:: text

    WireError
    ├── RecordIOError
    │   ├── MalformedLength      the length in front of a record is no number
    │   ├── RecordTooLarge       longer than the bound that was asked for
    │   └── TruncatedRecord      the stream ended inside a record
    ├── JsonSyntaxError          the text is no JSON
    └── ConversionError          the message cannot be had from it
        └── MissingFields        required fields are not set
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class WireError(Exception):
    """The base of all errors of ``pymesoskit.wire``."""


class RecordIOError(WireError):
    """A stream is not RecordIO; nothing after it can be read."""


class MalformedLength(RecordIOError):
    """What should be a record's length is not decimal digits and a newline; ``found`` are its bytes."""

    def __init__(self, found: bytes) -> None:
        super().__init__(f"malformed RecordIO: expected the length of a record in decimal digits, found {found!r}")
        self.found = found


class RecordTooLarge(RecordIOError):
    """A record of ``size`` bytes where at most ``limit`` are accepted."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"a record of {size} bytes is longer than the {limit} bytes that are accepted")
        self.size = size
        self.limit = limit


class TruncatedRecord(RecordIOError):
    """The stream ended inside a record, or inside its length."""

    def __init__(self, have: int, want: int | None) -> None:
        what = "inside the length of a record" if want is None else f"after {have} of the {want} bytes of a record"
        super().__init__(f"the stream ended {what}")
        self.have = have
        self.want = want


class JsonSyntaxError(WireError):
    """The text is no JSON. The message is Mesos's own."""


class ConversionError(WireError):
    """The JSON (or protobuf) is not such a message.

    ``str(error)`` is Mesos's own text, which names a field only by its own name; ``path`` says where it is, from the
    message down: ``accept.operations[0].launch.task_infos[2].name`` (empty if the text itself says it all).
    """

    def __init__(self, text: str, path: str = "") -> None:
        super().__init__(text)
        self.path = path

    @property
    def detail(self) -> str:
        """The text, and the path where that says more."""
        return f"{self} (at {self.path})" if self.path and not str(self).endswith(self.path) else str(self)


class MissingFields(ConversionError):
    """Required fields are not set; ``fields`` are their paths."""

    def __init__(self, fields: Sequence[str]) -> None:
        super().__init__(f"Missing required fields: {', '.join(fields)}", fields[0] if fields else "")
        self.fields: tuple[str, ...] = tuple(fields)
