"""Requests and whole answers: keep-alive, pipelining, bodies, limits, what cannot be read."""

from __future__ import annotations

import asyncio
import errno
import gzip
import re
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pymesoskit.testing.engine.http.handler import Response
from pymesoskit.testing.engine.http.server import Limits
from pymesoskit.testing.engine.http.server.connection import ServerConnection, Site
from pymesoskit.testing.engine.http.web_pages import WebPages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.server.conftest import Served

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def post(body: bytes, *headers: str, target: str = "/") -> bytes:
    lines = "".join(f"{line}\r\n" for line in headers)
    return f"POST {target} HTTP/1.1\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body


def echo(request, responder) -> None:
    responder.respond(Response(200, request.body))


def test_an_empty_answer_has_date_and_content_length_0(served: Served) -> None:
    answer = served.connect().send(GET).answer()
    assert answer.status == 202
    assert answer.headers["content-length"] == "0"
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", answer.headers["date"])


def test_a_connection_is_kept_for_further_requests(served: Served) -> None:
    client = served.connect()
    for _ in range(3):
        assert client.send(GET).answer().status == 202
    assert served.actor.call(lambda: served.server.connections) == 1


@pytest.mark.parametrize("request_", [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"])
def test_a_connection_ends_when_the_client_wants_it_so(served: Served, request_: bytes) -> None:
    client = served.connect().send(request_)
    assert client.answer().headers["connection"] == "close"
    assert client.rest() == b""


def test_http_1_0_can_keep_the_connection(served: Served) -> None:
    client = served.connect()
    for _ in range(2):
        answer = client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").answer()
        assert answer.headers["connection"] == "keep-alive"


def test_headers_arrive_in_lower_case_in_order_and_the_target_as_sent(served: Served) -> None:
    served.connect().send(b"GET /a%20b?x=1 HTTP/1.1\r\nHost: h\r\nX-Two: 2\r\nX-One: \xe9\r\n\r\n").answer()
    request = served.requests[0]
    assert request.headers == (("host", "h"), ("x-two", "2"), ("x-one", "é"))
    assert request.target == "/a%20b?x=1"
    assert request.path == "/a%20b"


def test_pipelined_requests_are_answered_in_their_order(served: Served) -> None:
    held = []

    def respond(request, responder) -> None:
        if request.path == "/late":
            held.append(responder)
        else:
            responder.respond(Response(200, request.path.encode()))

    served.respond = respond
    client = served.connect().send(b"".join(post(b"", target=path) for path in ("/1", "/late", "/2", "/3")))
    assert client.answer().body == b"/1"
    served.wait_for(lambda: len(served.requests) == 4)
    assert client.quiet()
    served.actor.call(held[0].respond, Response(200, b"late"))
    assert [client.answer().body for _ in range(3)] == [b"late", b"/2", b"/3"]


def test_more_pipelined_requests_than_may_be_under_way_wait(make_served: Callable[..., Served]) -> None:
    served = make_served(Limits(pipelined=4))
    served.respond = lambda *_: None
    client = served.connect().send(GET * 10)
    served.wait_for(lambda: len(served.requests) == 4)
    for index in range(10):
        served.wait_for(lambda index=index: len(served.responders) > index)
        served.actor.call(served.responders[index].respond, Response(202))
        assert client.answer().status == 202


def test_thousands_of_pipelined_requests_are_all_answered(served: Served) -> None:
    """However the bytes are cut: a head that arrives in two pieces is not counted with what follows it."""
    count = 10_000
    client = served.connect()
    size = len(client.send(GET).read_until(b"\r\n\r\n"))
    sender = threading.Thread(target=client.send, args=(post(b"0123456789", "X-Header: " + "x" * 50) * count,))
    sender.start()
    client.read(count * size)
    sender.join()
    assert len(served.requests) == count + 1


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_bodies_arrive_whole(served: Served, size: int) -> None:
    served.respond = echo
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert served.connect().send(post(body)).answer().body == body


def test_chunked_bodies_arrive_whole(served: Served) -> None:
    served.respond = echo
    client = served.connect().send(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    client.send(b"5;ext=1\r\ndefgh\r\n0\r\nTrailer: x\r\n\r\n")
    assert client.answer().body == b"abcdefgh"
    assert client.send(post(b"next")).answer().body == b"next"


def test_compressed_bodies_arrive_as_what_they_were(served: Served) -> None:
    served.respond = echo
    head, body = b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\n", gzip.compress(b"m" * 70_000)
    client = served.connect().send(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert client.answer().body == b"m" * 70_000
    client.send(head + b"Transfer-Encoding: chunked\r\n\r\n")
    for piece in (body[:7], body[7:]):
        client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    client.send(b"0\r\n\r\n")
    assert client.answer().body == b"m" * 70_000
    assert client.send(post(b"plain")).answer().body == b"plain"


@pytest.mark.parametrize("body", [b"", b"no gzip", gzip.compress(b"m", mtime=0)[:-1]])
def test_a_body_that_is_not_gzip_is_500_and_the_connection_goes_on(served: Served, body: bytes) -> None:
    """As in Mesos: the request ends where its length says, so the next one can be read."""
    head = b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    client = served.connect().send(head + body + GET)
    answer = client.answer()
    assert (answer.status, answer.body) == (500, b"failed to decode body")
    assert client.answer().status == 202
    assert [request.method for request in served.requests] == ["GET"]


def test_a_bad_request_behind_more_than_may_be_under_way_is_refused_in_its_turn(
    make_served: Callable[..., Served],
) -> None:
    served = make_served(Limits(pipelined=2))
    held = []
    served.respond = lambda _, responder: held.append(responder)
    client = served.connect().send(GET * 4 + b"nonsense\r\n\r\n")
    for index in range(4):
        served.wait_for(lambda index=index: len(held) > index)
        served.actor.call(held[index].respond, Response(202))
        assert client.answer().status == 202
    assert client.answer().status == 400
    assert client.rest() == b""


@pytest.mark.parametrize(
    "last",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close, upgrade\r\nUpgrade: h2c\r\n\r\n",
        post(b"ab", "Connection: close"),
    ],
)
@pytest.mark.parametrize("more", [GET, b"nonsense", b"\r\n\r\n", post(b"x" * 1000)])
def test_bytes_behind_the_last_request_are_not_read(served: Served, last: bytes, more: bytes) -> None:
    client = served.connect().send(last + more)
    assert client.answer().headers["connection"] == "close"
    assert client.rest() == b""
    assert len(served.requests) == 1
    assert served.history.failures == 0


def test_bytes_behind_a_last_request_that_is_answered_late_are_not_read(served: Served) -> None:
    served.respond = lambda *_: None
    client = served.connect().send(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n" + GET)
    served.wait_for(lambda: served.responders)
    client.send(b"nonsense" * 1000)
    served.actor.call(served.responders[0].respond, Response(202))
    assert client.answer().status == 202
    assert client.rest() == b""
    assert len(served.requests) == 1


@pytest.mark.parametrize("target", ["/state?x=%zz", "/?a=1&%", "/x?%2", "http://h/?%g0"])
def test_a_query_that_cannot_be_decoded_ends_the_connection_without_an_answer(served: Served, target: str) -> None:
    client = served.connect().send(GET + f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode() + GET)
    assert client.answer().status == 202
    assert client.rest() == b""
    assert len(served.requests) == 1
    assert served.history.failures == 0


def test_a_query_that_cannot_be_decoded_does_not_end_what_came_before_it(served: Served) -> None:
    served.respond = lambda *_: None
    client = served.connect().send(GET + b"GET /?%zz HTTP/1.1\r\n\r\n")
    served.wait_for(lambda: served.responders)
    assert client.quiet()
    served.actor.call(served.responders[0].respond, Response(202))
    assert client.answer().status == 202
    assert client.rest() == b""


@pytest.mark.parametrize(
    ("target", "expected", "host"),
    [
        ("http://127.0.0.1:5050/health", "/health", "127.0.0.1:5050"),
        ("HTTP://name/state?jsonp=x", "/state?jsonp=x", "name"),
        ("https://name:1", "/", "name:1"),
        ("http://name?x=1", "/?x=1", "name"),
    ],
)
def test_a_target_in_absolute_form_is_a_path_at_that_host(
    served: Served, target: str, expected: str, host: str
) -> None:
    served.connect().send(f"GET {target} HTTP/1.1\r\nHost: other\r\n\r\n".encode()).answer()
    request = served.requests[0]
    assert request.target == expected
    assert [value for name, value in request.headers if name == "host"] == [host]


def test_blanks_behind_a_header_belong_to_its_value(served: Served) -> None:
    """As in Mesos, where ``application/json `` is a Content-Type of its own (415)."""
    served.connect().send(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Type: \t application/json \r\n\r\n").answer()
    assert served.requests[0].header("content-type") == "application/json "


def test_a_body_that_is_not_protobuf_has_a_limit_of_its_own(make_served: Callable[..., Served]) -> None:
    """Reading JSON takes time, in which nobody else is served."""
    served = make_served(Limits(body=100_000, text=1000))
    for kind in ("application/json", "application/x-www-form-urlencoded", "application/json "):
        answer = served.connect().send(post(b"x" * 1001, f"Content-Type: {kind}")).answer()
        assert answer.status == 413
        assert answer.body == (
            b"The request's body is larger than 1000 bytes. In protobuf, up to 100000 bytes are taken."
        )
        assert served.connect().send(post(b"x" * 1000, f"Content-Type: {kind}")).answer().status == 202
    assert served.connect().send(post(b"x" * 1001)).answer().status == 413
    assert served.connect().send(post(b"x" * 1001, "Content-Type: application/x-protobuf")).answer().status == 202
    packed = gzip.compress(b"x" * 1001)
    head = (
        f"POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
        f"Content-Length: {len(packed)}\r\n\r\n"
    )
    assert served.connect().send(head.encode() + packed).answer().status == 413


def test_a_small_body_does_not_become_a_huge_one(make_served: Callable[..., Served]) -> None:
    served = make_served(Limits(body=10_000))
    body = gzip.compress(b"m" * 1_000_000)
    head = b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert served.connect().send(head + body).answer().status == 413


def test_100_continue_comes_before_the_body(served: Served) -> None:
    served.respond = echo
    client = served.connect().send(b"POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert client.send(b"abc").answer().body == b"abc"


def test_head_has_the_headers_of_get_and_no_body(served: Served) -> None:
    served.respond = lambda _, responder: responder.respond(Response(200, b"12345"))
    client = served.connect().send(b"HEAD / HTTP/1.1\r\n\r\n")
    assert client.answer(to_head=True).headers["content-length"] == "5"
    assert client.send(GET).answer().body == b"12345"


@pytest.mark.parametrize(
    ("accept", "size", "compressed"),
    [
        ("gzip", 1024, True),
        ("gzip", 1023, False),
        ("deflate, gzip;q=0.5", 5000, True),
        ("*", 5000, True),
        ("gzip;q=0", 5000, False),
        ("identity", 5000, False),
        ("", 5000, False),
    ],
)
def test_bodies_of_1024_bytes_are_compressed_for_who_asks(
    served: Served, accept: str, size: int, compressed: bool
) -> None:
    body = b"m" * size
    served.respond = lambda _, responder: responder.respond(Response(200, body))
    answer = served.connect().send(f"GET / HTTP/1.1\r\nAccept-Encoding: {accept}\r\n\r\n".encode()).answer()
    assert (answer.headers.get("content-encoding") == "gzip") is compressed
    assert (gzip.decompress(answer.body) if compressed else answer.body) == body


@pytest.mark.parametrize("upgrade", [b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: x\r\n"])
def test_an_offer_to_speak_something_else_is_ignored(served: Served, upgrade: bytes) -> None:
    served.respond = echo
    client = served.connect().send(b"GET / HTTP/1.1\r\n" + upgrade + b"\r\n")
    assert client.answer().status == 200
    client.send(b"POST / HTTP/1.1\r\n" + upgrade + b"Content-Length: 3\r\n\r\nabc")
    assert client.answer().body == b"abc"
    client.send(b"POST / HTTP/1.1\r\n" + upgrade + b"Transfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n")
    assert client.answer().body == b"xyz"
    assert client.send(GET).answer().status == 200


def test_what_a_handler_raises_is_500_and_told_in_the_history(
    served: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    def respond(request, responder) -> None:
        if request.path == "/boom":
            raise ZeroDivisionError("of the handler")
        responder.respond(Response(202))

    served.respond = respond
    client = served.connect()
    assert client.send(post(b"", target="/boom")).answer().status == 500
    assert client.send(GET).answer().status == 202
    assert "ZeroDivisionError: of the handler" in served.history.story()
    assert "ZeroDivisionError" in capfd.readouterr().err


@pytest.mark.parametrize(
    "bytes_",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon here\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: ten\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    ],
)
def test_what_is_no_request_is_400_and_the_end(served: Served, bytes_: bytes) -> None:
    client = served.connect().send(bytes_)
    answer = client.answer()
    assert answer.status == 400
    assert answer.body.startswith(b"Failed to decode the request: ")
    assert client.rest() == b""
    assert served.requests == []


def test_requests_before_one_that_cannot_be_read_are_answered_first(served: Served) -> None:
    held = []
    served.respond = lambda _, responder: held.append(responder)
    client = served.connect().send(GET + b"NONSENSE\r\n\r\n")
    served.wait_for(lambda: held)
    assert client.quiet()
    served.actor.call(held[0].respond, Response(202))
    assert [client.answer().status for _ in range(2)] == [202, 400]
    assert client.rest() == b""


def test_connect_is_refused(served: Served) -> None:
    client = served.connect().send(b"CONNECT example.org:443 HTTP/1.1\r\n\r\n")
    assert client.answer().status == 405
    assert client.rest() == b""


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
    ],
)
def test_a_head_beyond_the_limit_is_431_and_the_end(make_served: Callable[..., Served], request_: bytes) -> None:
    served = make_served(Limits(head=1000))
    client = served.connect().send(request_)
    answer = client.answer()
    assert (answer.status, answer.body) == (431, b"The request's head is larger than 1000 bytes.")
    assert client.rest() == b""


def test_a_head_that_never_ends_is_431_too(make_served: Callable[..., Served]) -> None:
    served = make_served(Limits(head=1000))
    client = served.connect().send(b"GET / HTTP/1.1\r\nX: ")
    served.wait_for(lambda: served.server.connections)
    for _ in range(30):
        client.send(b"a" * 100)
        if not client.quiet(0.01):
            break
    assert client.answer().status == 431


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"a" * 1001,
    ],
)
def test_a_body_beyond_the_limit_is_413_and_the_end(make_served: Callable[..., Served], request_: bytes) -> None:
    served = make_served(Limits(body=1000))
    client = served.connect().send(request_)
    answer = client.answer()
    assert (answer.status, answer.body) == (413, b"The request's body is larger than 1000 bytes.")
    assert client.rest() == b""


def test_a_client_that_has_sent_its_last_is_still_answered(served: Served) -> None:
    held = []
    served.respond = lambda _, responder: held.append(responder)
    client = served.connect().send(GET)
    client.socket.shutdown(1)
    served.wait_for(lambda: held)
    served.actor.call(held[0].respond, Response(200, b"late"))
    assert client.answer().body == b"late"
    assert client.rest() == b""


def test_a_client_that_goes_away_is_noticed_once(served: Served) -> None:
    gone = []
    served.respond = lambda _, responder: responder.on_close(lambda: gone.append(1))
    client = served.connect().send(GET)
    served.wait_for(lambda: served.requests)
    client.close()
    served.wait_for(lambda: gone)
    served.actor.call(served.responders[0].respond, Response(202))
    assert gone == [1]


def test_a_request_is_answered_once(served: Served) -> None:
    served.connect().send(GET).answer()
    with pytest.raises(RuntimeError, match="answered once"):
        served.actor.call(served.responders[0].respond, Response(202))


def test_line_ends_in_a_value_make_no_header(served: Served) -> None:
    served.respond = lambda _, responder: responder.respond(Response(307, b"", (("Location", "/x\r\nEvil: 1"),)))
    answer = served.connect().send(GET).answer()
    assert answer.headers["location"] == "/x  Evil: 1"
    assert "evil" not in answer.headers


PIECES = st.sampled_from(
    [
        GET,
        post(b"abc"),
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"x" * 50,
        b"\r\n\r\n",
        b"\0",
    ]
)


@settings(max_examples=60, deadline=None)
@given(data=st.lists(st.one_of(PIECES, st.binary(max_size=60)), max_size=6), cut=st.integers(1, 40))
def test_nothing_that_a_client_sends_is_an_error_of_ours(data: list[bytes], cut: int) -> None:
    """Any bytes, in pieces of any size: the server goes on, and notes no failure."""
    served = _shared()
    client = served.connect()
    joined = b"".join(data)
    try:
        for start in range(0, len(joined), cut):
            client.send(joined[start : start + cut])
    except OSError:
        pass  # it was refused before it had sent all
    client.close()
    assert served.connect().send(GET).answer().status == 202
    assert served.history.failures == 0


_served: list[Served] = []


def _shared() -> Served:
    return _served[0]


@pytest.fixture(autouse=True, scope="module")
def _shared_server():
    from tests.server.conftest import Served

    _served.append(Served())
    yield
    _served.pop().stop()


class Socket(asyncio.Transport):
    """A transport that writes down what it is told. Its client goes away while an answer waits to leave."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = 0
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.waiting += len(data)

    def writelines(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.aborted

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        assert not self.waiting, "the rest of an answer would be lost"
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    def abort(self) -> None:
        self.aborted = True


def test_a_client_that_is_gone_before_its_last_answer_has_left_is_no_error_of_ours() -> None:
    loop = asyncio.new_event_loop()
    failures: list[BaseException] = []
    site = Site(
        lambda _, responder: responder.respond(Response.text(200, "x")),
        pages=WebPages(),
        limits=Limits(),
        date=lambda: "now",
        note=lambda _: None,
        report=failures.append,
        happened=lambda: None,
    )
    connection, transport = ServerConnection(site, loop), Socket()
    connection.connection_made(transport)
    connection.data_received(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert transport.waiting
    transport.waiting = 0
    connection.resume_writing()
    assert transport.aborted
    assert failures == []
    loop.close()
