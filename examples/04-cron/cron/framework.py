"""The framework: launches what the book says is to run, and writes down what becomes of it.

All decisions are in the book (`book.py`), all I/O is the driver's; this class only translates. Handlers run in the
driver's thread, the ticker in one of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from pymesoskit import (
    MesosError,
    NotSubscribed,
    OfferPool,
    Scheduler,
    SchedulerDriver,
    command_task,
    is_terminal,
    mesos,
    state_name,
)
from pymesoskit.scheduler import NEVER_RAN_STATES
from pymesoskit.wire.v1 import scheduler

from .book import Book
from .model import Job, Run, RunState

log = logging.getLogger("cron")

#: The ticker wakes up at least so often (seconds).
LONGEST_NAP = 5.0


class Cron(Scheduler):
    """See the module."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self._driver: SchedulerDriver | None = None
        self._wake = threading.Event()
        self._over = threading.Event()
        self._suppressed = False
        self._ticker = threading.Thread(target=self._tick, name="cron-ticker", daemon=True)

    # For the REST API: any thread

    def changed(self) -> None:
        """The book has changed: look at it again."""
        self._wake.set()

    def kill(self, runs: Sequence[Run]) -> None:
        """Ends the tasks of these runs. Those that cannot be told now are reconciled, and killed, on the next
        subscription.
        """
        driver = self._driver
        for run in runs:
            if driver is not None:
                try:
                    driver.kill(run.id, run.agent_id)
                except NotSubscribed:
                    log.info("cannot kill %s now", run.id)

    # The ticker

    def _tick(self) -> None:
        while not self._over.is_set():
            self._wake.clear()
            for run in self.book.enter_due(time.time()):
                log.info("%s is due", run.id)
            self._ask_for_offers()
            due = self.book.next_due()
            nap = LONGEST_NAP if due is None else min(LONGEST_NAP, max(0.0, due - time.time()))
            self._wake.wait(nap)

    def _ask_for_offers(self) -> None:
        """Offers are wanted while something waits, and only then: others can use what is not."""
        driver = self._driver
        if driver is None:
            return
        waiting = bool(self.book.open_runs(RunState.WAITING))
        try:
            if waiting and self._suppressed:
                driver.revive()
                self._suppressed = False
            elif not waiting and not self._suppressed:
                driver.suppress()
                self._suppressed = True
        except NotSubscribed:
            pass  # `subscribed` starts from nothing

    # Events

    def subscribed(self, driver: SchedulerDriver, subscribed: scheduler.Event.Subscribed) -> None:
        log.info("subscribed as %s", subscribed.framework_id.value)
        self._driver, self._suppressed = driver, False
        launched = self.book.open_runs(RunState.INTENDED, RunState.RUNNING)
        if launched:
            driver.reconcile([(run.id, run.agent_id) for run, _ in launched])
        driver.reconcile()  # and what the master knows of besides: tasks of jobs that were removed meanwhile
        if not self._ticker.is_alive():
            self._ticker.start()
        self._wake.set()

    def disconnected(self, driver: SchedulerDriver, reason: MesosError) -> None:
        log.warning("disconnected: %s", reason)
        self._driver = None

    def stopped(self, driver: SchedulerDriver, error: MesosError | None) -> None:
        self._over.set()
        self._wake.set()
        if self._ticker.is_alive():
            self._ticker.join()

    def offers(self, driver: SchedulerDriver, offers: Sequence[mesos.Offer]) -> None:
        waiting = self.book.open_runs(RunState.WAITING)
        for offer in offers:
            pool = OfferPool(offer)
            chosen: list[tuple[Run, mesos.TaskInfo]] = []
            for run, job in waiting:
                resources = pool.take(wanted(job))
                if resources is not None:
                    chosen.append((run, task(run, job, resources, offer)))
            if not chosen:
                driver.decline(offer)
                continue
            waiting = [(run, job) for run, job in waiting if all(run.id != taken.id for taken, _ in chosen)]
            # The book first: should this process die now, the next one will ask the master what became of them.
            self.book.intend([run for run, _ in chosen], offer.agent_id.value)
            driver.launch(offer, [info for _, info in chosen])
        self._wake.set()

    def update(self, driver: SchedulerDriver, status: mesos.TaskStatus) -> None:
        run_id, now = status.task_id.value, time.time()
        log.info("%s %s %s", run_id, state_name(status), status.message)
        if status.state == mesos.TASK_FINISHED:
            for child in self.book.finished(run_id, now):
                log.info("%s may run now", child.id)
        elif status.state == mesos.TASK_UNREACHABLE or is_terminal(status):
            launched = status.state not in NEVER_RAN_STATES and status.state != mesos.TASK_GONE
            again = self.book.failed(run_id, f"{state_name(status)} {status.message}".strip(), now, launched)
            if again is not None:
                log.info("%s failed; next attempt: %s", run_id, again.id)
        elif status.state == mesos.TASK_UNKNOWN:
            # The master does not know its agent: if the launch ever arrived, its agent is gone for good.
            self.book.failed(run_id, "TASK_UNKNOWN", now, launched=False)
        elif status.state == mesos.TASK_RUNNING and not self.book.started(run_id, now):
            driver.kill(run_id, status.agent_id.value)  # of a job that is gone, or given up for lost
        self._wake.set()

    def call_failed(self, driver: SchedulerDriver, call: str, error: MesosError) -> None:
        log.warning("%s", error)
        if call == "ACCEPT":  # whether the tasks were launched is not known: the master is asked
            self.reconcile(driver)

    def reconcile(self, driver: SchedulerDriver) -> None:
        """Asks what became of the launches that have not been heard of."""
        unheard = self.book.open_runs(RunState.INTENDED)
        if unheard:
            driver.reconcile([(run.id, run.agent_id) for run, _ in unheard])


def wanted(job: Job) -> str:
    disk = f";disk:{job.disk}" if job.disk else ""
    return f"cpus:{job.cpus};mem:{job.mem}{disk}"


def task(run: Run, job: Job, resources: list[mesos.Resource], offer: mesos.Offer) -> mesos.TaskInfo:
    environment = {
        "CHRONOS_JOB_NAME": job.name,
        "CHRONOS_JOB_OWNER": job.owner,
        "CHRONOS_JOB_RUN_ATTEMPT": str(run.attempt),
        "CHRONOS_JOB_RUN_TIME": str(int(run.due * 1000)),
    }
    return command_task(
        job.command, resources, offer, task_id=run.id, name=f"ChronosTask:{job.name}", environment=environment
    )
