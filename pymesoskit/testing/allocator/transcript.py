"""Replays transcripts of an allocator: sequences of operations with what was offered after each
(tests/conformance/allocator/README.md).

`replay` plays one on any `Allocator` and tells the first difference.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import define, field, frozen

from pymesoskit.resources import Conversion, Quantities, Resources, ResourcesError, parse_attributes
from pymesoskit.testing.allocator.api import (
    AgentOptions,
    AllocatorFactory,
    AllocatorOptions,
    FaultDomain,
    Filters,
    FrameworkOptions,
    InverseOfferResponse,
    Quota,
    Unavailability,
)
from pymesoskit.testing.allocator.constraints import compile_constraints
from pymesoskit.testing.allocator.hierarchical import HierarchicalAllocator
from pymesoskit.testing.allocator.metrics import PREFIX
from pymesoskit.testing.allocator.plain import resources_from_plain, resources_to_plain
from pymesoskit.testing.runtime.actor import SimulatedActor
from pymesoskit.wire import from_json
from pymesoskit.wire.v1 import scheduler

if TYPE_CHECKING:
    from pymesoskit.testing.runtime.clock import Clock

Step: TypeAlias = Mapping[str, Any]

_TOLERANCE = 1e-9


@frozen
class Difference:
    """The first place where an allocator does not do what the transcript says."""

    place: str
    expected: Any
    actual: Any

    def __str__(self) -> str:
        return f"{self.place}: expected {self.expected!r}, got {self.actual!r}"


@define
class _Recorder:
    """A listener that writes down what comes, with the time."""

    clock: Clock
    offered: list[dict[str, Any]] = field(factory=list)
    inverse: list[dict[str, Any]] = field(factory=list)

    def offers(self, framework_id: str, offers: Mapping[str, Mapping[str, Resources]]) -> None:
        """Keeps the offers."""
        for role, by_agent in offers.items():
            for agent, resources in by_agent.items():
                self.offered.append(
                    {
                        "at": self.clock.monotonic(),
                        "framework": framework_id,
                        "role": role,
                        "agent": agent,
                        "resources": resources_to_plain(resources),
                    }
                )

    def inverse_offers(self, framework_id: str, offers: Mapping[str, Unavailability]) -> None:
        """Keeps the inverse offers."""
        for agent, unavailability in offers.items():
            self.inverse.append(
                {
                    "at": self.clock.monotonic(),
                    "framework": framework_id,
                    "agent": agent,
                    "unavailability": _unavailability_to_plain(unavailability),
                }
            )

    def clear(self) -> None:
        """Forgets all."""
        self.offered.clear()
        self.inverse.clear()


def replay(
    transcript: Mapping[str, Any], factory: AllocatorFactory = HierarchicalAllocator, seed: int = 0
) -> Difference | None:
    """Plays a transcript; None if the allocator does everything as it says."""
    return _Player(transcript, factory, seed).play()


class _Player:
    def __init__(self, transcript: Mapping[str, Any], factory: AllocatorFactory, seed: int) -> None:
        self._transcript = transcript
        self._actor = SimulatedActor()
        self._recorder = _Recorder(self._actor.clock)
        options = options_from_flags(transcript["flags"])
        self._allocator = factory(self._actor.clock, Random(seed), self._recorder, options)  # noqa: S311 - a seeded history
        self._frameworks: dict[str, FrameworkOptions] = {}
        self._agents: dict[str, AgentOptions] = {}

    def play(self) -> Difference | None:
        self._allocator.start()
        try:
            for number, step in enumerate(self._transcript["steps"], start=1):
                place = f"step {number} ({step['op']})"
                difference = self._play_step(place, step)
                if difference is not None:
                    return difference
            return self._compare_metrics()
        finally:
            self._allocator.stop()

    def _play_step(self, place: str, step: Step) -> Difference | None:
        self._recorder.clear()
        operation = getattr(self, f"_op_{step['op']}", None)
        if operation is None:
            raise ValueError(f"{place}: unknown operation")
        result = operation(step)
        self._actor.advance(0)
        return self._compare_step(place, step, result)

    def _compare_step(self, place: str, step: Step, result: Any) -> Difference | None:
        if "result" in step and step["result"] != result:
            return Difference(f"{place} result", step["result"], result)
        is_timed = step["op"] == "advance"
        any_agent = step.get("any_agent", False)
        for name, expected, actual in (
            ("allocations", step["allocations"], self._recorder.offered),
            ("inverse_offers", step.get("inverse_offers", []), self._recorder.inverse),
        ):
            wanted = _canonical(expected, is_timed=is_timed, any_agent=any_agent)
            got = _canonical(actual, is_timed=is_timed, any_agent=any_agent)
            for index in range(max(len(wanted), len(got))):
                left = wanted[index] if index < len(wanted) else None
                right = got[index] if index < len(got) else None
                if not _same(left, right):
                    return Difference(f"{place} {name}[{index}]", left, right)
        return None

    def _compare_metrics(self) -> Difference | None:
        expected = self._transcript.get("metrics")
        if expected is None:
            return None
        actual = {
            name.removeprefix(PREFIX): value
            for name, value in self._allocator.metrics().items()
            if not name.removeprefix(PREFIX).startswith(("allocation_run_", "event_queue_dispatches"))
        }
        for name in sorted({*expected, *actual}):
            if not _same(expected.get(name), actual.get(name)):
                return Difference(f"metric {name}", expected.get(name), actual.get(name))
        return None

    # --- operations ---

    def _op_advance(self, step: Step) -> None:
        self._actor.advance(step["seconds"])

    def _op_add_framework(self, step: Step) -> None:
        options = _framework_options(step)
        used: dict[str, dict[str, Resources]] = {}
        for entry in step.get("used", ()):
            used.setdefault(entry["agent"], {})[entry["role"]] = resources_from_plain(entry["resources"])
        self._allocator.add_framework(step["id"], options, active=step["active"], used=used)

    def _op_update_framework(self, step: Step) -> None:
        self._allocator.update_framework(step["id"], _framework_options(step))

    def _op_remove_framework(self, step: Step) -> None:
        self._allocator.remove_framework(step["framework"])

    def _op_activate_framework(self, step: Step) -> None:
        self._allocator.activate_framework(step["framework"])

    def _op_deactivate_framework(self, step: Step) -> None:
        self._allocator.deactivate_framework(step["framework"])

    def _op_add_agent(self, step: Step) -> None:
        options = _agent_options(step, AgentOptions(hostname=step["id"]))
        self._agents[step["id"]] = options
        used: dict[str, dict[str, Resources]] = {}
        for entry in step.get("used", ()):
            held = used.setdefault(entry["framework"], {})
            held[entry["role"]] = held.get(entry["role"], Resources()) + resources_from_plain(entry["resources"])
        self._allocator.add_agent(
            step["id"],
            options,
            resources_from_plain(step["total"]),
            unavailability=_unavailability(step.get("unavailability")),
            used=used,
        )

    def _op_update_agent(self, step: Step) -> None:
        options = _agent_options(step, self._agents[step["id"]])
        self._agents[step["id"]] = options
        total = resources_from_plain(step["total"]) if "total" in step else None
        self._allocator.update_agent(step["id"], options=options, total=total)

    def _op_add_resource_provider(self, step: Step) -> None:
        self._allocator.add_resource_provider(step["agent"], resources_from_plain(step["total"]))

    def _op_remove_agent(self, step: Step) -> None:
        self._allocator.remove_agent(step["agent"])

    def _op_activate_agent(self, step: Step) -> None:
        self._allocator.activate_agent(step["agent"])

    def _op_deactivate_agent(self, step: Step) -> None:
        self._allocator.deactivate_agent(step["agent"])

    def _op_transition(self, step: Step) -> None:
        resources = resources_from_plain(step["resources"])
        self._allocator.transition_offered_to_allocated(step["framework"], step["agent"], step["role"], resources)

    def _op_recover(self, step: Step) -> None:
        self._allocator.recover_resources(
            step["framework"],
            step["agent"],
            step["role"],
            resources_from_plain(step["resources"]),
            filters=_filters(step["filters"]),
            allocated=step["allocated"],
        )

    def _op_update_allocation(self, step: Step) -> None:
        conversions = [
            Conversion(resources_from_plain(entry["consumed"]), resources_from_plain(entry["converted"]))
            for entry in step["conversions"]
        ]
        offered = resources_from_plain(step["offered"])
        self._allocator.update_allocation(step["framework"], step["agent"], step["role"], offered, conversions)

    def _op_update_available(self, step: Step) -> bool:
        conversions = [_reservation_change(entry) for entry in step["operations"]]
        try:
            self._allocator.update_available(step["agent"], conversions)
        except ResourcesError:
            return False
        return True

    def _op_suppress(self, step: Step) -> None:
        self._allocator.suppress_offers(step["framework"], step["roles"])

    def _op_revive(self, step: Step) -> None:
        self._allocator.revive_offers(step["framework"], step["roles"])

    def _op_update_weights(self, step: Step) -> None:
        self._allocator.update_weights(step["weights"])

    def _op_update_quota(self, step: Step) -> None:
        self._allocator.update_quota(step["role"], step["guarantees"], step["limits"])

    def _op_update_unavailability(self, step: Step) -> None:
        self._allocator.update_unavailability(step["agent"], _unavailability(step["unavailability"]))

    def _op_inverse_offer_response(self, step: Step) -> None:
        status = None if step["status"] is None else InverseOfferResponse(step["status"])
        self._allocator.update_inverse_offer(step["agent"], step["framework"], None, status, _filters(step["filters"]))

    def _op_get_inverse_offer_statuses(self, step: Step) -> list[list[str]]:
        del step
        statuses = self._allocator.inverse_offer_statuses()
        return sorted(
            [agent, framework, status.value]
            for agent, by_framework in statuses.items()
            for framework, status in by_framework.items()
        )

    def _op_whitelist(self, step: Step) -> None:
        self._allocator.update_whitelist(step["hostnames"])

    def _op_recover_allocator(self, step: Step) -> None:
        quotas = {role: Quota(quota["guarantees"], quota["limits"]) for role, quota in step["quotas"].items()}
        self._allocator.recover(step["expected_agents"], quotas)

    def _op_pause(self, step: Step) -> None:
        del step
        self._allocator.pause()

    def _op_resume(self, step: Step) -> None:
        del step
        self._allocator.resume()


# --- plain values to those of the API ---


def options_from_flags(flags: Mapping[str, Any]) -> AllocatorOptions:
    """The options that a transcript's flags stand for."""
    defaults = AllocatorOptions()
    return AllocatorOptions(
        allocation_interval=flags["allocation_interval"],
        min_allocatable_resources=_minimum(flags["min_allocatable_resources"]),
        filter_gpu_resources=flags["filter_gpu_resources"],
        fair_sharing_excluded_resource_names=frozenset(flags["fair_sharing_excluded_resource_names"]),
        role_sorter=flags["role_sorter"],
        framework_sorter=flags["framework_sorter"],
        domain=_domain(flags.get("domain")),
        allocator_recovery_timeout=flags.get("allocator_recovery_timeout", defaults.allocator_recovery_timeout),
        allocator_agent_recovery_factor=flags.get(
            "allocator_agent_recovery_factor", defaults.allocator_agent_recovery_factor
        ),
    )


