"""The functions of ``pymesoskit.operator`` over ``requests``: here convenience matters more than microseconds.

Like the driver, they take neither proxies nor credentials from the environment (proxy variables, netrc) unless told so
(``trust_env``). Credentials are sent to the given addresses only: a redirect to a host that was not given, or from
https to http, is an error when there are credentials. Rules: docs/reference/operator-api.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload
from urllib.parse import quote

import requests
from attrs import frozen

from pymesoskit.transport.address import Address
from pymesoskit.transport.content import encoder, read
from pymesoskit.transport.errors import ConnectFailed, ConnectionLost, NotLeader, ProtocolError, ReplyTimeout, refusal
from pymesoskit.wire import PROTOBUF, Codec
from pymesoskit.wire.v1 import agent, master

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pymesoskit.transport.credentials import Credentials

__all__ = ["get_json", "leading_master", "operator_call"]

C = TypeVar("C", master.Call, agent.Call)
R = TypeVar("R", master.Response, agent.Response)

Addresses: TypeAlias = "str | Address | Iterable[str | Address]"

#: Seconds to connect, and between two pieces of an answer.
TIMEOUT = 10.0


def leading_master(
    masters: Addresses,
    *,
    credentials: Credentials | None = None,
    timeout: float = TIMEOUT,
    trust_env: bool = False,
) -> Address:
    """Returns the address of the leading master, as the first of these masters that answers names it.

    ``masters`` are addresses, as a list or as text separated by commas. ``timeout`` is in seconds, for connecting and
    between two pieces of an answer. ``trust_env`` obeys proxy variables and netrc.

    Raises ``Unavailable`` if the master that answers knows no leader, ``TransportError`` if none answers,
    ``ProtocolError`` if the answer is malformed, and ``ValueError`` if an address is malformed.
    """
    client = _Client(_addresses(masters), credentials, timeout, trust_env)
    address, answer = client.send_to_first(_Request("GET", "/redirect", "GET /redirect"))
    if answer.status_code != 307 or "Location" not in answer.headers:
        raise refusal("GET /redirect", answer.status_code, answer.content)
    return _location(address, answer)


def get_json(
    address: Addresses,
    path: str,
    query: Mapping[str, str] | None = None,
    *,
    credentials: Credentials | None = None,
    timeout: float = TIMEOUT,
    trust_env: bool = False,
) -> Any:
    """Returns the decoded JSON of an endpoint (``/state``, ``/files/read``, …) of a master or an agent.

    ``address`` is one address, or those of several masters (a list, or text separated by commas): the first that
    answers is asked. A master that does not lead names the leader, and the request is repeated there. The other
    arguments are those of ``leading_master``.

    Raises ``CallRefused`` if the answer is not a success, ``TransportError``, ``ProtocolError`` if the answer is not
    JSON, and ``ValueError`` if an address is malformed.
    """
    target = path
    if query:
        target += "?" + "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in query.items())
    client = _Client(_addresses(address), credentials, timeout, trust_env)
    answer = client.ask(_Request("GET", target, f"GET {path}"))
    try:
        return answer.json()
    except ValueError as error:
        raise ProtocolError(f"GET {path}: the answer is not JSON: {error}") from None


@overload
def operator_call(
    address: Addresses,
    call: master.Call,
    *,
    content_type: Codec = ...,
    credentials: Credentials | None = ...,
    timeout: float = ...,
    trust_env: bool = ...,
) -> master.Response: ...
@overload
def operator_call(
    address: Addresses,
    call: agent.Call,
    *,
    content_type: Codec = ...,
    credentials: Credentials | None = ...,
    timeout: float = ...,
    trust_env: bool = ...,
) -> agent.Response: ...
def operator_call(
    address: Addresses,
    call: master.Call | agent.Call,
    *,
    content_type: Codec = PROTOBUF,
    credentials: Credentials | None = None,
    timeout: float = TIMEOUT,
    trust_env: bool = False,
) -> master.Response | agent.Response:
    """Sends one call of the operator API and returns the response; a call that only changes something returns an empty
    one.

    ``call`` is a ``master.Call`` or an ``agent.Call`` (``pymesoskit.wire.v1``). Calls that open a stream (SUBSCRIBE,
    ATTACH_CONTAINER_OUTPUT, …) are not for this function. A master that does not lead names the leader, and the call is
    repeated there. The other arguments are those of ``get_json``.

    Raises ``InvalidCall`` if the call lacks a field, ``CallRefused`` if the answer is not a success,
    ``TransportError``, ``ProtocolError``, and ``ValueError`` if an address is malformed.
    """
    client = _Client(_addresses(address), credentials, timeout, trust_env)
    if isinstance(call, master.Call):
        return _call(client, call, master.Call, master.Response, content_type)
    return _call(client, call, agent.Call, agent.Response, content_type)


def _call(client: _Client, call: C, call_type: type[C], response_type: type[R], codec: Codec) -> R:
    name = call_type.DESCRIPTOR.enum_types_by_name["Type"].values_by_number[call.type].name
    body = encoder(codec, call_type, call_type())(call)
    answer = client.ask(_Request("POST", "/api/v1", name, body, codec))
    return read(codec, response_type, answer.content) if answer.content else response_type()


def _addresses(given: Addresses) -> Sequence[Address]:
    if isinstance(given, Address):
        return [given]
    each = given.split(",") if isinstance(given, str) else given
    addresses = [one if isinstance(one, Address) else Address.parse(one) for one in each]
    if not addresses:
        raise ValueError("no address was given")
    return addresses


def _location(address: Address, answer: requests.Response) -> Address:
    try:
        return address.from_location(answer.headers["Location"])
    except ValueError as problem:
        raise ProtocolError(str(problem)) from None


@frozen
class _Request:
    method: str
    target: str
    name: str
    """What errors call it."""
    body: bytes | None = None
    codec: Codec | None = None


@frozen
class _Client:
    """Where to ask, and how."""

    addresses: Sequence[Address]
    credentials: Credentials | None
    timeout: float
    trust_env: bool

    def ask(self, request: _Request) -> requests.Response:
        """Returns the successful answer of the first address that can be reached, or of the leader that it names."""
        address, answer = self.send_to_first(request)
        for attempt in (1, 2):
            if 200 <= answer.status_code < 300:
                return answer
            error = refusal(request.name, answer.status_code, answer.content)
            if attempt == 2 or not isinstance(error, NotLeader) or "Location" not in answer.headers:
                raise error
            leader = _location(address, answer)
            self._check_redirect(address, leader)
            answer = self._send(leader, request)
        raise AssertionError

    def send_to_first(self, request: _Request) -> tuple[Address, requests.Response]:
        """Returns the first answer, whatever it says, and where it came from."""
        failure: Exception | None = None
        for address in self.addresses:
            try:
                return address, self._send(address, request)
            except ConnectFailed as error:
                failure = error
            except ConnectionLost as error:
                if request.method != "GET":
                    raise  # it may have been carried out
                failure = error
        assert failure is not None
        raise failure

    def _check_redirect(self, origin: Address, leader: Address) -> None:
        if self.credentials is None:
            return
        if origin.scheme == "https" and leader.scheme != "https":
            raise ProtocolError(f"{origin} redirects to {leader}: credentials are not sent from https to http")
        if leader.host not in {address.host for address in self.addresses}:
            raise ProtocolError(
                f"{origin} redirects to {leader}, which is none of the given masters: credentials are not sent there"
            )

    def _send(self, address: Address, request: _Request) -> requests.Response:
        codec = request.codec
        headers = {} if codec is None else {"Content-Type": codec.content_type, "Accept": codec.content_type}
        if self.credentials is not None:
            headers.update(self.credentials.headers())
        try:
            with requests.Session() as session:
                session.trust_env = self.trust_env
                return session.request(
                    request.method,
                    address.url(request.target),
                    data=request.body,
                    headers=headers,
                    timeout=self.timeout,
                    allow_redirects=False,
                )
        except requests.ConnectTimeout as error:
            raise ConnectFailed(f"{address}: no connection within {self.timeout:g} s") from error
        except requests.Timeout as error:
            raise ReplyTimeout(f"{address}: no answer within {self.timeout:g} s") from error
        except requests.ConnectionError as error:
            raise ConnectFailed(f"{address}: {_reason(error)}") from error
        except requests.RequestException as error:
            raise ConnectionLost(f"{address}: {error}") from error


def _reason(error: BaseException) -> str:
    """Returns the text of the innermost error that requests and urllib3 have wrapped into each other."""
    inner = error
    while (next_one := inner.__cause__ or inner.__context__) is not None:
        inner = next_one
    return str(inner) or type(inner).__name__
