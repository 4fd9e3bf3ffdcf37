"""Forms, numbers and durations in requests, read as libprocess reads them, with its error texts.

A form is the query of a URL, or the body of a POST request to one of the older endpoints. Bytes that are not UTF-8
become surrogates, so that they are sent back unchanged. Source: docs/reference/operator-api.md 1 and 3, and numify.hpp
and duration.hpp of stout.
"""

from __future__ import annotations

import re
from string import hexdigits

from pymesoskit.testing.runtime.units import DURATION_UNITS, parse_duration

_PAIRS = re.compile("[&;]")
_DECIMAL = re.compile(r"[+-]?[0-9]+", re.ASCII)
_SECONDS = re.compile(r"([0-9.]*)(.*)", re.ASCII | re.DOTALL)
_REAL = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+", re.ASCII)
_HEXADECIMAL = re.compile(r"-?0x[0-9a-fA-F]+", re.ASCII)


def decode_form(text: str | bytes) -> dict[str, str]:
    """Returns the decoded parameters by name; the last one of a name counts.

    Raises ``ValueError`` for a bad percent escape.
    """
    plain = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text
    form: dict[str, str] = {}
    for pair in filter(None, _PAIRS.split(plain)):
        name, _, value = pair.partition("=")
        form[_unquote(name)] = _unquote(value)
    return form


def _unquote(text: str) -> str:
    first, *escapes = text.replace("+", " ").split("%")
    if not escapes:
        return first
    data = [first.encode("utf-8", "surrogateescape")]
    position = len(first)
    for escape in escapes:
        if len(escape) < 2 or escape[0] not in hexdigits or escape[1] not in hexdigits:
            raise ValueError(f"Malformed % escape in '{text}': '{text[position : position + 3]}'")
        data.append(bytes.fromhex(escape[:2]) + escape[2:].encode("utf-8", "surrogateescape"))
        position += 1 + len(escape)
    return b"".join(data).decode("utf-8", "surrogateescape")


def numify(text: str, bits: int) -> int:
    """Returns the signed number of so many bits that the text, decimal or hexadecimal (``0x``), stands for.

    Raises ``ValueError`` with Mesos's text.
    """
    if _DECIMAL.fullmatch(text):
        number = int(text)
    elif _HEXADECIMAL.fullmatch(text):
        number = int(text, 16)
    else:
        raise ValueError(f"Failed to convert '{text}' to number")
    if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
        raise ValueError(f"Failed to convert '{text}' to number")
    return number


def durify(text: str) -> float:
    """Returns the seconds of a duration such as ``5secs``. Raises ``ValueError`` with Mesos's text."""
    match = _SECONDS.fullmatch(text)
    assert match is not None  # it matches any text
    number, unit = match[1], match[2]
    if not unit:
        raise ValueError(f"Invalid duration '{text}'")
    if not _REAL.fullmatch(number):
        raise ValueError(f"Failed to convert '{number}' to number")
    if unit not in DURATION_UNITS:
        raise ValueError(f"Unknown duration unit '{unit}'")
    try:
        return parse_duration(text)
    except ValueError:
        limit = "Argument out of the range that a Duration can represent due to int64_t's size limit"
        raise ValueError(limit) from None