def _minimum(text: str) -> list[dict[str, float]] | None:
    return [dict(Quantities.parse(part).items()) for part in text.split("|")] if text else None


def _domain(plain: Mapping[str, str] | None) -> FaultDomain | None:
    return None if plain is None else FaultDomain(plain["region"], plain["zone"])


def _framework_options(step: Step) -> FrameworkOptions:
    constraints = step.get("offer_constraints")
    return FrameworkOptions(
        roles=step["roles"],
        suppressed_roles=step["suppressed"],
        capabilities=step["capabilities"],
        min_allocatable=step.get("offer_filters") or {},
        constraints=None
        if constraints is None
        else compile_constraints(from_json(json.dumps(constraints), scheduler.OfferConstraints)),
    )


def _agent_options(step: Step, before: AgentOptions) -> AgentOptions:
    return AgentOptions(
        hostname=step.get("hostname", before.hostname),
        attributes=parse_attributes(step["attributes"]) if "attributes" in step else before.attributes,
        domain=_domain(step["domain"]) if "domain" in step else before.domain,
        capabilities=step.get("capabilities", before.capabilities),
    )


def _unavailability(plain: Mapping[str, float] | None) -> Unavailability | None:
    return None if plain is None else Unavailability(plain["start"], plain.get("duration"))


