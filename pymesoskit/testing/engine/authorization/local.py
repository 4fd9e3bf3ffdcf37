"""The local authorizer: ACLs, of which the first that matches decides.

An ACL matches if both its subjects and its objects do; it allows if it allows both. If none matches, ``permissive``
decides. Who asks without a name is *any* subject, and what is done to nothing in particular is *any* object: only ANY
and NONE match those. ACLs about roles know subtrees (``a/%``: all below ``a``, not ``a`` itself). Executors that come
with a token may handle the containers below their own, and nothing else. Source: docs/authorization.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from pymesoskit.testing.engine.authorization.acls import KINDS, Acl, Acls, Entity, EntityType
from pymesoskit.testing.engine.authorization.api import Action, Approver, Claims, Object
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pymesoskit.testing.engine.authorization.api import Subject

#: What an executor may do to the containers below its own.
OF_EXECUTORS = frozenset(
    {
        Action.LAUNCH_NESTED_CONTAINER,
        Action.WAIT_NESTED_CONTAINER,
        Action.KILL_NESTED_CONTAINER,
        Action.LAUNCH_NESTED_CONTAINER_SESSION,
        Action.REMOVE_NESTED_CONTAINER,
        Action.ATTACH_CONTAINER_OUTPUT,
    }
)

#: The two ACLs of those actions that have two: on whom the container runs as, and on whom its parent does.
_AS_USER_AND_UNDER_PARENT = {
    Action.LAUNCH_NESTED_CONTAINER: (
        "launch_nested_containers_as_user",
        "launch_nested_containers_under_parent_with_user",
    ),
    Action.LAUNCH_NESTED_CONTAINER_SESSION: (
        "launch_nested_container_sessions_as_user",
        "launch_nested_container_sessions_under_parent_with_user",
    ),
}


# Which values of an object an ACL's objects are compared with


def _roles_of(info: mesos.FrameworkInfo) -> list[str]:
    kinds = {capability.type for capability in info.capabilities}
    return sorted(set(info.roles)) if mesos.FrameworkInfo.Capability.MULTI_ROLE in kinds else [info.role]


def _command_user(info: mesos.ExecutorInfo | None) -> str | None:
    if info is None or not info.HasField("command") or not info.command.HasField("user"):
        return None
    return info.command.user


def _task_info_user(task: mesos.TaskInfo | None) -> str | None:
    if task is None:
        return None
    if task.HasField("command") and task.command.HasField("user"):
        return task.command.user
    return _command_user(task.executor if task.HasField("executor") else None)


def task_user(task: mesos.TaskInfo, framework: mesos.FrameworkInfo) -> str:
    """As whom a task runs: its command says it, or its executor's, or its framework."""
    user = _task_info_user(task)
    return framework.user if user is None else user


def _framework_user(thing: Object) -> str | None:
    return None if thing.framework_info is None else thing.framework_info.user


def _value(thing: Object) -> str | None:
    return thing.value


def _any(_: Object) -> str | None:
    return None


def _framework_principal(thing: Object) -> str | None:
    return thing.value if thing.framework_info is None else thing.framework_info.principal


def _creator(thing: Object) -> str | None:
    return thing.value if thing.resource is None else thing.resource.disk.persistence.principal


def _reserver(thing: Object) -> str | None:
    if thing.resource is None:
        return thing.value
    if thing.resource.reservations:
        return thing.resource.reservations[-1].principal
    return thing.resource.reservation.principal


def _reservation_role(thing: Object) -> str | None:
    if thing.resource is None:
        return thing.value
    if thing.resource.reservations:
        return thing.resource.reservations[-1].role
    return thing.resource.role


def _weight_role(thing: Object) -> str | None:
    return thing.value if thing.weight_info is None else thing.weight_info.role


def _quota_role(thing: Object) -> str | None:
    return thing.value if thing.quota_info is None else thing.quota_info.role


def _launch_user(thing: Object) -> str | None:
    user = _task_info_user(thing.task_info)
    return _framework_user(thing) if user is None else user


