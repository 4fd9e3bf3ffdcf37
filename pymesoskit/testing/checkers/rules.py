"""The rules that hold for every framework. Each has a function that makes its check."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from pymesoskit.testing.checkers.base import Check, Unknown, Valid
from pymesoskit.testing.runtime.journal import Way
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymesoskit.testing.runtime.journal import Entry

Operation = mesos.Offer.Operation

#: States in which a task is over for good. Source: docs/reference/scheduler-api.md, states of tasks.
TERMINAL = frozenset(
    {
        mesos.TASK_FINISHED,
        mesos.TASK_FAILED,
        mesos.TASK_KILLED,
        mesos.TASK_ERROR,
        mesos.TASK_LOST,
        mesos.TASK_DROPPED,
        mesos.TASK_GONE,
        mesos.TASK_GONE_BY_OPERATOR,
        mesos.TASK_UNKNOWN,
    }
)

#: After these a framework may start the same work again, or knows that it is done.
_MAY_RUN_AGAIN = TERMINAL | {mesos.TASK_UNREACHABLE}

#: Fates with which an entry does not arrive.
_UNHEARD = frozenset({"drop", "cut", "cut-within"})


def arrives(entry: Entry) -> bool:
    """Returns whether the entry reaches the other side."""
    return entry.fate.name not in _UNHEARD


def launched(entry: Entry) -> Iterator[mesos.TaskInfo]:
    """Yields the tasks that an ACCEPT launches."""
    call = entry.message
    if entry.way is not Way.CALL or entry.kind != "ACCEPT" or not isinstance(call, scheduler.Call):
        return
    for operation in call.accept.operations:
        if operation.type == Operation.LAUNCH:
            yield from operation.launch.task_infos
        elif operation.type == Operation.LAUNCH_GROUP:
            yield from operation.launch_group.task_group.tasks


def _update(entry: Entry) -> mesos.TaskStatus | None:
    """Returns the status that a framework is told."""
    if entry.way is Way.EVENT and entry.kind == "UPDATE" and isinstance(entry.message, scheduler.Event):
        status: mesos.TaskStatus = entry.message.update.status
        return status
    return None


class _EachOnce(Check):
    """No piece of work runs twice at the same time, or again after it has succeeded."""

    def __init__(self, work: Callable[[mesos.TaskInfo], str]) -> None:
        self.name = "each_once"
        super().__init__()
        self._work = work
        self._alive: dict[str, dict[str, Entry]] = defaultdict(dict)  # work -> task id -> its launch
        self._accepts: dict[str, int] = {}  # task id -> number of the entry of its ACCEPT
        self._finished: dict[bytes, str] = {}  # by the uuid of the update, until it is acknowledged
        self._done: dict[str, Entry] = {}
        self._work_of: dict[str, str] = {}

    def see(self, entry: Entry) -> None:
        if entry.kind in {"RunTask", "RunTaskGroup"}:
            if arrives(entry):
                for task in _tasks_of(entry.message):
                    self._launch(entry, task)
            return
        for task in launched(entry):
            self._accepts[task.task_id.value] = entry.number
        status = _update(entry)
        if status is not None and status.state in _MAY_RUN_AGAIN and arrives(entry):
            self._told(status)
        elif entry.way is Way.CALL and entry.kind == "ACKNOWLEDGE" and isinstance(entry.message, scheduler.Call):
            work = self._finished.pop(entry.message.acknowledge.uuid, None)
            if work is not None:
                self._done.setdefault(work, entry)

    def _launch(self, entry: Entry, task: mesos.TaskInfo) -> None:
        work = self._work(task)
        task_id = task.task_id.value
        self._work_of[task_id] = work
        alive = self._alive[work]
        if task_id in alive:
            return
        done = self._done.get(work)
        if done is not None and done.number < self._accepts.get(task_id, entry.number):
            self.break_rule(f"{work} was launched again, as {task_id}, after it had finished", done, entry)
        elif alive:
            others = ", ".join(alive)
            self.break_rule(f"{work} was launched as {task_id} while {others} was alive", *alive.values(), entry)
        alive[task_id] = entry

    def _told(self, status: mesos.TaskStatus) -> None:
        task_id = status.task_id.value
        work = self._work_of.get(task_id)
        if work is not None:
            self._alive[work].pop(task_id, None)
            if status.state == mesos.TASK_FINISHED and status.uuid:
                self._finished[status.uuid] = work


def _tasks_of(message: Any) -> tuple[mesos.TaskInfo, ...]:
    task = getattr(message, "task", None)
    return (task,) if isinstance(task, mesos.TaskInfo) else getattr(message, "tasks", ())


def each_once(work: str | Callable[[mesos.TaskInfo], str] = "name") -> Check:
    """No piece of work is launched twice at the same time, or again after it has finished.

    ``work`` says which piece of work a task does: "name" (the task's name), "id" (its id), or a function of the task.
    What agents are told to run counts: a launch that does not reach an agent does no work. Work may be launched again
    once the framework was told that its task has ended or is unreachable, but not after it has acknowledged
    TASK_FINISHED.
    """
    if work == "name":
        function: Callable[[mesos.TaskInfo], str] = _name
    elif work == "id":
        function = _id
    elif callable(work):
        function = work
    else:
        raise ValueError(f"work must be 'name', 'id' or a function of a task, not {work!r}")
    return _EachOnce(function)


def _name(task: mesos.TaskInfo) -> str:
    return task.name


def _id(task: mesos.TaskInfo) -> str:
    return task.task_id.value


class _NoTaskLost(Check):
    """The framework hears of the end of each task that it launched."""

    name = "no_task_lost"

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[tuple[str, str], Entry] = {}

    def see(self, entry: Entry) -> None:
        if arrives(entry):
            for task in launched(entry):
                self._open.setdefault((entry.sender, task.task_id.value), entry)
        status = _update(entry)
        if status is not None and status.state in TERMINAL and arrives(entry):
            self._open.pop((entry.to, status.task_id.value), None)

    def end(self, now: float) -> None:
        del now
        if self._open:
            tasks = ", ".join(task for _, task in list(self._open)[:6])
            self.break_rule(f"{len(self._open)} tasks were launched and never ended: {tasks}", *self._open.values())


def no_task_lost() -> Check:
    """The framework hears of the end of each task that it launched, before the run is over.

    It is meant for work that ends; services that run for ever break it.
    """
    return _NoTaskLost()


class _NoOfferHeld(Check):
    """Each offer is answered in time."""

    def __init__(self, seconds: float) -> None:
        self.name = "no_offer_held"
        super().__init__()
        self._limit = seconds
        self._held: dict[str, dict[str, Entry]] = defaultdict(dict)  # framework -> offer -> its event

    def see(self, entry: Entry) -> None:
        if entry.way is Way.EVENT and entry.kind == "OFFERS" and isinstance(entry.message, scheduler.Event):
            if arrives(entry):
                for offer in entry.message.offers.offers:
                    self._held[entry.to][offer.id.value] = entry
        elif entry.way is Way.EVENT and entry.kind == "SUBSCRIBED":
            self._held[entry.to].clear()  # a new subscription voids all offers
        elif entry.way is Way.EVENT and entry.kind == "RESCIND" and isinstance(entry.message, scheduler.Event):
            self._held[entry.to].pop(entry.message.rescind.offer_id.value, None)
        elif entry.way is Way.CALL and isinstance(entry.message, scheduler.Call):
            self._answered(entry)
        elif entry.way is Way.MESSAGE and entry.kind == "PingAgent":
            self._look(entry.time)

    def _answered(self, entry: Entry) -> None:
        held = self._held[entry.sender]
        if entry.kind in {"ACCEPT", "DECLINE"} and arrives(entry):
            call = entry.message.accept if entry.kind == "ACCEPT" else entry.message.decline
            for offer in call.offer_ids:
                held.pop(offer.value, None)
        elif entry.kind in {"TEARDOWN", "SUBSCRIBE"}:
            held.clear()
        self._look(entry.time)

    def _look(self, now: float) -> None:
        for framework, held in self._held.items():
            for event in held.values():
                if now - event.time > self._limit:
                    self.break_rule(
                        f"{framework} held an offer for more than {self._limit:g} s without an answer", event
                    )
                    return

    def end(self, now: float) -> None:
        self._look(now)


def no_offer_held(seconds: float) -> Check:
    """Each offer is accepted, declined, rescinded or voided by a new subscription within so many seconds."""
    return _NoOfferHeld(seconds)


class _OneFrameworkId(Check):
    """A framework keeps its id."""

    name = "one_framework_id"

    def __init__(self) -> None:
        super().__init__()
        self._ids: dict[str, list[tuple[str, Entry]]] = defaultdict(list)

    def see(self, entry: Entry) -> None:
        if entry.way is not Way.EVENT or entry.kind != "SUBSCRIBED" or not isinstance(entry.message, scheduler.Event):
            return
        given = entry.message.subscribed.framework_id.value
        for known, event in self._ids[entry.to]:
            if known != given and event.arrived:  # the framework knew its id
                self.break_rule(f"{entry.to} was {known} and subscribed as {given} later", event, entry)
        self._ids[entry.to].append((given, entry))


def one_framework_id() -> Check:
    """A framework that has been told its id subscribes with it for ever after, restarts included."""
    return _OneFrameworkId()


class _Reconciled(Check):
    """RECONCILE follows each new subscription of a framework that had tasks."""

    def __init__(self, seconds: float) -> None:
        self.name = "reconciled_after_subscription"
        super().__init__()
        self._limit = seconds
        self._tasks: dict[str, set[str]] = defaultdict(set)
        self._due: dict[str, Entry] = {}

    def see(self, entry: Entry) -> None:
        for task in launched(entry):
            self._tasks[entry.sender].add(task.task_id.value)
        status = _update(entry)
        if status is not None and status.state in TERMINAL and arrives(entry):
            self._tasks[entry.to].discard(status.task_id.value)
        if entry.way is Way.EVENT and entry.kind == "SUBSCRIBED" and arrives(entry) and self._tasks[entry.to]:
            self._due[entry.to] = entry
        elif entry.way is Way.CALL and entry.kind in {"RECONCILE", "SUBSCRIBE", "TEARDOWN"}:
            self._due.pop(entry.sender, None)
        self._look(entry.time)

    def _look(self, now: float) -> None:
        for framework, event in list(self._due.items()):
            if not self._tasks[framework]:
                del self._due[framework]
            elif now - event.time > self._limit:
                self.break_rule(
                    f"{framework} subscribed with {len(self._tasks[framework])} tasks whose end it does not know and "
                    f"did not reconcile within {self._limit:g} s",
                    event,
                )

    def end(self, now: float) -> None:
        self._look(now)


def reconciled_after_subscription(seconds: float = 60.0) -> Check:
    """A framework that launched tasks whose end it does not know reconciles within so many seconds of SUBSCRIBED.

    Source: docs/reference/scheduler-api.md, reconciliation.
    """
    return _Reconciled(seconds)


class _AcknowledgedAfter(Check):
    """An update is acknowledged only after the framework has stored it."""

    def __init__(self, stored: Callable[[str, mesos.TaskStatus], bool]) -> None:
        self.name = "acknowledged_after"
        super().__init__()
        self._stored = stored
        self._statuses: dict[bytes, mesos.TaskStatus] = {}

    def see(self, entry: Entry) -> None:
        status = _update(entry)
        if status is not None and status.uuid:
            self._statuses[status.uuid] = status
        elif entry.way is Way.CALL and entry.kind == "ACKNOWLEDGE" and isinstance(entry.message, scheduler.Call):
            known = self._statuses.get(entry.message.acknowledge.uuid)
            if known is not None and not self._stored(entry.sender, known):
                state = mesos.TaskState.Name(known.state)
                self.break_rule(
                    f"{entry.sender} acknowledged {state} of {known.task_id.value} before it had stored it", entry
                )


def acknowledged_after(stored: Callable[[str, mesos.TaskStatus], bool]) -> Check:
    """An update is acknowledged only once ``stored(framework, status)`` is true: what a crash forgets comes again."""
    return _AcknowledgedAfter(stored)


class _Sometimes(Check):
    """The interesting thing happens at least once."""

    def __init__(self, what: str, happens: Callable[[Entry], bool]) -> None:
        self.name = f"sometimes {what}"
        super().__init__()
        self._happens = happens
        self._seen = False
        self.verdict = Unknown(f"never seen: {what}")

    def see(self, entry: Entry) -> None:
        if not self._seen and self._happens(entry):
            self._seen = True
            self.verdict = Valid()


def sometimes(what: str, happens: Callable[[Entry], bool]) -> Check:
    """``happens(entry)`` is true at least once; else a run proves nothing about ``what`` (verdict ``Unknown``).

    ``simulate`` fails if no run has seen it.
    """
    return _Sometimes(what, happens)
