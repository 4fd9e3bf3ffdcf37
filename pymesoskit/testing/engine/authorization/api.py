"""What is asked of an authorizer, and who asks: actions, objects, subjects, and the protocol.

Mesos's authorizer interface as plain values. How the local authorizer answers is in ``local.py``; who asks, and what a
refusal looks like, is decided by master and agent. Source: docs/authorization.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, Union

from attrs import frozen

if TYPE_CHECKING:
    from pymesoskit.wire.v1 import mesos
    from pymesoskit.wire.v1 import quota as pb_quota


class Action(StrEnum):
    """What can be allowed or not. The names are those of Mesos."""

    REGISTER_FRAMEWORK = "REGISTER_FRAMEWORK"
    RUN_TASK = "RUN_TASK"
    TEARDOWN_FRAMEWORK = "TEARDOWN_FRAMEWORK"
    RESERVE_RESOURCES = "RESERVE_RESOURCES"
    UNRESERVE_RESOURCES = "UNRESERVE_RESOURCES"
    CREATE_VOLUME = "CREATE_VOLUME"
    DESTROY_VOLUME = "DESTROY_VOLUME"
    RESIZE_VOLUME = "RESIZE_VOLUME"
    CREATE_BLOCK_DISK = "CREATE_BLOCK_DISK"
    DESTROY_BLOCK_DISK = "DESTROY_BLOCK_DISK"
    CREATE_MOUNT_DISK = "CREATE_MOUNT_DISK"
    DESTROY_MOUNT_DISK = "DESTROY_MOUNT_DISK"
    DESTROY_RAW_DISK = "DESTROY_RAW_DISK"
    GET_QUOTA = "GET_QUOTA"
    UPDATE_QUOTA = "UPDATE_QUOTA"
    UPDATE_QUOTA_WITH_CONFIG = "UPDATE_QUOTA_WITH_CONFIG"
    VIEW_ROLE = "VIEW_ROLE"
    UPDATE_WEIGHT = "UPDATE_WEIGHT"
    GET_ENDPOINT_WITH_PATH = "GET_ENDPOINT_WITH_PATH"
    VIEW_FRAMEWORK = "VIEW_FRAMEWORK"
    VIEW_TASK = "VIEW_TASK"
    VIEW_EXECUTOR = "VIEW_EXECUTOR"
    ACCESS_SANDBOX = "ACCESS_SANDBOX"
    ACCESS_MESOS_LOG = "ACCESS_MESOS_LOG"
    VIEW_FLAGS = "VIEW_FLAGS"
    LAUNCH_NESTED_CONTAINER = "LAUNCH_NESTED_CONTAINER"
    LAUNCH_NESTED_CONTAINER_SESSION = "LAUNCH_NESTED_CONTAINER_SESSION"
    ATTACH_CONTAINER_INPUT = "ATTACH_CONTAINER_INPUT"
    ATTACH_CONTAINER_OUTPUT = "ATTACH_CONTAINER_OUTPUT"
    KILL_NESTED_CONTAINER = "KILL_NESTED_CONTAINER"
    WAIT_NESTED_CONTAINER = "WAIT_NESTED_CONTAINER"
    REMOVE_NESTED_CONTAINER = "REMOVE_NESTED_CONTAINER"
    VIEW_CONTAINER = "VIEW_CONTAINER"
    SET_LOG_LEVEL = "SET_LOG_LEVEL"
    REGISTER_AGENT = "REGISTER_AGENT"
    UPDATE_MAINTENANCE_SCHEDULE = "UPDATE_MAINTENANCE_SCHEDULE"
    GET_MAINTENANCE_SCHEDULE = "GET_MAINTENANCE_SCHEDULE"
    START_MAINTENANCE = "START_MAINTENANCE"
    STOP_MAINTENANCE = "STOP_MAINTENANCE"
    GET_MAINTENANCE_STATUS = "GET_MAINTENANCE_STATUS"
    DRAIN_AGENT = "DRAIN_AGENT"
    DEACTIVATE_AGENT = "DEACTIVATE_AGENT"
    REACTIVATE_AGENT = "REACTIVATE_AGENT"
    MARK_AGENT_GONE = "MARK_AGENT_GONE"
    LAUNCH_STANDALONE_CONTAINER = "LAUNCH_STANDALONE_CONTAINER"
    KILL_STANDALONE_CONTAINER = "KILL_STANDALONE_CONTAINER"
    WAIT_STANDALONE_CONTAINER = "WAIT_STANDALONE_CONTAINER"
    REMOVE_STANDALONE_CONTAINER = "REMOVE_STANDALONE_CONTAINER"
    VIEW_STANDALONE_CONTAINER = "VIEW_STANDALONE_CONTAINER"
    MODIFY_RESOURCE_PROVIDER_CONFIG = "MODIFY_RESOURCE_PROVIDER_CONFIG"
    MARK_RESOURCE_PROVIDER_GONE = "MARK_RESOURCE_PROVIDER_GONE"
    VIEW_RESOURCE_PROVIDER = "VIEW_RESOURCE_PROVIDER"
    PRUNE_IMAGES = "PRUNE_IMAGES"


@frozen
class Claims:
    """Somebody who is known by the claims of a token, not by a name: an executor."""

    claims: Mapping[str, str]


#: Who wants to do something: a principal's name, or an executor's claims. None is somebody who was not asked.
Subject = Union[str, Claims]


@frozen(kw_only=True)
class Object:
    """What something is to be done to; whoever asks fills in what the action is about."""

    value: str | None = None  # a role, a path, a principal
    framework_info: mesos.FrameworkInfo | None = None
    task: mesos.Task | None = None
    task_info: mesos.TaskInfo | None = None
    executor_info: mesos.ExecutorInfo | None = None
    quota_info: pb_quota.QuotaInfo | None = None
    weight_info: mesos.WeightInfo | None = None
    resource: mesos.Resource | None = None
    command_info: mesos.CommandInfo | None = None
    container_id: mesos.ContainerID | None = None
    machine_id: mesos.MachineID | None = None


#: Whether one subject may do one action to an object; None: to any.
Approver = Callable[["Object | None"], bool]


class Authorizer(Protocol):
    """Decides who may do what. A test may hand in its own."""

    def approver(self, subject: Subject | None, action: Action) -> Approver:
        """The answers for one subject and one action. Asked in the cluster's turn: it must not block.

        What it raises, or the approver does, counts as no.
        """
