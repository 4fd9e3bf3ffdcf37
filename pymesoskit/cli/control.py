"""The control commands of ``pymesoskit cluster --control``: one line each, answered with ``ok`` or ``error: …``.

Source: tests/conformance/README.md, "Control"; those of single masters are our own: docs/command-line.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.cluster.cluster import ClusterAgent, ClusterError, ClusterMaster
from pymesoskit.testing.runtime.actor import ActorEnded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pymesoskit.testing.cluster.cluster import Cluster

AGENT_COMMANDS: Mapping[str, Callable[[ClusterAgent], None]] = {
    "kill": ClusterAgent.kill,
    "term": ClusterAgent.term,
    "shutdown": ClusterAgent.shutdown,
    "start": ClusterAgent.start,
    "reset": ClusterAgent.reset,
    "pause": ClusterAgent.pause,
    "resume": ClusterAgent.resume,
}

MASTER_COMMANDS: Mapping[str, Callable[[ClusterMaster], None]] = {
    "kill": ClusterMaster.kill,
    "start": ClusterMaster.start,
    "pause": ClusterMaster.pause,
    "resume": ClusterMaster.resume,
}

USAGE = f"agent I {'|'.join(AGENT_COMMANDS)}, master {'|'.join(MASTER_COMMANDS)}, or master I …"


def _meant(cluster: Cluster, command: str) -> ClusterMaster:
    """Which master is meant where none is named: the leading one; to be started, the first that does not run; to go on,
    the first that is frozen.
    """
    masters: list[ClusterMaster] = []
    if command == "start":
        masters = [master for master in cluster.masters if not master.running]
    elif command == "resume":
        masters = [master for master in cluster.masters if master.frozen]
    return masters[0] if masters else cluster.master


def carry_out(cluster: Cluster, line: str) -> str:
    """Carries out a command; returns the answer, once it has been carried out or could not be."""
    words = line.split()
    try:
        match words:
            case ["agent", number, command] if number.isdigit() and command in AGENT_COMMANDS:
                if int(number) >= len(cluster.agents):
                    return f"error: there is no agent {number}, the cluster has {len(cluster.agents)}"
                AGENT_COMMANDS[command](cluster.agents[int(number)])
            case ["master", command] if command in MASTER_COMMANDS:
                MASTER_COMMANDS[command](_meant(cluster, command))
            case ["master", number, command] if number.isdigit() and command in MASTER_COMMANDS:
                if int(number) >= len(cluster.masters):
                    return f"error: there is no master {number}, the cluster has {len(cluster.masters)}"
                MASTER_COMMANDS[command](cluster.masters[int(number)])
            case _:
                return f"error: unknown command '{' '.join(words)}', expected {USAGE}"
    except (ClusterError, ActorEnded, ValueError, OSError) as error:
        return f"error: {' '.join(str(error).split())}"
    return "ok"
