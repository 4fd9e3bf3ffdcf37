"""The scheduler: has primes counted by its own executor (executor.py): `python scheduler.py [MASTER]`."""

import json
import sys
from pathlib import Path

from pymesoskit import (
    OfferPool,
    Scheduler,
    SchedulerDriver,
    custom_executor,
    executor_task,
    is_terminal,
    mesos,
    state_name,
)

EXECUTOR = f"{sys.executable} {Path(__file__).with_name('executor.py').resolve()}"
LIMITS = [1_000, 2_000, 5_000, 10_000]


class Primes(Scheduler):
    def __init__(self):
        self.waiting = list(LIMITS)
        self.unfinished = len(LIMITS)
        self.results = {}
        self.executor = custom_executor("primes", EXECUTOR, "cpus:0.1;mem:64")

    def offers(self, driver, offers):
        for offer in offers:
            # The first launch on an agent starts the executor there, so its resources must be in the offer too.
            pool, tasks = OfferPool(offer), []
            if not pool.take("cpus:0.1;mem:64"):
                driver.decline(offer)
                continue
            while self.waiting and (resources := pool.take("cpus:0.5;mem:32")):
                data = json.dumps({"below": self.waiting.pop()}).encode()
                tasks.append(executor_task(self.executor, resources, offer, data=data))
            if tasks:
                driver.launch(offer, tasks)
            else:
                driver.decline(offer, refuse_seconds=60)

    def update(self, driver, status):
        print(status.task_id.value, state_name(status), status.message, flush=True)
        if status.state == mesos.TASK_FINISHED:
            result = json.loads(status.data)
            self.results[result["below"]] = result["primes"]
        self.unfinished -= is_terminal(status)
        if not self.unfinished:
            driver.stop()


if __name__ == "__main__":
    primes = Primes()
    framework = mesos.FrameworkInfo(user="root", name="primes")
    SchedulerDriver(primes, framework, sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:5050").run()
    for limit, count in sorted(primes.results.items()):
        print(f"{count} primes below {limit}")
