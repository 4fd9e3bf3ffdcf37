"""The journal: what passes is recorded, and what the judges decide happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit import OutcomeUnknown
from pymesoskit.scheduler import Scheduler, SchedulerDriver, command_task, framework_info
from pymesoskit.testing import Cluster, SimulatedCluster
from pymesoskit.testing.checkers import Check, Valid, checking, each_once, no_offer_held, no_task_lost, one_framework_id
from pymesoskit.testing.checkers.base import RuleBroken
from pymesoskit.testing.engine.machine.simulated import Outcome
from pymesoskit.testing.runtime.actor import SimulatedActor
from pymesoskit.testing.runtime.journal import Entry, Fate, Way
from pymesoskit.testing.runtime.lines import Gate, Line
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable

INFO = framework_info("batch", user="nobody", failover_timeout=3600)


class Batch(Scheduler):
    """Runs each piece of work once, unless it is told otherwise by ``again_when_unknown``."""

    def __init__(self, work: list[str], *, again_when_unknown: bool = False) -> None:
        self.work = list(work)
        self.again = again_when_unknown
        self.failed: list[tuple[str, type]] = []
        self.states: list[tuple[str, str]] = []
        self.lost: list[str] = []
        self.count = 0

    def offers(self, driver: Any, offers: Any) -> None:
        for offer in offers:
            if self.work:
                name = self.work.pop(0)
                self.count += 1
                task = command_task("true", "cpus:1;mem:10", offer, name=name, task_id=f"{name}.{self.count}")
                driver.launch(offer, [task])
            else:
                driver.decline(offer, 5)

    def update(self, driver: Any, status: Any) -> None:
        self.states.append((status.task_id.value, mesos.TaskState.Name(status.state)))

    def call_failed(self, driver: Any, call: str, error: Any) -> None:
        self.failed.append((call, type(error)))
        if call == "ACCEPT" and self.again:
            self.work += [
                task.name for operation in error.request.accept.operations for task in operation.launch.task_infos
            ]

    def disconnected(self, driver: Any, reason: Any) -> None:
        self.lost.append(str(reason))


def once(kind: str, fate: Fate, way: Way = Way.CALL) -> Callable[[Entry], Fate | None]:
    """A judge that decides about the first entry of a kind."""
    left = [fate]
    return lambda entry: left.pop() if left and entry.way is way and entry.kind == kind else None


def run(judge: Callable[[Entry], Fate | None], scheduler: Scheduler, *checks: Check, seconds: float = 300) -> list[str]:
    """Runs the framework under the judge and the checks; returns the conversation."""
    with SimulatedCluster(2, simulated={"*": Outcome.finishes(1)}) as cluster:
        cluster.journal.judge(judge)
        with checking(cluster, *checks):
            SchedulerDriver(scheduler, INFO, cluster.address, transport=cluster.transport).start()
            cluster.advance(seconds)
            cluster.check_drivers()
        return cluster.conversation(10_000).splitlines()


def test_everything_that_passes_is_recorded_with_who_says_what_to_whom() -> None:
    lines = run(lambda entry: None, Batch(["a"]), each_once("name"), no_task_lost(), one_framework_id())
    text = "\n".join(lines)
    for said in (
        "batch → master  SUBSCRIBE as batch without an id",
        "master → batch  OFFERS O0 on S0",
        "batch → master  ACCEPT O0: launch a.1",
        "master → agent 0  RunTask a.1",
        "master → batch  UPDATE a.1 TASK_FINISHED",
        "batch → master  ACKNOWLEDGE a.1",
    ):
        assert said in text, text


def test_a_cut_call_does_not_reach_the_master() -> None:
    scheduler = Batch(["a"])
    run(once("ACCEPT", Fate("cut")), scheduler)
    assert scheduler.failed == [("ACCEPT", OutcomeUnknown)]
    assert scheduler.states == []


def test_a_call_whose_reply_is_lost_has_been_carried_out() -> None:
    scheduler = Batch(["a"])
    lines = run(once("ACCEPT", Fate("lose-reply")), scheduler)
    assert scheduler.failed == [("ACCEPT", OutcomeUnknown)]
    assert ("a.1", "TASK_FINISHED") in scheduler.states
    assert any("202 to ACCEPT   LOST (connection cut)" in line for line in lines)


def test_calls_behind_a_cut_one_are_lost_with_it() -> None:
    scheduler = Batch(["a", "b"])  # one offer of each agent, in one event: two ACCEPTs behind each other
    run(once("ACCEPT", Fate("cut")), scheduler)
    assert [call for call, _ in scheduler.failed] == ["ACCEPT", "ACCEPT"]
    assert scheduler.states == []


@pytest.mark.parametrize("fate", ["cut", "cut-within"])
def test_an_update_whose_stream_is_cut_comes_again(fate: str) -> None:
    scheduler = Batch(["a"])
    run(once("UPDATE", Fate(fate), Way.EVENT), scheduler, no_task_lost(), one_framework_id())
    assert len(scheduler.lost) == 1
    assert ("a.1", "TASK_FINISHED") in scheduler.states


def test_a_silent_connection_is_given_up_after_missing_heartbeats() -> None:
    scheduler = Batch(["a"])
    run(once("UPDATE", Fate("drop"), Way.EVENT), scheduler, no_task_lost())
    assert len(scheduler.lost) == 1
    assert "heartbeat" in scheduler.lost[0] or "silen" in scheduler.lost[0] or "nothing" in scheduler.lost[0]


def test_a_doubled_update_arrives_twice() -> None:
    scheduler = Batch(["a"])
    run(once("UPDATE", Fate("duplicate"), Way.EVENT), scheduler)
    assert scheduler.states[:2] == [scheduler.states[0]] * 2


def test_what_is_late_keeps_its_order() -> None:
    scheduler = Batch(["a"])
    run(once("UPDATE", Fate(delay=30), Way.EVENT), scheduler)
    states = [state for _, state in scheduler.states]
    assert states.index("TASK_STARTING") < states.index("TASK_RUNNING") < states.index("TASK_FINISHED")


def test_what_is_held_arrives_when_the_gate_opens() -> None:
    gate = Gate()
    scheduler = Batch(["a"])
    with SimulatedCluster(1, simulated={"*": Outcome.finishes(1)}) as cluster:
        cluster.journal.judge(once("UPDATE", Fate(gates=(gate,)), Way.EVENT))
        SchedulerDriver(scheduler, INFO, cluster.address, transport=cluster.transport).start()
        cluster.advance(10)
        assert scheduler.states == []
        cluster.call(gate.open)
        assert ("a.1", "TASK_FINISHED") in scheduler.states


def test_a_framework_that_launches_twice_after_a_lost_reply_is_caught() -> None:
    with pytest.raises(RuleBroken, match=r"each_once: a was launched (as a\.2 while a\.1 was alive|again)"):
        run(once("ACCEPT", Fate("lose-reply")), Batch(["a"], again_when_unknown=True), each_once("name"))


def test_a_framework_that_holds_offers_is_caught() -> None:
    with pytest.raises(RuleBroken, match="no_offer_held: batch held an offer for more than 60 s"):
        run(lambda entry: None, Silent(), no_offer_held(60))


class Silent(Scheduler):
    """Answers no offer."""

    def offers(self, driver: Any, offers: Any) -> None:
        pass


def test_over_http_the_same_is_recorded_and_the_same_fates_happen() -> None:
    scheduler = Batch(["a"])
    with Cluster(1, simulated={"*": Outcome.finishes(0)}, master_flags={"allocation_interval": "50ms"}) as cluster:
        cluster.call(cluster.journal.judge, once("ACCEPT", Fate("lose-reply")))
        with checking(cluster, each_once("name")) as watching, SchedulerDriver(scheduler, INFO, cluster.address):
            cluster.wait_for_task("a.1", "TASK_FINISHED")
            cluster.wait_for(lambda: bool(scheduler.failed), "the call to fail")
        assert [check.verdict for check in watching.checks] == [Valid()]
        assert scheduler.failed == [("ACCEPT", OutcomeUnknown)]
        assert "202 to ACCEPT   LOST (connection cut)" in cluster.conversation(10_000)


def test_an_unknown_fate_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown fate 'lost', known are deliver, drop"):
        Fate("lost")


def test_items_of_a_line_never_overtake() -> None:
    actor = SimulatedActor()
    line, arrived = Line(actor.clock), []
    gate = Gate()
    line.carry(5, (), arrived.append, "late")
    line.carry(0, (gate,), arrived.append, "held")
    line.carry(1, (), arrived.append, "last")
    assert arrived == []
    actor.advance(5)
    assert arrived == ["late"]
    actor.advance(60)
    assert arrived == ["late"]
    gate.open()
    assert arrived == ["late", "held", "last"]
    line.carry(0, (), arrived.append, "at once")
    assert arrived[-1] == "at once"
