"""Runs commands with Yelp's task_processing, which keeps its own list of states over pymesos, and prints how each ended."""

import sys

from task_processing.plugins.mesos.mesos_task_executor import MesosTaskExecutor
from task_processing.plugins.mesos.task_config import MesosTaskConfig
from task_processing.runners.sync import Sync


def main(address, commands):
    executor = MesosTaskExecutor(
        role="*", mesos_address=address, framework_name="task-processing", initial_decline_delay=0.1
    )
    runner = Sync(executor)
    for command in commands:
        event = runner.run(MesosTaskConfig(name="job", cmd=command, containerizer="MESOS", cpus=0.1, mem=32))
        print("%s: %s %s" % (command, event.platform_type, "success" if event.success else "failure"), flush=True)
    runner.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
