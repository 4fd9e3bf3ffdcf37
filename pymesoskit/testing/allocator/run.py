"""One allocation run: both stages over some agents (docs/reference/allocator.md, sections 4 and 5).

A `Run` decides who is offered what and charges it; who is told, and when runs happen, is the allocator's business. What
it finds out about a client that can get nothing from an agent is noted there (`Agent.blocked`), so that it is not asked
again before something changes. That is right because all reasons but quota only get stronger when less is available.
Quota is looked at each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from pymesoskit.resources import Resources, ValueType
from pymesoskit.testing.allocator.bundle import REVOCABLE, Bundle
from pymesoskit.testing.allocator.shrink import shrink_to_limits, shrink_to_quantities
from pymesoskit.testing.allocator.units import (
    Units,
    credit,
    debit,
    limits_minus,
    minus,
    plus,
    within_limits,
    within_quantities,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from random import Random

    from pymesoskit.testing.allocator.api import AllocatorOptions
    from pymesoskit.testing.allocator.ledger import Ledger
    from pymesoskit.testing.allocator.state import Agent, Client, Role

#: Framework id → role → agent id → resources.
Offers: TypeAlias = dict[str, dict[str, dict[str, Resources]]]


class Quotas:
    """How much of the quotas is consumed, and how much must be kept free for guarantees; followed through a run."""

    def __init__(self, ledger: Ledger) -> None:
        tree = ledger.tree
        self.consumed: dict[str, Units] = {
            path: role.quota_offered_or_consumed() for path, role in tree.with_quota.items()
        }
        self.required: Units = {}
        for path, consumed in self.consumed.items():
            if path in tree.top_level:
                credit(self.required, minus(tree.with_quota[path].guarantees, consumed))
        self.available: Units = self._available(ledger) if self.required else {}

    @staticmethod
    def _available(ledger: Ledger) -> Units:
        tree = ledger.tree
        available = minus(ledger.totals.units, ledger.role_sorter.total_allocation())
        debit(available, minus(tree.reservations, tree.held_reserved))
        for agent in ledger.agents.values():
            if agent.available.kinds & REVOCABLE:
                debit(available, Bundle(agent.available.resources.revocable()).units)
        return available

    def unsatisfied(self, role: Role) -> Units:
        """What the role's guarantees lack."""
        return minus(role.guarantees, self.consumed.get(role.path, {})) if role.guarantees else {}

    def surplus(self) -> Units:
        """What may be offered without endangering a guarantee."""
        return minus(self.available, self.required)

    def consume(self, role: Role, units: Units) -> None:
        """The role, and with it the roles above it, consumes more."""
        current: Role | None = role
        while current is not None:
            consumed = self.consumed.get(current.path)
            if consumed is not None:
                credit(consumed, units)
            current = current.parent


