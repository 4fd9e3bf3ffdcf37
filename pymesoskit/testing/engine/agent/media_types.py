"""What a request to the agent's operator API is written in, and what its answer is to be: the checks before the call.

Other than elsewhere, both can be streams of records: the headers ``Message-Content-Type`` and ``Message-Accept`` then
tell what the records are. Source: docs/reference/operator-api.md 4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen
from google.protobuf.message import DecodeError

from pymesoskit.testing.engine.http.v1 import JSON, PROTOBUF, RECORDIO, accepts, check_strings, refuse
from pymesoskit.wire import ConversionError, JsonSyntaxError, from_json
from pymesoskit.wire.v1 import agent

if TYPE_CHECKING:
    from pymesoskit.testing.engine.http.handler import Headers, Request

_TWO = f"{JSON} or {PROTOBUF}"
_THREE = f"{_TWO} or {RECORDIO}"


@frozen
class MediaTypes:
    """The types of a request's body and of its answer, and of the records where these are streams."""

    content: str
    accept: str
    message_content: str | None
    message_accept: str | None

    @property
    def records(self) -> str:
        """The type of each record of a streaming answer."""
        return self.message_accept or self.accept

    @property
    def stream_headers(self) -> Headers:
        """What a streaming answer says of itself."""
        if self.message_accept is None:
            return (("Content-Type", self.accept),)
        return (("Content-Type", self.accept), ("Message-Content-Type", self.message_accept))


def media_types(request: Request) -> MediaTypes:
    """Those of the request. Raises ``Refused``: 400, 415 or 406."""
    content = request.header("content-type")
    if content is None:
        raise refuse(400, "Expecting 'Content-Type' to be present")
    if content not in {JSON, PROTOBUF, RECORDIO}:
        raise refuse(415, f"Expecting 'Content-Type' of {_THREE}")
    message_content = request.header("message-content-type")
    if content != RECORDIO and message_content is not None:
        raise refuse(415, "Expecting 'Message-Content-Type' to be not set for non-streaming requests")
    if content == RECORDIO and message_content is None:
        raise refuse(400, "Expecting 'Message-Content-Type' to be set for streaming requests")
    if content == RECORDIO and message_content not in {JSON, PROTOBUF}:
        raise refuse(415, f"Expecting 'Message-Content-Type' of {_TWO}")
    accept = next((kind for kind in (JSON, PROTOBUF, RECORDIO) if accepts(request, kind)), None)
    if accept is None:
        raise refuse(406, f"Expecting 'Accept' to allow {_THREE}")
    message_accept = None
    if accept == RECORDIO:
        message_accept = next((kind for kind in (JSON, PROTOBUF) if accepts(request, kind, "message-accept")), None)
        if message_accept is None:
            raise refuse(406, f"Expecting 'Message-Accept' to allow {_TWO}")
    elif request.header("message-accept") is not None:
        raise refuse(406, "Expecting 'Message-Accept' to be not set for non-streaming responses")
    return MediaTypes(content, accept, message_content, message_accept)


def parse(body: bytes, content_type: str) -> agent.Call:
    """The call in a body or record. Raises ``Refused`` (400)."""
    try:
        if content_type == JSON:
            return from_json(body, agent.Call)
        call = agent.Call.FromString(body)
    except JsonSyntaxError as error:
        raise refuse(400, f"Failed to parse body into JSON: {error}") from None
    except ConversionError as error:
        raise refuse(400, str(error)) from None
    except DecodeError:
        raise refuse(400, "Failed to parse body into a protobuf object") from None
    if not call.IsInitialized():
        raise refuse(400, "Failed to parse body into a protobuf object")
    check_strings(body, call, "Failed to parse body into a protobuf object")
    return call


def check_streaming(call: agent.Call, media: MediaTypes) -> None:
    """Raises ``Refused`` (415, 406) where the call does not go with a stream, or only with one."""
    name = agent.Call.Type.Name(call.type)
    takes_stream = call.type == agent.Call.ATTACH_CONTAINER_INPUT
    if media.content == RECORDIO and not takes_stream:
        raise refuse(415, f"Streaming 'Content-Type' {RECORDIO} is not supported for {name} call")
    if media.content != RECORDIO and takes_stream:
        raise refuse(415, f"Expecting 'Content-Type' to be {RECORDIO} for {name} call")
    gives_stream = call.type in {agent.Call.ATTACH_CONTAINER_OUTPUT, agent.Call.LAUNCH_NESTED_CONTAINER_SESSION}
    if media.accept == RECORDIO and not gives_stream:
        raise refuse(406, f"Streaming response is not supported for {name} call")
