"""The bytes before a body: status lines, headers, chunk sizes; and whether a body is compressed.

Source: docs/reference/scheduler-api.md 1.1: Date on every response, Content-Length: 0 on empty ones, gzip from 1024 B.
"""

from __future__ import annotations

import gzip
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from pymesoskit.testing.engine.http.handler import admits

if TYPE_CHECKING:
    from pymesoskit.testing.engine.http.handler import Headers

#: Bodies of at least so many bytes are compressed for clients that ask for it.
GZIP_MINIMUM = 1024

#: Low: most bodies go over loopback, where time counts and size does not.
GZIP_LEVEL = 1

#: Tells browsers to believe ``Content-Type``: a task's output is not to become a page or a script of this server.
NO_SNIFFING = "X-Content-Type-Options: nosniff\r\n"

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


class DateHeader:
    """The line ``Date: …``, written anew once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._line = ""

    def line(self, now: float) -> str:
        """The line for that time (seconds since the Unix epoch)."""
        second = int(now)
        if second != self._second:
            self._second = second
            self._line = f"Date: {formatdate(second, usegmt=True)}\r\n"
        return self._line


def head(status: int, headers: Headers, *lines: str) -> bytes:
    """Status line, headers, further lines (each with its line end), and the empty line."""
    first = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} Unknown\r\n"
    fields = "".join([f"{name}: {_one_line(value)}\r\n" for name, value in headers])
    return f"{first}{fields}{NO_SNIFFING}{''.join(lines)}\r\n".encode("latin-1", "replace")


def _one_line(value: str) -> str:
    """The value of a header: a line end in it (from text that came from outside) would begin another header."""
    return value.replace("\r", " ").replace("\n", " ") if "\n" in value or "\r" in value else value


def chunk(pieces: list[bytes]) -> list[bytes]:
    """The pieces as one chunk of a chunked body; nothing for no bytes, since an empty chunk would end the body."""
    size = sum(map(len, pieces))
    return [b"%x\r\n" % size, *pieces, b"\r\n"] if size else []


LAST_CHUNK = b"0\r\n\r\n"


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Whether the client asks for gzip: by name or ``*``, and not with ``q=0``."""
    return accept_encoding is not None and admits(accept_encoding, "gzip", "*")


def compress(body: bytes) -> bytes:
    """The body in gzip, the same on each call."""
    return gzip.compress(body, GZIP_LEVEL, mtime=0)
