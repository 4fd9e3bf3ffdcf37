"""Agents: machines, executors, tasks, and the Mesos agent that looks after them.

Who makes what (all in the actor's turn):

``Host(work_dir, *, actor, launcher, rng, environment)``
    The machine. It outlives the agent: it holds the work directory, the containers with their processes, and the
    built-in executors. ``host.close()`` ends all that runs on it.

``Agent(endpoint, flags, *, resources, attributes, domain, host, actor, network, leadership, rng, history, on_end)``
    One life of an agent's process. A restart is a new ``Agent`` on the same ``Host``; a reset first calls
    ``host.wipe()``.

    =====================  ===================================================================================
    ``agent.start()``      recovers what the host's work directory holds, then registers
    ``agent.http``         the ``Handler`` behind its endpoint (``agent.handle_executor_socket``: the unix socket)
    ``agent.terminate()``  SIGKILL and SIGTERM: ends at once; executors and tasks live on
    ``agent.shutdown()``   SIGUSR1: unregisters, shuts its executors down, ends
    ``agent.freeze()``     SIGSTOP: neither reads, sends nor acts until ``agent.thaw()``
    ``on_end(reason)``     is called once when the process has ended: None after ``terminate``, else why
    =====================  ===================================================================================

``endpoint`` says where the agent answers HTTP: ``Endpoint(hostname, ip, port)``; its address on the network is
``slave(1)@ip:port``. Launchers: ``ProcessLauncher(actor)`` (real processes, one per cluster, started when first
needed), ``SimulatedLauncher(actor.clock, outcomes)``. ``leadership`` knows who leads:
``FixedLeader(master_info)``.

Internal; the public names are in ``pymesoskit.testing``.
"""

from pymesoskit.testing.engine.agent.agent import Agent
from pymesoskit.testing.engine.agent.host import Host
from pymesoskit.testing.engine.agent.oversubscription import FixedEstimator, QosController, ResourceEstimator
from pymesoskit.testing.engine.machine.launcher import Command, Exit, Launcher, Process, Usage
from pymesoskit.testing.engine.machine.process import ProcessLauncher
from pymesoskit.testing.engine.machine.simulated import Outcome, Outcomes, SimulatedLauncher
from pymesoskit.testing.engine.network.endpoint import Endpoint

__all__ = [
    "Agent",
    "Command",
    "Endpoint",
    "Exit",
    "FixedEstimator",
    "Host",
    "Launcher",
    "Outcome",
    "Outcomes",
    "Process",
    "ProcessLauncher",
    "QosController",
    "ResourceEstimator",
    "SimulatedLauncher",
    "Usage",
]
