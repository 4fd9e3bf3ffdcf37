"""What browsers send for other people's pages: no form, script or fetch of theirs reaches an endpoint.

`make nightly` sends 10,000 to each endpoint.
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymesoskit.testing import Cluster
from tests.hostile.test_fuzz import CASES, FUZZ, OF_AGENT, OF_MASTER
from tests.server.conftest import HEAD

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS = ("/api/v1", "/api/v1/scheduler", "/", "/app/app.js")
TARGETS = [("master", path) for path in (*OF_MASTER, *CALLS)] + [
    ("agent", path) for path in (*OF_AGENT, "/api/v1", "/api/v1/executor", "/")
]

MACHINE = json.dumps([{"hostname": "localhost", "ip": "127.0.0.1"}])
RESOURCE = {
    "name": "cpus",
    "type": "SCALAR",
    "scalar": {"value": 1},
    "reservations": [{"type": "DYNAMIC", "role": "r"}],
}

#: The bodies of every operation that an operator can ask for with a form, or with JSON that a page sends as text.
FORMS = [
    b"",
    b"frameworkId=x",
    urlencode({"slaveId": "S0", "resources": json.dumps([RESOURCE])}).encode(),
    urlencode({"slaveId": "S0", "volumes": json.dumps([RESOURCE])}).encode(),
    MACHINE.encode(),
    json.dumps({"role": "r", "guarantee": [RESOURCE]}).encode(),
    json.dumps([{"role": "r", "weight": 2}]).encode(),
    json.dumps(
        {"windows": [{"machine_ids": json.loads(MACHINE), "unavailability": {"start": {"nanoseconds": 1}}}]}
    ).encode(),
    json.dumps({"type": "GET_STATE"}).encode(),
    json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "root", "name": "evil"}}}).encode(),
    json.dumps(
        {"type": "LAUNCH_CONTAINER", "launch_container": {"container_id": {"value": "x"}, "command": {"value": "id"}}}
    ).encode(),
]

EVIL = [
    "http://evil.test",
    "https://evil.test",
    "null",
    "http://localhost:1",
    "http://127.0.0.1",
    "http://evil.test:{port}",
    "file://",
    "",
]
KINDS = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json", ""]
MOZILLA = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def foreign(port: int) -> st.SearchStrategy[list[str]]:
    """The headers of a page that is none of the cluster's, as some browser or other sends them."""
    origins = st.sampled_from([origin.format(port=port) for origin in EVIL])
    hosts = st.sampled_from([f"127.0.0.1:{port}", f"localhost:{port}", f"evil.test:{port}", "0.0.0.0"])
    rebound = st.sampled_from([f"evil.test:{port}", "evil.test", f"127.0.0.1.evil.test:{port}", "xn--bcher-kva.test"])
    sites = st.sampled_from(["cross-site", "same-site", "", "x"])
    own = f"http://127.0.0.1:{port}"
    return st.one_of(
        st.builds(lambda host, origin: [f"Host: {host}", f"Origin: {origin}"], hosts, origins),
        st.builds(lambda host, site: [f"Host: {host}", f"Sec-Fetch-Site: {site}"], hosts, sites),
        st.builds(
            lambda host, site, page: [f"Host: {host}", f"Sec-Fetch-Site: {site}", f"Referer: {page}/x"],
            hosts,
            sites,
            origins,
        ),
        st.builds(lambda host, page: [f"Host: {host}", f"Referer: {page}/x", f"User-Agent: {MOZILLA}"], hosts, origins),
        st.builds(lambda host: [f"Host: {host}", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors"], rebound),
        st.builds(lambda host: [f"Host: {host}", f"Origin: http://{host}", "Sec-Fetch-Site: same-origin"], rebound),
        st.builds(lambda host: [f"Host: {host}", f"User-Agent: {MOZILLA}"], rebound),
        st.builds(lambda host, origin: [f"Host: {host}", f"Origin: {origin}", f"Referer: {own}/"], hosts, origins),
    )


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(1, simulated={}) as cluster:
        assert cluster.agents[0].url
        yield cluster


def status(port: int, data: bytes) -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(data)
        received = b""
        while b"\r\n\r\n" not in received:
            piece = client.recv(4096)
            assert piece, f"no answer to {data!r}"
            received += piece
    match = HEAD.match(received)
    assert match is not None
    return int(match[1])


@pytest.mark.timeout(0 if CASES > 1000 else 120)
@pytest.mark.parametrize(("where", "path"), TARGETS)
def test_no_page_of_others_reaches_an_endpoint(where: str, path: str, cluster: Cluster) -> None:
    port = cluster.master.port if where == "master" else cluster.agents[0].port
    noted = cluster.history.noted
    methods = st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
    queries = st.sampled_from(
        ["", "?jsonp=x", "?level=1&duration=1mins", "?path=/master/log", f"?x={quote('<script>')}"]
    )
    absolute = st.sampled_from(["", "", "", f"http://evil.test:{port}"])

    @FUZZ
    @given(methods, queries, foreign(port), st.sampled_from(KINDS), st.sampled_from(FORMS), absolute)
    def fuzz(method: str, query: str, headers: list[str], kind: str, body: bytes, site: str) -> None:
        lines = [
            f"{method} {site}{path}{query} HTTP/1.1",
            *headers,
            f"Content-Type: {kind}",
            f"Content-Length: {len(body)}",
        ]
        data = "\r\n".join([*lines, "", ""]).encode() + body
        assert status(port, data) == 403, data

    fuzz()
    assert cluster.history.noted == noted, "something happened"
    assert not cluster.frameworks()
