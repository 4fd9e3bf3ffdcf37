"""pymesoskit: a Python SDK for Apache Mesos frameworks. See docs/ for the guide.

What a framework needs most is here by name, loaded when it is first used; the rest is in ``pymesoskit.scheduler``,
``pymesoskit.executor``, ``pymesoskit.transport``, ``pymesoskit.errors`` and ``pymesoskit.resources``. The cluster for
tests is ``pymesoskit.testing``. Importing any of them starts nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymesoskit.errors import MesosError
    from pymesoskit.executor import Executor, ExecutorClient, ExecutorDriver, ExecutorEnvironment, task_status
    from pymesoskit.resources import Resources
    from pymesoskit.scheduler import (
        Acknowledgement,
        FileStore,
        MemoryStore,
        OfferPool,
        OnRemoved,
        Scheduler,
        SchedulerClient,
        SchedulerDriver,
        calls,
        command_task,
        custom_executor,
        executor_task,
        framework_info,
        is_terminal,
        operations,
        state_name,
    )
    from pymesoskit.subscription import Backoff, Timeouts, Watchdog
    from pymesoskit.transport import JSON, PROTOBUF, Basic, HttpTransport
    from pymesoskit.wire.v1 import mesos

__version__ = "0.2.0.dev0"

_HOMES = {
    "pymesoskit.errors": ("MesosError",),
    "pymesoskit.executor": ("Executor", "ExecutorClient", "ExecutorDriver", "ExecutorEnvironment", "task_status"),
    "pymesoskit.resources": ("Resources",),
    "pymesoskit.scheduler": (
        "Acknowledgement",
        "FileStore",
        "MemoryStore",
        "OfferPool",
        "OnRemoved",
        "Scheduler",
        "SchedulerClient",
        "SchedulerDriver",
        "calls",
        "command_task",
        "custom_executor",
        "executor_task",
        "framework_info",
        "is_terminal",
        "operations",
        "state_name",
    ),
    "pymesoskit.subscription": ("Backoff", "Timeouts", "Watchdog"),
    "pymesoskit.transport": ("JSON", "PROTOBUF", "Basic", "HttpTransport"),
    "pymesoskit.wire.v1": ("mesos",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "JSON",
    "PROTOBUF",
    "Acknowledgement",
    "Backoff",
    "Basic",
    "Executor",
    "ExecutorClient",
    "ExecutorDriver",
    "ExecutorEnvironment",
    "FileStore",
    "HttpTransport",
    "MemoryStore",
    "MesosError",
    "OfferPool",
    "OnRemoved",
    "Resources",
    "Scheduler",
    "SchedulerClient",
    "SchedulerDriver",
    "Timeouts",
    "Watchdog",
    "__version__",
    "calls",
    "command_task",
    "custom_executor",
    "executor_task",
    "framework_info",
    "is_terminal",
    "mesos",
    "operations",
    "state_name",
    "task_status",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
