"""What roles there are, and what each of them has: the numbers behind ``/roles``, GET_ROLES and the checks of quota.

Amounts of a role include those of the roles below it. Source: docs/reference/operator-api.md 2.3 and 3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from pymesoskit.resources import Quantities
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.flags.flags import MasterFlags
    from pymesoskit.testing.engine.master.core import Core
    from pymesoskit.testing.engine.master.state import MasterState

DEFAULT_WEIGHT = 1.0


def is_whitelisted(flags: MasterFlags, role: str) -> bool:
    """Whether ``--roles`` (if it is given) admits the role; ``*`` is always admitted."""
    return flags.roles is None or role == "*" or role in flags.roles


def lineage(role: str) -> Iterator[str]:
    """The role and all above it: ``a/b/c``, ``a/b``, ``a``."""
    yield role
    while "/" in role:
        role = role.rpartition("/")[0]
        yield role


@define
class RoleAmounts:
    """What a role and the roles below it have."""

    allocated: Quantities = field(factory=Quantities)  # used by tasks and executors
    offered: Quantities = field(factory=Quantities)
    reserved: Quantities = field(factory=Quantities)  # reservations on registered agents, used or not
    unreserved_allocated: Quantities = field(
        factory=Quantities
    )  # of what is allocated; revocable resources do not count

    @property
    def consumed_quota(self) -> Quantities:
        """What counts against the role's limits: reservations, and what it uses beside them."""
        return self.reserved + self.unreserved_allocated


#: The amounts of a role that has none.
NOTHING = RoleAmounts()


def amounts_by_role(state: MasterState) -> dict[str, RoleAmounts]:
    """The amounts of every role that has any, and of the roles above it."""
    amounts: dict[str, RoleAmounts] = {}

    def of(role: str) -> Iterator[RoleAmounts]:
        return (amounts.setdefault(ancestor, RoleAmounts()) for ancestor in lineage(role))

    for framework in state.frameworks.values():
        for role, used in framework.used.total.allocations().items():
            total = used.quantities()
            unreserved = used.unreserved().non_revocable().quantities()
            for entry in of(role):
                entry.allocated += total
                entry.unreserved_allocated += unreserved
        for role, offered in framework.offered.total.allocations().items():
            total = offered.quantities()
            for entry in of(role):
                entry.offered += total
    for agent in state.agents.values():
        for role, reserved in agent.total_resources.by_reservation_role().items():
            total = reserved.quantities()
            for entry in of(role):
                entry.reserved += total
    return amounts


def cluster_capacity(state: MasterState) -> Quantities:
    """The scalars of all registered agents that are not revocable; disconnected agents count."""
    capacity = Quantities()
    for agent in state.agents.values():
        capacity += agent.total_resources.non_revocable().scalar_quantities()
    return capacity


def frameworks_by_role(state: MasterState) -> dict[str, list[str]]:
    """The ids of the frameworks that have a role, or still hold something for it."""
    frameworks: dict[str, list[str]] = {}
    for framework in state.frameworks.values():
        held = framework.used.total.allocations().keys() | framework.offered.total.allocations().keys()
        for role in sorted(framework.roles | held):
            frameworks.setdefault(role, []).append(framework.id)
    return frameworks


def known_roles(state: MasterState, flags: MasterFlags) -> list[str]:
    """Roles with frameworks, reservations, weight or quota, and all above them; with ``--roles`` those it names."""
    roles: set[str]
    if flags.roles is not None:
        roles = {"*", *flags.roles}  # the default role is on every whitelist
    else:
        roles = {*frameworks_by_role(state), *state.registry.weights, *state.registry.quotas}
        for agent in state.agents.values():
            roles.update(agent.total_resources.by_reservation_role())
    return sorted({ancestor for role in roles for ancestor in lineage(role)})


#: What GET_ROLES shows of a role's resources.
_SHOWN = ("cpus", "disk", "gpus", "mem")


def role_messages(core: Core, permissions: Permissions) -> Iterator[mesos.Role]:
    """What GET_ROLES shows: no quota, and of what a role uses and is offered only the usual scalars."""
    amounts, frameworks = amounts_by_role(core.state), frameworks_by_role(core.state)
    for name in filter(permissions.sees_role, known_roles(core.state, core.flags)):
        held = amounts.get(name, NOTHING)
        total = held.allocated + held.offered
        yield mesos.Role(
            name=name,
            weight=core.registry.weights.get(name, DEFAULT_WEIGHT),
            frameworks=(mesos.FrameworkID(value=framework_id) for framework_id in frameworks.get(name, ())),
            resources=(
                mesos.Resource(name=key, type=mesos.Value.SCALAR, scalar=mesos.Value.Scalar(value=value))
                for key, value in total.items()
                if key in _SHOWN
            ),
        )


def role_models(core: Core, permissions: Permissions) -> Iterator[dict[str, Any]]:
    """What ``/roles`` shows."""
    amounts, frameworks = amounts_by_role(core.state), frameworks_by_role(core.state)
    for name in filter(permissions.sees_role, known_roles(core.state, core.flags)):
        held = amounts.get(name, NOTHING)
        config = core.registry.quotas.get(name)
        yield {
            "name": name,
            "weight": core.registry.weights.get(name, DEFAULT_WEIGHT),
            "quota": {
                "role": name,
                "guarantee": dict(Quantities(_numbers(config.guarantees)).items()) if config is not None else {},
                "limit": _numbers(config.limits) if config is not None else {},
                "consumed": dict(held.consumed_quota.items()),
            },
            "resources": dict((held.allocated + held.offered).items()),
            "allocated": dict(held.allocated.items()),
            "offered": dict(held.offered.items()),
            "reserved": dict(held.reserved.items()),
            "frameworks": frameworks.get(name, []),
        }


def _numbers(scalars: Mapping[str, mesos.Value.Scalar]) -> dict[str, float]:
    return {name: scalars[name].value for name in sorted(scalars)}
