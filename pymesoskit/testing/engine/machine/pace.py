"""How long the programs of a real Mesos take to get going, for clusters that stand in for one.

Nothing here takes time of its own: an executor subscribes at once and a command runs at once, which is what tests want.
The real programs have to be loaded and look at their children only now and then, and what a framework sees first is
decided by that: an offer that was already under way when a task ended, a kill that came before the command had begun. A
``Pace`` adds such times, in seconds.
"""

from __future__ import annotations

from attrs import frozen


@frozen
class Pace:
    """See the module's text."""

    executor_start: float = 0.0  # from the launch of a built-in executor to its subscription
    command_start: float = 0.0  # from the start of a command's process to the command's own beginning
    executor_end: float = 0.0  # from the end of an executor to the moment when its agent notices


#: Everything at once.
INSTANT = Pace()
#: About as on a machine where mesos-executor and mesos-containerizer have been used before.
MESOS = Pace(executor_start=0.25, command_start=0.25, executor_end=0.25)
