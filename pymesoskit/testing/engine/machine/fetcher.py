"""The fetcher: brings the URIs of a command into its sandbox.

``http``, ``https`` and ``ftp`` are downloaded, ``file`` and plain paths copied; archives are unpacked unless the URI
says not to or is executable; executable files get the bit. Whatever goes wrong fails the launch. It runs in threads
of a small pool. Source: docs/reference/agent-executor.md 5.2 and 8.
"""

from __future__ import annotations

import gzip
import http.client
import os
import pwd
import shutil
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from pymesoskit.testing.engine.machine.fetch_cache import FetchCache
from pymesoskit.testing.engine.machine.lines import Lines
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.runtime.actor import Actor

WORKERS = 4

_TAR = (".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
_LOCALHOST = "localhost"

#: What the file system, the network or an archive may say.
_ERRORS = (
    OSError,
    http.client.HTTPException,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    ValueError,
)


class FetchError(Exception):
    """A URI could not be fetched."""


@frozen
class Settings:
    """What an agent's flags say of fetching."""

    frameworks_home: str = ""  # --frameworks_home: what relative paths are relative to
    stall_timeout: float = 60.0  # --fetcher_stall_timeout: seconds without a byte after which a download has failed
    lines: Lines = field(factory=Lines)


class ThreadFetcher:
    """A ``Fetcher`` (``machine.py``) with real files and real downloads. The pool is made by the first fetch."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._pool: ThreadPoolExecutor | None = None
        self._settings = Settings()

    def with_cache(self, directory: Path, capacity: int, settings: Settings) -> CachingFetcher:
        """The same with a cache of so many bytes for one machine; it is closed with this one."""
        settings = evolve(settings, lines=self._settings.lines)
        return CachingFetcher(self, FetchCache(directory, capacity), settings)

    def fetch(
        self, command: mesos.CommandInfo, directory: str, user: str | None, done: Callable[[str | None], None]
    ) -> None:
        """See ``Fetcher``."""
        self.submit(command, directory, user, done, None, self._settings)

    def submit(
        self,
        command: mesos.CommandInfo,
        directory: str,
        user: str | None,
        done: Callable[[str | None], None],
        cache: FetchCache | None,
        settings: Settings,
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

        self._pool.submit(fetch_all, uris, Path(directory), user, cache, settings).add_done_callback(fetched)

    @property
    def cache_used(self) -> int:
        """See ``Fetcher``: it has no cache."""
        return 0

    def close(self) -> None:
        """Breaks off what is under way; what has not begun is dropped."""
        self._settings.lines.close()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


@frozen
class CachingFetcher:
    """A ``Fetcher`` for one machine."""

    fetcher: ThreadFetcher
    cache: FetchCache
    settings: Settings

    def fetch(
        self, command: mesos.CommandInfo, directory: str, user: str | None, done: Callable[[str | None], None]
    ) -> None:
        """See ``Fetcher``."""
        self.fetcher.submit(command, directory, user, done, self.cache, self.settings)

    @property
    def cache_used(self) -> int:
        """See ``Fetcher``."""
        return self.cache.used


# What is asked for


def uris_error(command: mesos.CommandInfo) -> str | None:
    """Why the URIs are not even looked for; None if nothing is wrong with them."""
    for uri in command.uris:
        try:
            name_of(uri.value)
        except ValueError as error:
            return str(error)
        if uri.HasField("output_file"):
            if not uri.output_file:
                return "URI output file path is empty"
            if uri.output_file.startswith("/"):
                return "URI output file must be within the sandbox directory"
    return None


def name_of(uri: str) -> str:
    """The name under which a URI is stored: all behind its last slash, a query included. Raises ValueError."""
    if not {"\\", "'", "\0"}.isdisjoint(uri):
        raise ValueError("Illegal characters in URI")
    scheme, separator, path = uri.partition("://")
    if separator and len(scheme) > 1:
        if not path.partition("/")[2]:
            raise ValueError(f"Malformed URI (missing path): {uri}")
        return path.rpartition("/")[2]
    return uri.rstrip("/").rpartition("/")[2]


def local_path(uri: str, frameworks_home: str) -> str | None:
    """The path on this machine that a URI names, None if it names another place. Raises ValueError."""
    is_file = uri.startswith("file://")
    if not is_file and "://" in uri:
        return None
    path = uri.removeprefix("file://").removeprefix(_LOCALHOST)
    if path.startswith("/"):
        return path
    if is_file:
        raise ValueError("File URI only supports absolute paths")
    if not frameworks_home:
        raise ValueError(
            "A relative path was passed for the resource but the Mesos framework home was not specified. Please either"
            " provide this config option or avoid using a relative path"
        )
    return f"{frameworks_home.rstrip('/')}/{path}"


# Fetching


def fetch_all(
    uris: list[mesos.CommandInfo.URI],
    directory: Path,
    user: str | None,
    cache: FetchCache | None = None,
    settings: Settings | None = None,
) -> None:
    """Fetches all URIs into the directory. Raises ``FetchError`` that names the one that could not be."""
    for uri in uris:
        try:
            fetch(uri, directory, user, cache, Settings() if settings is None else settings)
        except _ERRORS as error:
            raise FetchError(f"Failed to fetch '{uri.value}': {error}") from error
    if user is not None and os.geteuid() == 0:
        try:
            give_to(directory, user)
        except (OSError, KeyError) as error:
            raise FetchError(f"Failed to chown '{directory}' to user '{user}': {error}") from error


def give_to(directory: Path, user: str) -> None:
    """All below the directory is the user's; links are not followed."""
    entry = pwd.getpwnam(user)
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            os.lchown(Path(parent, name), entry.pw_uid, entry.pw_gid)


def fetch(
    uri: mesos.CommandInfo.URI, directory: Path, user: str | None, cache: FetchCache | None, settings: Settings
) -> None:
    """Fetches one URI. Raises what the file system, the network or the archive says."""
    value = uri.value.lstrip()
    target = directory / (uri.output_file or name_of(value))
    if directory.resolve() not in target.resolve().parents:
        raise ValueError(f"'{uri.output_file}' is not inside the sandbox")
    target.parent.mkdir(parents=True, exist_ok=True)
    get = partial(bring, value, settings=settings)
    if not uri.cache or cache is None:
        get(target)
        if not uri.executable and uri.extract:
            unpack(target, directory)
    else:
        with cache.file((uri.value, user), name_of(value), get) as cached:
            if uri.executable or not uri.extract or not unpack(cached, directory):
                shutil.copy(cached, target)
    if uri.executable:
        target.chmod(0o755)


def bring(value: str, target: Path, *, settings: Settings) -> None:
    """Makes the file from what the URI names."""
    path = local_path(value, settings.frameworks_home)
    if path is not None:
        if not Path(path).is_file():  # a pipe or a device may have no end
            raise ValueError("it is not there" if not Path(path).exists() else "it is no regular file")
        shutil.copy(path, target)
    elif value.startswith(("http://", "https://")):
        download(settings.lines, value, target, settings.stall_timeout)
    elif value.startswith("ftp://"):
        with urllib.request.urlopen(value, timeout=settings.stall_timeout) as answer, target.open("wb") as file:  # noqa: S310
            shutil.copyfileobj(answer, file)
    else:
        raise ValueError("Failed to create HDFS client: there is no Hadoop client on this agent")


def download(lines: Lines, url: str, target: Path, stall_timeout: float) -> None:
    """Downloads the URL into a file, byte for byte."""
    try:
        with lines.opener(None).open(url, timeout=stall_timeout) as answer:
            if answer.status != http.client.OK:
                raise ValueError(f"Error downloading resource, received HTTP return code {answer.status}")
            with target.open("wb") as file:
                shutil.copyfileobj(answer, file)
    except urllib.error.HTTPError as error:
        with error:
            raise ValueError(f"Error downloading resource, received HTTP return code {error.code}") from None


def unpack(archive: Path, directory: Path) -> bool:
    """Unpacks a file whose name is that of an archive; whether it is one. Nothing leaves the directory."""
    if archive.name.endswith(_TAR):
        with tarfile.open(archive) as tar:
            tar.extractall(directory, filter="data")
    elif archive.name.endswith(".gz"):
        with gzip.open(archive) as packed, (directory / archive.name.removesuffix(".gz")).open("wb") as file:
            shutil.copyfileobj(packed, file)
    elif archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as zipped:
            for member in zipped.infolist():
                path = Path(zipped.extract(member, directory))
                if mode := member.external_attr >> 16 & 0o777:
                    path.chmod(mode)
    else:
        return False
    return True
