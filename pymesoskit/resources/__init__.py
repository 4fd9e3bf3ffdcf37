"""The algebra of Mesos resources: immutable values, Mesos's rules, Mesos's texts (docs/resources.md).

Start at `Resources`. No I/O; nothing here knows of masters, agents or frameworks.
"""

from .algebra import Resources
from .attributes import Attribute, Attributes, parse_attributes
from .encoding import Format
from .errors import ResourcesError
from .kind import (
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
from .operations import Conversion, consumed, conversions, operation_error, produced
from .quantities import Limits, Quantities
from .resource import Resource
from .roles import is_strict_subrole_of, role_error, validate_role
from .validation import validate, validation_error
from .values import ValueType

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
    "consumed",
    "conversions",
    "is_strict_subrole_of",
    "operation_error",
    "parse_attributes",
    "produced",
    "role_error",
    "validate",
    "validate_role",
    "validation_error",
]
