"""How long the programs of a real Mesos take to start and to end.

By default an executor subscribes at once and a command runs at once, which is what tests want. The programs of a real
Mesos have to be loaded, and look at their children only now and then. That decides what a framework sees first: an
offer that was already under way when a task ended, or a kill that came before the command had begun. A ``Pace`` adds
such times.
"""

from __future__ import annotations

from attrs import frozen


@frozen
class Pace:
    """Delays of executors and commands, in seconds."""

    executor_start: float = 0.0  # from the launch of a built-in executor to its subscription
    command_start: float = 0.0  # from the start of a command's process to that of the command itself
    executor_end: float = 0.0  # from the end of an executor to when its agent notices


#: No delays.
INSTANT = Pace()
#: The delays on a machine where mesos-executor and mesos-containerizer are in the file system's cache.
MESOS = Pace(executor_start=0.25, command_start=0.25, executor_end=0.25)
