"""Acting as another user in one thread, for work with files that a cluster does as root on behalf of a task.

Linux has credentials for each thread. ``acting_as`` changes those that decide what files the calling thread may open
and who owns what it makes: the file system user and group, and the supplementary groups. With them the thread loses
root's right to ignore permissions. The other threads stay what they are.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import pwd
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The number of the system call setgroups. The C library's function would change the groups of all threads.
_SETGROUPS = {
    "x86_64": 116,
    "aarch64": 159,
    "riscv64": 159,
    "loongarch64": 159,
    "ppc64le": 81,
    "ppc64": 81,
    "s390x": 206,
}
_SETGROUPS_32_BITS = 206


def switches(user: str | None) -> bool:
    """Whether acting as that user is anything else than acting as this process: only root can act as others.

    Raises KeyError if there is no such user.
    """
    return user is not None and os.geteuid() == 0 and pwd.getpwnam(user).pw_uid != 0


@contextmanager
def acting_as(user: str | None) -> Iterator[None]:
    """Lets the calling thread open and make files as that user, and only as the user may.

    None, and any user if this process is not root's, changes nothing. Raises KeyError if there is no such user and
    OSError if the thread cannot act as the user, which needs Linux.
    """
    if user is None or not switches(user):
        yield
        return
    entry = pwd.getpwnam(user)
    own = os.getgroups()
    groups = os.getgrouplist(user, entry.pw_gid)
    uid, gid = os.geteuid(), os.getegid()
    _set_groups(groups)
    try:
        _set_ids(entry.pw_uid, entry.pw_gid)
        yield
    finally:
        _set_ids(uid, gid, uid_first=True)
        _set_groups(own)


@contextmanager
def reachable(directory: Path, user: str | None) -> Iterator[Path]:
    """Yields a path of the directory that works while the thread acts as that user, even if the user may not search
    the directories above it. Raises OSError, and KeyError if there is no such user.
    """
    if not switches(user):
        yield directory
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


@cache
def _libc() -> ctypes.CDLL:
    if sys.platform != "linux":
        raise OSError(errno.ENOTSUP, "files can be fetched as another user only on Linux")
    return ctypes.CDLL(None, use_errno=True)


def _set_groups(groups: list[int]) -> None:
    libc = _libc()
    machine = platform.machine()
    number = _SETGROUPS.get(machine) if sys.maxsize > 1 << 32 else _SETGROUPS_32_BITS
    if number is None:
        raise OSError(errno.ENOTSUP, f"files cannot be fetched as another user on this kind of machine ({machine})")
    array = (ctypes.c_uint32 * len(groups))(*groups)
    if libc.syscall(ctypes.c_long(number), ctypes.c_long(len(groups)), array) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _set_ids(uid: int, gid: int, *, uid_first: bool = False) -> None:
    """Sets the file system ids, which takes the user's last, but root's first: it brings the right to set the group's.

    The calls return the ids from before and report no error, so the new ids are read back (-1 changes nothing).
    """
    libc = _libc()
    steps = [(libc.setfsgid, gid), (libc.setfsuid, uid)]
    for call, number in reversed(steps) if uid_first else steps:
        call(ctypes.c_uint32(number))
        if call(ctypes.c_uint32(0xFFFFFFFF)) != number:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
