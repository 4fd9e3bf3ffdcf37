"""Web pages of other people must not be able to use a cluster; its own pages and all other clients must."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from pymesoskit.testing import Cluster, ClusterError
from pymesoskit.testing.engine.http.web_pages import Origin, OriginError, WebPages
from tests.server.conftest import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

MOZILLA = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PORT = 5050


@pytest.fixture
def pages() -> WebPages:
    pages = WebPages(["http://dashboard.test:3000"])
    pages.add_server("127.0.0.1", PORT, ["master.test"])
    pages.add_server("127.0.0.2", 5051)
    return pages


def refused(pages: WebPages, target: str = "/state", here: tuple[str, int] | None = None, **headers: str) -> int | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    refusal = pages.refusal(target, {"host": "127.0.0.1:5050", **named}, here)
    return refusal.status if refusal is not None else None


FOREIGN = [
    "http://evil.test",
    "http://evil.test:5050",
    "https://127.0.0.1:5050",
    "http://127.0.0.1",
    "http://127.0.0.1:3000",
    "http://localhost:8080",
    "http://127.0.0.2:5050",
    "http://dashboard.test",
    "https://dashboard.test:3000",
    "http://127.0.0.1:5050.evil.test",
    "http://127.0.0.1:99999",
    "http://[",
    "file://",
    "chrome-extension://abc",
    "null",
    "",
]
OWN = [
    "http://127.0.0.1:5050",
    "http://localhost:5050",
    "http://LOCALHOST:5050",
    "http://master.test:5050",
    "http://localhost:5051",
    "http://127.0.0.2:5051",
    "http://dashboard.test:3000",
]


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_page_of_another_origin_is_refused(pages: WebPages, origin: str) -> None:
    assert refused(pages, origin=origin) == 403
    assert refused(pages, origin=origin, sec_fetch_site="same-origin") == 403
    assert refused(pages, origin=origin, sec_fetch_site="cross-site", referer="http://127.0.0.1:5050/") == 403
    assert refused(pages, sec_fetch_site="cross-site", referer=f"{origin}/page") == 403
    assert refused(pages, user_agent=MOZILLA, referer=f"{origin}/page") == 403


@pytest.mark.parametrize("origin", OWN)
def test_the_cluster_s_own_pages_and_allowed_ones_are_served(pages: WebPages, origin: str) -> None:
    assert refused(pages, origin=origin) is None
    assert refused(pages, origin=origin, sec_fetch_site="same-site") is None
    assert refused(pages, origin=origin, sec_fetch_site="cross-site") is None
    assert refused(pages, sec_fetch_site="cross-site", referer=f"{origin}/#/agents") is None
    assert refused(pages, sec_fetch_site="same-origin", referer=f"{origin}/") is None


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "other"])
def test_a_page_that_hides_its_origin_is_refused(pages: WebPages, site: str) -> None:
    assert refused(pages, sec_fetch_site=site) == 403


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_an_address_that_the_user_typed_is_served(pages: WebPages, site: str) -> None:
    assert refused(pages, "/", sec_fetch_site=site, sec_fetch_mode="navigate", user_agent=MOZILLA) is None
    assert refused(pages, "/", user_agent=MOZILLA) is None


BROWSERS = [
    {"sec_fetch_site": "same-origin"},
    {"sec_fetch_site": "none"},
    {"sec_fetch_mode": "navigate"},
    {"user_agent": MOZILLA},
    {"user_agent": "Opera/9.80"},
    {"origin": "http://127.0.0.1:5050"},
    {"referer": "http://127.0.0.1:5050/"},
]


@pytest.mark.parametrize("browser", BROWSERS)
@pytest.mark.parametrize(
    "host", ["evil.test:5050", "evil.test", "127.0.0.1.evil.test:5050", "localhost.evil.test", "", "x"]
)
def test_a_browser_that_was_led_here_by_a_foreign_name_is_refused(
    pages: WebPages, browser: dict[str, str], host: str
) -> None:
    """DNS rebinding: to the browser the page and this server are of the same origin."""
    assert refused(pages, host=host, **browser) == 403


@pytest.mark.parametrize("browser", BROWSERS)
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:5050", "10.0.0.7", "[::1]:5050", "localhost:9999", "LocalHost", "master.test", "dashboard.test:3000"],
)
def test_a_browser_may_use_addresses_and_known_names(pages: WebPages, browser: dict[str, str], host: str) -> None:
    assert refused(pages, host=host, **browser) is None


def test_the_origin_is_never_believed_for_being_equal_to_the_host(pages: WebPages) -> None:
    assert refused(pages, host="evil.test:5050", origin="http://evil.test:5050", sec_fetch_site="same-origin") == 403
    assert refused(pages, host="10.0.0.7:5050", origin="http://10.0.0.7:5050") == 403


def test_a_server_at_all_addresses_knows_the_one_that_a_request_came_to(pages: WebPages) -> None:
    origin = "http://10.0.0.7:5050"
    assert refused(pages, origin=origin, here=("10.0.0.7", 5050)) is None
    assert refused(pages, origin=origin, here=("10.0.0.7", 5051)) == 403
    assert refused(pages, origin=origin, here=("10.0.0.8", 5050)) == 403


@pytest.mark.parametrize("host", ["evil.test", "", "mesos-master"])
@pytest.mark.parametrize(
    "agent", ["curl/8.5.0", "Go-http-client/1.1", "python-requests/2.32", "Java/17", "mesos/1.11", "okhttp/4.12", ""]
)
def test_clients_that_are_no_browsers_may_use_any_host(pages: WebPages, agent: str, host: str) -> None:
    assert refused(pages, host=host, user_agent=agent) is None
    assert refused(pages, "/state?jsonp=<script>", host=host, user_agent=agent) is None


NAMES = ["callback", "a.b", "angular.callbacks._0", "jQuery123_456", "$.x[3].y", "_"]
NO_NAMES = [
    "",
    "alert(1)//",
    "<script>",
    "a%20b",
    "a%3Bb",
    "f%28",
    "%C3%A9",
    "a..b",
    "1a",
    "a%0Ab",
    "a%00",
    "x" * 201,
    "a[b]",
]


@pytest.mark.parametrize("name", NAMES)
def test_scripts_may_name_a_function(pages: WebPages, name: str) -> None:
    assert refused(pages, f"/state?jsonp={name}", sec_fetch_site="same-origin") is None
    assert refused(pages, f"/state?x=1&jsonp={name}", user_agent=MOZILLA, referer="http://localhost:5050/") is None


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_script_that_names_anything_else_is_refused(pages: WebPages, name: str) -> None:
    assert refused(pages, f"/state?jsonp={name}", sec_fetch_site="same-origin") == 400


def test_a_browser_that_asks_for_a_script_must_say_for_which_page(pages: WebPages) -> None:
    """A page can ask without ``Referer``, and over plain HTTP to an address browsers add no ``Sec-Fetch-Site``."""
    assert refused(pages, "/state?jsonp=x", host="10.0.0.7:5050", user_agent=MOZILLA) == 403


@pytest.mark.parametrize(
    "text",
    [
        "localhost:3000",
        "http://",
        "ftp://x",
        "http://x:y",
        "http://x/page",
        "*",
        "",
        "http://x:70000",
        "http://x?a",
        "http://a@b",
        "http://a\\@b",
    ],
)
def test_what_is_allowed_must_be_an_origin(text: str) -> None:
    with pytest.raises(OriginError, match=r"is not an origin: expected SCHEME://HOST\[:PORT\]"):
        Origin.parse(text)


def test_an_origin_is_written_without_the_usual_port() -> None:
    assert str(Origin.parse("http://LocalHost:80/")) == "http://localhost"
    assert str(Origin.parse("https://[::1]:8443")) == "https://[::1]:8443"


def test_an_address_in_ipv6_is_an_own_one(pages: WebPages) -> None:
    pages.add_server("::1", PORT)
    assert refused(pages, host="[::1]:5050", origin="http://[::1]:5050") is None


# On every path of master and agents


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(1, master_flags={"hostname": "master.test"}, allow_origins=["http://dashboard.test:3000"]) as cluster:
        yield cluster


def ask(port: int, target: str, *headers: str, method: str = "GET", body: bytes = b"") -> tuple[int, dict[str, str]]:
    client = Client(port)
    lines = "".join(f"{line}\r\n" for line in headers)
    client.send(f"{method} {target} HTTP/1.1\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body)
    answer = client.head()
    client.close()
    return answer.status, answer.headers


def paths(cluster: Cluster) -> list[tuple[int, str]]:
    master, agent = cluster.master._member.process, cluster.agents[0]._member.process
    assert master is not None
    assert agent is not None
    of_master = [(cluster.master.port, path) for path in (*master.paths(), "/", "/nothing", "/master/state")]
    return of_master + [(cluster.agents[0].port, path) for path in (*agent.paths(), "/", "/slave(1)/state")]


FOREIGN_REQUESTS = [
    ("Host: 127.0.0.1", "Origin: http://evil.test"),
    ("Host: 127.0.0.1", "Sec-Fetch-Site: cross-site"),
    ("Host: evil.test", "Sec-Fetch-Site: same-origin"),
    ("Host: evil.test", f"User-Agent: {MOZILLA}"),
    ("Host: 127.0.0.1", "Origin: null", "Content-Type: application/x-www-form-urlencoded"),
]


@pytest.mark.parametrize("headers", FOREIGN_REQUESTS)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT"])
def test_foreign_pages_are_refused_on_every_path(cluster: Cluster, headers: tuple[str, ...], method: str) -> None:
    for port, path in paths(cluster):
        status, _ = ask(port, path, *headers, method=method)
        assert status == 403, path


def test_foreign_pages_are_refused_before_their_body_is_read(cluster: Cluster) -> None:
    client = Client(cluster.master.port)
    client.send(
        b"POST /api/v1 HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.test\r\n"
        b"Content-Type: application/recordio\r\nContent-Length: 1000000\r\n\r\n"
    )
    answer = client.answer()
    assert answer.status == 403
    assert answer.body.startswith(b"403 Forbidden. A web page of http://evil.test sent this request.")
    assert client.rest() == b""
    client.close()


def test_own_pages_are_served_and_told_not_to_guess_types(cluster: Cluster) -> None:
    master, agent = cluster.master.port, cluster.agents[0].port
    for port in (master, agent):
        for page in (f"http://localhost:{master}", f"http://master.test:{master}", "http://dashboard.test:3000"):
            status, headers = ask(port, "/state", "Host: localhost", f"Origin: {page}", "Sec-Fetch-Site: same-site")
            assert status == 200
            assert headers["x-content-type-options"] == "nosniff"
        status, headers = ask(
            port, "/state?jsonp=cb", "Host: 127.0.0.1", f"Referer: http://localhost:{master}/", f"User-Agent: {MOZILLA}"
        )
        assert status == 200
        assert headers["content-type"] == "text/javascript"


def test_clients_may_use_any_host(cluster: Cluster) -> None:
    for port in (cluster.master.port, cluster.agents[0].port):
        assert ask(port, "/state", "Host: some.name.else:1")[0] == 200
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")


def test_a_bad_origin_is_an_error_when_the_cluster_is_made() -> None:
    with pytest.raises(ClusterError, match="allow_origins: 'dashboard' is not an origin"):
        Cluster(0, allow_origins="dashboard")
