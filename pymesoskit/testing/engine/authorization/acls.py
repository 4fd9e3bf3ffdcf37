"""The value of ``--acls``: reading it, what is wrong with it, and how ``/flags`` shows it.

The ACLs of Mesos 1.11, one table for all of them. What they mean is in ``local.py``. Mesos overlooks names that it does
not know; here they are an error, because an ACL that is spelt wrong protects nothing. Source: docs/authorization.md.
"""

from __future__ import annotations

import difflib
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from pymesoskit.testing.engine.authorization.api import Action
from pymesoskit.wire import JsonSyntaxError
from pymesoskit.wire.json_text import loads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: The paths that ``get_endpoints`` can name.
AUTHORIZABLE_ENDPOINTS = frozenset(
    {
        "/containers",
        "/containerizer/debug",
        "/files/debug",
        "/logging/toggle",
        "/metrics/snapshot",
        "/monitor/statistics",
    }
)


class AclError(ValueError):
    """ACLs that cannot be used; the text names the entry and what is wrong with it."""


class EntityType(StrEnum):
    """Whom an entity means."""

    SOME = "SOME"
    ANY = "ANY"
    NONE = "NONE"


@frozen
class Entity:
    """The subjects or the objects of an ACL."""

    given_type: EntityType | None = None  # None is SOME
    given_values: tuple[str, ...] = ()
    values: frozenset[str] = field(init=False)

    @values.default
    def _values(self) -> frozenset[str]:
        return frozenset(self.given_values)

    @property
    def type(self) -> EntityType:
        return self.given_type or EntityType.SOME


@frozen
class Acl:
    """Who (``principals``) may do the action to what (``objects``)."""

    principals: Entity
    objects: Entity


@frozen
class AclKind:
    """The ACLs of one name."""

    name: str  # in ACLs
    objects: str  # what its objects are called
    actions: tuple[Action, ...]
    all_or_none: str | None = None  # the ACL's own name, if its objects can only be ANY or NONE


def _kind(name: str, objects: str, *actions: Action, all_or_none: str | None = None) -> AclKind:
    return AclKind(name, objects, actions, all_or_none)


_A = Action

