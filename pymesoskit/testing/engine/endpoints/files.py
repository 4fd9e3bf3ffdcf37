"""The /files endpoints of master and agents, over a table of virtual roots.

``FileRoots`` maps virtual paths to real ones and reads below them; nothing outside a root is ever served, whatever
links or dots a path holds. ``routes`` gives the HTTP endpoints over it. Source: docs/reference/operator-api.md 2.1
and 3.4.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from attrs import frozen

from pymesoskit.testing.engine.http.forms import numify
from pymesoskit.testing.engine.http.handler import Request, Response
from pymesoskit.testing.engine.http.mime import MIME_TYPES
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pymesoskit.testing.engine.authorization import Permissions

    _Answer = Callable[["FileRoots", dict[str, str], Permissions], Response]

#: How much one read gives at most: 16 pages.
READ_LIMIT = 16 * 4096


class FilesError(Exception):
    """A path cannot be served: ``status`` is the HTTP status that says so, the text the reason."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text

    @property
    def message(self) -> str:
        """The text as it is sent."""
        return f"{self.text}.\n" if self.text else ""


@frozen
class Root:
    """A directory that is shown."""

    virtual: str  # the path under which it is shown
    real: Path
    access: Callable[[Permissions], bool] | None = None  # who may look into it; None: everybody


@frozen
class Piece:
    """A part of a file."""

    size: int  # of the whole file
    data: bytes


