"""What /files serves, and what it never does (operator-api.md 3.4)."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.testing.engine.authorization import UNRESTRICTED
from pymesoskit.testing.engine.endpoints.files import READ_LIMIT, FileRoots, FilesError, routes
from pymesoskit.testing.engine.http.handler import Request, Response

if TYPE_CHECKING:
    from pathlib import Path


class Served:
    def __init__(self, root: Path) -> None:
        self.root = root / "sandbox"
        self.root.mkdir()
        self.secret = root / "secret"
        self.secret.write_text("hidden")
        self.roots = FileRoots()
        self.roots.attach("/virtual/dir", self.root)

    def get(self, target: str) -> Response:
        request = Request("GET", target)
        return routes(self.roots)[request.path](request, UNRESTRICTED)

    def json(self, target: str) -> Any:
        response = self.get(target)
        assert response.status == 200, response.body
        return json.loads(response.body)


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path)


def test_browse_lists_a_directory_by_name(served: Served) -> None:
    (served.root / "b").write_text("12345")
    (served.root / "a").mkdir()
    listed = served.json("/files/browse?path=/virtual/dir")
    assert [(item["path"], item["mode"][0]) for item in listed] == [("/virtual/dir/a", "d"), ("/virtual/dir/b", "-")]
    assert listed[1]["size"] == 5
    assert set(listed[1]) == {"gid", "mode", "mtime", "nlink", "path", "size", "uid"}


@pytest.mark.parametrize(
    ("query", "data", "offset"),
    [
        ("offset=0", "0123456789", 0),
        ("offset=4&length=3", "456", 4),
        ("offset=8&length=100", "89", 8),
        ("offset=50", "", 50),
        ("offset=-1", "", 10),
        ("", "", 10),
        ("offset=0&length=-1", "0123456789", 0),
        ("offset=0&length=0", "", 0),
    ],
)
def test_read_gives_the_piece_asked_for(served: Served, query: str, data: str, offset: int) -> None:
    (served.root / "digits").write_text("0123456789")
    assert served.json(f"/files/read?path=/virtual/dir/digits&{query}") == {"data": data, "offset": offset}


def test_a_read_gives_at_most_16_pages(served: Served) -> None:
    (served.root / "large").write_bytes(b"x" * (READ_LIMIT + 10))
    assert len(served.json("/files/read?path=/virtual/dir/large&offset=0")["data"]) == READ_LIMIT
    assert len(served.json(f"/files/read?path=/virtual/dir/large&offset={READ_LIMIT}")["data"]) == 10


def test_bytes_that_are_no_text_leave_as_they_are(served: Served) -> None:
    (served.root / "binary").write_bytes(b"\xff\x00a")
    assert b'"\xff\\u0000a"' in served.get("/files/read?path=/virtual/dir/binary&offset=0").body


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("/files/read?path=/virtual/dir/f&offset=x", 400, "Failed to parse offset: Failed to convert 'x' to number.\n"),
        (
            "/files/read?path=/virtual/dir/f&offset=1_0",
            400,
            "Failed to parse offset: Failed to convert '1_0' to number.\n",
        ),
        ("/files/read?path=/virtual/dir/f&offset=-2", 400, "Negative offset provided: -2.\n"),
        ("/files/download?path=/virtual/dir", 400, "Cannot download a directory.\n"),
        ("/files/read?path=/virtual/dir/f/below&offset=0", 404, ""),
        ("/files/read?path=/virtual/dir/f&offset=0&length=-2", 400, "Negative length provided: -2.\n"),
        ("/files/read?path=/virtual/dir&offset=0", 400, "Cannot read a directory.\n"),
        ("/files/read", 400, "Expecting 'path=value' in query.\n"),
        ("/files/download", 400, "Expecting 'path=value' in query.\n"),
        ("/files/browse?path=/nowhere", 404, ""),
        ("/files/browse?path=/virtual", 404, ""),
        ("/files/read?path=/virtual/dir/nope&offset=0", 404, ""),
    ],
)
def test_errors(served: Served, target: str, status: int, text: str) -> None:
    (served.root / "f").write_text("")
    response = served.get(target)
    assert (response.status, response.body.decode()) == (status, text)


@pytest.mark.parametrize(
    "path", ["../secret", "../../../../../../etc/passwd", "link", "dir/../../secret", "out/secret"]
)
def test_nothing_outside_a_root_is_served(served: Served, path: str) -> None:
    (served.root / "link").symlink_to(served.secret)
    (served.root / "out").symlink_to(served.root.parent)
    (served.root / "dir").mkdir()
    for kind in ("read", "download", "browse"):
        response = served.get(f"/files/{kind}?path=/virtual/dir/{path}&offset=0")
        assert response.status in {400, 404}
        assert b"hidden" not in response.body


def test_a_path_that_leads_out_is_named_in_the_refusal(served: Served) -> None:
    response = served.get("/files/read?path=/virtual/dir/../secret&offset=0")
    assert (response.status, response.body.decode()) == (400, f"'{served.root}/../secret' is inaccessible.\n")


def test_a_missing_download_says_so_where_the_others_are_silent(served: Served) -> None:
    texts = [served.get(f"/files/{kind}?path=/virtual/dir/nope").body for kind in ("download", "read", "browse")]
    assert texts == [b"404 Not Found.", b"", b""]


def test_links_in_a_circle_are_an_error(served: Served) -> None:
    (served.root / "a").symlink_to("b")
    (served.root / "b").symlink_to("a")
    response = served.get("/files/browse?path=/virtual/dir/a")
    text = f"Failed to determine canonical path of '{served.root}/a': Too many levels of symbolic links.\n"
    assert (response.status, response.body.decode()) == (400, text)


def test_a_root_that_is_replaced_by_a_link_serves_nothing(served: Served) -> None:
    served.root.rmdir()
    served.root.symlink_to(served.secret.parent)
    assert served.get("/files/read?path=/virtual/dir/secret&offset=0").status == 400


def test_links_inside_a_root_and_into_shared_places_are_followed(served: Served, tmp_path: Path) -> None:
    (served.root / "real").write_text("r")
    (served.root / "inner").symlink_to("real")
    volumes = tmp_path / "volumes"
    volumes.mkdir()
    (volumes / "file").write_text("v")
    (served.root / "volume").symlink_to(volumes)
    served.roots.share(volumes)
    assert served.json("/files/read?path=/virtual/dir/inner&offset=0")["data"] == "r"
    assert served.json("/files/read?path=/virtual/dir/volume/file&offset=0")["data"] == "v"


def test_a_pipe_does_not_block_a_reader(served: Served) -> None:
    os.mkfifo(served.root / "pipe")
    response = served.get("/files/read?path=/virtual/dir/pipe&offset=0")
    text = f"Failed to open file at '{served.root / 'pipe'}': Not a regular file.\n"
    assert (response.status, response.body.decode()) == (500, text)


def test_download_is_the_whole_file_under_its_name(served: Served) -> None:
    (served.root / "data").write_bytes(b"\x00\x01")
    response = served.get("/files/download?path=/virtual/dir/data")
    assert response.whole_body() == b"\x00\x01"
    assert ("Content-Disposition", "attachment; filename=data") in response.headers
    assert ("Content-Type", "application/octet-stream") in response.headers


def test_download_tells_the_type_by_the_name_and_names_what_a_link_leads_to(served: Served) -> None:
    (served.root / "page.html").write_text("<p>")
    (served.root / "link").symlink_to("page.html")
    response = served.get("/files/download?path=/virtual/dir/link")
    assert response.whole_body() == b"<p>"
    assert ("Content-Disposition", "attachment; filename=page.html") in response.headers
    assert ("Content-Type", "text/html") in response.headers


def test_debug_shows_the_table(served: Served) -> None:
    assert served.json("/files/debug") == {"/virtual/dir": str(served.root)}


def test_jsonp(served: Served) -> None:
    response = served.get("/files/debug?jsonp=f")
    assert response.body.startswith(b"f({")
    assert ("Content-Type", "text/javascript") in response.headers


def test_what_is_detached_is_gone(served: Served) -> None:
    served.roots.detach("/virtual/dir/")
    with pytest.raises(FilesError) as error:
        served.roots.browse("/virtual/dir", UNRESTRICTED)
    assert error.value.status == 404
