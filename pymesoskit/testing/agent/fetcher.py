"""The fetcher: brings the URIs of a command into its sandbox.

``http``, ``https`` and ``ftp`` are downloaded, ``file`` and plain paths copied; archives are unpacked unless the URI
says not to or is executable; executable files get the bit. Whatever goes wrong fails the launch. It runs in threads
of a small pool. Source: docs/reference/agent-executor.md 5.2 and 8.
"""

from __future__ import annotations

import os
import pwd
import shutil
import tarfile
import zipfile
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
from attrs import frozen

from pymesoskit.testing.agent.fetch_cache import FetchCache
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.actor import Actor

WORKERS = 4
#: Seconds without a byte after which a download has failed (--fetcher_stall_timeout).
STALL_TIMEOUT = 60.0

_TAR = (".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")


class FetchError(Exception):
    """A URI could not be fetched."""


class ThreadFetcher:
    """A ``Fetcher`` (``machine.py``) with real files and real downloads. The pool is made by the first fetch."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._pool: ThreadPoolExecutor | None = None

    def with_cache(self, directory: Path, capacity: int) -> CachingFetcher:
        """The same with a cache of so many bytes for one machine; it is closed with this one."""
        return CachingFetcher(self, FetchCache(directory, capacity))

    def fetch(
        self, command: mesos.CommandInfo, directory: str, user: str | None, done: Callable[[str | None], None]
    ) -> None:
        """See ``Fetcher``."""
        self.submit(command, directory, user, done, None)

    def submit(
        self,
        command: mesos.CommandInfo,
        directory: str,
        user: str | None,
        done: Callable[[str | None], None],
        cache: FetchCache | None,
    ) -> None:
        """Fetches all, by way of the cache what asks for it."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(WORKERS, "pymesoskit-fetcher")
        uris = [mesos.CommandInfo.URI.FromString(uri.SerializeToString()) for uri in command.uris]

        def fetched(future: Future[None]) -> None:
            if future.cancelled():
                return
            error = future.exception()
            self._actor.post(done, None if error is None else str(error))

        self._pool.submit(fetch_all, uris, Path(directory), user, cache).add_done_callback(fetched)

    def close(self) -> None:
        """Waits for what is under way; what has not begun is dropped."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


@frozen
class CachingFetcher:
    """A ``Fetcher`` for one machine."""

    fetcher: ThreadFetcher
    cache: FetchCache

    def fetch(
        self, command: mesos.CommandInfo, directory: str, user: str | None, done: Callable[[str | None], None]
    ) -> None:
        """See ``Fetcher``."""
        self.fetcher.submit(command, directory, user, done, self.cache)


def fetch_all(
    uris: list[mesos.CommandInfo.URI], directory: Path, user: str | None, cache: FetchCache | None = None
) -> None:
    """Fetches all URIs into the directory. Raises ``FetchError`` that names the one that could not be."""
    for uri in uris:
        try:
            target = fetch(uri, directory, user, cache)
            if user is not None and os.geteuid() == 0 and target.exists():
                entry = pwd.getpwnam(user)
                os.chown(target, entry.pw_uid, entry.pw_gid)
        except (
            OSError,
            requests.RequestException,
            tarfile.TarError,
            zipfile.BadZipFile,
            KeyError,
            ValueError,
        ) as error:
            raise FetchError(f"Failed to fetch '{uri.value}': {error}") from error


def fetch(
    uri: mesos.CommandInfo.URI, directory: Path, user: str | None = None, cache: FetchCache | None = None
) -> Path:
    """Fetches one URI; returns where it is. Raises what the file system, the network or the archive says."""
    target = directory / (uri.output_file or name_of(uri.value))
    if directory.resolve() not in target.resolve().parents:
        raise ValueError(f"'{uri.output_file}' is not inside the sandbox")
    target.parent.mkdir(parents=True, exist_ok=True)
    if uri.cache and cache is not None:
        cache.copy((uri.value, user), partial(bring, uri.value), target)
    else:
        bring(uri.value, target)
    if uri.executable:
        target.chmod(target.stat().st_mode | 0o111)
    elif uri.extract:
        unpack(target, directory)
    return target


def bring(value: str, target: Path) -> None:
    """Makes the file from what the URI names."""
    scheme = urlsplit(value).scheme
    if scheme in {"http", "https", "ftp", "ftps"}:
        download(value, target)
    else:
        path = value.removeprefix("file://") if scheme == "file" else value
        if not path.startswith("/"):
            raise ValueError("it is neither an absolute path nor of a known scheme")
        shutil.copy(path, target)


def name_of(uri: str) -> str:
    """The name under which a URI is stored: the last part of its path. Raises ValueError if it has none."""
    name = (urlsplit(uri).path if "://" in uri else uri).rpartition("/")[2]
    if not name:
        raise ValueError("it has no file name")
    return name


def download(url: str, target: Path) -> None:
    """Downloads the URL into a file."""
    with requests.get(url, stream=True, timeout=STALL_TIMEOUT) as answer:
        answer.raise_for_status()
        with target.open("wb") as file:
            for chunk in answer.iter_content(1 << 16):
                file.write(chunk)


def unpack(archive: Path, directory: Path) -> None:
    """Unpacks a file whose name is that of an archive; any other is left as it is. Nothing leaves the directory."""
    if archive.name.endswith(_TAR):
        with tarfile.open(archive) as tar:
            tar.extractall(directory, filter="data")
    elif archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as packed:
            for member in packed.infolist():
                path = Path(packed.extract(member, directory))
                if mode := member.external_attr >> 16 & 0o777:
                    path.chmod(mode)
