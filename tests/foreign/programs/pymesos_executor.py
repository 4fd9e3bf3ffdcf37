"""The executor of pymesos_scheduler.py: each task is RUNNING, says its data back as a message, and FINISHED."""

import time
from threading import Thread

from addict import Dict
from pymesos import Executor, MesosExecutorDriver


class EchoExecutor(Executor):
    def launchTask(self, driver, raw):
        Thread(target=self.run_task, args=(driver, Dict(raw))).start()

    def run_task(self, driver, task):
        self.update(driver, task, "TASK_RUNNING")
        driver.sendFrameworkMessage(task.data)
        self.update(driver, task, "TASK_FINISHED")

    def update(self, driver, task, state):
        update = Dict()
        update.task_id.value = task.task_id.value
        update.state = state
        update.timestamp = time.time()
        driver.sendStatusUpdate(update)

    def shutdown(self, driver):
        driver.stop()


if __name__ == "__main__":
    MesosExecutorDriver(EchoExecutor()).run()