def _unavailability_to_plain(unavailability: Unavailability) -> dict[str, float]:
    plain = {"start": unavailability.start}
    if unavailability.duration is not None:
        plain["duration"] = unavailability.duration
    return plain


def _filters(plain: Mapping[str, float] | None) -> Filters | None:
    if plain is None:
        return None
    return Filters(plain["refuse_seconds"]) if "refuse_seconds" in plain else Filters()


def _reservation_change(entry: Mapping[str, Any]) -> Conversion:
    """RESERVE puts the last reservation of the stack on, UNRESERVE takes it off."""
    reserved = resources_from_plain(entry["resources"])
    popped = Resources(resource.with_reservations(resource.reservations[:-1]) for resource in reserved)
    if entry["type"] == "RESERVE":
        return Conversion(popped, reserved)
    if entry["type"] == "UNRESERVE":
        return Conversion(reserved, popped)
    raise ValueError(f"Unknown operation '{entry['type']}' of update_available")


# --- comparing ---


def _canonical(entries: list[dict[str, Any]], *, is_timed: bool, any_agent: bool) -> list[dict[str, Any]]:
    result = []
    for entry in entries:
        copy = dict(entry)
        if not is_timed:
            copy.pop("at", None)
        if any_agent:
            copy["agent"] = "*"
        if "resources" in copy:
            # Through the values themselves, so that both sides are in one form.
            copy["resources"] = resources_to_plain(resources_from_plain(copy["resources"]))
        result.append(copy)
    return sorted(
        result, key=lambda e: (round(e.get("at", 0), 6), e["framework"], e.get("role", ""), e["agent"], repr(e))
    )


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, int | float) and isinstance(right, int | float):
        return math.isclose(left, right, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)
