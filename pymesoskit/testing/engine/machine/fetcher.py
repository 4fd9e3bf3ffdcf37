"""The fetcher: brings the URIs of a command into its sandbox.

``http``, ``https`` and ``ftp`` URIs are downloaded, ``file`` URIs and plain paths copied. Archives are unpacked unless
the URI says not to or is executable; executable files get the bit. The fetcher works as the user that the command
runs as, so a task gets no file that its user may not read. Any error fails the launch. The fetcher runs in threads of
a small pool. Source: docs/reference/agent-executor.md 5.2 and 8.
"""

from __future__ import annotations

import contextlib
import encodings.cp437
import encodings.idna  # noqa: F401 (both are needed later, when a thread may not be able to read the library)
import errno
import gzip
import http.client
import importlib
import os
import shutil
import stat
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING

from attrs import evolve, field, frozen

from pymesoskit.testing.engine.machine.credentials import acting_as, reachable
from pymesoskit.testing.engine.machine.fetch_cache import FetchCache
from pymesoskit.testing.engine.machine.lines import Lines
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.runtime.actor import Actor

WORKERS = 4

_TAR = (".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
_LOCALHOST = "localhost"

for _name in ("bz2", "lzma"):  # tarfile imports them when it needs them, which may be too late
    with contextlib.suppress(ImportError):
        importlib.import_module(_name)

#: What the file system, the network or an archive may raise.
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
    """An agent's settings for fetching."""

    frameworks_home: str = ""  # --frameworks_home: the base of relative paths
    stall_timeout: float = 60.0  # --fetcher_stall_timeout: seconds without data after which a download fails
    work_dir: Path | None = None  # no file is put outside of it. None: the sandbox
    lines: Lines = field(factory=Lines)


class ThreadFetcher:
    """A ``Fetcher`` (``machine.py``) of real files and downloads. The first fetch starts the threads."""

    def __init__(self, actor: Actor, work_dir: Path | None = None) -> None:
        self._actor = actor
        self._pool: ThreadPoolExecutor | None = None
        self._settings = Settings(work_dir=work_dir)

    def with_cache(self, directory: Path, capacity: int, settings: Settings) -> CachingFetcher:
        """Returns a fetcher with a cache of ``capacity`` bytes for one machine; it is closed with this one."""
        settings = evolve(settings, lines=self._settings.lines, work_dir=directory.parent)
        return CachingFetcher(self, FetchCache(directory, capacity), settings)

    def fetch(
        self, command: mesos.CommandInfo, directory: str, user: str | None, done: Callable[[str | None], None]
    ) -> None:
        """Fetches the command's URIs; see ``Fetcher.fetch``."""
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
        """Fetches all URIs in a thread, those with ``cache`` through the cache."""
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
        """Always 0: it has no cache."""
        return 0

    def close(self) -> None:
        """Aborts what is under way, and drops what has not begun."""
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
        """Fetches the command's URIs; see ``Fetcher.fetch``."""
        self.fetcher.submit(command, directory, user, done, self.cache, self.settings)

    @property
    def cache_used(self) -> int:
        """The size of the cached files in bytes."""
        return self.cache.used


# URIs


def uris_error(command: mesos.CommandInfo) -> str | None:
    """Returns why the URIs are refused before anything is fetched, None if they are valid."""
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
    """Returns the file name of a URI: everything after its last slash, including a query. Raises ValueError."""
    if not {"\\", "'", "\0"}.isdisjoint(uri):
        raise ValueError("Illegal characters in URI")
    scheme, separator, path = uri.partition("://")
    if separator and len(scheme) > 1:
        if not path.partition("/")[2]:
            raise ValueError(f"Malformed URI (missing path): {uri}")
        return path.rpartition("/")[2]
    return uri.rstrip("/").rpartition("/")[2]


def local_path(uri: str, frameworks_home: str) -> str | None:
    """Returns the path on this machine that a URI names, None if it is remote. Raises ValueError."""
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
    """Fetches all URIs into the directory, as that user. Raises ``FetchError``, which names the failed one."""
    for uri in uris:
        try:
            fetch(uri, directory, user, cache, Settings() if settings is None else settings)
        except _ERRORS as error:
            raise FetchError(f"Failed to fetch '{uri.value}': {error}") from error


def fetch(
    uri: mesos.CommandInfo.URI, directory: Path, user: str | None, cache: FetchCache | None, settings: Settings
) -> None:
    """Fetches one URI. Raises what the file system, the network or the archive raises."""
    value = uri.value.lstrip()
    name = uri.output_file or name_of(value)
    limit = (settings.work_dir or directory).resolve()
    if limit not in (directory / name).resolve().parents:
        raise ValueError(f"'{uri.output_file}' is outside {'the sandbox' if limit == directory else limit}")
    with reachable(directory, user) as sandbox:
        target = sandbox / name
        unpacks = uri.extract and not uri.executable
        if not uri.cache or cache is None:
            with open_source(value, user, settings) as source, create(target, user) as file:
                shutil.copyfileobj(source, file)
            if unpacks:
                with acting_as(user), target.open("rb") as packed:
                    unpack(packed, target.name, sandbox)
        else:
            fill = _Filler(value, user, settings)
            with cache.file((uri.value, user), name_of(value), fill) as cached, cached.open("rb") as packed:
                _place(packed, cached.name, target, sandbox, user, unpacks=unpacks)
        if uri.executable:
            with acting_as(user):
                target.chmod(0o755)


@frozen
class _Filler:
    """Copies a file into the cache. It is read as the user, but written as the cluster, which owns the cache."""

    value: str
    user: str | None
    settings: Settings

    def __call__(self, target: Path) -> None:
        with open_source(self.value, self.user, self.settings) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)


