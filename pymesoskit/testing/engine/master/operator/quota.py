"""Quota: what operators may guarantee to roles and limit them to, and which offers are taken back for it.

The registry keeps the configurations; the allocator enforces them. UPDATE_QUOTA is the way of today, SET_QUOTA and
REMOVE_QUOTA the older one, in which a guarantee is a limit, too. Source: docs/reference/operator-api.md 2.3,
allocator.md 9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources import Limits, Quantities, is_strict_subrole_of, role_error, validation_error
from pymesoskit.resources.values import input_scalar_error, print_scalar
from pymesoskit.testing.engine.authorization import Action, Object
from pymesoskit.testing.engine.http.v1 import refuse
from pymesoskit.testing.engine.master import offers
from pymesoskit.testing.engine.master.operator.roles import NOTHING, amounts_by_role, cluster_capacity, is_whitelisted
from pymesoskit.wire.v1 import mesos
from pymesoskit.wire.v1 import quota as pb

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.master.core import Core
    from pymesoskit.testing.engine.master.entities import Offer

EXABYTE_IN_MEGABYTES = 1024**4
TRILLION = 10**12

_SET = "Failed to validate set quota request"
_FORCE = "(use 'force' flag to bypass this check)"


def guarantees_of(config: pb.QuotaConfig) -> Quantities:
    """The guarantees of a configuration."""
    return Quantities({name: scalar.value for name, scalar in config.guarantees.items()})


def limits_of(config: pb.QuotaConfig) -> Limits:
    """The limits of a configuration; what it does not name is unlimited."""
    return Limits({name: scalar.value for name, scalar in config.limits.items()})


def _print_scalars(scalars: Mapping[str, mesos.Value.Scalar]) -> str:
    entries = ", ".join(f"{name}: {print_scalar(scalars[name].value)}" for name in sorted(scalars))
    return f"{{ {entries} }}" if entries else "{}"


def _too_large(scalars: Mapping[str, mesos.Value.Scalar]) -> str | None:
    for name, scalar in sorted(scalars.items()):
        large, words = TRILLION, "1 trillion"
        if name in ("mem", "disk"):
            large, words = EXABYTE_IN_MEGABYTES, "1 exabyte"
        if scalar.value > large:
            return (
                f"{{'{name}': {print_scalar(scalar.value)}}} is invalid: "
                f"values greater than {words} ({large}) are not supported"
            )
    return None


def config_error(config: pb.QuotaConfig) -> str | None:
    """What is wrong with a configuration taken by itself; None if nothing is."""
    error = role_error(config.role)
    if error is not None:
        return f"Invalid 'QuotaConfig.role': {error}"
    parts = {"guarantee": config.guarantees, "limit": config.limits}
    for name, scalars in parts.items():
        error = _too_large(scalars)
        if error is not None:
            return f"Invalid 'QuotaConfig.{name}s': {error}"
    for name, scalars in parts.items():
        for key, scalar in sorted(scalars.items()):
            error = input_scalar_error(scalar.value)
            if error is not None:
                return f"Invalid {name} configuration {{'{key}': {print_scalar(scalar.value)}}}: {error}"
    if not limits_of(config).contains(guarantees_of(config)):
        guarantees, limits = _print_scalars(config.guarantees), _print_scalars(config.limits)
        return f"'QuotaConfig.guarantees' {guarantees} is not contained within the 'QuotaConfig.limits' {limits}"
    return None


def request_error(request: pb.QuotaRequest) -> str | None:
    """What is wrong with an old-style request taken by itself; None if nothing is."""
    error = validation_error(request.guarantee)
    if error is not None:
        return f"QuotaInfo with invalid resource: {error}"
    error = role_error(request.role)  # what a request does not name is the empty string
    if error is not None:
        return f"QuotaInfo with invalid role: {error}"
    if not request.guarantee:
        return "QuotaInfo with empty 'guarantee'"
    names: set[str] = set()
    for resource in request.guarantee:
        if resource.reservations or resource.HasField("reservation") or resource.role != "*":
            return "QuotaInfo must not contain any ReservationInfo"
        if resource.HasField("disk"):
            return "QuotaInfo must not contain DiskInfo"
        if resource.HasField("revocable"):
            return "QuotaInfo must not contain RevocableInfo"
        if resource.type != mesos.Value.SCALAR:
            return "QuotaInfo must not include non-scalar resources"
        if resource.name in names:
            return f"QuotaInfo contains duplicate resource name '{resource.name}'"
        names.add(resource.name)
    return None


def tree_error(quotas: Mapping[str, pb.QuotaConfig]) -> str | None:
    """Whether some role guarantees less than the roles right below it do together."""
    children: dict[str, Quantities] = {}
    for role, config in quotas.items():
        parent, slash, _ = role.rpartition("/")
        if slash:
            children[parent] = children.get(parent, Quantities()) + guarantees_of(config)
    for role in sorted(children):
        own = guarantees_of(quotas[role]) if role in quotas else Quantities()
        if not own.contains(children[role]):
            name = role.rpartition("/")[2]
            return (
                f"Invalid quota configuration. Parent role '{name}' with guarantees ({own}) "
                f"does not contain the sum of its children's guarantees ({children[role]})"
            )
    return None


def total_guarantees(quotas: Mapping[str, pb.QuotaConfig]) -> Quantities:
    """What is guaranteed altogether; what a role guarantees contains what those below it do."""
    total = Quantities()
    for role, config in quotas.items():
        if "/" not in role:
            total += guarantees_of(config)
    return total


def status(core: Core, permissions: Permissions) -> pb.QuotaStatus:
    """All that is set and can be seen: the configurations, and the guarantees once more in the older form."""
    answer = pb.QuotaStatus()
    for config in core.registry.quotas.values():
        if not permissions.allows(Action.GET_QUOTA, Object(value=config.role)):
            continue
        guarantees, limits = guarantees_of(config), limits_of(config)
        info = answer.infos.add(role=config.role)
        for name, value in guarantees.items():
            info.guarantee.add(name=name, type=mesos.Value.SCALAR, scalar=mesos.Value.Scalar(value=value))
        answer.configs.add(role=config.role, guarantees=_scalars(guarantees.items()), limits=_scalars(limits.items()))
    return answer


def update(core: Core, configs: Sequence[pb.QuotaConfig], permissions: Permissions, *, force: bool) -> None:
    """UPDATE_QUOTA: sets all of these, or none.

    ``force`` admits limits below consumption, and guarantees beyond what the cluster has.
    Raises ``Refused`` (400, 403).
    """
    for config in configs:
        if not is_whitelisted(core.flags, config.role):
            raise refuse(400, f"Invalid QuotaConfig: '{config.role}' is not on the roles whitelist")
        if "/" in config.role:
            raise refuse(400, f"Updating quota on nested role '{config.role}' is not supported yet")
        error = config_error(config)
        if error is not None:
            raise refuse(400, f"Invalid QuotaConfig: {error}")
    amounts = amounts_by_role(core.state)
    for config in () if force else configs:
        consumed, limits = amounts.get(config.role, NOTHING).consumed_quota, limits_of(config)
        if not limits.contains(consumed):
            text = f"Role '{config.role}' is already consuming '{consumed}'; this is more than the requested limits"
            raise refuse(400, f"Invalid QuotaConfig: {text} '{limits}' {_FORCE}")
    after = core.registry.quotas | {config.role: config for config in configs}
    error = tree_error(after)
    if error is not None:
        raise refuse(400, f"Invalid QuotaConfig: {error}")
    guaranteed, capacity = total_guarantees(after), cluster_capacity(core.state)
    if not force and not capacity.contains(guaranteed):
        text = f"total quota guarantees '{guaranteed}' exceed cluster capacity '{capacity}'"
        raise refuse(400, f"Invalid QuotaConfig: {text} {_FORCE}")
    core.store()
    for config in configs:
        permissions.require(Action.UPDATE_QUOTA_WITH_CONFIG, Object(value=config.role))
    for config in configs:
        _store(core, config)
    for config in configs:
        _enforce(core, config)


def set_quota(core: Core, request: pb.QuotaRequest, permissions: Permissions) -> None:
    """SET_QUOTA: guarantees an amount to a role that has no quota yet, and limits it to that.

    Raises ``Refused``: 400, 403, or 409 if the cluster has not got as much.
    """
    quotas, role = core.registry.quotas, request.role
    error = request_error(request)
    if error is None and not is_whitelisted(core.flags, role):
        error = f"Unknown role '{role}'"
    if error is None and role in quotas:
        error = f"Cannot set quota for role '{role}' which already has quota"
    if error is not None:
        raise refuse(400, f"{_SET}: {error}")
    amounts = {resource.name: resource.scalar for resource in request.guarantee}
    config = pb.QuotaConfig(role=role, guarantees=amounts, limits=amounts)
    error = tree_error(quotas | {role: config})
    if error is not None:
        raise refuse(400, f"{_SET}: {error}")
    if "/" in role:
        raise refuse(400, f"Setting quota on nested role '{role}' is not supported yet")
    permissions.require(Action.UPDATE_QUOTA, _object(role))
    guaranteed, capacity = total_guarantees(quotas | {role: config}), cluster_capacity(core.state)
    if not request.force and not capacity.contains(guaranteed):
        text = f"Total quota guarantees '{guaranteed}' exceed cluster capacity '{capacity}'"
        raise refuse(409, f"Quota guarantees overcommit the cluster (use 'force' to bypass this check): {text}")
    core.store()
    _store(core, config)
    _make_room(core, config)


def remove(core: Core, role: str, permissions: Permissions, path: str | None = None) -> None:
    """REMOVE_QUOTA; ``path`` is that of the request if it came as one for a path. Raises ``Refused`` (400, 403)."""
    of_path = f" for path '{path}'" if path is not None else ""
    if path is not None and not is_whitelisted(core.flags, role):
        raise refuse(400, f"Failed to validate remove quota request{of_path}: Unknown role '{role}'")
    if role not in core.registry.quotas:
        raise refuse(400, f"Failed to remove quota{of_path}: Role '{role}' has no quota set")
    rest = {other: config for other, config in core.registry.quotas.items() if other != role}
    error = tree_error(rest)
    if error is not None:
        raise refuse(400, f"Failed to remove quota{of_path}: {error}")
    permissions.require(Action.UPDATE_QUOTA, _object(role))
    core.registry.quotas = rest
    core.store()
    core.allocator.update_quota(role, {}, {})


def _object(role: str) -> Object:
    return Object(value=role, quota_info=pb.QuotaInfo(role=role))


def _store(core: Core, config: pb.QuotaConfig) -> None:
    core.registry.quotas[config.role] = config
    core.allocator.update_quota(config.role, dict(guarantees_of(config).items()), dict(limits_of(config).items()))


def _enforce(core: Core, config: pb.QuotaConfig) -> None:
    """Takes offers back: the role's own until it is below its limits, then others' until its guarantees are there.

    What is rescinded is a guess on the safe side, as Mesos makes it: a reservation that is offered counts twice.
    """
    amounts = amounts_by_role(core.state).get(config.role, NOTHING)
    taken = amounts.consumed_quota + amounts.offered
    limits, guarantees = limits_of(config), guarantees_of(config)
    for offer in [offer for framework in core.state.frameworks.values() for offer in framework.offers.values()]:
        if limits.contains(taken):
            break
        if _is_of(offer, config.role):
            taken -= offer.resources.quantities()
            offers.rescind(core, offer)
    rescinded = Quantities()
    for offer in [offer for agent in core.state.agents.values() for offer in agent.offers.values()]:
        if (rescinded + taken).contains(guarantees):
            break
        if not _is_of(offer, config.role):
            rescinded += offer.resources.quantities()
            offers.rescind(core, offer)


def _make_room(core: Core, config: pb.QuotaConfig) -> None:
    """Takes all offers of one agent after the other back, until the guarantee is there on enough agents."""
    frameworks = sum(
        framework.active and config.role in framework.roles for framework in core.state.frameworks.values()
    )
    guarantees, rescinded, visited = guarantees_of(config), Quantities(), 0
    for agent in core.state.agents.values():
        if rescinded.contains(guarantees) and visited >= frameworks:
            break
        if agent.active and agent.offers:
            for offer in agent.offers.values():
                rescinded += offer.resources.unreserved().scalar_quantities()
            offers.rescind_all(core, agent.offers.values())
            visited += 1


def _is_of(offer: Offer, role: str) -> bool:
    return offer.role == role or is_strict_subrole_of(offer.role, role)


def _scalars(amounts: Iterable[tuple[str, float]]) -> dict[str, mesos.Value.Scalar]:
    return {name: mesos.Value.Scalar(value=value) for name, value in amounts}
