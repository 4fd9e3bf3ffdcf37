"""Checks on lists of resources that are pure algebra: validity of messages, and what tasks and executors may combine.

The texts are Mesos's, without the part that says whose resources they are (``Task uses invalid resources: …``); the caller
adds that. Rules: docs/reference/scheduler-api.md 4.4 (item 8) and 4.5.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..wire.v1 import mesos_pb2 as pb
from .errors import ResourcesError
from .messages import message_error, messages_error


def validation_error(resources: pb.Resource | Iterable[pb.Resource]) -> str | None:
    """What is wrong with one message (the plain text) or with a list (``Resource '<r>' is invalid: …``); None if nothing."""
    if isinstance(resources, pb.Resource):
        return message_error(resources)
    return messages_error(resources)


def validate(resources: pb.Resource | Iterable[pb.Resource]) -> None:
    """Raise ResourcesError with the text of `validation_error`, if there is one."""
    error = validation_error(resources)
    if error is not None:
        raise ResourcesError(error)
