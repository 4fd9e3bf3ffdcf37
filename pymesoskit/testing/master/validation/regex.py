"""Regular expressions of offer constraints: RE2's syntax, its words for mistakes, and its limits.

A parser that understands as much of RE2 as is needed to refuse what RE2 refuses; sizes of programs are estimated, since what RE2
compiles to cannot be known without it (docs/fidelity.md). Source: docs/reference/scheduler-api.md 10.
"""

from __future__ import annotations

import re
import string

from attrs import frozen

#: Bytes of RE2's program that are taken before its first instruction, and of each instruction.
_PROGRAM_OVERHEAD = 432
_INSTRUCTION = 8

_MAX_REPEAT = 1000

#: What may follow a backslash outside of a class, beside punctuation.
_ESCAPES = frozenset("aftnrvxpPQEdDsSwWbBACz01234567")
_POSIX = re.compile(r"\[:\^?([a-z]+):\]")
_POSIX_NAMES = frozenset(
    ("alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
     "xdigit")
)  # fmt: skip
_REPEAT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")
_GROUP = re.compile(r"\(\?(?:P<(\w*)>|(-?[imsU]*(?:-[imsU]*)?)(:|\)))")


@frozen
class RegexLimits:
    """--offer_constraints_re2_max_mem (bytes) and --offer_constraints_re2_max_program_size."""

    max_mem: int = 4096
    max_program_size: int = 100


class _Mistake(Exception):
    """RE2's words for what is wrong, and the part of the pattern that it is about."""


def regex_error(pattern: str, limits: RegexLimits) -> str | None:
    """What Mesos says against the pattern, or None."""
    try:
        size = _Parser(pattern).parse()
    except _Mistake as mistake:
        return f"Failed to construct regex from pattern '{pattern}': {mistake}"
    if size > (limits.max_mem * 2 // 3 - _PROGRAM_OVERHEAD) // 4 // _INSTRUCTION:
        return f"Failed to construct regex from pattern '{pattern}': pattern too large - compile failed"
    if size > limits.max_program_size:
        return (
            f"Regex '{pattern}' is too complex: program size of {size} is larger than maximum of "
            f"{limits.max_program_size} allowed"
        )
    return None


class _Parser:
    """Walks through a pattern once, adding up the size of what it compiles to."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def parse(self) -> int:
        """The estimated size. Raises ``_Mistake``."""
        size = self._alternatives()
        if self._at < len(self._pattern):
            raise _Mistake(f"unexpected ): {self._pattern}")
        return size + 2  # one instruction that fails, one that matches

    def _alternatives(self) -> int:
        size = self._sequence()
        while self._take("|"):
            size += 1 + self._sequence()
        return size

    def _sequence(self) -> int:
        size = 0
        last: int | None = None  # the size of the operand that a repetition would repeat
        repetition = ""
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            begin = self._at
            repeat = self._repetition()
            if repeat is None:
                last = self._operand()
                size += last
                repetition = ""
                continue
            text = self._pattern[begin : self._at]
            if last is None:
                raise _Mistake(f"no argument for repetition operator: {text}")
            if repetition:
                raise _Mistake(f"bad repetition operator: {repetition}{text}")
            repetition = text
            size += repeat * last + 1 - last if repeat else 1
        return size

    def _repetition(self) -> int | None:
        """How often an operand is compiled for the repetition at this place; 0: once more or less; None: there is none."""
        match = _REPEAT.match(self._pattern, self._at)
        if match is not None:
            low = int(match[1])
            high = int(match[3]) if match[3] else low
            if max(low, high) > _MAX_REPEAT or high < low:
                raise _Mistake(f"invalid repetition size: {match[0]}")
            self._at = match.end()
            self._take("?")
            return max(low, high, 1)
        if self._pattern[self._at] not in "*+?":
            return None
        self._at += 1
        self._take("?")
        return 0

    def _operand(self) -> int:
        pattern = self._pattern
        character = pattern[self._at]
        if character == "(":
            return self._group()
        if character == "[":
            return self._class()
        if character == "\\":
            return self._escape()
        self._at += 1
        return len(character.encode())

    def _group(self) -> int:
        begin = self._at
        self._at += 1
        if self._pattern.startswith("?", self._at):
            match = _GROUP.match(self._pattern, begin)
            if match is None or match[1] == "":
                if self._pattern.startswith("(?P<", begin):
                    raise _Mistake(f"invalid named capture group: {self._pattern[begin:]}")
                raise _Mistake(f"invalid perl operator: {self._pattern[begin : begin + 3]}")
            self._at = match.end()
            if match[3] == ")":
                return 0
        size = self._alternatives()
        if not self._take(")"):
            raise _Mistake(f"missing ): {self._pattern}")
        return size + 2

    def _class(self) -> int:
        begin = self._at
        self._at += 1
        self._take("^")
        size = 0
        first = True
        while first or not self._pattern.startswith("]", self._at):
            first = False
            if self._at >= len(self._pattern):
                raise _Mistake(f"missing ]: {self._pattern[begin:]}")
            match = _POSIX.match(self._pattern, self._at)
            if match is not None:
                if match[1] not in _POSIX_NAMES:
                    raise _Mistake(f"invalid character class range: {match[0]}")
                self._at = match.end()
                size += 2
                continue
            size += self._range(begin)
        self._at += 1
        return max(size, 1)

    def _range(self, begin: int) -> int:
        start = self._at
        low = self._class_character(begin)
        following = self._pattern[self._at + 1 : self._at + 2]
        if not self._pattern.startswith("-", self._at) or following in {"]", ""}:
            return 1
        self._at += 1
        high = self._class_character(begin)
        if low is None or high is None or high < low:
            raise _Mistake(f"invalid character class range: {self._pattern[start : self._at]}")
        return 1

    def _class_character(self, begin: int) -> str | None:
        """A character of a class; None stands for many of them (``\\d``)."""
        if self._at >= len(self._pattern):
            raise _Mistake(f"missing ]: {self._pattern[begin:]}")
        character = self._pattern[self._at]
        if character != "\\":
            self._at += 1
            return character
        start = self._at
        self._escape()
        escaped = self._pattern[start + 1]
        return None if escaped in "dDsSwWpP" else escaped

    def _escape(self) -> int:
        following = self._pattern[self._at + 1 : self._at + 2]
        if not following:
            raise _Mistake("trailing \\: \\")
        if following in "123456789" or (following not in _ESCAPES and following not in string.punctuation):
            raise _Mistake(f"invalid escape sequence: \\{following}")
        self._at += 2
        if following in "pP":
            match = re.compile(r"\{\^?\w+\}|\w").match(self._pattern, self._at)
            if match is None:
                raise _Mistake(f"invalid character class range: \\{following}")
            self._at = match.end()
        elif following == "x":
            match = re.compile(r"\{[0-9A-Fa-f]+\}|[0-9A-Fa-f]{2}").match(self._pattern, self._at)
            if match is None:
                raise _Mistake(f"invalid escape sequence: \\x{self._pattern[self._at : self._at + 1]}")
            self._at = match.end()
        return 1

    def _take(self, text: str) -> bool:
        if self._pattern.startswith(text, self._at):
            self._at += len(text)
            return True
        return False
