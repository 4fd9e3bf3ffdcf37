"""Files of a web page that a process serves beside its endpoints: those of a master's ``--webui_dir``.

As in libprocess: the index at ``/``, files below ``/app`` and ``/assets``, by their names as they stand in the path (no
percent escapes), open to everybody, for every method, and only where no endpoint has the path. Source: master.cpp
(``provide``) and process.cpp (``ProcessBase::consume``) of Mesos 1.11.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from pymesoskit.testing.engine.endpoints.files import FileSource
from pymesoskit.testing.engine.http.handler import Request, Responder, Response
from pymesoskit.testing.engine.http.mime import MIME_TYPES

if TYPE_CHECKING:
    from pymesoskit.testing.engine.http.v1 import RequestHandler


class Assets:
    """The files of the web page in a directory, which need not exist."""

    def __init__(self, directory: str) -> None:
        self._roots = {
            "": Path(directory, "index.html"),
            "app": Path(directory, "app"),
            "assets": Path(directory, "assets"),
        }

    def find(self, parts: tuple[str, ...]) -> RequestHandler | None:
        """Returns what serves the path with these parts; None if it is not below one of the roots."""
        root = self._roots.get(parts[0] if parts else "")
        if root is None:
            return None
        path = root.joinpath(*parts[1:])

        def serve(request: Request, responder: Responder) -> None:  # noqa: ARG001 (as of any endpoint)
            responder.respond(_answer(path))

        return serve


def _answer(path: Path) -> Response:
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):
        return Response.text(404, "404 Not Found.")
    except OSError:
        return Response.text(500, "500 Internal Server Error.")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        return Response.text(404, "404 Not Found.")
    kind = MIME_TYPES.get(path.suffix)
    return Response(200, b"", (("Content-Type", kind),) if kind is not None else (), FileSource(file))
