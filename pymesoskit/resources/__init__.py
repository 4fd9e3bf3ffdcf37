"""The algebra of Mesos resources: immutable values with Mesos's rules and Mesos's error texts (docs/resources.md).

Start with ``Resources``. There is no I/O here, and nothing depends on masters, agents or frameworks.
"""

from pymesoskit.resources.algebra import Resources
from pymesoskit.resources.attributes import Attribute, Attributes, parse_attributes
from pymesoskit.resources.encoding import Format, resource_to_message
from pymesoskit.resources.errors import ResourcesError
from pymesoskit.resources.kind import (
    Disk,
    DiskRoot,
    DiskSource,
    DiskType,
    Label,
    Persistence,
    Reservation,
    ReservationType,
    Volume,
    VolumeMode,
)
from pymesoskit.resources.messages import resource_from_message, resources_from_messages, upgrade_message
from pymesoskit.resources.operations import Conversion, consumed, conversions, operation_error, produced
from pymesoskit.resources.quantities import Limits, Quantities
from pymesoskit.resources.resource import Resource
from pymesoskit.resources.roles import is_strict_subrole_of, role_error, validate_role
from pymesoskit.resources.validation import (
    allocation_role_error,
    disk_info_error,
    gpus_error,
    persistent_volumes_error,
    reservation_info_error,
    revocable_mix_error,
    single_provider_error,
    unique_persistence_error,
    used_resources_error,
    validate,
    validation_error,
)
from pymesoskit.resources.values import ValueType

__all__ = [
    "Attribute",
    "Attributes",
    "Conversion",
    "Disk",
    "DiskRoot",
    "DiskSource",
    "DiskType",
    "Format",
    "Label",
    "Limits",
    "Persistence",
    "Quantities",
    "Reservation",
    "ReservationType",
    "Resource",
    "Resources",
    "ResourcesError",
    "ValueType",
    "Volume",
    "VolumeMode",
    "allocation_role_error",
    "consumed",
    "conversions",
    "disk_info_error",
    "gpus_error",
    "is_strict_subrole_of",
    "operation_error",
    "parse_attributes",
    "persistent_volumes_error",
    "produced",
    "reservation_info_error",
    "resource_from_message",
    "resource_to_message",
    "resources_from_messages",
    "revocable_mix_error",
    "role_error",
    "single_provider_error",
    "unique_persistence_error",
    "upgrade_message",
    "used_resources_error",
    "validate",
    "validate_role",
    "validation_error",
]