class Run:
    """Both stages over some agents."""

    def __init__(self, ledger: Ledger, options: AllocatorOptions, rng: Random) -> None:
        self._ledger = ledger
        self._options = options
        self._rng = rng
        self._quotas = Quotas(ledger)
        self._may_vary = False
        self._offers: Offers = {}

    def execute(self, agents: list[Agent]) -> Offers:
        """Serves the agents in random order, first for guarantees, then in fair shares. The list is shuffled."""
        ledger = self._ledger
        version = ledger.version
        self._rng.shuffle(agents)
        lacking = {role for role in ledger.tree.with_quota.values() if self._quotas.unsatisfied(role)}
        if lacking:
            self._satisfy_guarantees(agents, lacking)
            self._rng.shuffle(agents)
        held_back = self._share_rest(agents)
        if ledger.version == version:
            # Nothing was offered, so the next run would find the same, until some quota or holding changes.
            for agent in held_back:
                ledger.fertile.pop(agent, None)
                ledger.held_back[agent] = None
        return self._offers

    # --- the first stage ---

    def _satisfy_guarantees(self, agents: Iterable[Agent], lacking: set[Role]) -> None:
        ledger = self._ledger
        for agent in agents:
            eligible = agent.open_to(ledger.active_bits)
            if not eligible or agent.available.is_empty:
                continue
            ledger.role_sorter.settle()
            for role in ledger.role_sorter.clients():
                if role not in lacking:
                    continue
                if not agent.available:
                    break
                if role.active_bits & eligible and self._guarantee(role, agent, eligible):
                    lacking.discard(role)
            if not lacking:
                return

    def _guarantee(self, role: Role, agent: Agent, eligible: int) -> bool:
        """Offers for the role's guarantees; True when none is left to satisfy."""
        quotas = self._quotas
        unsatisfied = quotas.unsatisfied(role)
        for client in self._in_order(role):
            if not unsatisfied:
                break
            if not client.bit & eligible or not client.framework.is_active:
                continue
            whole = agent.available.for_role(role.path)
            if whole.is_empty:
                agent.block(role.active_bits)
                break
            view = self._view(client, agent, whole)
            if view is None:
                agent.block(client.bit)
                continue
            found = self._guaranteed_offer(role, view, unsatisfied)
            if found is None:
                continue
            offer, guaranteed, taken = found
            if offer is not view and not self._is_wanted(client, agent, offer):
                continue
            self._offer(client, agent, offer)
            unsatisfied = minus(unsatisfied, taken)
            quotas.consume(role, taken)
            debit(quotas.required, guaranteed)
            debit(quotas.available, taken)
        return not unsatisfied

    def _guaranteed_offer(self, role: Role, view: Bundle, unsatisfied: Units) -> tuple[Bundle, Units, Units] | None:
        """The offer, what of it counts for the guarantees, and what of it counts for quota; None if nothing counts."""
        quotas = self._quotas
        if view.is_divisible and role.parent is None:
            # Mostly the whole view can be offered, and then amounts are all that is needed.
            guaranteed = {n: min(amount, unsatisfied[n]) for n, amount in view.plain.items() if n in unsatisfied}
            if not guaranteed:
                return None
            extra = minus(view.plain, guaranteed)
            if (not role.limits or within_limits(extra, self._limits_left(role, guaranteed))) and (
                not quotas.required or within_quantities(extra, quotas.surplus())
            ):
                return view, guaranteed, view.plain
        certain, more = self._split_for_guarantee(role, view, unsatisfied)
        if certain.is_empty:
            return None
        return self._compose(role, view, certain, more), certain.units, plus(certain.units, more.units)

    def _limits_left(self, role: Role, taken: Units) -> Units:
        return limits_minus(limits_minus(role.limits, self._quotas.consumed.get(role.path, {})), taken)

    def _split_for_guarantee(self, role: Role, view: Bundle, unsatisfied: Units) -> tuple[Bundle, Bundle]:
        """What of the view counts for the role's guarantees, and what more it may have beside it."""
        guaranteed = Bundle(shrink_to_quantities(view.quota_part, view.plain, unsatisfied, self._rng))
        extra = Bundle(view.quota_part - guaranteed.resources)
        if role.limits:
            left = self._limits_left(role, guaranteed.units)
            extra = Bundle(shrink_to_limits(extra.resources, extra.units, left, self._rng))
        if self._quotas.required and extra:
            extra = Bundle(shrink_to_quantities(extra.resources, extra.units, self._quotas.surplus(), self._rng))
        return guaranteed, extra

    def _compose(self, role: Role, view: Bundle, guaranteed: Bundle, extra: Bundle) -> Bundle:
        """The offer: what does not count for quota (without reservations of roles above), guarantees, the rest."""
        beside = view.other_part.filter(
            lambda resource: (
                resource.reservation_role in {None, role.path}
                or resource.kind.is_revocable
                or resource.type is not ValueType.SCALAR
            )
        )
        if beside is view.other_part and plus(guaranteed.units, extra.units) == view.plain:
            return view
        return Bundle(beside + guaranteed.resources + extra.resources)

    # --- the second stage ---

    def _share_rest(self, agents: Iterable[Agent]) -> list[Agent]:
        """Offers the rest; returns the agents of which quota alone holds something back."""
        ledger = self._ledger
        role_sorter = ledger.role_sorter
        held_back: list[Agent] = []
        for agent in agents:
            eligible = agent.open_to(ledger.active_bits)
            if eligible and not agent.available.is_empty:
                self._may_vary = False
                role_sorter.settle()
                for role in role_sorter.clients():
                    if role.active_bits & eligible:
                        self._share(role, agent, eligible)
                        if not agent.available:
                            break
                eligible = ledger.active_bits & ~agent.blocked
            if not eligible or agent.available.is_empty:
                ledger.fertile.pop(agent, None)
            elif not self._may_vary:
                held_back.append(agent)
        return held_back

    def _share(self, role: Role, agent: Agent, eligible: int) -> None:
        quotas = self._quotas
        is_bounded = bool(role.limits or quotas.required)
        whole = agent.available.for_role(role.path)
        if whole.is_empty:
            agent.block(role.active_bits)
            return
        useless = 0
        for client in self._in_order(role):
            if not client.bit & eligible:
                continue
            view = self._view(client, agent, whole)
            if view is None:
                useless |= client.bit
                continue
            offer = view
            if is_bounded:
                offer = self._within_quota(role, view)
                if offer is not view and not self._is_wanted(client, agent, offer):
                    continue
            self._offer(client, agent, offer)
            if role.has_quota:
                quotas.consume(role, offer.plain)
            if quotas.required:
                debit(quotas.available, offer.plain)
            whole = agent.available.for_role(role.path)
            if whole.is_empty:
                useless |= role.active_bits
                break
        if useless:
            agent.block(useless)

    def _within_quota(self, role: Role, view: Bundle) -> Bundle:
        """The view, its quota part cut to the role's limits and to what no guarantee needs."""
        quotas = self._quotas
        fits = True
        if role.limits:
            left = limits_minus(role.limits, quotas.consumed.get(role.path, {}))
            fits = within_limits(view.plain, left)
        if quotas.required:
            fits = fits and within_quantities(view.plain, quotas.surplus())
        if fits:
            return view
        extra = view.quota_part
        units = view.plain
        if role.limits:
            extra = shrink_to_limits(extra, units, left, self._rng)
            units = Bundle(extra).units
        if quotas.required:
            extra = shrink_to_quantities(extra, units, quotas.surplus(), self._rng)
        if not view.is_uniform:
            self._may_vary = True
        return Bundle(view.other_part + extra)

    # --- common to both ---

    @staticmethod
    def _in_order(role: Role) -> Iterator[Client]:
        if len(role.clients) == 1:
            return iter(role.clients.values())
        assert role.sorter is not None
        role.sorter.settle()
        return role.sorter.clients()

    def _view(self, client: Client, agent: Agent, whole: Bundle) -> Bundle | None:
        """What of the resources the client may be offered; None if nothing (and nothing of less, either)."""
        framework = client.framework
        constraints = framework.options.constraints
        if constraints is not None and constraints.excludes(client.role.path, agent.options):
            return None
        if agent.is_special and not (
            framework.can_use(agent, self._options.domain, filter_gpus=self._options.filter_gpu_resources)
            and framework.understands(agent, client.role.path)
        ):
            return None
        if not whole.admitted(client.minimum):
            return None
        view = whole.stripped(framework.lacking)
        return view if self._is_wanted(client, agent, view) else None

    @staticmethod
    def _is_wanted(client: Client, agent: Agent, offer: Bundle) -> bool:
        """Whether the offer is large enough for the client, and not what it has refused."""
        if not offer.admitted(client.minimum):
            return False
        filters = client.filters.get(agent)
        return filters is None or not any(refusal.covers(offer.resources) for refusal in filters)

    def _offer(self, client: Client, agent: Agent, offer: Bundle) -> None:
        offer = offer.ordered
        agent.take(offer)
        self._ledger.charge(client, agent, offer)
        by_agent = self._offers.setdefault(client.framework.id, {}).setdefault(client.role.path, {})
        before = by_agent.get(agent.id)
        by_agent[agent.id] = offer.resources if before is None else before + offer.resources
