"""Entries of the journal as lines: who said what to whom, with short names, and what became of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from pymesoskit.testing.runtime.journal import Way
from pymesoskit.testing.story.names import Names
from pymesoskit.wire.v1 import executor, mesos, scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pymesoskit.testing.runtime.journal import Entry

#: What people do not want to read about unless they ask.
QUIET = frozenset({"HEARTBEAT", "PingAgent", "PongAgent", "UpdateSlave"})

#: What the fates are called in a line.
_FATES = {
    "drop": "LOST",
    "duplicate": "TWICE",
    "cut": "LOST (connection cut)",
    "lose-reply": "ITS REPLY WILL BE LOST",
    "cut-within": "CUT IN THE MIDDLE",
}


class StoryTeller:
    """Writes lines about the entries of one journal; it remembers the short names."""

    def __init__(self) -> None:
        self._names = Names()
        self._start: float | None = None

    def lines(self, entries: Iterable[Entry], *, notes: bool = True, all_kinds: bool = False) -> Iterator[str]:
        """Yields a line for each entry that is worth one, in order.

        ``notes`` are what members say about themselves; ``all_kinds`` includes pings and heartbeats.
        """
        for entry in entries:
            if self._start is None:
                self._start = entry.time
            if entry.way is Way.NOTE:
                if notes:
                    yield f"{entry.time - self._start:9.3f}  {entry.sender}: {entry.message}"
            elif entry.way is Way.REPLY and _is_dull(entry):
                self.what(entry)
            elif all_kinds or entry.kind not in QUIET:
                yield self.line(entry)

    def line(self, entry: Entry) -> str:
        """Returns the line of one entry."""
        if self._start is None:
            self._start = entry.time
        fate = _fate(entry)
        return f"{entry.time - self._start:9.3f}  {entry.sender} → {entry.to}  {self.what(entry)}{fate}"

    def what(self, entry: Entry) -> str:
        """Returns what passes, in words."""
        message = entry.message
        if entry.way is Way.REPLY:
            return f"{entry.kind} to {entry.about.kind}" if entry.about is not None else entry.kind
        details: Callable[[Names, Any], str] | None = None
        if isinstance(message, scheduler.Call):
            details = _CALLS.get(entry.kind)
        elif isinstance(message, scheduler.Event):
            details = _EVENTS.get(entry.kind)
        elif isinstance(message, executor.Call) and entry.kind == "UPDATE":
            details = lambda names, call: _status(names, call.update.status)  # noqa: E731
        elif message is not None and entry.way is Way.MESSAGE:
            details = _network
        text = details(self._names, message) if details is not None else ""
        return f"{entry.kind} {text}".rstrip()


def _is_dull(entry: Entry) -> bool:
    return entry.kind in {"200", "202"} and entry.fate.name == "deliver"


def _fate(entry: Entry) -> str:
    fate = entry.fate
    name = _FATES.get(fate.name, "")
    if entry.way is Way.REPLY and fate.name == "lose-reply":
        name = _FATES["cut"]
    late = f"{fate.delay:.3f} s late" if fate.delay >= 0.0005 else ""
    held = "held" if any(not gate.is_open for gate in fate.gates) else ""
    parts = [part for part in (name, held, late) if part]
    return f"   {', '.join(parts)}" if parts else ""


# Calls


def _subscribe(_: Names, call: scheduler.Call) -> str:
    info = call.subscribe.framework_info
    return f"as {info.name}" + (" with its id" if info.id.value else " without an id")


def _accept(names: Names, call: scheduler.Call) -> str:
    offers = " ".join(names.offer(offer.value) for offer in call.accept.offer_ids)
    done: list[str] = []
    for operation in call.accept.operations:
        tasks: list[mesos.TaskInfo] = []
        if operation.type == mesos.Offer.Operation.LAUNCH:
            tasks = list(operation.launch.task_infos)
        elif operation.type == mesos.Offer.Operation.LAUNCH_GROUP:
            tasks = list(operation.launch_group.task_group.tasks)
        name = mesos.Offer.Operation.Type.Name(operation.type).lower().replace("_", " ")
        done.append(f"{name} {_some([task.task_id.value for task in tasks])}".rstrip())
    return f"{offers}: {'; '.join(done) or 'nothing'}"


def _some(texts: list[str], limit: int = 6) -> str:
    more = f" and {len(texts) - limit} more" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + more


def _offers(names: Names, event: scheduler.Event) -> str:
    return _some(
        [f"{names.offer(offer.id.value)} on {names.agent(offer.agent_id.value)}" for offer in event.offers.offers]
    )


def _status(_: Names, status: mesos.TaskStatus) -> str:
    reason = mesos.TaskStatus.Reason.Name(status.reason) if status.HasField("reason") else ""
    said = f": {status.message}" if status.message else ""
    state = mesos.TaskState.Name(status.state)
    return f"{status.task_id.value} {state}{said}{f' ({reason})' if reason else ''}"


_CALLS: dict[str, Callable[[Names, Any], str]] = {
    "SUBSCRIBE": _subscribe,
    "ACCEPT": _accept,
    "DECLINE": lambda names, call: (
        _some([names.offer(offer.value) for offer in call.decline.offer_ids])
        + (f" for {call.decline.filters.refuse_seconds:g} s" if call.decline.HasField("filters") else "")
    ),
    "KILL": lambda _, call: call.kill.task_id.value,
    "ACKNOWLEDGE": lambda _, call: call.acknowledge.task_id.value,
    "RECONCILE": lambda _, call: _some([task.task_id.value for task in call.reconcile.tasks]) or "all",
    "SUPPRESS": lambda _, call: _some(list(call.suppress.roles)),
    "REVIVE": lambda _, call: _some(list(call.revive.roles)),
}

_EVENTS: dict[str, Callable[[Names, Any], str]] = {
    "OFFERS": _offers,
    "RESCIND": lambda names, event: names.offer(event.rescind.offer_id.value),
    "UPDATE": lambda names, event: _status(names, event.update.status),
    "FAILURE": lambda names, event: (
        f"of executor {event.failure.executor_id.value} on {names.agent(event.failure.agent_id.value)}"
        if event.failure.HasField("executor_id")
        else f"of {names.agent(event.failure.agent_id.value)}"
    ),
    "ERROR": lambda _, event: event.error.message,
}


def _network(names: Names, message: Any) -> str:
    """What a message between master and agent is about, as far as its fields say."""
    status = getattr(message, "status", None)
    if isinstance(status, mesos.TaskStatus):
        return _status(names, status)
    task = getattr(message, "task", None)
    if isinstance(task, mesos.TaskInfo):
        return task.task_id.value
    task_id = getattr(message, "task_id", None)
    if isinstance(task_id, str):
        return task_id
    return str(task_id.value) if isinstance(task_id, mesos.TaskID) else ""


def counted(entries: Iterable[Entry]) -> str:
    """Returns how many entries of each kind there were, the most frequent first."""
    counts = Counter(entry.kind for entry in entries if entry.way is not Way.NOTE)
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
