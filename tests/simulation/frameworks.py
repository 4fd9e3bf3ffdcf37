"""A small batch framework that is right, and the same with one fault planted in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymesoskit import OutcomeUnknown
from pymesoskit.scheduler import Scheduler, SchedulerDriver, command_task, framework_info
from pymesoskit.scheduler.driver import Acknowledgement
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from pymesoskit.testing.simulation import Life, World

INFO = framework_info("batch", user="nobody", failover_timeout=86_400)

OVER = frozenset(
    {
        mesos.TASK_FAILED,
        mesos.TASK_KILLED,
        mesos.TASK_ERROR,
        mesos.TASK_LOST,
        mesos.TASK_DROPPED,
        mesos.TASK_GONE,
        mesos.TASK_GONE_BY_OPERATOR,
        mesos.TASK_UNKNOWN,
        mesos.TASK_UNREACHABLE,
    }
)


class Batch(Scheduler):
    """Runs each piece of work until it has finished once. Everything it must not forget is in ``disk``.

    ``disk["work"]`` maps each piece to its state: the number of the attempt, the id of its task ("" if none), done.
    """

    faults: frozenset[str] = frozenset()

    def __init__(self, disk: dict[str, Any], pieces: int, faults: frozenset[str] = frozenset()) -> None:
        self.faults = faults
        self.work: dict[str, dict[str, Any]] = disk.setdefault(
            "work", {f"w{number}": {"attempt": 0, "task": "", "done": False} for number in range(pieces)}
        )

    def subscribed(self, driver: Any, subscribed: Any) -> None:
        if "forgets reconciliation" not in self.faults:
            self.reconcile(driver)

    def reconcile(self, driver: Any) -> None:
        open_tasks = [piece["task"] for piece in self.work.values() if piece["task"] and not piece["done"]]
        if open_tasks and driver.subscribed:
            driver.reconcile(open_tasks)
        driver.call_later(120, self.reconcile, driver)

    def offers(self, driver: Any, offers: Any) -> None:
        for offer in offers:
            waiting = [name for name, piece in self.work.items() if not piece["done"] and not piece["task"]]
            if not waiting:
                if "holds offers" not in self.faults:
                    driver.decline(offer, 30)
                continue
            piece = self.work[waiting[0]]
            piece["attempt"] += 1
            piece["task"] = f"{waiting[0]}.{piece['attempt']}"  # stored before the call leaves
            driver.launch(offer, [command_task("true", "cpus:1;mem:32", offer, name=waiting[0], task_id=piece["task"])])

    def update(self, driver: Any, status: Any) -> None:
        if "acknowledges first" in self.faults and status.uuid:
            driver.acknowledge(status)
        name = status.task_id.value.rpartition(".")[0]
        piece = self.work[name]
        if status.state == mesos.TASK_FINISHED:
            piece["done"] = True  # whichever attempt it was: an unreachable one can finish after all
        elif status.task_id.value == piece["task"] and status.state in OVER:
            piece["task"] = ""

    def call_failed(self, driver: Any, call: str, error: Any) -> None:
        if call != "ACCEPT":
            return
        for operation in error.request.accept.operations:
            for task in operation.launch.task_infos:
                piece = self.work[task.name]
                unknown = isinstance(error, OutcomeUnknown)
                if piece["task"] == task.task_id.value and (not unknown or "launches twice" in self.faults):
                    piece["task"] = ""


def world_of(pieces: int = 6, *faults: str, masters: int = 1) -> Any:
    """Returns a function that builds a world with this framework."""

    def build(world: World) -> None:
        def make(life: Life) -> SchedulerDriver:
            store = None if "registers anew" in faults else life.ids
            return SchedulerDriver(
                Batch(life.disk, pieces, frozenset(faults)),
                INFO,
                world.cluster.addresses,
                transport=life.transport,
                store=store,
                acknowledgement=Acknowledgement.AUTOMATIC,
            )

        world.start_cluster(3, masters=masters, simulated=world.draw({"finishes": 8, "fails": 2}, after=(0, 60)))
        world.framework("batch", make)

    return build


def done(world: World) -> bool:
    """Whether all work is done."""
    return all(piece["done"] for piece in world.frameworks["batch"].disk.get("work", {"": {"done": False}}).values())
