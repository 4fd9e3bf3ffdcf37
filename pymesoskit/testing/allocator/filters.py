"""Filters of refused offers and inverse offers, and when they end (docs/reference/allocator.md, sections 6 and 8).

There may be a million filters (agents × frameworks), so all that end at one moment share one entry of one heap with one
timer.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, TypeAlias

from pymesoskit.testing.allocator.state import InverseFilter, OfferFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pymesoskit.resources import Resources
    from pymesoskit.testing.allocator.schedule import RunSchedule
    from pymesoskit.testing.allocator.state import Agent, Client, Framework
    from pymesoskit.testing.runtime.clock import Clock, Timer

DEFAULT_REFUSE_SECONDS = 5.0
MAX_REFUSE_SECONDS = 365 * 24 * 3600.0

_MANY_DEAD = 1024
_BEFORE_ALL_ROUNDS = -1


def filter_seconds(refuse_seconds: float) -> float:
    """How long a filter lasts, in seconds.

    What is negative or no number counts as 5, too much as 365 days; 0 is no filter.
    """
    if refuse_seconds > MAX_REFUSE_SECONDS:
        return MAX_REFUSE_SECONDS
    if math.isnan(refuse_seconds) or refuse_seconds < 0:
        return DEFAULT_REFUSE_SECONDS
    return refuse_seconds


Filter: TypeAlias = OfferFilter | InverseFilter


class Expiries:
    """Calls back when a live filter ends.

    A filter may end at the very moment of a periodic run. As in Mesos, where both are timers followed by one dispatch,
    the one whose timer was set first comes first: a filter that was there before the schedule set out for this run ends
    before the run; a younger one (``refuse_seconds`` equal to the allocation interval) ends after it. Filters of
    inverse offers lack the dispatch and always end before the run.
    """

    def __init__(self, clock: Clock, expire: Callable[[Filter], None], schedule: RunSchedule) -> None:
        self._clock = clock
        self._expire = expire
        self._schedule = schedule
        self._moments: list[float] = []
        self._at: dict[float, list[tuple[int, Filter]]] = {}  # with the round in which each was added
        self._count = 0
        self._dead = 0
        self._timer: Timer | None = None
        self._armed_for = math.inf
        self._is_stopped = False

    def add(self, seconds: float, ending: Filter) -> None:
        """The filter ends after that many seconds."""
        if self._is_stopped:
            return
        self._count += 1
        moment = self._clock.monotonic() + seconds
        entry = (self._schedule.rounds if isinstance(ending, OfferFilter) else _BEFORE_ALL_ROUNDS, ending)
        endings = self._at.get(moment)
        if endings is None:
            self._at[moment] = [entry]
            heapq.heappush(self._moments, moment)
            if moment < self._armed_for:
                self._arm()
        else:
            endings.append(entry)

    def discard(self, ending: Filter) -> None:
        """The filter has ended early."""
        ending.is_live = False
        self._dead += 1
        if self._dead > _MANY_DEAD and self._dead * 2 > self._count:
            self._sweep()

    def _sweep(self) -> None:
        # Filters may last for a year: those that were revived must not stay in memory for so long.
        for moment, endings in list(self._at.items()):
            endings[:] = [entry for entry in endings if entry[1].is_live]
            if not endings:
                del self._at[moment]
        self._moments = sorted(self._at)
        self._count = sum(map(len, self._at.values()))
        self._dead = 0
        if self._armed_for not in self._at:
            self._arm()

    def stop(self) -> None:
        """Nothing ends any more."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
        self._moments.clear()
        self._at.clear()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed_for = math.inf
        if self._moments:
            self._armed_for = self._moments[0]
            self._timer = self._clock.call_later(self._armed_for - self._clock.monotonic(), self._due)

    def _due(self) -> None:
        now, rounds = self._clock.monotonic(), self._schedule.rounds
        while self._moments and self._moments[0] <= now:
            moment = heapq.heappop(self._moments)
            younger = []
            for entry in self._at.pop(moment):
                if entry[0] < rounds:
                    self._end(entry[1])
                else:
                    younger.append(entry)
            if younger:
                self._at[moment] = younger
                heapq.heappush(self._moments, moment)
                self._wait_for_run()
                return
        self._arm()

    def _wait_for_run(self) -> None:
        # The turn that follows comes after all timers of this moment: a periodic run of this moment is pending by then.
        self._timer = self._clock.call_later(0, self._end_younger)

    def _end_younger(self) -> None:
        if self._schedule.is_pending:
            self._wait_for_run()
            return
        now = self._clock.monotonic()
        while self._moments and self._moments[0] <= now:
            for _, ending in self._at.pop(heapq.heappop(self._moments)):
                self._end(ending)
        self._arm()

    def _end(self, ending: Filter) -> None:
        self._count -= 1
        if ending.is_live:
            ending.is_live = False
            self._expire(ending)
        else:
            self._dead -= 1


class OfferFilters:
    """Keeps the filters of frameworks, and with each agent who refused what (`Agent.refusals`).

    A framework's filters for a role outlive its client there: they count again when it comes back to the role.
    """

    def __init__(self, expiries: Expiries) -> None:
        self._expiries = expiries

    def add(self, framework: Framework, role: str, agent: Agent, refused: Resources, seconds: float) -> None:
        """The framework refuses these resources for that long."""
        refusal = OfferFilter(framework, role, agent, refused)
        by_agent = framework.filters_for(role)
        by_agent[agent] = (*by_agent.get(agent, ()), refusal)
        client = framework.clients.get(role)
        if client is not None:
            agent.refuse(refused, client.bit)
        self._expiries.add(seconds, refusal)

    def end(self, ended: OfferFilter) -> None:
        """The filter's time is over."""
        by_agent = ended.framework.filters_for(ended.role)
        left = tuple(refusal for refusal in by_agent.get(ended.agent, ()) if refusal is not ended)
        if left:
            by_agent[ended.agent] = left
        else:
            by_agent.pop(ended.agent, None)
        client = ended.framework.clients.get(ended.role)
        if client is not None and all(refusal.refused != ended.refused for refusal in left):
            _strike(client, ended.agent, ended.refused)

    def forget(self, framework: Framework, role: str) -> None:
        """The framework's filters for a role no longer count."""
        by_agent = framework.filters_for(role)
        client = framework.clients.get(role)
        if client is not None:
            unlist_refusals(client)
        for refusals in by_agent.values():
            for refusal in refusals:
                self._expiries.discard(refusal)
        by_agent.clear()

    def forget_agent(self, agent: Agent, frameworks: Iterable[Framework]) -> None:
        """All filters for an agent no longer count."""
        for framework in frameworks:
            for by_agent in framework.filters.values():
                for refusal in by_agent.pop(agent, ()):
                    self._expiries.discard(refusal)
        agent.refusals.clear()


def list_refusals(client: Client) -> None:
    """The client is new: its agents learn what was refused before."""
    for agent, refusals in client.filters.items():
        for refusal in refusals:
            agent.refuse(refusal.refused, client.bit)


def unlist_refusals(client: Client) -> None:
    """The client (or all its filters) will be gone."""
    for agent, refusals in client.filters.items():
        for refusal in refusals:
            _strike(client, agent, refusal.refused)


def _strike(client: Client, agent: Agent, refused: Resources) -> None:
    bits = agent.refusals.get(refused, 0) & ~client.bit
    if bits:
        agent.refusals[refused] = bits
    else:
        agent.refusals.pop(refused, None)
