"""The two content types of the v1 API: messages to bodies and back."""

from __future__ import annotations

from typing import Protocol, TypeVar

from attrs import frozen
from google.protobuf.message import EncodeError, Message

from pymesoskit.wire.errors import MissingFields
from pymesoskit.wire.json_converter import missing_fields
from pymesoskit.wire.json_reader import from_json, parse_message
from pymesoskit.wire.json_writer import to_json

M = TypeVar("M", bound=Message)


class Codec(Protocol):
    """A content type of the v1 API."""

    @property
    def content_type(self) -> str:
        """The value of ``Content-Type`` and ``Accept``."""

    def encode(self, message: Message) -> bytes:
        """Returns the message as a body. Raises ``MissingFields``."""

    def decode(self, data: bytes, message_type: type[M]) -> M:
        """Returns the message of a body. Raises ``JsonSyntaxError``, ``ConversionError`` or ``MissingFields``."""


@frozen
class _Protobuf:
    content_type: str = "application/x-protobuf"

    def encode(self, message: Message) -> bytes:
        try:
            return message.SerializeToString()
        except EncodeError:
            raise MissingFields(list(missing_fields(message))) from None

    def decode(self, data: bytes, message_type: type[M]) -> M:
        return parse_message(data, message_type)


@frozen
class _Json:
    content_type: str = "application/json"

    def encode(self, message: Message) -> bytes:
        if not message.IsInitialized():
            raise MissingFields(list(missing_fields(message)))
        return to_json(message).encode()

    def decode(self, data: bytes, message_type: type[M]) -> M:
        return from_json(data, message_type)


PROTOBUF: Codec = _Protobuf()
JSON: Codec = _Json()
