"""The frameworks that an agent knows, and the record of those, and of their executors, that are completed.

Source: docs/reference/agent-executor.md 1, 5.2 and 12.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pymesoskit.testing.engine.agent import reports
from pymesoskit.testing.engine.agent.state import CompletedExecutor, Executor, Framework
from pymesoskit.testing.engine.containers import layout

if TYPE_CHECKING:
    from pymesoskit.testing.engine.agent.core import Core
    from pymesoskit.testing.engine.network.messages import UpdateFramework
    from pymesoskit.wire.v1 import mesos


def framework_of(core: Core, info: mesos.FrameworkInfo) -> Framework:
    """Returns the framework's record, which is made if there is none."""
    framework = core.frameworks.get(info.id.value)
    if framework is None:
        limit = core.flags.max_completed_executors_per_framework
        framework = core.frameworks[info.id.value] = Framework(info, deque(maxlen=limit))
        checkpoint(core, framework)
        for before in [known for known in core.completed_frameworks if known.id == framework.id]:
            framework.completed.extend(before.completed)
            core.completed_frameworks.remove(before)
    return framework


def checkpoint(core: Core, framework: Framework) -> None:
    """Checkpoints the framework's info, if the framework checkpoints."""
    if framework.info.checkpoint:
        path = layout.framework_path(core.agent_id, framework.id)
        core.host.store.write(f"{path}/framework.info", framework.info.SerializeToString())
        core.host.store.write(f"{path}/framework.pid", b"")


def update(core: Core, message: UpdateFramework) -> None:
    """The master sends a framework's info: because it changed, or because framework or agent have come back."""
    framework = core.frameworks.get(message.framework.id.value)
    if framework is None or framework.terminating:
        return
    framework.update(message.framework)
    checkpoint(core, framework)
    reports.framework_updated(core, after_reregistration=message.after_reregistration)


def remove(core: Core, framework: Framework) -> None:
    """Moves the framework, of which nothing runs any more, to the completed ones."""
    if core.frameworks.pop(framework.id, None) is None:
        return
    reports.drop_framework(core, framework.id)
    completed = core.completed_frameworks
    if len(completed) == completed.maxlen and completed[0].info.checkpoint and not _collects_garbage(core):
        core.host.store.remove(layout.framework_path(core.agent_id, completed[0].id))
    completed.append(framework)
    if core.sandboxes is not None:
        core.sandboxes.framework_removed(framework.id)
    if not core.frameworks:
        core.post(core.emptied, None)


def remove_executor(core: Core, framework: Framework, executor: Executor) -> None:
    """Moves the executor to the completed ones, and leaves its directories to garbage collection."""
    if framework.executors.get(executor.id) is not executor:
        return
    if executor.checkpoint:
        core.host.store.write(executor.run.sentinel, b"")
    archive(core, framework, executor)
    if core.sandboxes is not None:
        core.sandboxes.executor_removed(executor.run)


def archive(core: Core, framework: Framework, executor: Executor) -> None:
    """Moves the executor's record to the completed ones, with its tasks."""
    del framework.executors[executor.id]
    for task in [*executor.queued.values(), *executor.launched.values(), *executor.terminated.values()]:
        framework.by_task.pop(task.id, None)
        executor.complete(task)
    executor.queued.clear()
    executor.launched.clear()
    executor.terminated.clear()
    done = CompletedExecutor(
        encoded_info=executor.info.SerializeToString(),
        container_id=executor.container_id,
        directory=executor.directory,
        tasks=tuple(executor.completed or ()),
    )
    if len(framework.completed) == framework.completed.maxlen:
        _forget_checkpoints(core, framework, framework.completed[0] if framework.completed else done)
    framework.completed.append(done)


def _forget_checkpoints(core: Core, framework: Framework, done: CompletedExecutor) -> None:
    """Removes the checkpoints of a completed executor; where there are sandboxes, garbage collection does that."""
    if not framework.info.checkpoint or _collects_garbage(core):
        return
    run = layout.RunLayout(core.agent_id, framework.id, done.info.executor_id.value, done.container_id)
    if core.host.store.read(run.latest) == done.container_id.encode():
        core.host.store.remove(layout.executor_meta(core.agent_id, framework.id, run.executor_id))
    else:
        core.host.store.remove(run.meta)


def _collects_garbage(core: Core) -> bool:
    return core.sandboxes is not None and not core.host.simulates