class FileSource:
    """A file as the body of an answer: as much of it as there is now."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size: int = os.fstat(file.fileno()).st_size

    def read(self, count: int) -> bytes:
        """The next bytes."""
        return self._file.read(count)

    def close(self) -> None:
        """It is closed."""
        self._file.close()


class FileRoots:
    """Virtual paths and what they stand for."""

    def __init__(self) -> None:
        self._roots: dict[str, Path] = {}
        self._access: dict[str, Callable[[Permissions], bool]] = {}
        self._shared: list[Path] = []
        self._find: Callable[[str], Root | None] = lambda _: None
        self._entries: Callable[[], Iterable[tuple[str, Path]]] = tuple

    def provide(self, find: Callable[[str], Root | None], entries: Callable[[], Iterable[tuple[str, Path]]]) -> None:
        """Shows further directories, of which nothing is kept here: ``find`` returns the one that a path is in, and
        ``entries`` all of them, by virtual path.
        """
        self._find, self._entries = find, entries

    def attach(self, virtual: str, real: Path, access: Callable[[Permissions], bool] | None = None) -> None:
        """Everything at and below ``real`` can be read at and below ``virtual`` from now on, by those that ``access``
        lets in (None: by all).

        ``real`` must be absolute and without links, and stay so: what is put in its place later, or was before, is not
        served.
        """
        self._roots[_clean(virtual)] = real
        if access is not None:
            self._access[_clean(virtual)] = access

    def detach(self, virtual: str) -> None:
        """Ends that; harmless if it was not so."""
        self._roots.pop(_clean(virtual), None)
        self._access.pop(_clean(virtual), None)

    def share(self, real: Path) -> None:
        """Links from below any root may lead to here (persistent volumes)."""
        self._shared.append(real.resolve())

    def table(self) -> dict[str, str]:
        """Virtual path -> real path."""
        return {virtual: str(real) for virtual, real in (*self._roots.items(), *self._entries())}

    def check(self, path: str, permissions: Permissions) -> None:
        """Raises ``FilesError`` (403) for a path that is not open to everybody, and not to these.

        It is asked before anything is looked at: whether a file is there is not told either.
        """
        if permissions.unrestricted:
            return
        found = self._find(_clean(path))
        if found is not None:
            if found.access is not None and not found.access(permissions):
                raise FilesError(403)
            return
        parts = _clean(path).split("/")
        for cut in range(len(parts), 0, -1):
            access = self._access.get("/".join(parts[:cut]) or "/")
            if access is not None:
                if not access(permissions):
                    raise FilesError(403)
                return

    def resolve(self, path: str) -> Path:
        """The real path. Raises ``FilesError``: 404 if there is none, 400 if it leads out of its root."""
        found = self._find(_clean(path))
        parts = _clean(path).split("/")
        if found is not None:
            return self._below(found.real, parts[found.virtual.count("/") + 1 :])
        for cut in range(len(parts), 0, -1):
            root = self._roots.get("/".join(parts[:cut]) or "/")
            if root is not None:
                return self._below(root, parts[cut:])
        raise FilesError(404)

    def _below(self, root: Path, parts: list[str]) -> Path:
        wanted = "/".join((str(root), *parts))
        try:
            real = Path(os.path.realpath(wanted, strict=True))
        except (FileNotFoundError, NotADirectoryError, ValueError):  # not there; below a file; a NUL
            raise FilesError(404) from None
        except OSError as error:
            text = f"Failed to determine canonical path of '{wanted}': {error.strerror}"
            raise FilesError(400, text) from None
        if not any(real == allowed or allowed in real.parents for allowed in (root, *self._shared)):
            raise FilesError(400, f"'{wanted}' is inaccessible")
        return real

    def browse(self, path: str, permissions: Permissions) -> list[mesos.FileInfo]:
        """What is in a directory, sorted; what is no longer there, or leads nowhere, is left out."""
        self.check(path, permissions)
        real = self.resolve(path)
        if not real.is_dir():
            return []
        found = []
        for name in sorted(entry.name for entry in real.iterdir()):
            try:
                found.append(_info(f"{path.rstrip('/')}/{name}", real / name))
            except OSError:
                continue
        return found

    def read(self, path: str, offset: int, length: int | None, permissions: Permissions) -> Piece:
        """A part of a file, at most ``READ_LIMIT`` bytes; empty at or beyond its end."""
        self.check(path, permissions)
        real = self.resolve(path)
        if real.is_dir():
            raise FilesError(400, "Cannot read a directory")
        try:
            with _open_regular(real) as file:
                size = os.fstat(file.fileno()).st_size
                if offset >= size:
                    return Piece(size, b"")
                file.seek(offset)
                return Piece(size, file.read(READ_LIMIT if length is None else min(length, READ_LIMIT)))
        except OSError as error:
            raise FilesError(500, f"Failed to open file at '{real}': {error.strerror}") from None

    def open(self, path: str, permissions: Permissions) -> tuple[Path, FileSource]:
        """Where a file really is, and what reads it."""
        self.check(path, permissions)
        real = self.resolve(path)
        if real.is_dir():
            raise FilesError(400, "Cannot download a directory")
        try:
            return real, FileSource(_open_regular(real))
        except OSError as error:
            raise FilesError(500, f"Failed to open file at '{real}': {error.strerror}") from None


def _open_regular(path: Path) -> BinaryIO:
    """Opens a regular file for reading; anything else (a pipe would block) is an OSError, and so is what is elsewhere
    because a directory on the way was replaced by a link since the path was looked at.
    """
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb")
    opened = f"/proc/self/fd/{file.fileno()}"  # where Linux says that it really is
    moved = os.path.lexists(opened) and Path(opened).readlink() != path
    if moved or not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(0, "Not there any more" if moved else "Not a regular file")
    return file


def _clean(path: str) -> str:
    return path.rstrip("/") or "/"


def _info(virtual: str, real: Path) -> mesos.FileInfo:
    found = real.stat()
    info = mesos.FileInfo(path=virtual, nlink=found.st_nlink, size=found.st_size, mode=found.st_mode)
    info.mtime.nanoseconds = found.st_mtime_ns // 1_000_000_000 * 1_000_000_000
    info.uid = _name(pwd.getpwuid, found.st_uid)
    info.gid = _name(grp.getgrgid, found.st_gid)
    return info


def _name(lookup: Callable[[int], Any], number: int) -> str:
    try:
        return str(lookup(number)[0])
    except KeyError:
        return str(number)


# HTTP


def routes(roots: FileRoots) -> Mapping[str, Callable[[Request, Permissions], Response]]:
    """What answers at the endpoints over that table, by path."""

    def serve(answer: _Answer) -> Callable[[Request, Permissions], Response]:
        def handler(request: Request, permissions: Permissions) -> Response:
            try:
                return answer(roots, request.query(), permissions)
            except FilesError as error:
                return Response.text(error.status, error.message)

        return handler

    return {path: serve(answer) for path, answer in _ANSWERS.items()}


def _path(query: Mapping[str, str]) -> str:
    path = query.get("path", "")
    if not path:
        raise FilesError(400, "Expecting 'path=value' in query")
    return path


def _json(document: object, query: Mapping[str, str]) -> Response:
    """The document; bytes of a file that are not UTF-8 leave as they are (they came in as surrogates)."""
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogateescape")
    return Response.jsonp(body, query.get("jsonp"))


def _browse(roots: FileRoots, query: Mapping[str, str], permissions: Permissions) -> Response:
    return _json(
        [
            {
                "gid": info.gid,
                "mode": stat.filemode(info.mode),
                "mtime": info.mtime.nanoseconds / 1_000_000_000,
                "nlink": info.nlink,
                "path": info.path,
                "size": info.size,
                "uid": info.uid,
            }
            for info in roots.browse(_path(query), permissions)
        ],
        query,
    )


def _read(roots: FileRoots, query: Mapping[str, str], permissions: Permissions) -> Response:
    path = _path(query)
    offset = _number(query, "offset")
    length = _number(query, "length")
    if offset is None:
        return _json({"data": "", "offset": roots.read(path, 0, 0, permissions).size}, query)
    piece = roots.read(path, offset, length, permissions)
    return _json({"data": piece.data.decode("utf-8", "surrogateescape"), "offset": offset}, query)


def _number(query: Mapping[str, str], name: str) -> int | None:
    """The number of that name; absent and -1 are the same."""
    text = query.get(name)
    if text is None:
        return None
    try:
        number = numify(text, 64)
    except ValueError as error:
        raise FilesError(400, f"Failed to parse {name}: {error}") from None
    if number < -1:
        raise FilesError(400, f"Negative {name} provided: {number}")
    return None if number == -1 else number


#: What is said of downloads without a reason, where the other endpoints say nothing.
_DEFAULTS: Mapping[int, str] = {403: "403 Forbidden.", 404: "404 Not Found."}


def _download(roots: FileRoots, query: Mapping[str, str], permissions: Permissions) -> Response:
    path = _path(query)
    try:
        real, source = roots.open(path, permissions)
    except FilesError as error:
        if error.status not in _DEFAULTS:
            raise
        return Response.text(error.status, _DEFAULTS[error.status])
    kind = MIME_TYPES.get(real.suffix, "application/octet-stream")
    disposition = ("Content-Disposition", f"attachment; filename={real.name}")
    return Response(200, b"", (("Content-Type", kind), disposition), source)


def _debug(roots: FileRoots, query: Mapping[str, str], _: Permissions) -> Response:
    return _json(dict(sorted(roots.table().items())), query)


_ANSWERS: Mapping[str, _Answer] = {
    "/files/browse": _browse,
    "/files/read": _read,
    "/files/download": _download,
    "/files/debug": _debug,
}

#: The paths of these endpoints.
PATHS = tuple(_ANSWERS)
