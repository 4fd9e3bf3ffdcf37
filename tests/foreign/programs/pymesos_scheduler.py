"""A scheduler on pymesos 0.3.15, with pymesos's own executor driver (pymesos_executor.py).

`pymesos_scheduler.py MASTER COUNT`: runs COUNT tasks on one custom executor; prints a line a status, exits with 0 if all finished.
It knows nothing of pymesoskit and runs on Python 3.8 to 3.10.
"""

import sys
from os.path import abspath, dirname, join

from addict import Dict
from pymesos import MesosSchedulerDriver, Scheduler, encode_data


class CountingScheduler(Scheduler):
    def __init__(self, executor, count):
        self.executor = executor
        self.waiting = ["task-%d" % n for n in range(count)]
        self.running = set()
        self.ended = {}
        self.count = count

    def resourceOffers(self, driver, offers):
        for raw in offers:
            offer = Dict(raw)
            cpus = sum(r.scalar.value for r in offer.resources if r.name == "cpus")
            tasks = []
            # The first launch on an agent brings the executor, with 0.1 cpus of its own.
            while self.waiting and cpus >= 0.1 * (len(tasks) + 2):
                tasks.append(self.task(self.waiting.pop(), offer))
            if tasks:
                driver.launchTasks(offer.id, tasks, {"refuse_seconds": 0.1})
            else:
                driver.declineOffer(offer.id, {"refuse_seconds": 1})

    def task(self, name, offer):
        task = Dict()
        task.task_id.value = name
        task.agent_id.value = offer.agent_id.value
        task.name = name
        task.executor = self.executor
        task.data = encode_data(("Hello from " + name).encode())
        task.resources = [
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}},
            {"name": "mem", "type": "SCALAR", "scalar": {"value": 32}},
        ]
        return task

    def statusUpdate(self, driver, raw):
        update = Dict(raw)
        print("%s %s %s" % (update.task_id.value, update.state, update.message or ""), flush=True)
        if update.state in ("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_LOST", "TASK_ERROR", "TASK_DROPPED"):
            self.ended[update.task_id.value] = update.state
            if len(self.ended) == self.count:
                driver.stop()

    def frameworkMessage(self, driver, executor_id, agent_id, message):
        print("message %s" % message, flush=True)

    def error(self, driver, message):
        print("error %s" % message, flush=True)
        driver.stop()


def main(master, count):
    executor = Dict()
    executor.executor_id.value = "pymesos-executor"
    executor.name = executor.executor_id.value
    executor.command.value = "%s %s" % (sys.executable, join(dirname(abspath(__file__)), "pymesos_executor.py"))
    executor.resources = [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": 32}},
    ]
    framework = Dict(user="root", name="pymesos", hostname="localhost")
    scheduler = CountingScheduler(executor, count)
    driver = MesosSchedulerDriver(scheduler, framework, master)
    driver.run()
    good = sum(state == "TASK_FINISHED" for state in scheduler.ended.values())
    print("finished %d of %d" % (good, count), flush=True)
    return 0 if good == count else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