def _place(packed: IO[bytes], name: str, target: Path, sandbox: Path, user: str | None, *, unpacks: bool) -> None:
    """Copies a file of the cache into the sandbox; of an archive only the contents."""
    if unpacks:
        with acting_as(user):
            if unpack(packed, name, sandbox):
                return
    with create(target, user) as file:
        shutil.copyfileobj(packed, file)


def create(target: Path, user: str | None) -> IO[bytes]:
    """Makes the file and its directories as that user, and opens it for writing. Raises OSError."""
    with acting_as(user):
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.open("wb")


def open_source(value: str, user: str | None, settings: Settings) -> IO[bytes]:
    """Opens the file that the URI names, a local one as that user. Raises OSError and ValueError."""
    path = local_path(value, settings.frameworks_home)
    if path is not None:
        return _open_regular(path, user)
    if value.startswith(("http://", "https://")):
        return download(settings.lines, value, settings.stall_timeout)
    if value.startswith("ftp://"):
        answer: IO[bytes] = urllib.request.urlopen(value, timeout=settings.stall_timeout)  # noqa: S310
        return answer
    raise ValueError("Failed to create HDFS client: there is no Hadoop client on this agent")


def _open_regular(path: str, user: str | None) -> IO[bytes]:
    with acting_as(user):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would block
        except OSError as error:
            raise OSError(error.errno, os.strerror(error.errno or errno.EIO)) from None
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # a pipe or a device may have no end
        file.close()
        raise ValueError("not a regular file")
    return file


def download(lines: Lines, url: str, stall_timeout: float) -> IO[bytes]:
    """Opens the URL for reading; the data is what the server sends, byte for byte. Raises OSError and ValueError."""
    try:
        answer: http.client.HTTPResponse = lines.opener(None).open(url, timeout=stall_timeout)
    except urllib.error.HTTPError as error:
        with error:
            raise ValueError(f"Error downloading resource, received HTTP return code {error.code}") from None
    if answer.status != http.client.OK:
        answer.close()
        raise ValueError(f"Error downloading resource, received HTTP return code {answer.status}")
    return answer


def unpack(packed: IO[bytes], name: str, directory: Path) -> bool:
    """Unpacks a file if its name is that of an archive, and returns whether it is. Nothing leaves the directory."""
    if name.endswith(_TAR):
        with tarfile.open(fileobj=packed) as tar:
            tar.extractall(directory, filter="data")
    elif name.endswith(".gz"):
        with gzip.open(packed) as unpacked, (directory / name.removesuffix(".gz")).open("wb") as file:
            shutil.copyfileobj(unpacked, file)
    elif name.endswith(".zip"):
        with zipfile.ZipFile(packed) as zipped:
            for member in zipped.infolist():
                path = Path(zipped.extract(member, directory))
                if mode := member.external_attr >> 16 & 0o777:
                    path.chmod(mode)
    else:
        return False
    return True
