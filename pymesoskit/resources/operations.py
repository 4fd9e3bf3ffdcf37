"""The effect of offer operations on resources: each consumes some and produces others.

Rules: docs/reference/agent-executor.md, section 13 (the table) and scheduler-api.md 4.2 and 4.6.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING, cast

import attrs

from pymesoskit.resources import values
from pymesoskit.resources.algebra import Resources
from pymesoskit.resources.errors import ResourcesError
from pymesoskit.resources.messages import message_error, messages_error, resource_from_message
from pymesoskit.resources.values import ValueType
from pymesoskit.wire.v1 import mesos_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pymesoskit.resources.resource import Resource

_Operation = pb.Offer.Operation


@attrs.frozen
class Conversion:
    """One step of an operation: the resources that it consumes, and those that replace them."""

    consumed: Resources
    converted: Resources
    destroyed: Resource | None = None
    """A volume that must be gone afterwards; otherwise another copy of it is still in use."""

    def apply(self, pool: Resources) -> Resources:
        """Returns the pool afterwards.

        Raises ``ResourcesError`` with Mesos's text if the pool does not contain what is consumed.
        """
        if not pool.contains(self.consumed):
            raise ResourcesError(f"{pool} does not contain {self.consumed}")
        result = pool - self.consumed + self.converted
        if self.destroyed is not None and result.contains(self.destroyed):
            raise ResourcesError(
                f"Persistent volume {self.destroyed.print_one()} cannot be removed due to additional shared copies"
            )
        return result


def operation_error(operation: pb.Offer.Operation) -> str | None:
    """Returns what is wrong with an operation in itself (no payload, an invalid resource), or None."""
    rule = _RULES.get(operation.type)
    if rule is None:
        return "Unknown offer operation"
    if not operation.HasField(rule.field):
        return rule.missing
    return rule.error(operation)


def conversions(operation: pb.Offer.Operation) -> list[Conversion]:
    """Returns the steps of a valid operation, to be applied in order.

    Raises ``ResourcesError`` for operations without such steps: launches, and those that resource providers carry out.
    """
    rule = _RULES.get(operation.type)
    if rule is None or rule.convert is None:
        unknown = "Unknown operation" if rule is None else "Operation not supported"
        raise ResourcesError(f"Cannot get conversions: {unknown}")
    return rule.convert(operation)


def consumed(operation: pb.Offer.Operation) -> Resources:
    """Returns all resources that a valid operation consumes. Raises like ``conversions``."""
    return reduce(add, (conversion.consumed for conversion in conversions(operation)), Resources())


def produced(operation: pb.Offer.Operation) -> Resources:
    """Returns all resources that a valid operation produces. Raises like ``conversions``."""
    return reduce(add, (conversion.converted for conversion in conversions(operation)), Resources())


# --- the steps of each operation --------------------------------------------------------------------------------------


def _reserve(operation: pb.Offer.Operation) -> list[Conversion]:
    reserved = Resources.from_messages(operation.reserve.resources)
    if not operation.reserve.source:
        return [Conversion(reserved.pop_reservation(), reserved)]
    source = Resources.from_messages(operation.reserve.source)
    if _totals(source) != _totals(reserved):
        raise ResourcesError(f"Cannot get conversions: the source {source} is not of the size of {reserved}")
    return [Conversion(source, reserved)]


def _unreserve(operation: pb.Offer.Operation) -> list[Conversion]:
    each = [Resources((resource_from_message(message),)) for message in operation.unreserve.resources]
    return [Conversion(reserved, reserved.pop_reservation()) for reserved in each]


def _create(operation: pb.Offer.Operation) -> list[Conversion]:
    volumes = [resource_from_message(message) for message in operation.create.volumes]
    return [Conversion(Resources((_stripped(volume),)), Resources((volume,))) for volume in volumes]


def _destroy(operation: pb.Offer.Operation) -> list[Conversion]:
    volumes = [resource_from_message(message) for message in operation.destroy.volumes]
    return [Conversion(Resources((volume,)), Resources((_stripped(volume),)), destroyed=volume) for volume in volumes]


def _grow_volume(operation: pb.Offer.Operation) -> list[Conversion]:
    volume = resource_from_message(operation.grow_volume.volume)
    addition = resource_from_message(operation.grow_volume.addition)
    _refuse_provider(volume)
    added = addition.measure if addition.type is ValueType.SCALAR else 0
    grown = volume.with_value(values.from_units(_units(volume) + added))
    return [Conversion(Resources((volume, addition)), Resources((grown,)))]


def _shrink_volume(operation: pb.Offer.Operation) -> list[Conversion]:
    volume = resource_from_message(operation.shrink_volume.volume)
    subtract = operation.shrink_volume.subtract.value
    _refuse_provider(volume)
    left = _units(volume) - values.to_units(subtract)
    if left < 0:
        raise ResourcesError(f"Cannot get conversions: {volume} cannot shrink by {values.print_scalar(subtract)}")
    freed = _stripped(volume).with_value(subtract)
    shrunk = volume.with_value(values.from_units(left))
    return [Conversion(Resources((volume,)), Resources((shrunk, freed)))]


def _stripped(volume: Resource) -> Resource:
    # Returns the disk that a volume was made from.
    disk = volume.disk
    return volume.with_disk(None if disk is None else disk.without_volume(), shared=False)


def _units(volume: Resource) -> int:
    if volume.type is not ValueType.SCALAR:
        raise ResourcesError(f"Cannot get conversions: {volume} is not a scalar")
    return cast("int", volume.measure)


def _totals(resources: Resources) -> tuple[object, ...]:
    # The amounts that an operation must not change, as exactly as Mesos compares them: mem and disk in whole MB.
    return (
        resources.get_scalar("cpus"),
        resources.get_scalar("gpus"),
        int(resources.mem()),
        int(resources.disk()),
        resources.ports(),
    )


def _refuse_provider(volume: Resource) -> None:
    if volume.provider_id is not None:
        raise ResourcesError("Cannot get conversions: Operation not supported for resource provider")


# --- which resources of an operation have to be valid -----------------------------------------------------------------


def _first(errors: Iterable[str | None]) -> str | None:
    return next((error for error in errors if error is not None), None)


def _launch_error(operation: pb.Offer.Operation) -> str | None:
    return _first(map(_task_error, operation.launch.task_infos))


def _launch_group_error(operation: pb.Offer.Operation) -> str | None:
    group = operation.launch_group
    error = messages_error(group.executor.resources)
    return error if error is not None else _first(map(_task_error, group.task_group.tasks))


def _task_error(task: pb.TaskInfo) -> str | None:
    error = messages_error(task.resources)
    return error if error is not None else messages_error(task.executor.resources)


def _reserve_error(operation: pb.Offer.Operation) -> str | None:
    error = messages_error(operation.reserve.resources)
    return error if error is not None else messages_error(operation.reserve.source)


def _grow_volume_error(operation: pb.Offer.Operation) -> str | None:
    error = message_error(operation.grow_volume.volume)
    return error if error is not None else message_error(operation.grow_volume.addition)


@attrs.frozen
class _Rule:
    field: str
    missing: str
    error: Callable[[pb.Offer.Operation], str | None]
    convert: Callable[[pb.Offer.Operation], list[Conversion]] | None = None


def _missing(name: str) -> str:
    # Mesos's texts for the two operations on the size of volumes differ slightly.
    article = "An" if name[0] in "AEIOU" else "A"
    kind = "" if name == "GROW_VOLUME" else "offer "
    end = "" if name in {"GROW_VOLUME", "SHRINK_VOLUME"} else "."
    return f"{article} {name} {kind}operation must have the Offer.Operation.{name.lower()} field set{end}"


_RULES = {
    _Operation.LAUNCH: _Rule("launch", _missing("LAUNCH"), _launch_error),
    _Operation.LAUNCH_GROUP: _Rule("launch_group", _missing("LAUNCH_GROUP"), _launch_group_error),
    _Operation.RESERVE: _Rule("reserve", _missing("RESERVE"), _reserve_error, _reserve),
    _Operation.UNRESERVE: _Rule(
        "unreserve", _missing("UNRESERVE"), lambda operation: messages_error(operation.unreserve.resources), _unreserve
    ),
    _Operation.CREATE: _Rule(
        "create", _missing("CREATE"), lambda operation: messages_error(operation.create.volumes), _create
    ),
    _Operation.DESTROY: _Rule(
        "destroy", _missing("DESTROY"), lambda operation: messages_error(operation.destroy.volumes), _destroy
    ),
    _Operation.GROW_VOLUME: _Rule("grow_volume", _missing("GROW_VOLUME"), _grow_volume_error, _grow_volume),
    _Operation.SHRINK_VOLUME: _Rule(
        "shrink_volume",
        _missing("SHRINK_VOLUME"),
        lambda operation: message_error(operation.shrink_volume.volume),
        _shrink_volume,
    ),
    _Operation.CREATE_DISK: _Rule(
        "create_disk", _missing("CREATE_DISK"), lambda operation: message_error(operation.create_disk.source)
    ),
    _Operation.DESTROY_DISK: _Rule(
        "destroy_disk", _missing("DESTROY_DISK"), lambda operation: message_error(operation.destroy_disk.source)
    ),
}
"""For each type of operation: its payload, the check of its resources, and its steps."""
