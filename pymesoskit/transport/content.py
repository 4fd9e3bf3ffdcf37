"""What sessions make of a content type (``pymesoskit.wire.Codec``): headers, and functions that read and write one
type of message.

The functions are made once, so that nothing is looked up per message. Protobuf is the default of the clients: it costs
a tenth of JSON. Rules: docs/reference/scheduler-api.md 1.1, 1.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import DecodeError, Message

from pymesoskit.transport.errors import InvalidCall, ProtocolError
from pymesoskit.wire import PROTOBUF, Codec, ConversionError, JsonSyntaxError, MissingFields

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.transport.base import Headers

__all__ = ["UNREADABLE", "encoder", "parser", "read", "request_headers", "unreadable"]

M = TypeVar("M", bound=Message)

#: What reading a message may raise.
UNREADABLE = (DecodeError, ConversionError, JsonSyntaxError)


def request_headers(codec: Codec) -> Headers:
    """``Content-Type`` and ``Accept`` of requests."""
    return (("Content-Type", codec.content_type), ("Accept", codec.content_type))


def encoder(codec: Codec, kind: type[M], prefix: M) -> Callable[[M], bytes]:
    """What writes messages of this type with the fields of ``prefix`` set in each; the message itself stays as it is.

    It raises ``InvalidCall`` that names what is missing.
    """
    if codec is PROTOBUF:
        return _protobuf_encoder(kind, prefix)

    def encode(message: M) -> bytes:
        whole = kind()
        whole.CopyFrom(prefix)
        whole.MergeFrom(message)
        try:
            return codec.encode(whole)
        except (MissingFields, ValueError) as error:  # a value that this content type cannot express
            raise InvalidCall(str(error)) from None

    return encode


def _protobuf_encoder(kind: type[M], prefix: M) -> Callable[[M], bytes]:
    head = prefix.SerializePartialToString()
    serialize = kind.SerializePartialToString
    complete = kind.IsInitialized

    def encode(message: M) -> bytes:
        # Fields may come in any order on the wire, so the prefix is as good as part of the message.
        body = head + serialize(message)
        if not complete(message):  # by itself, but perhaps with the prefix
            try:
                PROTOBUF.encode(kind.FromString(body))
            except MissingFields as error:
                raise InvalidCall(str(error)) from None
        return body

    return encode


def parser(codec: Codec, kind: type[M]) -> Callable[[bytes], M]:
    """What reads messages of this type. It raises one of ``UNREADABLE``: ``unreadable`` makes what is to be told of
    it.
    """
    if codec is PROTOBUF:
        return kind.FromString  # nothing in between: it is called for each event
    return lambda data: codec.decode(data, kind)


def unreadable(what: str, data: bytes, error: Exception) -> ProtocolError:
    """Returns the error for bytes that cannot be decoded."""
    return ProtocolError(f"{what} that cannot be read: {error}: {data[:64]!r}")


def read(codec: Codec, kind: type[M], data: bytes) -> M:
    """Reads one message. Raises ``ProtocolError``."""
    try:
        return parser(codec, kind)(data)
    except UNREADABLE as error:
        raise unreadable(kind.DESCRIPTOR.full_name, data, error) from None
