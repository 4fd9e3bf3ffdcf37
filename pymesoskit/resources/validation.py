"""Checks on lists of resources that are pure algebra: validity of messages, and what tasks and executors may combine.

The texts are Mesos's, without the part that says whose resources they are (``Task uses invalid resources: …``); the
caller adds that. Rules: docs/reference/scheduler-api.md 4.4 (item 8) and 4.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.wire.v1 import mesos_pb2 as pb

from .errors import ResourcesError
from .messages import message_error, messages_error

if TYPE_CHECKING:
    from collections.abc import Iterable


def validation_error(resources: pb.Resource | Iterable[pb.Resource]) -> str | None:
    """The error on one message (bare) or on a list of them (``Resource '<r>' is invalid: …``); None if all is well."""
    if isinstance(resources, pb.Resource):
        return message_error(resources)
    return messages_error(resources)


def validate(resources: pb.Resource | Iterable[pb.Resource]) -> None:
    """Raise ResourcesError with the text of `validation_error`, if there is one."""
    error = validation_error(resources)
    if error is not None:
        raise ResourcesError(error)
