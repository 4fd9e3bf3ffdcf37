"""What one principal may do and see: the one place where master and agent ask the authorizer.

Without an authorizer ``Permissions`` allow everything, and filters give back what they are given. A refusal is 403
``403 Forbidden.`` without a reason. Source: docs/authorization.md, docs/reference/operator-api.md 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pymesoskit.resources import ResourcesError, consumed, resource_from_message
from pymesoskit.testing.engine.authorization.api import Action, Object
from pymesoskit.testing.engine.http.handler import Response
from pymesoskit.testing.engine.http.v1 import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pymesoskit.resources import Resource
    from pymesoskit.testing.engine.authorization.api import Approver, Authorizer, Subject
    from pymesoskit.wire.v1 import mesos


class HasInfo(Protocol):
    """A framework, as master or agent know it."""

    info: mesos.FrameworkInfo


F = TypeVar("F", bound=HasInfo)
R = TypeVar("R", bound="Resource")
V = TypeVar("V")


def forbidden() -> Refused:
    """The exception that makes the answer a refusal."""
    return Refused(Response.text(403, "403 Forbidden."))


class Permissions:
    """What one subject may see and do. ``report`` gets what an authorizer raises, which counts as a refusal."""

    __slots__ = ("_approvers", "_authorizer", "_report", "subject")

    def __init__(self, authorizer: Authorizer | None, subject: Subject | None, report: Callable[[str], object]) -> None:
        self._authorizer = authorizer
        self._report = report
        self._approvers: dict[Action, Approver] = {}
        self.subject: Subject | None = subject

    @property
    def principal(self) -> str | None:
        """Who it is, if that was asked."""
        return self.subject if isinstance(self.subject, str) else None

    @property
    def unrestricted(self) -> bool:
        """Whether nobody decides: all is allowed."""
        return self._authorizer is None

    def allows(self, action: Action, thing: Object | None = None) -> bool:
        """Whether the action is allowed on the object; without one, on any."""
        if self._authorizer is None:
            return True
        try:
            approver = self._approvers.get(action)
            if approver is None:
                approver = self._approvers[action] = self._authorizer.approver(self.subject, action)
            return approver(thing)
        except Exception as error:  # noqa: BLE001 (somebody else's code decides)
            self._report(f"the authorizer fails for '{self.subject}' and {action}, which is refused: {error!r}")
            return False

    def require(self, action: Action, *things: Object | None) -> None:
        """Raises ``Refused`` (403) unless the action is allowed on all of the objects; without any, on any object."""
        if self._authorizer is None:
            return
        for thing in things or (None,):
            if not self.allows(action, thing):
                raise forbidden()

    # Seeing

    def sees_framework(self, info: mesos.FrameworkInfo) -> bool:
        return self.allows(Action.VIEW_FRAMEWORK, Object(framework_info=info))

    def sees_task(self, task: mesos.Task, framework: mesos.FrameworkInfo) -> bool:
        return self.allows(Action.VIEW_TASK, Object(task=task, framework_info=framework))

    def sees_task_info(self, task: mesos.TaskInfo, framework: mesos.FrameworkInfo) -> bool:
        return self.allows(Action.VIEW_TASK, Object(task_info=task, framework_info=framework))

    def sees_executor(self, executor: mesos.ExecutorInfo, framework: mesos.FrameworkInfo) -> bool:
        return self.allows(Action.VIEW_EXECUTOR, Object(executor_info=executor, framework_info=framework))

    def sees_role(self, role: str) -> bool:
        return self.allows(Action.VIEW_ROLE, Object(value=role))

    def sees_resource(self, resource: Resource) -> bool:
        """Whether all roles that it is reserved for, and the one that it is allocated to, can be seen."""
        if self._authorizer is None:
            return True
        kind = resource.kind
        roles = [layer.role for layer in kind.reservations]
        if kind.allocation_role is not None:
            roles.append(kind.allocation_role)
        return all(map(self.sees_role, roles))

    def sees_operation(self, operation: mesos.Offer.Operation) -> bool:
        """Whether all resources that it consumes can be seen."""
        if self._authorizer is None:
            return True
        try:
            return all(map(self.sees_resource, consumed(operation)))
        except ResourcesError:
            return False

    # Filtering

    def frameworks(self, all_of_them: Iterable[F]) -> Iterable[F]:
        """Those that can be seen."""
        if self._authorizer is None:
            return all_of_them
        return (framework for framework in all_of_them if self.sees_framework(framework.info))

    def tasks(self, all_of_them: Iterable[mesos.Task], framework: mesos.FrameworkInfo) -> Iterable[mesos.Task]:
        """Those of a framework that can be seen."""
        if self._authorizer is None:
            return all_of_them
        return (task for task in all_of_them if self.sees_task(task, framework))

    def resources(self, all_of_them: Iterable[R]) -> Iterable[R]:
        """Those that can be seen."""
        if self._authorizer is None:
            return all_of_them
        return (resource for resource in all_of_them if self.sees_resource(resource))

    def resource_messages(self, all_of_them: Iterable[mesos.Resource]) -> Iterable[mesos.Resource]:
        """The same for messages."""
        if self._authorizer is None:
            return all_of_them
        return (message for message in all_of_them if self.sees_resource(resource_from_message(message)))

    def by_role(self, amounts: dict[str, V]) -> dict[str, V]:
        """What there is of the roles that can be seen."""
        if self._authorizer is None:
            return amounts
        return {role: amount for role, amount in amounts.items() if self.sees_role(role)}

    def machines(self, action: Action, all_of_them: Iterable[mesos.MachineID]) -> list[mesos.MachineID]:
        """Those that the action is allowed on."""
        return [machine for machine in all_of_them if self.allows(action, Object(machine_id=machine))]


def everything(*_: Any) -> None:
    """The ``report`` of permissions that nobody restricts."""


#: What everybody may do where there is no authorizer.
UNRESTRICTED = Permissions(None, None, everything)
