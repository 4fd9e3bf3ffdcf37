"""Errors of data on the wire. Nothing here depends on connections or HTTP.

.. code-block:: text

    WireError
    ├── RecordIOError
    │   ├── MalformedLength      the length of a record is not a number
    │   ├── RecordTooLarge       a record is longer than the given limit
    │   └── TruncatedRecord      the stream ended inside a record
    ├── JsonSyntaxError          the text is not JSON
    └── ConversionError          the data is not a message of the type
        └── MissingFields        required fields are not set
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class WireError(Exception):
    """The base of all errors of ``pymesoskit.wire``."""


class RecordIOError(WireError):
    """A stream is not RecordIO; nothing after the error can be read."""


class MalformedLength(RecordIOError):
    """The length of a record is not decimal digits and a newline; ``found`` has the bytes in its place."""

    def __init__(self, found: bytes) -> None:
        super().__init__(f"malformed RecordIO: expected the length of a record in decimal digits, found {found!r}")
        self.found = found


class RecordTooLarge(RecordIOError):
    """A record of ``size`` bytes is longer than the ``limit`` (in bytes)."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"a record of {size} bytes exceeds the limit of {limit} bytes")
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
    """The text is not JSON. The error text is Mesos's own."""


class ConversionError(WireError):
    """The JSON (or protobuf) is not a message of the expected type.

    ``str(error)`` is Mesos's own text, which names only the field itself. ``path`` is the whole path from the message
    down, ``accept.operations[0].launch.task_infos[2].name``; it is empty if the text needs none.
    """

    def __init__(self, text: str, path: str = "") -> None:
        super().__init__(text)
        self.path = path

    @property
    def detail(self) -> str:
        """The text, with the path if that adds something."""
        return f"{self} (at {self.path})" if self.path and not str(self).endswith(self.path) else str(self)


class MissingFields(ConversionError):
    """Required fields are not set; ``fields`` has their paths."""

    def __init__(self, fields: Sequence[str]) -> None:
        super().__init__(f"Missing required fields: {', '.join(fields)}", fields[0] if fields else "")
        self.fields: tuple[str, ...] = tuple(fields)
