"""Executors that tasks and groups bring. Source: docs/reference/scheduler-api.md 4.4, items 13 and LAUNCH_GROUP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources import (
    Resources,
    allocation_role_error,
    revocable_mix_error,
    unique_persistence_error,
    used_resources_error,
)
from pymesoskit.testing.engine.formats.text_format import dump
from pymesoskit.testing.engine.master.validation.equality import same_executor
from pymesoskit.testing.engine.validation import command_error, container_error, first, id_error
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymesoskit.testing.engine.master.state import Agent, Framework

#: What an executor of a group must have at least.
_MIN_CPUS = 0.01
_MIN_MEM = 32.0

_RULE = "-" * 60


def executor_error(executor: mesos.ExecutorInfo, framework: Framework, agent: Agent) -> str | None:
    """What holds for executors of tasks and of groups."""
    return first(_errors(executor, framework, agent))


def _errors(executor: mesos.ExecutorInfo, framework: Framework, agent: Agent) -> Iterator[str | None]:
    yield _type_error(executor)
    yield id_error(executor.executor_id.value)
    if executor.shutdown_grace_period.nanoseconds < 0:
        yield "ExecutorInfo's 'shutdown_grace_period' must be non-negative"
    if executor.HasField("command"):
        yield _prefixed("Executor's `CommandInfo` is invalid: ", command_error(executor.command))
    if executor.HasField("container"):
        yield _prefixed("Executor's `ContainerInfo` is invalid: ", container_error(executor.container))
    if not executor.HasField("framework_id"):
        yield "'ExecutorInfo.framework_id' must be set"
    if executor.framework_id.value != framework.id:
        yield (
            f"ExecutorInfo has an invalid FrameworkID (Actual: {executor.framework_id.value} "
            f"vs Expected: {framework.id})"
        )
    yield _prefixed("Executor uses invalid resources: ", used_resources_error(executor.resources))
    resources = Resources.from_messages(executor.resources)
    yield _prefixed("Executor uses duplicate persistence ID: ", unique_persistence_error(resources))
    yield _prefixed("Invalid executor resources: ", allocation_role_error(resources))
    yield _prefixed("Executor mixes revocable and non-revocable resources: ", revocable_mix_error(resources))
    known = agent.executor(framework.id, executor.executor_id.value)
    if known is not None and not same_executor(executor, known.info):
        yield (
            f"ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID.\n{_RULE}\n"
            f"Existing ExecutorInfo:\n{dump(known.info)}\n{_RULE}\n"
            f"ExecutorInfo:\n{dump(executor)}\n{_RULE}\n"
        )


def _type_error(executor: mesos.ExecutorInfo) -> str | None:
    if executor.type == mesos.ExecutorInfo.DEFAULT:
        if executor.HasField("command"):
            return "'ExecutorInfo.command' must not be set for 'DEFAULT' executor"
        if executor.HasField("container"):
            if executor.container.type != mesos.ContainerInfo.MESOS:
                return "'ExecutorInfo.container.type' must be 'MESOS' for 'DEFAULT' executor"
            if executor.container.mesos.HasField("image"):
                return "'ExecutorInfo.container.mesos.image' must not be set for 'DEFAULT' executor"
    if executor.type == mesos.ExecutorInfo.CUSTOM and not executor.HasField("command"):
        return "'ExecutorInfo.command' must be set for 'CUSTOM' executor"
    return None


def launched_executor_error(executor: mesos.ExecutorInfo) -> str | None:
    """What holds for executors of a LAUNCH only."""
    if executor.HasField("type") and executor.type != mesos.ExecutorInfo.CUSTOM:
        return "'ExecutorInfo.type' must be 'CUSTOM'"
    if not executor.HasField("command"):
        return "'ExecutorInfo.command' must be set"
    resources = Resources.from_messages(executor.resources)
    if resources.shared():
        return f"Executor resources {resources} should not contain any shared resources"
    linux = executor.container.linux_info
    if linux.HasField("share_cgroups") and linux.share_cgroups:
        return "The 'share_cgroups' field cannot be set to 'true' on executor containers"
    return None


def minimum_error(executor: mesos.ExecutorInfo) -> str | None:
    """What an executor of a group must have: a little CPU and memory, and some disk."""
    resources = Resources.from_messages(executor.resources)
    executor_id = executor.executor_id.value
    cpus, mem = resources.get_scalar("cpus"), resources.get_scalar("mem")
    if cpus is None or cpus < _MIN_CPUS:
        text = "None" if cpus is None else f"{cpus:g}"
        return f"Executor '{executor_id}' uses less CPUs ({text}) than the minimum required ({_MIN_CPUS})"
    if mem is None or to_bytes(mem) < to_bytes(_MIN_MEM):
        text = "None" if mem is None else _print_bytes(to_bytes(mem))
        return f"Executor '{executor_id}' uses less memory ({text}) than the minimum required (32MB)"
    if resources.get_scalar("disk") is None:
        return f"Executor '{executor_id}' uses no disk"
    return None


def to_bytes(megabytes: float) -> int:
    """What an amount of memory comes to in bytes."""
    return int(megabytes * 2**20)


def _print_bytes(amount: int) -> str:
    """In the largest unit that loses nothing."""
    unit, text = 0, ("B", "KB", "MB", "GB", "TB")
    while amount and amount % 1024 == 0 and unit < len(text) - 1:
        amount //= 1024
        unit += 1
    return f"{amount}{text[unit]}"


def _prefixed(prefix: str, error: str | None) -> str | None:
    return None if error is None else prefix + error
