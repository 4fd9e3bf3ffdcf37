"""The two content types, for sessions: how calls are written and events are read.

Both give compiled functions, so that nothing is looked up per message. Protobuf is the default: it costs a tenth of
JSON. Rules: docs/reference/scheduler-api.md 1.1, 1.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from google.protobuf.message import DecodeError, Message

from pymesoskit.transport.errors import InvalidCall, ProtocolError
from pymesoskit.wire import ConversionError, JsonSyntaxError, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.transport.base import Headers

__all__ = ["JSON", "PROTOBUF", "Codec", "JsonCodec", "ProtobufCodec"]

M = TypeVar("M", bound=Message)


class Codec(Protocol):
    """One content type."""

    @property
    def media_type(self) -> str:
        """Its name on the wire."""

    @property
    def headers(self) -> Headers:
        """``Content-Type`` and ``Accept`` of requests."""

    def encode(self, message: Message) -> bytes:
        """Writes a message. Raises ``InvalidCall`` that names what is missing."""

    def with_prefix(self, kind: type[M], prefix: M) -> Callable[[M], bytes]:
        """Like ``encode`` for messages of this type, with the fields of ``prefix`` (plain ones) set in each. The
        message stays as it is.
        """

    def parser(self, kind: type[M]) -> Callable[[bytes], M]:
        """What reads messages of this type. It raises ``ProtocolError``."""


def _check(message: Message) -> None:
    missing = message.FindInitializationErrors()  # type: ignore[attr-defined]  # not in the stubs
    if missing:
        raise InvalidCall(f"{message.DESCRIPTOR.full_name} lacks {', '.join(missing)}")


class ProtobufCodec:
    """``application/x-protobuf``."""

    media_type = "application/x-protobuf"
    headers: Headers = (("Content-Type", media_type), ("Accept", media_type))

    def encode(self, message: Message) -> bytes:
        _check(message)
        return message.SerializeToString()

    def with_prefix(self, kind: type[M], prefix: M) -> Callable[[M], bytes]:
        head = prefix.SerializePartialToString()
        serialize = kind.SerializePartialToString
        complete = kind.IsInitialized

        def encode(message: M) -> bytes:
            # Fields may come in any order on the wire, so the prefix is as good as part of the message.
            body = serialize(message)
            if not complete(message):
                _check(kind.FromString(head + body))
            return head + body

        return encode

    def parser(self, kind: type[M]) -> Callable[[bytes], M]:
        read = kind.FromString

        def parse(data: bytes) -> M:
            try:
                return read(data)
            except DecodeError as error:
                raise ProtocolError(f"no {kind.DESCRIPTOR.full_name}: {error}: {data[:64]!r}") from None

        return parse


class JsonCodec:
    """``application/json``, as Mesos speaks it."""

    media_type = "application/json"
    headers: Headers = (("Content-Type", media_type), ("Accept", media_type))

    def encode(self, message: Message) -> bytes:
        _check(message)
        return to_json(message).encode()

    def with_prefix(self, kind: type[M], prefix: M) -> Callable[[M], bytes]:
        def encode(message: M) -> bytes:
            whole = kind()
            whole.CopyFrom(prefix)
            whole.MergeFrom(message)
            return self.encode(whole)

        return encode

    def parser(self, kind: type[M]) -> Callable[[bytes], M]:
        def parse(data: bytes) -> M:
            try:
                return from_json(data, kind)
            except (ConversionError, JsonSyntaxError) as error:
                raise ProtocolError(f"no {kind.DESCRIPTOR.full_name}: {error}: {data[:64]!r}") from None

        return parse


PROTOBUF: Codec = ProtobufCodec()
JSON: Codec = JsonCodec()
