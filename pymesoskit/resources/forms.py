"""The forms in which public functions accept resources: text, values of the algebra, messages.

Every function of the SDK that takes resources takes all of these forms; this module converts them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from pymesoskit.resources.algebra import Resources
from pymesoskit.resources.encoding import resource_to_message
from pymesoskit.resources.errors import ResourcesError
from pymesoskit.resources.resource import Resource
from pymesoskit.wire.v1 import mesos_pb2 as pb

ResourcesLike: TypeAlias = str | Resources | Resource | pb.Resource | Iterable[Resource | pb.Resource]
"""Resources as text (``cpus:1;mem:64``), as values, or as messages (what ``OfferPool.take`` returns)."""

ResourceLike: TypeAlias = str | Resources | Resource | pb.Resource
"""One resource as text, as a value, as a collection of one, or as a message."""


def as_resources(resources: ResourcesLike) -> Resources:
    """Returns resources of any form as a collection.

    Raises ``ResourcesError`` if the text or a message is invalid, and ``TypeError`` if the argument is none of the
    accepted forms.
    """
    if isinstance(resources, Resources):
        return resources
    if isinstance(resources, str):
        return Resources.parse(resources)
    return sum((_one(each) for each in _each(resources)), start=Resources())


def as_messages(resources: ResourcesLike) -> list[pb.Resource]:
    """Returns resources of any form as messages. Messages are returned as they are, without a check.

    Raises ``ResourcesError`` if the text is invalid, and ``TypeError`` if the argument is none of the accepted forms.
    """
    if isinstance(resources, str):
        resources = Resources.parse(resources)
    if isinstance(resources, Resources):
        return resources.to_messages()
    return [resource_to_message(each) if isinstance(each, Resource) else each for each in _each(resources)]


def as_message(resource: ResourceLike) -> pb.Resource:
    """Returns one resource of any form as a message.

    Raises ``ResourcesError`` if the text is invalid or stands for none or several resources, and ``TypeError`` if the
    argument is none of the accepted forms.
    """
    messages = as_messages(resource)
    if len(messages) != 1:
        raise ResourcesError(f"expected exactly one resource, got {len(messages)}: {as_resources(messages)}")
    return messages[0]


def _one(resource: Resource | pb.Resource) -> Resources:
    return Resources((resource,)) if isinstance(resource, Resource) else Resources.from_messages((resource,))


def _each(resources: object) -> list[Resource | pb.Resource]:
    if isinstance(resources, Resource | pb.Resource):
        return [resources]
    if resources is None:
        raise TypeError("resources are None; OfferPool.take returns None if the offers do not have enough left")
    if isinstance(resources, bytes) or not isinstance(resources, Iterable):
        raise TypeError(f"resources must be text, Resources or a list of messages, not {type(resources).__name__}")
    result = list(resources)
    for each in result:
        if not isinstance(each, Resource | pb.Resource):
            raise TypeError(f"a list of resources holds Resource values or messages, not {type(each).__name__}")
    return result
