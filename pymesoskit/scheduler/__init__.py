"""A client of the scheduler API: a driver with handlers, or an iterator of events (docs/scheduler-client.md).

``SchedulerDriver`` calls the methods of a ``Scheduler``; ``SchedulerClient`` is ``for event in client.events(): …``.
What a call says is made by ``calls``, ``operations`` and ``tasks``.
"""

from pymesoskit.scheduler import calls, operations
from pymesoskit.scheduler.client import SchedulerClient
from pymesoskit.scheduler.driver import Acknowledgement, SchedulerDriver
from pymesoskit.scheduler.errors import FrameworkFailedOver, FrameworkRemoved, SubscriptionRejected
from pymesoskit.scheduler.frameworks import framework_info
from pymesoskit.scheduler.handlers import Scheduler
from pymesoskit.scheduler.offers import OfferPool
from pymesoskit.scheduler.session import OnRemoved, SchedulerSession
from pymesoskit.scheduler.states import NEVER_RAN_STATES, TERMINAL_STATES, is_terminal, state_name
from pymesoskit.scheduler.store import FileStore, FrameworkIdStore, MemoryStore
from pymesoskit.scheduler.tasks import (
    command,
    command_task,
    custom_executor,
    default_executor,
    executor_task,
    new_task_id,
)

__all__ = [
    "NEVER_RAN_STATES",
    "TERMINAL_STATES",
    "Acknowledgement",
    "FileStore",
    "FrameworkFailedOver",
    "FrameworkIdStore",
    "FrameworkRemoved",
    "MemoryStore",
    "OfferPool",
    "OnRemoved",
    "Scheduler",
    "SchedulerClient",
    "SchedulerDriver",
    "SchedulerSession",
    "SubscriptionRejected",
    "calls",
    "command",
    "command_task",
    "custom_executor",
    "default_executor",
    "executor_task",
    "framework_info",
    "is_terminal",
    "new_task_id",
    "operations",
    "state_name",
]
