"""Taking resources for tasks out of offers.

Which resources may be combined in one task: docs/reference/scheduler-api.md 4.4.
"""

from __future__ import annotations

import difflib
from itertools import groupby
from typing import TYPE_CHECKING

from pymesoskit.resources import Resource, Resources, ResourcesError, ValueType
from pymesoskit.resources.forms import ResourcesLike, as_resources
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The resources that Mesos itself knows. An offer lacks one of them whenever nothing of it is left.
_WELL_KNOWN = {
    "cpus": ValueType.SCALAR,
    "disk": ValueType.SCALAR,
    "gpus": ValueType.SCALAR,
    "mem": ValueType.SCALAR,
    "ports": ValueType.RANGES,
}
_EXAMPLES = {ValueType.SCALAR: "1", ValueType.RANGES: "[8000-8001]", ValueType.SET: "{a,b}"}


class OfferPool:
    """The resources of one offer, or of several offers of one agent and one role, from which tasks take their share.

    ``optional`` names resources that only some agents have (``["fpga"]``): to take one that an offer lacks is an error
    otherwise, so that a misspelled name is not mistaken for a shortage.

    Raises ``ResourcesError`` if the offers belong to several agents or roles, and ``TypeError`` if an argument is not
    an offer.
    """

    def __init__(self, *offers: mesos.Offer, optional: Iterable[str] = ()) -> None:
        if isinstance(optional, str):
            raise TypeError(f"optional must be a list of names, not a string: [{optional!r}]")
        for offer in offers:
            if not isinstance(offer, mesos.Offer):
                raise TypeError(f"OfferPool takes offers, not {type(offer).__name__}: OfferPool(*offers)")
        _refuse_several("agents", {offer.agent_id.value for offer in offers})
        messages = [resource for offer in offers for resource in offer.resources]
        roles = {offer.allocation_info.role for offer in offers if offer.HasField("allocation_info")}
        roles.update(each.allocation_info.role for each in messages if each.HasField("allocation_info"))
        _refuse_several("roles", roles)
        # Without the role that they are allocated to: the master adds it to the tasks' resources.
        self._left = Resources.from_messages(messages).unallocated()
        self._types = _WELL_KNOWN | {resource.name: resource.type for resource in self._left}
        self._optional = frozenset(optional)

    @property
    def left(self) -> Resources:
        """The resources that have not been taken."""
        return self._left

    def take(self, wanted: ResourcesLike) -> list[mesos.Resource] | None:
        """Takes resources out of the pool and returns them as they must be in a task: each part with the reservation
        that the offer has it under.

        ``wanted`` is text (``cpus:0.5;mem:64;ports:[8080-8080]``; mem and disk in MB), ``Resources`` or messages. What
        is wanted without a role comes from unreserved resources first, then from reserved ones; what is wanted for a
        role (``cpus(web):1``) comes from that role's reservations first, then from unreserved resources, then from
        others. Amounts, ranges and sets are split where one reservation alone does not suffice. Revocable resources,
        disks and volumes are only taken if ``wanted`` describes them.

        Returns None, and takes nothing, if not all of it is left. Raises ``ResourcesError`` if the text is invalid, if
        the offers have no resource of that name, or if it is of another type (``ports:1``).
        """
        targets = as_resources(wanted).unallocated()
        for target in targets:
            self._check_name_and_type(target)
        taken, left = Resources(), self._left
        for target in sorted(targets, key=_is_unreserved):  # so that a reservation is left to those that want it
            parts = _find(left, target)
            if parts is None:
                return None
            taken += parts
            left -= parts
        self._left = left
        return taken.to_messages()

    def _check_name_and_type(self, target: Resource) -> None:
        type_ = self._types.get(target.name)
        if type_ is None:
            if target.name in self._optional:
                return
            similar = difflib.get_close_matches(target.name, self._types, n=1)
            hint = f"; did you mean {similar[0]!r}?" if similar else ""
            raise ResourcesError(
                f"the offers have no resource {target.name!r}, only {', '.join(sorted(self._left.names()))}{hint} (if"
                f" only some agents have it, say so: OfferPool(offer, optional=[{target.name!r}]))"
            )
        if target.type is not type_:
            raise ResourcesError(
                f"{target.name!r} is of type {type_}, not {target.type}: write {target.name}:{_EXAMPLES[type_]}"
            )


def _refuse_several(what: str, found: set[str]) -> None:
    if len(found) > 1:
        names = ", ".join(sorted(found))
        raise ResourcesError(f"an OfferPool holds offers of one agent and one role, not of several {what}: {names}")


def _is_unreserved(resource: Resource) -> bool:
    return not resource.is_reserved


def _find(pool: Resources, target: Resource) -> Resources | None:
    """Returns the parts of the pool that make up the target, each under its own reservations, or None.

    Unlike ``Resources.find``, which is Mesos's own and takes at most one whole part of each preference, this splits.
    """
    role = target.reservation_role

    def rank(resource: Resource) -> int:
        if resource.reservation_role is None:
            return 1
        return 0 if resource.reservation_role == role else 2

    parts: list[Resource] = []
    remaining: Resource | None = target.with_copies(1).to_unreserved()
    assert remaining is not None
    candidates = [each for each in pool if each.name == target.name and each.to_unreserved().key == remaining.key]
    for _, group in groupby(sorted(candidates, key=rank), key=rank):
        equals = list(group)
        # One that has all of it is better than pieces of several.
        for resource in next(([each] for each in equals if each.to_unreserved().covers(remaining)), equals):
            rest = remaining.minus(resource.to_unreserved())
            part = remaining if rest is None else remaining.minus(rest)
            if part is not None:
                parts.append(part.with_reservations(resource.reservations))
            if rest is None:
                return Resources(parts)
            remaining = rest
    return None