def _shown_task_user(thing: Object) -> str | None:
    if thing.task is not None and thing.task.HasField("user"):
        return thing.task.user
    return _launch_user(thing)


def _executor_user(thing: Object) -> str | None:
    user = _command_user(thing.executor_info)
    return _framework_user(thing) if user is None else user


def _container_user(thing: Object) -> str | None:
    user = _executor_user(thing)
    if user is None and thing.container_id is not None:
        return thing.container_id.value
    return user


def _nested_user(thing: Object) -> str | None:
    if thing.command_info is not None:
        return thing.command_info.user if thing.command_info.HasField("user") else None
    return _executor_user(thing)


#: For each action that ACLs with users, principals or paths are about; all others are about any object.
_VALUE_OF: Mapping[Action, Callable[[Object], str | None]] = {
    Action.GET_ENDPOINT_WITH_PATH: _value,
    Action.TEARDOWN_FRAMEWORK: _framework_principal,
    Action.DESTROY_VOLUME: _creator,
    Action.UNRESERVE_RESOURCES: _reserver,
    Action.RUN_TASK: _launch_user,
    Action.ATTACH_CONTAINER_INPUT: _container_user,
    Action.ATTACH_CONTAINER_OUTPUT: _container_user,
    Action.REMOVE_NESTED_CONTAINER: _container_user,
    Action.KILL_NESTED_CONTAINER: _container_user,
    Action.WAIT_NESTED_CONTAINER: _container_user,
    Action.ACCESS_SANDBOX: _executor_user,
    Action.VIEW_FRAMEWORK: _framework_user,
    Action.VIEW_TASK: _shown_task_user,
    Action.VIEW_EXECUTOR: _executor_user,
    Action.LAUNCH_NESTED_CONTAINER: _nested_user,
    Action.LAUNCH_NESTED_CONTAINER_SESSION: _nested_user,
    Action.VIEW_CONTAINER: _executor_user,
}

#: For each action that ACLs with roles are about.
_ROLE_OF: Mapping[Action, Callable[[Object], str | None]] = {
    Action.CREATE_VOLUME: _reservation_role,
    Action.RESIZE_VOLUME: _reservation_role,
    Action.RESERVE_RESOURCES: _reservation_role,
    Action.CREATE_BLOCK_DISK: _reservation_role,
    Action.DESTROY_BLOCK_DISK: _reservation_role,
    Action.CREATE_MOUNT_DISK: _reservation_role,
    Action.DESTROY_MOUNT_DISK: _reservation_role,
    Action.DESTROY_RAW_DISK: _reservation_role,
    Action.UPDATE_WEIGHT: _weight_role,
    Action.VIEW_ROLE: _value,
    Action.GET_QUOTA: _value,
    Action.UPDATE_QUOTA: _quota_role,
    Action.UPDATE_QUOTA_WITH_CONFIG: _value,
    Action.REGISTER_FRAMEWORK: _value,
}


# Deciding


@frozen
class Rule:
    """An ACL, or a part of one. ``subtree``: not its objects count, but what begins so (``a/``)."""

    subjects: Entity
    objects: Entity
    subtree: str | None = None

    def matches(self, subject: str | None, value: str | None) -> bool:
        """Whether it is for this rule to decide. None is any subject, any object."""
        if not _matches(subject, self.subjects):
            return False
        if self.subtree is not None:
            return value is not None and value.startswith(self.subtree)
        return _matches(value, self.objects)

    def allows(self, subject: str | None, value: str | None) -> bool:
        """What it decides."""
        return _allows(subject, self.subjects) and (self.subtree is not None or _allows(value, self.objects))


def _matches(value: str | None, entity: Entity) -> bool:
    return entity.type is not EntityType.SOME or value in entity.values


def _allows(value: str | None, entity: Entity) -> bool:
    return entity.type is EntityType.ANY or (entity.type is EntityType.SOME and value in entity.values)


def plain_rules(acls: Iterable[Acl]) -> list[Rule]:
    """The rules of ACLs whose objects have no hierarchy."""
    return [Rule(acl.principals, acl.objects) for acl in acls]


