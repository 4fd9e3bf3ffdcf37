"""Volumes: where persistent volumes are stored, and how volumes are shown in sandboxes.

Nothing is mounted. A volume is shown by a symbolic link in the sandbox, as by Mesos's ``filesystem/posix`` isolator and
by its ``volume/sandbox_path`` isolator without bind mounts. Source: docs/reference/agent-executor.md 12.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pymesoskit.testing.engine.containers import layout
from pymesoskit.testing.engine.containers.commands import SandboxError
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

#: The isolators that show volumes of a ``ContainerInfo``.
SANDBOX_PATH_ISOLATOR = "volume/sandbox_path"
LINUX_ISOLATOR = "filesystem/linux"


# Persistent volumes


def persistent(resources: Iterable[mesos.Resource]) -> Iterator[mesos.Resource]:
    """Yields the persistent volumes among the resources."""
    return (item for item in resources if item.disk.HasField("persistence") and item.disk.HasField("volume"))


def directory_of(work_dir: Path, volume: mesos.Resource) -> Path:
    """Returns the directory of a persistent volume.

    A volume on a MOUNT disk is the root of the disk; on a PATH disk, or on none, it is a directory of its own. Relative
    roots are below the agent's work directory.
    """
    source = volume.disk.source
    role = volume.reservations[-1].role if volume.reservations else volume.role
    if source.type == mesos.Resource.DiskInfo.Source.MOUNT:
        return work_dir / source.mount.root
    root = work_dir / source.path.root if source.type == mesos.Resource.DiskInfo.Source.PATH else work_dir
    return root / layout.volume_path(role, volume.disk.persistence.id)


def create(work_dir: Path, volume: mesos.Resource) -> None:
    """Makes the directory of a new persistent volume if it is missing. Raises OSError."""
    directory_of(work_dir, volume).mkdir(parents=True, exist_ok=True)


def destroy(work_dir: Path, volume: mesos.Resource, remove: Callable[[Path], bool]) -> None:
    """Removes a persistent volume with all its files; the root of a MOUNT disk itself stays.

    ``remove`` moves a directory out of the way and returns whether it could, which takes the file system of the work
    directory. Files on other disks are removed at once.
    """
    directory = directory_of(work_dir, volume)
    if volume.disk.source.type != mesos.Resource.DiskInfo.Source.MOUNT:
        if not remove(directory):
            shutil.rmtree(directory, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        for path in list(directory.iterdir()):
            if not path.is_dir() or path.is_symlink():
                with contextlib.suppress(OSError):
                    path.unlink()
            elif not remove(path):
                shutil.rmtree(path, ignore_errors=True)


def link_persistent(sandbox: Path, work_dir: Path, volume: mesos.Resource, *, give_away: bool) -> Path | None:
    """Shows a persistent volume in a sandbox, and returns its directory.

    With ``give_away`` the owner of the sandbox becomes the owner of the volume, unless that is root. As in Mesos, a
    volume whose container path contains a slash is not shown, and None is returned. Raises ``SandboxError``.
    """
    path = volume.disk.volume.container_path
    if "/" in path:
        return None
    directory = directory_of(work_dir, volume)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if give_away:
            give_to_owner(sandbox, directory)
    except OSError as error:
        raise SandboxError(f"Failed to create the persistent volume '{directory}': {error.strerror}") from error
    link(sandbox, path, directory)
    return directory


def unlink_persistent(sandbox: Path, work_dir: Path, volume: mesos.Resource) -> None:
    """Removes the link to a persistent volume from a sandbox; the volume stays."""
    path = volume.disk.volume.container_path
    shown = sandbox / path
    if "/" not in path and shown.is_symlink() and shown.readlink() == directory_of(work_dir, volume):
        shown.unlink()


def give_to_owner(sandbox: Path, directory: Path) -> None:
    """Gives the directory to the owner of the sandbox, unless that is root. Raises OSError."""
    owner = sandbox.stat()
    if owner.st_uid != 0 and os.geteuid() == 0:
        os.chown(directory, owner.st_uid, owner.st_gid)


# Volumes of a ContainerInfo


def check_volumes(container: mesos.ContainerInfo, isolators: Collection[str]) -> None:
    """Raises ``SandboxError`` if an executor's container cannot have the volumes of its ``ContainerInfo``.

    ``filesystem/posix``, the default, refuses volumes of any kind, whatever other isolators there are.
    """
    if container.volumes and LINUX_ISOLATOR not in isolators:
        raise SandboxError("Volumes in ContainerInfo is not supported")


def link_volumes_of(
    sandbox: Path, container: mesos.ContainerInfo, parent: Path | None, isolators: Collection[str]
) -> None:
    """Shows those volumes of a ``ContainerInfo`` that the agent's isolators support.

    ``parent`` is the sandbox of the container around this one. Raises ``SandboxError``.
    """
    for volume in container.volumes:
        if volume.source.type == mesos.Volume.Source.SANDBOX_PATH:
            if SANDBOX_PATH_ISOLATOR in isolators:
                link(sandbox, volume.container_path, _in_a_sandbox(volume.source.sandbox_path, sandbox, parent))
        elif LINUX_ISOLATOR in isolators:
            path = volume.host_path if volume.HasField("host_path") else volume.source.host_path.path
            if path:
                link(sandbox, volume.container_path, Path(path))


def _in_a_sandbox(source: mesos.Volume.Source.SandboxPath, own: Path, parent: Path | None) -> Path:
    base = parent if source.type == mesos.Volume.Source.SandboxPath.PARENT else own
    if base is None:
        raise SandboxError("PARENT type sandbox path volume is only supported for nested containers")
    if source.path.startswith("/"):
        raise SandboxError(f"Path '{source.path}' in SANDBOX_PATH volume is absolute")
    if ".." in Path(source.path).parts:
        raise SandboxError(f"The path '{source.path}' is not inside the sandbox")
    target = base / source.path
    try:
        if not target.exists():
            if base.resolve() not in target.resolve().parents:  # a task has put a link there
                raise SandboxError(f"The path '{source.path}' is not inside the sandbox")
            target.mkdir(parents=True, exist_ok=True)
            give_to_owner(base, target)
    except OSError as error:
        raise SandboxError(f"Failed to create the directory '{target}': {error.strerror}") from error
    return target


def link(sandbox: Path, container_path: str, target: Path) -> None:
    """Shows ``target`` in the sandbox under a relative path. Raises ``SandboxError``.

    An absolute path is ignored: it would need a root file system of the container's own.
    """
    if container_path.startswith("/"):
        return
    shown = sandbox / container_path
    if shown.is_symlink() and shown.readlink() == target:
        return
    if sandbox.resolve() not in (shown.parent.resolve(), *shown.parent.resolve().parents):
        raise SandboxError(f"The volume's path '{container_path}' is not inside the sandbox")
    try:
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.symlink_to(target)
    except OSError as error:
        raise SandboxError(f"Failed to link the volume '{container_path}': {error.strerror}") from error
