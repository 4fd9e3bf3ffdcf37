"""A scheduler on mesoshttp 0.4.2: `mesoshttp_scheduler.py MASTER COUNT` runs COUNT command tasks."""

import sys
import threading

from mesoshttp.client import MesosClient


class Counting:
    def __init__(self, url, count):
        self.count = count
        self.waiting = ["task-%d" % n for n in range(count)]
        self.ended = {}
        self.driver = None
        self.done = threading.Event()
        self.client = MesosClient(mesos_urls=[url], frameworkName="mesoshttp", frameworkUser="root")
        self.client.on(MesosClient.SUBSCRIBED, self.subscribed)
        self.client.on(MesosClient.OFFERS, self.offers)
        self.client.on(MesosClient.UPDATE, self.updated)

    def subscribed(self, driver):
        self.driver = driver

    def offers(self, offers):
        for offer in offers:
            tasks = [self.task(self.waiting.pop(), offer.get_offer()) for _ in self.waiting[:5]]
            if tasks:
                offer.accept(tasks, {"filters": {"refuse_seconds": 0.1}})
            else:
                offer.decline({"filters": {"refuse_seconds": 5}})

    def task(self, name, offer):
        return {
            "name": name,
            "task_id": {"value": name},
            "agent_id": offer["agent_id"],
            "command": {"value": "exit 0"},
            "resources": [
                {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}},
                {"name": "mem", "type": "SCALAR", "scalar": {"value": 32}},
            ],
        }

    def updated(self, update):
        task, state = update["status"]["task_id"]["value"], update["status"]["state"]
        print(task, state, flush=True)
        if state not in ("TASK_STAGING", "TASK_STARTING", "TASK_RUNNING"):
            self.ended[task] = state
            if len(self.ended) == self.count:
                self.done.set()

    def run(self):
        thread = threading.Thread(target=self.client.register, daemon=True)
        thread.start()
        self.done.wait(40)
        if self.driver is not None:
            self.driver.tearDown()
        good = sum(state == "TASK_FINISHED" for state in self.ended.values())
        print("finished %d of %d" % (good, self.count), flush=True)
        return 0 if good == self.count else 1


if __name__ == "__main__":
    sys.exit(Counting("http://" + sys.argv[1], int(sys.argv[2])).run())
