"""Single questions to masters and agents, for tools and tests: who leads, an endpoint's JSON, a call of the operator
API.

Made with ``requests``: here convenience matters more than microseconds. Whoever asks often or listens should not use
this. Rules: docs/reference/operator-api.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload
from urllib.parse import quote

import requests

from pymesoskit.transport.address import Address
from pymesoskit.transport.content import encoder, read
from pymesoskit.transport.errors import ConnectFailed, ConnectionLost, NotLeader, ProtocolError, ReplyTimeout, refusal
from pymesoskit.wire import PROTOBUF, Codec
from pymesoskit.wire.v1 import agent, master

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pymesoskit.transport.credentials import Credentials

__all__ = ["get_json", "leading_master", "operator_call"]

C = TypeVar("C", master.Call, agent.Call)
R = TypeVar("R", master.Response, agent.Response)

#: Seconds to connect, and between bytes of an answer.
TIMEOUT = 10.0


def leading_master(
    masters: str | Address | Iterable[str | Address],
    *,
    credentials: Credentials | None = None,
    timeout: float = TIMEOUT,
) -> Address:
    """The leader, as the first of these masters that answers says. Raises ``Unavailable`` if that one knows none, else
    what the last one failed with.
    """
    given = [masters] if isinstance(masters, Address) else masters.split(",") if isinstance(masters, str) else masters
    failure: Exception = ValueError("no address of a master was given")
    for each in given:
        address = each if isinstance(each, Address) else Address.parse(each)
        try:
            answer = _send("GET", address, "/redirect", None, None, credentials, timeout)
        except (ConnectFailed, ConnectionLost) as error:
            failure = error
            continue
        if answer.status_code != 307 or "Location" not in answer.headers:
            raise refusal("GET /redirect", answer.status_code, answer.content)
        try:
            return address.from_location(answer.headers["Location"])
        except ValueError as error:
            raise ProtocolError(str(error)) from None
    raise failure


def get_json(
    address: str | Address,
    path: str,
    query: Mapping[str, str] | None = None,
    *,
    credentials: Credentials | None = None,
    timeout: float = TIMEOUT,
) -> Any:
    """The JSON that an endpoint gives (``/state``, ``/files/read``, …). A master that does not lead says where to go,
    and that is followed.

    Raises ``CallRefused``, ``TransportError`` and ``ProtocolError``.
    """
    where = address if isinstance(address, Address) else Address.parse(address)
    target = path
    if query:
        target += "?" + "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in query.items())
    answer = _ask("GET", where, target, f"GET {path}", None, None, credentials, timeout)
    try:
        return answer.json()
    except ValueError as error:
        raise ProtocolError(f"GET {path}: the answer is not JSON: {error}") from None


@overload
def operator_call(
    address: str | Address,
    call: master.Call,
    *,
    content_type: Codec = ...,
    credentials: Credentials | None = ...,
    timeout: float = ...,
) -> master.Response: ...
@overload
def operator_call(
    address: str | Address,
    call: agent.Call,
    *,
    content_type: Codec = ...,
    credentials: Credentials | None = ...,
    timeout: float = ...,
) -> agent.Response: ...
def operator_call(
    address: str | Address,
    call: master.Call | agent.Call,
    *,
    content_type: Codec = PROTOBUF,
    credentials: Credentials | None = None,
    timeout: float = TIMEOUT,
) -> master.Response | agent.Response:
    """One call of the operator API whose answer is whole; an empty answer (202, or 200 without a body) is an empty
    response.

    A master that does not lead says where to go, and that is followed. Raises ``InvalidCall``, ``CallRefused``,
    ``TransportError`` and ``ProtocolError``.
    """
    where = address if isinstance(address, Address) else Address.parse(address)
    if isinstance(call, master.Call):
        return _call(where, call, master.Call, master.Response, content_type, credentials, timeout)
    return _call(where, call, agent.Call, agent.Response, content_type, credentials, timeout)


def _call(
    address: Address,
    call: C,
    call_type: type[C],
    response_type: type[R],
    codec: Codec,
    credentials: Credentials | None,
    timeout: float,
) -> R:
    name = call_type.DESCRIPTOR.enum_types_by_name["Type"].values_by_number[call.type].name
    body = encoder(codec, call_type, call_type())(call)
    answer = _ask("POST", address, "/api/v1", name, body, codec, credentials, timeout)
    return read(codec, response_type, answer.content) if answer.content else response_type()


def _ask(
    method: str,
    address: Address,
    target: str,
    name: str,
    body: bytes | None,
    codec: Codec | None,
    credentials: Credentials | None,
    timeout: float,
) -> requests.Response:
    """The answer, which is a success, of this master or of the leader it names."""
    for _ in range(2):
        answer = _send(method, address, target, body, codec, credentials, timeout)
        if 200 <= answer.status_code < 300:
            return answer
        error = refusal(name, answer.status_code, answer.content)
        if not isinstance(error, NotLeader) or "Location" not in answer.headers:
            raise error
        try:
            address = address.from_location(answer.headers["Location"])
        except ValueError as problem:
            raise ProtocolError(str(problem)) from None
    raise error


def _send(
    method: str,
    address: Address,
    target: str,
    body: bytes | None,
    codec: Codec | None,
    credentials: Credentials | None,
    timeout: float,
) -> requests.Response:
    headers = {} if codec is None else {"Content-Type": codec.content_type, "Accept": codec.content_type}
    if credentials is not None:
        headers.update(credentials.headers())
    try:
        return requests.request(
            method, address.url(target), data=body, headers=headers, timeout=timeout, allow_redirects=False
        )
    except requests.ConnectTimeout as error:
        raise ConnectFailed(f"{address}: no connection within {timeout:g} s") from error
    except requests.Timeout as error:
        raise ReplyTimeout(f"{address}: no answer within {timeout:g} s") from error
    except requests.ConnectionError as error:
        raise ConnectFailed(f"{address}: {_reason(error)}") from error
    except requests.RequestException as error:
        raise ConnectionLost(f"{address}: {error}") from error


def _reason(error: BaseException) -> str:
    """The innermost of what requests and urllib3 have wrapped into each other."""
    inner = error
    while (next_one := inner.__cause__ or inner.__context__) is not None:
        inner = next_one
    return str(inner) or type(inner).__name__