#: In the order of their numbers in Mesos's message.
KINDS: tuple[AclKind, ...] = (
    _kind("register_frameworks", "roles", _A.REGISTER_FRAMEWORK),
    _kind("run_tasks", "users", _A.RUN_TASK),
    _kind("reserve_resources", "roles", _A.RESERVE_RESOURCES),
    _kind("unreserve_resources", "reserver_principals", _A.UNRESERVE_RESOURCES),
    _kind("create_volumes", "roles", _A.CREATE_VOLUME),
    _kind("destroy_volumes", "creator_principals", _A.DESTROY_VOLUME),
    _kind("teardown_frameworks", "framework_principals", _A.TEARDOWN_FRAMEWORK),
    _kind("update_weights", "roles", _A.UPDATE_WEIGHT),
    _kind("get_endpoints", "paths", _A.GET_ENDPOINT_WITH_PATH),
    _kind("get_quotas", "roles", _A.GET_QUOTA),
    _kind("update_quotas", "roles", _A.UPDATE_QUOTA, _A.UPDATE_QUOTA_WITH_CONFIG),
    _kind("view_frameworks", "users", _A.VIEW_FRAMEWORK),
    _kind("view_tasks", "users", _A.VIEW_TASK),
    _kind("view_executors", "users", _A.VIEW_EXECUTOR),
    _kind("access_sandboxes", "users", _A.ACCESS_SANDBOX),
    _kind("access_mesos_logs", "logs", _A.ACCESS_MESOS_LOG, all_or_none="AccessMesosLog"),
    _kind("view_roles", "roles", _A.VIEW_ROLE),
    _kind("view_flags", "flags", _A.VIEW_FLAGS, all_or_none="ViewFlags"),
    _kind("launch_nested_containers_as_user", "users", _A.LAUNCH_NESTED_CONTAINER),
    _kind("launch_nested_containers_under_parent_with_user", "users", _A.LAUNCH_NESTED_CONTAINER),
    _kind("kill_nested_containers", "users", _A.KILL_NESTED_CONTAINER),
    _kind("wait_nested_containers", "users", _A.WAIT_NESTED_CONTAINER),
    _kind("launch_nested_container_sessions_as_user", "users", _A.LAUNCH_NESTED_CONTAINER_SESSION),
    _kind("launch_nested_container_sessions_under_parent_with_user", "users", _A.LAUNCH_NESTED_CONTAINER_SESSION),
    _kind("attach_containers_input", "users", _A.ATTACH_CONTAINER_INPUT),
    _kind("attach_containers_output", "users", _A.ATTACH_CONTAINER_OUTPUT),
    _kind("view_containers", "users", _A.VIEW_CONTAINER),
    _kind("set_log_level", "level", _A.SET_LOG_LEVEL, all_or_none="SetLogLevel"),
    _kind("remove_nested_containers", "users", _A.REMOVE_NESTED_CONTAINER),
    _kind("register_agents", "agents", _A.REGISTER_AGENT, all_or_none="RegisterAgent"),
    _kind(
        "update_maintenance_schedules",
        "machines",
        _A.UPDATE_MAINTENANCE_SCHEDULE,
        all_or_none="UpdateMaintenanceSchedule",
    ),
    _kind("get_maintenance_schedules", "machines", _A.GET_MAINTENANCE_SCHEDULE, all_or_none="GetMaintenanceSchedule"),
    _kind("start_maintenances", "machines", _A.START_MAINTENANCE, all_or_none="StartMaintenance"),
    _kind("stop_maintenances", "machines", _A.STOP_MAINTENANCE, all_or_none="StopMaintenance"),
    _kind("get_maintenance_statuses", "machines", _A.GET_MAINTENANCE_STATUS, all_or_none="GetMaintenanceStatus"),
    _kind("mark_agents_gone", "agents", _A.MARK_AGENT_GONE),
    _kind(
        "launch_standalone_containers", "users", _A.LAUNCH_STANDALONE_CONTAINER, all_or_none="LaunchStandaloneContainer"
    ),
    _kind("kill_standalone_containers", "users", _A.KILL_STANDALONE_CONTAINER, all_or_none="KillStandaloneContainer"),
    _kind("wait_standalone_containers", "users", _A.WAIT_STANDALONE_CONTAINER, all_or_none="WaitStandaloneContainer"),
    _kind(
        "remove_standalone_containers", "users", _A.REMOVE_STANDALONE_CONTAINER, all_or_none="RemoveStandaloneContainer"
    ),
    _kind(
        "modify_resource_provider_configs",
        "resource_providers",
        _A.MODIFY_RESOURCE_PROVIDER_CONFIG,
        all_or_none="ModifyResourceProviderConfig",
    ),
    _kind("view_standalone_containers", "users", _A.VIEW_STANDALONE_CONTAINER, all_or_none="ViewStandaloneContainer"),
    _kind("prune_images", "images", _A.PRUNE_IMAGES, all_or_none="PruneImages"),
    _kind("resize_volumes", "roles", _A.RESIZE_VOLUME),
    _kind("create_block_disks", "roles", _A.CREATE_BLOCK_DISK),
    _kind("destroy_block_disks", "roles", _A.DESTROY_BLOCK_DISK),
    _kind("create_mount_disks", "roles", _A.CREATE_MOUNT_DISK),
    _kind("destroy_mount_disks", "roles", _A.DESTROY_MOUNT_DISK),
    _kind(
        "view_resource_providers",
        "resource_providers",
        _A.VIEW_RESOURCE_PROVIDER,
        all_or_none="ViewResourceProvider",
    ),
    _kind(
        "mark_resource_providers_gone",
        "resource_providers",
        _A.MARK_RESOURCE_PROVIDER_GONE,
        all_or_none="MarkResourceProvidersGone",
    ),
    _kind("destroy_raw_disks", "roles", _A.DESTROY_RAW_DISK),
    _kind("drain_agents", "agents", _A.DRAIN_AGENT, all_or_none="DrainAgent"),
    _kind("deactivate_agents", "agents", _A.DEACTIVATE_AGENT, all_or_none="DeactivateAgent"),
    _kind("reactivate_agents", "agents", _A.REACTIVATE_AGENT, all_or_none="ReactivateAgent"),
)

