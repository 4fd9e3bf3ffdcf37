"""Runs a few tasks on a Mesos cluster: `python hello.py [MASTER]`."""

import sys

from pymesoskit import OfferPool, Scheduler, SchedulerDriver, command_task, is_terminal, mesos, state_name


class Hello(Scheduler):
    def __init__(self, count):
        self.to_launch = self.to_end = count

    def offers(self, driver, offers):
        for offer in offers:
            pool, tasks = OfferPool(offer), []
            while self.to_launch and (resources := pool.take("cpus:0.1;mem:32")):
                tasks.append(command_task(f"echo hello from task {self.to_launch}", resources, offer))
                self.to_launch -= 1
            if tasks:
                driver.launch(offer, tasks)
            else:
                driver.decline(offer, refuse_seconds=60)

    def update(self, driver, status):
        print(status.task_id.value, state_name(status), status.message)
        self.to_end -= is_terminal(status)
        if not self.to_end:
            driver.stop()


if __name__ == "__main__":
    framework = mesos.FrameworkInfo(user="root", name="hello")
    SchedulerDriver(Hello(5), framework, sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:5050").run()
