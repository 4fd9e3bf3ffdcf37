"""The paths below an agent's work directory.

This module only computes paths; ``store.py`` and ``recovery.py`` write and read. Source:
docs/reference/agent-executor.md 12.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from attrs import frozen

#: The ids of nested containers from the outside inwards: (child, grandchild, …).
ContainerPath = tuple[str, ...]


@frozen
class RunLayout:
    """The paths of one run of one executor."""

    agent_id: str
    framework_id: str
    executor_id: str
    container_id: str

    @property
    def sandbox(self) -> PurePosixPath:
        """The sandbox, relative to the work directory."""
        return executor_path(self.agent_id, self.framework_id, self.executor_id) / "runs" / self.container_id

    @property
    def meta(self) -> str:
        """The directory of the run's checkpoints, relative to ``meta/``."""
        return f"{executor_meta(self.agent_id, self.framework_id, self.executor_id)}/runs/{self.container_id}"

    @property
    def executor_info(self) -> str:
        return f"{executor_meta(self.agent_id, self.framework_id, self.executor_id)}/executor.info"

    @property
    def generated(self) -> str:
        """The document that says whether the agent generated the executor for a command task: ``1`` or ``0``."""
        return (
            f"{executor_meta(self.agent_id, self.framework_id, self.executor_id)}/executor.generated_for_command_task"
        )

    @property
    def latest(self) -> str:
        return f"{executor_meta(self.agent_id, self.framework_id, self.executor_id)}/runs/latest"

    @property
    def sentinel(self) -> str:
        return f"{self.meta}/executor.sentinel"

    def pid(self, name: str) -> str:
        """Returns the path of ``forked.pid``, ``libprocess.pid`` or ``http.marker``."""
        return f"{self.meta}/pids/{name}"

    def task(self, task_id: str, name: str) -> str:
        """Returns the path of ``task.info`` or ``task.updates`` of a task."""
        return f"{self.meta}/tasks/{task_id}/{name}"


LATEST_AGENT = "slaves/latest"
BOOT_ID = "boot_id"
BOOTS = "boots"  # how often the machine has been booted
RESOURCES = "resources/resources.info"


def agent_info(agent_id: str) -> str:
    return f"slaves/{agent_id}/slave.info"


def drain_config(agent_id: str) -> str:
    return f"slaves/{agent_id}/drain.config"


def operation_updates(agent_id: str, uuid: str) -> str:
    return f"slaves/{agent_id}/operations/{uuid}/operation.updates"


def operation_path(agent_id: str, uuid: str) -> str:
    return f"slaves/{agent_id}/operations/{uuid}"


def framework_path(agent_id: str, framework_id: str) -> str:
    return f"slaves/{agent_id}/frameworks/{framework_id}"


def executor_meta(agent_id: str, framework_id: str, executor_id: str) -> str:
    return f"{framework_path(agent_id, framework_id)}/executors/{executor_id}"


def executor_path(agent_id: str, framework_id: str, executor_id: str) -> PurePosixPath:
    """Returns an executor's directory, relative to the work directory."""
    return PurePosixPath("slaves", agent_id, "frameworks", framework_id, "executors", executor_id)


def nested_sandbox(sandbox: Path, nesting: ContainerPath) -> Path:
    """Returns the sandbox of a nested container: ``containers/<id>`` below the outer one for each level."""
    for container_id in nesting:
        sandbox = sandbox / "containers" / container_id
    return sandbox


def standalone_sandbox(container_id: str) -> PurePosixPath:
    """Returns the sandbox of a standalone container, relative to the work directory."""
    return PurePosixPath("containers", container_id)


def volume_path(role: str, persistence_id: str) -> PurePosixPath:
    """Returns a persistent volume's directory, relative to its root. Slashes in the role become spaces."""
    return PurePosixPath("volumes", "roles", role.replace("/", " "), persistence_id)
