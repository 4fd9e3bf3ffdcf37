"""A cluster with one Docker task, for tests that kill it: ``program.py IMAGE NAME=VALUE…``, the agent's flags."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pymesoskit.scheduler import OfferPool, Scheduler, SchedulerDriver, command_task
from pymesoskit.testing.cluster.cluster import Cluster
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Sequence


class One(Scheduler):
    """Launches one task."""

    launched = False

    def offers(self, driver: SchedulerDriver, offers: Sequence[mesos.Offer]) -> None:
        for offer in offers:
            if self.launched:
                driver.decline(offer)
                continue
            self.launched = True
            task = command_task("sleep 1000", OfferPool(offer).take("cpus:0.1;mem:32"), offer, task_id="t1")
            task.container.type = mesos.ContainerInfo.DOCKER
            task.container.docker.image = sys.argv[1]
            driver.launch(offer, [task])


def main() -> None:
    """Says ``running`` when the task runs, and ends when its input does."""
    flags = dict(argument.split("=", 1) for argument in sys.argv[2:])
    with Cluster(agents=1, agent_flags=flags) as cluster:
        driver = SchedulerDriver(One(), mesos.FrameworkInfo(user="root", name="docker"), cluster.address).start()
        cluster.wait_for_task("t1", "TASK_RUNNING")
        print("running", flush=True)
        sys.stdin.read()
        driver.stop()
        driver.join()


if __name__ == "__main__":
    main()
