"""The control commands of ``pymesoskit cluster --control``: one line each, answered with ``ok`` or ``error: …``.

Source: tests/conformance/README.md, "Control".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.actor import ActorEnded
from pymesoskit.testing.cluster import ClusterAgent, ClusterError, ClusterMaster

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pymesoskit.testing.cluster import Cluster

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
}

USAGE = f"agent I {'|'.join(AGENT_COMMANDS)}, or master {'|'.join(MASTER_COMMANDS)}"


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
                MASTER_COMMANDS[command](cluster.master)
            case _:
                return f"error: unknown command '{' '.join(words)}', expected {USAGE}"
    except (ClusterError, ActorEnded, ValueError, OSError) as error:
        return f"error: {' '.join(str(error).split())}"
    return "ok"
