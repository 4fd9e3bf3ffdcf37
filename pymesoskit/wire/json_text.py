"""JSON as text: which texts Mesos accepts, its errors for all others, and how it writes numbers and strings.

Mesos reads JSON with picojson. Compared with the standard it accepts more in some points (``01`` and ``1.`` are
numbers) and less in others (no lone surrogates, a depth of at most 200). ``parse`` reads one character at a time in
the same order as picojson, because error texts show where it stopped. ``loads`` uses Python's own parser, written in
C, wherever both agree. Source: docs/reference/json-and-resources.md.
"""

from __future__ import annotations

import json
import math
import re
from json.encoder import encode_basestring
from typing import Any, NoReturn

from pymesoskit.wire.errors import JsonSyntaxError
from pymesoskit.wire.json_numbers import format_double

MAX_DEPTH = 200

_FIRST_64_BIT, _LAST_64_BIT = -(2**63), 2**63 - 1

WHITESPACE = b" \t\n\r"
TRAILING = "Parsed JSON included non-whitespace trailing characters: "

Value = Any  # None, bool, int, float, str, list, dict


class _Unlike(Exception):
    """Python's parser would accept something that picojson does not."""


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _Unlike
    return value


def _constant(text: str) -> NoReturn:
    raise _Unlike(text)  # NaN, Infinity


_decoder = json.JSONDecoder(parse_float=_float, parse_constant=_constant)


def loads(data: bytes) -> Value:
    """Returns the value of a JSON text. Raises ``JsonSyntaxError`` with Mesos's text.

    If a key is given twice, the last one counts. Bytes that are not UTF-8 become surrogate escapes. In two points the
    value may differ from that of ``parse``: see ``may_differ``.
    """
    if b"\\ud" in data or b"\\uD" in data:  # surrogates, perhaps lone ones
        return parse(data)
    try:
        value = _decoder.decode(data.decode())
    except (ValueError, RecursionError, _Unlike):
        return parse(data)
    return value if isinstance(value, dict | list) else parse(data)  # behind a lone number, white space is an error


def may_differ(value: Value, depth: int = MAX_DEPTH) -> bool:
    """Returns whether ``parse`` might return another value than this one of ``loads``, or raise.

    That is possible if containers are nested more than ``depth`` deep, or if an integer has more than 64 bits.
    """
    level = [value]
    for _ in range(depth):
        inner: list[Value] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
            elif _is_large(item):
                return True
        if not inner:
            return False
        level = inner
    return any(isinstance(item, dict | list) or _is_large(item) for item in level)


def _is_large(value: Value) -> bool:
    return isinstance(value, int) and not _FIRST_64_BIT <= value <= _LAST_64_BIT


def parse(data: bytes) -> Value:
    """Returns the value of a JSON text, read exactly as picojson reads it. Raises ``JsonSyntaxError``."""
    reader = _Reader(data)
    value = reader.value(0)
    # After a number picojson has read one more character and does not put it back: "1x" is 1, and "1 " is not.
    end = len(data.rstrip(WHITESPACE))
    if reader.at != end:
        rest = data[reader.at : end] if reader.at < end else data[reader.at :]
        raise JsonSyntaxError(TRAILING + rest.decode(errors="surrogateescape"))
    return value