KIND_OF: Mapping[str, AclKind] = {kind.name: kind for kind in KINDS}


@frozen
class Acls:
    """All ACLs, by name and in their order; what no ACL matches is allowed if they are permissive."""

    given_permissive: bool | None = None  # None is true
    by_name: Mapping[str, tuple[Acl, ...]] = field(factory=dict)

    @property
    def permissive(self) -> bool:
        return self.given_permissive is not False

    def of(self, name: str) -> tuple[Acl, ...]:
        """The ACLs of that name."""
        return self.by_name.get(name, ())

    def __str__(self) -> str:
        """As ``/flags`` shows them: as text of the message, in the order of its fields."""
        return "".join(self._lines())

    def _lines(self) -> Iterator[str]:
        if self.given_permissive is not None:
            yield f"permissive: {'true' if self.given_permissive else 'false'}\n"
        for kind in KINDS:
            for acl in self.of(kind.name):
                yield f"{kind.name} {{\n"
                yield from _entity_lines("principals", acl.principals)
                yield from _entity_lines(kind.objects, acl.objects)
                yield "}\n"


def _entity_lines(name: str, entity: Entity) -> Iterator[str]:
    yield f"  {name} {{\n"
    if entity.given_type is not None:
        yield f"    type: {entity.given_type}\n"
    for value in entity.given_values:
        yield f'    values: "{_escaped(value)}"\n'
    yield "  }\n"


def _escaped(text: str) -> str:
    """A string as protobuf's text format has it: bytes that are no printable ASCII in octal."""
    special = {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x22: '\\"', 0x27: "\\'", 0x5C: "\\\\"}
    return "".join(
        special.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}") for byte in text.encode()
    )


# Reading


def parse_acls(text: str) -> Acls:
    """ACLs from JSON text. Raises ``AclError``."""
    try:
        document = loads(text.encode())
    except JsonSyntaxError as error:
        raise AclError(f"it is not JSON: {error}") from None
    members = _members(document, "the ACLs", {"permissive", *KIND_OF}, ())
    permissive = members.get("permissive")
    if permissive is not None and not isinstance(permissive, bool):
        raise AclError("'permissive' is true or false")
    return Acls(
        permissive,
        {name: tuple(_acls(KIND_OF[name], entries)) for name, entries in members.items() if name != "permissive"},
    )


def _members(document: Any, what: str, known: set[str], needed: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise AclError(f"expected {what} to be a JSON object")
    for name in document:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f", did you mean '{close[0]}'?" if close else f"; there are {', '.join(sorted(known))}"
            raise AclError(f"there is no '{name}' in {what}{hint}")
    for name in needed:
        if name not in document:
            raise AclError(f"{what} needs '{name}'")
    return document


def _acls(kind: AclKind, entries: Any) -> Iterator[Acl]:
    if not isinstance(entries, list):
        raise AclError(f"'{kind.name}' is a list")
    for number, entry in enumerate(entries):
        what = f"{kind.name}[{number}]"
        needed = ("principals", kind.objects)
        members = _members(entry, what, set(needed), needed)
        acl = Acl(*(_entity(members[name], f"{what}.{name}") for name in needed))
        _check_objects(kind, acl.objects)
        yield acl


def _entity(document: Any, what: str) -> Entity:
    members = _members(document, what, {"type", "values"}, ())
    given_type, values = members.get("type"), members.get("values", [])
    if given_type is not None and given_type not in set(EntityType):
        raise AclError(f"{what}.type is one of {', '.join(EntityType)}, not {given_type!r}")
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise AclError(f"{what}.values is a list of texts")
    return Entity(None if given_type is None else EntityType(given_type), tuple(values))


def _check_objects(kind: AclKind, objects: Entity) -> None:
    if objects.type is not EntityType.SOME:
        return
    if kind.all_or_none is not None:
        raise AclError(f"ACL.{kind.all_or_none} type must be either NONE or ANY")
    if kind.name == "get_endpoints":
        for path in objects.given_values:
            if path not in AUTHORIZABLE_ENDPOINTS:
                raise AclError(f"Path: '{path}' is not an authorizable path")
