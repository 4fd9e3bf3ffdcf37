"""``--webui_dir``: the files of a web page that a master serves, Mesos's own among them."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from pymesoskit.testing import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = {
    "index.html": b"<html>the page</html>",
    "app/app.js": b"angular",
    "app/agents/agents.html": b"<div>",
    "assets/main.css": b"body {}",
    "assets/fonts/glyphs.woff": b"\0\1",
    "assets/a b.txt": b"blank",
    "app/state": b"a file called state",
    "secret": b"not served",
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory: Path = tmp_path_factory.mktemp("webui")
    for name, content in FILES.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    with Cluster(1, master_flags={"webui_dir": f"file://{directory}"}) as cluster:
        yield cluster


def get(url: str, method: str = "GET", **headers: str) -> tuple[int, str | None, bytes]:
    request = urllib.request.Request(
        url, method=method, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


@pytest.mark.parametrize(
    ("path", "kind", "name"),
    [
        ("/", "text/html", "index.html"),
        ("/master", "text/html", "index.html"),
        ("/master/", "text/html", "index.html"),
        ("/?x=1", "text/html", "index.html"),
        ("/app/app.js", "application/x-javascript", "app/app.js"),
        ("/master/app/app.js", "application/x-javascript", "app/app.js"),
        ("/app/agents/agents.html", "text/html", "app/agents/agents.html"),
        ("/assets/main.css", "text/css", "assets/main.css"),
        ("/assets/fonts/glyphs.woff", None, "assets/fonts/glyphs.woff"),
        ("/app/state", None, "app/state"),
    ],
)
def test_the_files_of_the_page_are_served(cluster: Cluster, path: str, kind: str | None, name: str) -> None:
    assert get(cluster.master_url + path) == (200, kind, FILES[name])
    assert get(cluster.master_url + path, "HEAD") == (200, kind, b"")


@pytest.mark.parametrize(
    "path",
    ["/app", "/assets/", "/app/nothing", "/app/app.js/more", "/assets/../secret", "/assets/a%20b.txt", "/secret",
     "/index.html", "/app/%2e%2e/secret", "/app/..%2fsecret", "/app/\0"],
)  # fmt: skip
def test_nothing_else_is_served(cluster: Cluster, path: str) -> None:
    if "\0" in path:
        path = "/app/%00"
    status, _, body = get(cluster.master_url + path)
    assert (status, body) == (404, b"404 Not Found.")


def test_endpoints_come_first_and_agents_have_no_page(cluster: Cluster) -> None:
    assert get(cluster.master_url + "/state")[1] == "application/json"
    assert get(cluster.agents[0].url + "/")[0] == 404
    assert get(cluster.agents[0].url + "/app/app.js")[0] == 404


def test_the_page_is_served_to_browsers_and_may_call_the_api(cluster: Cluster) -> None:
    url = cluster.master_url
    browser = {"user_agent": "Mozilla/5.0", "sec_fetch_mode": "navigate"}
    assert get(url + "/", **browser, sec_fetch_site="none")[0] == 200
    assert get(url + "/app/app.js", **browser, sec_fetch_site="same-origin", referer=url + "/")[0] == 200
    agent = cluster.agents[0].url
    script = get(agent + "/state?jsonp=angular.callbacks._0", **browser, sec_fetch_site="same-site", referer=url + "/")
    assert script[:2] == (200, "text/javascript")
    assert get(url + "/", **browser, sec_fetch_site="cross-site", referer="http://evil.test/")[0] == 403


def test_without_the_directory_there_is_no_page(tmp_path: Path) -> None:
    with Cluster(0, master_flags={"webui_dir": str(tmp_path / "nothing")}) as cluster:
        assert get(cluster.master_url + "/")[::2] == (404, b"404 Not Found.")
