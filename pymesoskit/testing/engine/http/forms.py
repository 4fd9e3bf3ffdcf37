"""Forms and numbers in requests, taken apart as libprocess does it.

A form is the query of a URL, or the body of the older endpoints' POST requests. Bytes that are no UTF-8 become
surrogates, so they leave as they came. Source: docs/reference/operator-api.md 1 and 3.
"""

from __future__ import annotations

import re
from string import hexdigits

_PAIRS = re.compile("[&;]")
_DECIMAL = re.compile(r"[+-]?[0-9]+", re.ASCII)
_HEXADECIMAL = re.compile(r"-?0x[0-9a-fA-F]+", re.ASCII)


def decode_form(text: str | bytes) -> dict[str, str]:
    """The parameters, decoded; of several of one name the last. Raises ``ValueError`` for a bad percent escape."""
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
    """A signed number of so many bits, decimal or (with ``0x``) hexadecimal. Raises ``ValueError`` if it is none."""
    if _DECIMAL.fullmatch(text):
        number = int(text)
    elif _HEXADECIMAL.fullmatch(text):
        number = int(text, 16)
    else:
        raise ValueError(f"Failed to convert '{text}' to number")
    if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
        raise ValueError(f"Failed to convert '{text}' to number")
    return number