_NUMBER = re.compile(rb"[0-9+\-eE.]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_SPACE = re.compile(rb"[ \t\n\r]*")
_WORDS: dict[int, tuple[bytes, Value]] = {
    ord("n"): (b"ull", None),
    ord("f"): (b"alse", False),
    ord("t"): (b"rue", True),
}
_ESCAPES = {ord(a): b for a, b in zip('"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True)}
_HEX = b"0123456789abcdefABCDEF"


class _Reader:
    """A reader; ``at`` is the place after the last character that was read, even if picojson has put it back."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def fail(self, at: int, *, consumed: bool = False) -> NoReturn:
        """Raises the error of a reader that cannot go on; its text has the rest of the line from ``at`` on.

        ``consumed`` means that the character at ``at`` has not been read yet. A line counts when the character after it
        is read.
        """
        rest = self.data[at:].split(b"\n", 1)[0]
        shown = bytes(byte for byte in rest if byte >= 0x20)
        read = max(0, at - 1) if consumed or at >= len(self.data) else at
        line = 1 + self.data.count(b"\n", 0, read)
        raise JsonSyntaxError(f"syntax error at line {line} near: {shown.decode(errors='surrogateescape')}")

    def skip(self) -> None:
        self.at = _SPACE.match(self.data, self.at).end()  # type: ignore[union-attr]  # it matches everywhere

    def expect(self, character: bytes) -> bool:
        self.skip()
        if self.data[self.at : self.at + 1] == character:
            self.at += 1
            return True
        return False

    def value(self, depth: int) -> Value:
        self.skip()
        first = self.data[self.at] if self.at < len(self.data) else -1
        if first in _WORDS:
            rest, word = _WORDS[first]
            for i, byte in enumerate(rest, self.at + 1):
                if i >= len(self.data) or self.data[i] != byte:
                    self.fail(i)
            self.at += 1 + len(rest)
            return word
        if first == 0x22:
            self.at += 1
            return self.string()
        if first in (0x5B, 0x7B):
            self.at += 1
            if depth >= MAX_DEPTH:
                self.fail(self.at)
            return self.array(depth + 1) if first == 0x5B else self.object(depth + 1)
        if not (0x30 <= first <= 0x39 or first == 0x2D):
            self.fail(self.at)
        return self.number()

    def array(self, depth: int) -> list[Value]:
        items: list[Value] = []
        if self.expect(b"]"):
            return items
        while True:
            items.append(self.item(depth))
            if not self.expect(b","):
                break
        if not self.expect(b"]"):
            self.fail(self.at)
        return items

    def object(self, depth: int) -> dict[str, Value]:
        members: dict[str, Value] = {}
        if self.expect(b"}"):
            return members
        while True:
            if not self.expect(b'"'):
                self.fail(self.at)
            key = self.string()
            if not self.expect(b":"):
                self.fail(self.at)
            members[key] = self.item(depth)
            if not self.expect(b","):
                break
        if not self.expect(b"}"):
            self.fail(self.at)
        return members

    def item(self, depth: int) -> Value:
        value = self.value(depth)
        if isinstance(value, int | float) and not isinstance(value, bool):
            self.at = self.after_number  # inside a container the character behind a number is read again
        return value

    def number(self) -> int | float:
        end = _NUMBER.match(self.data, self.at).end()  # type: ignore[union-attr]  # it matches everywhere
        text = self.data[self.at : end]
        self.after_number = end
        self.at = min(end + 1, len(self.data))
        digits = text.removeprefix(b"-")
        if digits.isdigit() and len(digits.lstrip(b"0")) <= len(str(_LAST_64_BIT)):
            whole = int(text)
            if _FIRST_64_BIT <= whole <= _LAST_64_BIT:
                return whole
        try:
            value = float(text)
        except ValueError:
            self.fail(end)
        if math.isinf(value):
            raise JsonSyntaxError("Value out of range")
        return value

    def string(self) -> str:
        out = bytearray()
        data = self.data
        while True:
            plain = _PLAIN.match(data, self.at)
            assert plain is not None
            out += plain[0]
            self.at = plain.end()
            if self.at >= len(data) or data[self.at] < 0x20:
                self.fail(self.at)
            if data[self.at] == 0x22:
                self.at += 1
                return out.decode(errors="surrogateescape")
            self.at += 1  # the backslash
            escape = data[self.at] if self.at < len(data) else -1
            self.at += escape != -1
            if escape in _ESCAPES:
                out.append(_ESCAPES[escape])
            elif escape == 0x75:
                out += self.codepoint()
            else:
                self.fail(self.at, consumed=True)

    def codepoint(self) -> bytes:
        r"""Reads what follows ``\u``: four hexadecimal digits, or a surrogate pair."""
        point = self.quad()
        if 0xDC00 <= point <= 0xDFFF:  # the second of a pair, without the first
            self.fail(self.at)
        if 0xD800 <= point <= 0xDBFF:
            for wanted in (b"\\", b"u"):
                if self.data[self.at : self.at + 1] != wanted:
                    self.fail(self.at)
                self.at += 1
            second = self.quad()
            if not 0xDC00 <= second <= 0xDFFF:
                self.fail(self.at)
            point = 0x10000 + ((point - 0xD800) << 10) + (second - 0xDC00)
        return chr(point).encode()

    def quad(self) -> int:
        for _ in range(4):
            if self.at >= len(self.data) or self.data[self.at] not in _HEX:
                self.fail(self.at)
            self.at += 1
        return int(self.data[self.at - 4 : self.at], 16)


# Writing


def quote(text: str) -> str:
    """Returns a JSON string: control characters as upper-case escapes, everything else unchanged."""
    quoted = encode_basestring(text)
    return with_upper_case_escapes(quoted) if "\\u" in quoted else quoted


_ESCAPE = re.compile(r"\\(?:u00[01][0-9a-f]|.)")


def with_upper_case_escapes(text: str) -> str:
    """Returns JSON text of Python's encoder with the escapes of control characters in upper case."""
    return _ESCAPE.sub(lambda m: m[0] if m[0][1] != "u" else "\\u" + m[0][2:].upper(), text)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False).encode
_EXPONENT = re.compile(r"(?:^|[:\[,])-?[0-9.]+e")


def dumps(value: Value) -> str:
    """Returns a value of dicts, lists, texts, numbers, bools and None as JSON text, as Mesos writes it.

    Dicts keep their order.
    """
    # Python's own encoder is much faster, and differs only in control characters and exponents.
    try:
        text = _encode(value)
    except ValueError:  # an infinity, or NaN
        return _dumps(value)
    if "\\u" in text or (("e-" in text or "e+" in text) and _EXPONENT.search(text) is not None):
        return _dumps(value)
    return text


def _dumps(value: Value) -> str:
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return format_double(value)
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "{" + ",".join([f"{quote(key)}:{_dumps(item)}" for key, item in value.items()]) + "}"
    return "[" + ",".join([_dumps(item) for item in value]) + "]"
