"""The executor: counts the primes below the number in a task's data, in a thread per task.

The agent starts it with MESOS_* in its environment; scheduler.py says how. What it prints is in its sandbox.
"""

import json
import threading

from pymesoskit import Executor, ExecutorDriver, mesos, task_status


class PrimeCounter(Executor):
    def __init__(self):
        self.cancelled = {}

    def launch(self, driver, task):
        cancelled = self.cancelled[task.task_id.value] = threading.Event()
        threading.Thread(target=self.work, args=(driver, task, cancelled), daemon=True).start()

    def work(self, driver, task, cancelled):
        driver.send_update(task_status(task.task_id, mesos.TASK_RUNNING))
        limit = json.loads(task.data)["below"]
        found = 0
        for number in range(2, limit):
            if cancelled.is_set():
                driver.send_update(task_status(task.task_id, mesos.TASK_KILLED))
                return
            found += all(number % divisor for divisor in range(2, int(number**0.5) + 1))
        # The result travels with the update, which is repeated until it has arrived; a message might get lost.
        result = json.dumps({"below": limit, "primes": found}).encode()
        driver.send_update(task_status(task.task_id, mesos.TASK_FINISHED, data=result))

    def kill(self, driver, task_id, kill_policy):
        if task_id.value in self.cancelled:
            self.cancelled[task_id.value].set()

    def shutdown(self, driver):
        for cancelled in self.cancelled.values():
            cancelled.set()


if __name__ == "__main__":
    ExecutorDriver(PrimeCounter()).run()