def role_rules(acls: Iterable[Acl]) -> list[Rule]:
    """The rules of ACLs about roles: each subtree that an ACL names is a rule of its own, before its plain roles."""
    rules = []
    for acl in acls:
        if acl.objects.type is not EntityType.SOME:
            values = acl.objects.given_values
            subtree = values[0][:-1] if len(values) == 1 and values[0].endswith("/%") else None
            rules.append(Rule(acl.principals, acl.objects, subtree))
            continue
        plain = tuple(role for role in acl.objects.given_values if not role.endswith("/%"))
        subtrees = (role for role in acl.objects.given_values if role.endswith("/%"))
        rules.extend(Rule(acl.principals, Entity(None, (role,)), role[:-1]) for role in subtrees)
        if plain:
            rules.append(Rule(acl.principals, Entity(None, plain)))
    return rules


class _Decision:
    """What rules say of one subject; each value is looked up once."""

    __slots__ = ("_known", "_permissive", "_rules", "_subject")

    def __init__(self, rules: Sequence[Rule], subject: str | None, permissive: bool) -> None:
        self._rules = rules
        self._subject = subject
        self._permissive = permissive
        self._known: dict[str | None, bool] = {}

    def __call__(self, value: str | None) -> bool:
        known = self._known.get(value)
        if known is None:
            rule = next((rule for rule in self._rules if rule.matches(self._subject, value)), None)
            known = self._permissive if rule is None else rule.allows(self._subject, value)
            self._known[value] = known
        return known


class LocalAuthorizer:
    """The ``Authorizer`` of ``--authorizers=local``: it decides by the access control lists of ``--acls``."""

    def __init__(self, acls: Acls) -> None:
        self._permissive = acls.permissive
        self._rules: dict[str, list[Rule]] = {}
        self._name_of: dict[Action, str] = {}
        for kind in KINDS:
            about_roles = kind.objects == "roles"
            self._rules[kind.name] = (role_rules if about_roles else plain_rules)(acls.of(kind.name))
            for action in kind.actions:
                self._name_of[action] = kind.name

    def approver(self, subject: Subject | None, action: Action) -> Approver:
        if isinstance(subject, Claims):
            return _of_executor(subject, action)
        if action in _AS_USER_AND_UNDER_PARENT:
            as_user, under_parent = _AS_USER_AND_UNDER_PARENT[action]
            return _nested(self._decision(as_user, subject), self._decision(under_parent, subject))
        decide = self._decision(self._name_of[action], subject)
        if action is Action.REGISTER_FRAMEWORK:
            return _of_framework(decide, self._permissive)
        value_of = _ROLE_OF.get(action) or _VALUE_OF.get(action, _any)
        return lambda thing: decide(None if thing is None else value_of(thing))

    def _decision(self, name: str, subject: str | None) -> _Decision:
        return _Decision(self._rules[name], subject, self._permissive)


def _of_framework(decide: _Decision, permissive: bool) -> Approver:
    """A framework must be allowed in all its roles."""

    def approver(thing: Object | None) -> bool:
        if thing is None or thing.framework_info is None:
            return decide(None if thing is None else thing.value)
        roles = _roles_of(thing.framework_info)
        return all(map(decide, roles)) if roles else permissive

    return approver


def _nested(child: _Decision, parent: _Decision) -> Approver:
    """Nested containers: both the user of the new one, if there is a command, and the user of what it is in count."""

    def approver(thing: Object | None) -> bool:
        if thing is None:
            return parent(None)
        if thing.command_info is None:
            return parent(_nested_user(thing))
        return parent(_executor_user(thing)) and child(_nested_user(thing))

    return approver


def _of_executor(subject: Claims, action: Action) -> Approver:
    own = subject.claims.get("cid") if action in OF_EXECUTORS else None

    def approver(thing: Object | None) -> bool:
        if own is None or thing is None or thing.container_id is None:
            return False
        root = thing.container_id
        while root.HasField("parent"):
            root = root.parent
        return root.value == own

    return approver
