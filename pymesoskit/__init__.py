"""A Python SDK for Apache Mesos frameworks.

The names that most frameworks need are here; each is loaded when it is first used, and importing this package starts
nothing. The other public modules are ``pymesoskit.scheduler``, ``pymesoskit.executor``, ``pymesoskit.operator``,
``pymesoskit.resources``, ``pymesoskit.errors``, ``pymesoskit.wire``, ``pymesoskit.wire.v1`` (the messages),
``pymesoskit.testing`` (the cluster for tests) and ``pymesoskit.testing.allocator``. All other modules are internal.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymesoskit.errors import CallRefused, HandlerFailed, InvalidCall, MesosError, NotSubscribed, OutcomeUnknown
    from pymesoskit.executor import Executor, ExecutorClient, ExecutorDriver, ExecutorEnvironment, task_status
    from pymesoskit.resources import Resources, ResourcesError
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
        default_executor,
        executor_task,
        framework_info,
        is_terminal,
        operations,
        state_name,
    )
    from pymesoskit.subscription import (
        Backoff,
        CallFailed,
        Connected,
        Disconnected,
        Ended,
        Notice,
        PendingCall,
        Timeouts,
        Watchdog,
    )
    from pymesoskit.transport import (
        JSON,
        PROTOBUF,
        Address,
        Anonymous,
        Basic,
        Bearer,
        Credentials,
        Detector,
        FixedDetector,
        HttpTransport,
        Transport,
    )
    from pymesoskit.wire.v1 import mesos

__version__ = "0.2.0.dev0"

_HOMES = {
    "pymesoskit.errors": (
        "CallRefused",
        "HandlerFailed",
        "InvalidCall",
        "MesosError",
        "NotSubscribed",
        "OutcomeUnknown",
    ),
    "pymesoskit.executor": (
        "Executor",
        "ExecutorClient",
        "ExecutorDriver",
        "ExecutorEnvironment",
        "task_status",
    ),
    "pymesoskit.resources": (
        "Resources",
        "ResourcesError",
    ),
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
        "default_executor",
        "executor_task",
        "framework_info",
        "is_terminal",
        "operations",
        "state_name",
    ),
    "pymesoskit.subscription": (
        "Backoff",
        "CallFailed",
        "Connected",
        "Disconnected",
        "Ended",
        "Notice",
        "PendingCall",
        "Timeouts",
        "Watchdog",
    ),
    "pymesoskit.transport": (
        "JSON",
        "PROTOBUF",
        "Address",
        "Anonymous",
        "Basic",
        "Bearer",
        "Credentials",
        "Detector",
        "FixedDetector",
        "HttpTransport",
        "Transport",
    ),
    "pymesoskit.wire.v1": ("mesos",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "JSON",
    "PROTOBUF",
    "Acknowledgement",
    "Address",
    "Anonymous",
    "Backoff",
    "Basic",
    "Bearer",
    "CallFailed",
    "CallRefused",
    "Connected",
    "Credentials",
    "Detector",
    "Disconnected",
    "Ended",
    "Executor",
    "ExecutorClient",
    "ExecutorDriver",
    "ExecutorEnvironment",
    "FileStore",
    "FixedDetector",
    "HandlerFailed",
    "HttpTransport",
    "InvalidCall",
    "MemoryStore",
    "MesosError",
    "NotSubscribed",
    "Notice",
    "OfferPool",
    "OnRemoved",
    "OutcomeUnknown",
    "PendingCall",
    "Resources",
    "ResourcesError",
    "Scheduler",
    "SchedulerClient",
    "SchedulerDriver",
    "Timeouts",
    "Transport",
    "Watchdog",
    "__version__",
    "calls",
    "command_task",
    "custom_executor",
    "default_executor",
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
