"""Each check finds the histories that break its rule, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit import Scheduler, SchedulerDriver, command_task, framework_info
from pymesoskit.testing import SimulatedCluster
from pymesoskit.testing.checkers import (
    Check,
    Invalid,
    Unknown,
    Valid,
    Verdict,
    acknowledged_after,
    checking,
    each_once,
    no_task_lost,
    reconciled_after_subscription,
    sometimes,
)
from pymesoskit.testing.checkers.base import RuleBroken
from pymesoskit.testing.engine.machine.simulated import Outcome
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from pymesoskit.testing.runtime.journal import Entry

INFO = framework_info("one", user="nobody", failover_timeout=3600)


class Launches(Scheduler):
    """Launches these tasks, one for each offer, and reconciles after each subscription if told so."""

    def __init__(self, *tasks: tuple[str, str], reconciles: bool = False) -> None:
        self.tasks = list(tasks)
        self.reconciles = reconciles
        self.launched: list[str] = []

    def subscribed(self, driver: Any, subscribed: Any) -> None:
        if self.reconciles and self.launched:
            driver.reconcile(self.launched)

    def offers(self, driver: Any, offers: Any) -> None:
        for offer in offers:
            if not self.tasks:
                driver.decline(offer, 60)
                continue
            name, task_id = self.tasks.pop(0)
            self.launched.append(task_id)
            driver.launch(offer, [command_task("true", "cpus:1;mem:32", offer, name=name, task_id=task_id)])


def verdict(check: Check, scheduler: Scheduler, outcome: Outcome, *, loses_connection: bool = False) -> Verdict:
    with SimulatedCluster(2, simulated={"*": outcome}) as cluster:
        try:
            with checking(cluster, check) as watching:
                SchedulerDriver(scheduler, INFO, cluster.address, transport=cluster.transport).start()
                cluster.advance(60)
                if loses_connection:
                    cluster.faults.reset_connections(cluster.master)
                cluster.advance(300)
                cluster.check_drivers()
        except RuleBroken as error:
            assert str(error).startswith(check.name)  # noqa: PT017
        return watching.checks[0].verdict


def test_tasks_that_never_end_are_lost() -> None:
    found = verdict(no_task_lost(), Launches(("a", "a.1")), Outcome.runs())
    assert isinstance(found, Invalid)
    assert found.why == "1 tasks were launched and never ended: a.1"
    assert verdict(no_task_lost(), Launches(("a", "a.1")), Outcome.finishes(5)) == Valid()


def test_a_framework_with_open_tasks_must_reconcile() -> None:
    check = reconciled_after_subscription(60)
    found = verdict(check, Launches(("a", "a.1")), Outcome.runs(), loses_connection=True)
    assert isinstance(found, Invalid)
    assert "one subscribed with 1 tasks whose end it does not know" in found.why
    reconciles = Launches(("a", "a.1"), reconciles=True)
    assert verdict(check, reconciles, Outcome.runs(), loses_connection=True) == Valid()
    assert verdict(check, Launches(("a", "a.1")), Outcome.finishes(1), loses_connection=True) == Valid()


def test_updates_must_be_stored_before_they_are_acknowledged() -> None:
    def stored(framework: str, status: mesos.TaskStatus) -> bool:
        assert framework == "one"
        return status.state != mesos.TASK_FINISHED

    found = verdict(acknowledged_after(stored), Launches(("a", "a.1")), Outcome.finishes(5))
    assert isinstance(found, Invalid)
    assert found.why == "one acknowledged TASK_FINISHED of a.1 before it had stored it"
    assert verdict(acknowledged_after(lambda _, __: True), Launches(("a", "a.1")), Outcome.finishes(5)) == Valid()


def test_the_same_work_must_not_run_twice_at_once_or_after_it_has_finished() -> None:
    at_once = verdict(each_once("name"), Launches(("a", "a.1"), ("a", "a.2")), Outcome.runs())
    assert isinstance(at_once, Invalid)
    assert at_once.why == "a was launched as a.2 while a.1 was alive"
    assert verdict(each_once("id"), Launches(("a", "a.1"), ("a", "a.2")), Outcome.runs()) == Valid()
    assert (
        verdict(each_once(lambda task: task.task_id.value), Launches(("a", "1"), ("a", "2")), Outcome.runs()) == Valid()
    )


class Again(Launches):
    """Launches the same work again when its task has ended."""

    def update(self, driver: Any, status: Any) -> None:
        if status.state in {mesos.TASK_FINISHED, mesos.TASK_FAILED} and len(self.launched) == 1:
            self.tasks.append(("a", "a.2"))


def test_work_may_run_again_after_it_has_failed_but_not_after_it_has_finished() -> None:
    finished = verdict(each_once("name"), Again(("a", "a.1")), Outcome.finishes(5))
    assert isinstance(finished, Invalid)
    assert finished.why == "a was launched again, as a.2, after it had finished"
    assert verdict(each_once("name"), Again(("a", "a.1")), Outcome.fails(5)) == Valid()


def test_what_is_never_seen_is_unknown() -> None:
    def is_kill(entry: Entry) -> bool:
        return entry.kind == "KILL"

    assert verdict(sometimes("a kill", is_kill), Launches(), Outcome()) == Unknown("never seen: a kill")
    assert (
        verdict(sometimes("a subscription", lambda entry: entry.kind == "SUBSCRIBE"), Launches(), Outcome()) == Valid()
    )


def test_work_is_named_or_a_function() -> None:
    with pytest.raises(ValueError, match="work must be 'name', 'id' or a function of a task, not 'task'"):
        each_once("task")
