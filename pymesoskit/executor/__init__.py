"""A client of the executor API: a driver with handlers, or an iterator of events (docs/executor-client.md).

``ExecutorDriver`` calls the methods of an ``Executor``; ``ExecutorClient`` is ``for event in client.events(): …``.
"""

from pymesoskit.executor import calls
from pymesoskit.executor.calls import task_status
from pymesoskit.executor.client import ExecutorClient
from pymesoskit.executor.driver import ExecutorDriver, kill_own_process_group
from pymesoskit.executor.environment import ExecutorEnvironment, parse_duration
from pymesoskit.executor.errors import EnvironmentProblems
from pymesoskit.executor.handlers import Executor
from pymesoskit.executor.session import ExecutorSession

__all__ = [
    "EnvironmentProblems",
    "Executor",
    "ExecutorClient",
    "ExecutorDriver",
    "ExecutorEnvironment",
    "ExecutorSession",
    "calls",
    "kill_own_process_group",
    "parse_duration",
    "task_status",
]
