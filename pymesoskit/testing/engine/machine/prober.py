"""Probes real ports for HTTP and TCP checks, each in a thread of a small pool."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from pymesoskit.testing.engine.machine.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.runtime.actor import Actor

#: The maximum number of concurrent probes; further ones wait.
WORKERS = 16

_CHUNK = 1 << 16

T = TypeVar("T")


class NetworkProber:
    """A ``Prober`` (``machine.py``) of the machine's own network. The first probe starts the threads."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._pool: ThreadPoolExecutor | None = None
        self._lines = Lines()

    def http(self, url: str, timeout: float, on_result: Callable[[int | None], None]) -> None:
        """GETs the URL; see ``Prober.http``."""
        self._submit(lambda: http_status(self._lines, url, timeout), on_result)

    def tcp(self, host: str, port: int, timeout: float, on_result: Callable[[bool], None]) -> None:
        """Connects to the port; see ``Prober.tcp``."""
        self._submit(lambda: connects(self._lines, host, port, timeout), on_result)

    def close(self) -> None:
        """Aborts the probes that are under way."""
        self._lines.close()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _submit(self, look: Callable[[], T], on_result: Callable[[T], None]) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(WORKERS, "pymesoskit-prober")

        def looked(future: Future[T]) -> None:
            if not future.cancelled():
                self._actor.post(on_result, future.result())

        self._pool.submit(look).add_done_callback(looked)


def http_status(lines: Lines, url: str, timeout: float) -> int | None:
    """Returns the status code of a GET as by ``curl -L -k`` without proxies, None without an answer."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opener = lines.opener(context, urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout) as answer:
            deadline = time.monotonic() + timeout
            while answer.read1(_CHUNK):  # only a complete answer counts
                if time.monotonic() > deadline:
                    return None
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except (OSError, http.client.HTTPException, ValueError):
        return None


def connects(lines: Lines, host: str, port: int, timeout: float) -> bool:
    """Returns whether a TCP connection is established within ``timeout`` seconds."""
    try:
        with lines.connect((host, port), timeout):
            return True
    except OSError:
        return False
