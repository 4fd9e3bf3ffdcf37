"""Weights of roles, as operators set them. Source: docs/reference/operator-api.md 2.2, allocator.md 9."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources import role_error
from pymesoskit.testing.engine.authorization import Action, Object
from pymesoskit.testing.engine.http.v1 import refuse
from pymesoskit.testing.engine.master import offers
from pymesoskit.testing.engine.master.operator.roles import is_whitelisted
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.master.core import Core

_REQUEST = "Failed to validate update weights request JSON"


def all_weights(core: Core, permissions: Permissions) -> list[mesos.WeightInfo]:
    """The weights that have been set, by role; of the roles that can be seen."""
    weights = permissions.by_role(core.registry.weights)
    return [mesos.WeightInfo(role=role, weight=weight) for role, weight in sorted(weights.items())]


def update(core: Core, weights: Iterable[mesos.WeightInfo], permissions: Permissions) -> None:
    """Sets weights. If a framework has one of the roles, all offers are rescinded.

    Raises ``Refused`` (400 if any is invalid, 403 if any is not allowed), and then sets none.
    """
    updated: dict[str, float] = {}
    things: list[Object] = []
    for info in weights:
        role = info.role.strip()
        error = role_error(role)
        if error is not None:
            raise refuse(400, f"{_REQUEST}: Invalid role '{role}': {error}")
        if not is_whitelisted(core.flags, role):
            raise refuse(400, f"{_REQUEST}: Unknown role '{role}'")
        if info.weight <= 0:
            text = f"Invalid weight '{info.weight:g}': Weights must be positive"
            raise refuse(400, f"{_REQUEST} for role '{role}': {text}")
        updated[role] = info.weight
        things.append(Object(value=role, weight_info=mesos.WeightInfo(role=role, weight=info.weight)))
    permissions.require(Action.UPDATE_WEIGHT, *things)
    core.registry.weights.update(updated)
    core.store()
    # First the allocator, then the offers: what they held must not be offered by the old weights again.
    core.allocator.update_weights(updated)
    if any(framework.roles & updated.keys() for framework in core.state.frameworks.values()):
        offers.rescind_all(core, core.state.offers.values())
