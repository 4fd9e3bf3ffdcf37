"""The version that master and agents say they are, and the build they claim to come from.

Clients choose what they may use by the version, so it is that of the Mesos whose behaviour this is. There is no commit
to name, hence no ``git_sha``, ``git_branch`` or ``git_tag``. Source: docs/reference/operator-api.md 2.1 and 3.2.
"""

from __future__ import annotations

from typing import Any

from pymesoskit.wire.v1 import mesos

VERSION = "1.11.0"
BUILD_DATE = "2020-11-24 15:38:37"
BUILD_TIME = 1606232317.0  # the same, in seconds since the epoch
BUILD_USER = "pymesoskit"


def version_info() -> mesos.VersionInfo:
    """The payload of GET_VERSION."""
    return mesos.VersionInfo(version=VERSION, build_date=BUILD_DATE, build_time=BUILD_TIME, build_user=BUILD_USER)


def version_model() -> dict[str, Any]:
    """The body of ``/version``."""
    return {"build_date": BUILD_DATE, "build_time": BUILD_TIME, "build_user": BUILD_USER, "version": VERSION}


def build_model() -> dict[str, Any]:
    """The first members of ``/state``."""
    return {"version": VERSION, "build_date": BUILD_DATE, "build_time": BUILD_TIME, "build_user": BUILD_USER}
