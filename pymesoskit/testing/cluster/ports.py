"""Host ports for the real tasks of agents that share a host: each agent has a range of its own.

Agents of a real cluster have a host each, so all of them offer ``ports:[31000-32000]``. Here tasks of two agents would
get the same port, and the second could not listen. A range leaves out the ports on which something listens already.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

#: An agent's resources hold this instead of a range: it finds a range of its own.
AUTO_PORTS = "ports:auto"

#: The range of the first agent, which is Mesos's default, and of simulated agents.
FIRST, LAST = 31000, 32000
#: The ports of further agents: so many each, below those of the agent before, down to the lowest.
COUNT, LOWEST = 1000, 10000

_LISTEN = b"0A"


def usual_ports() -> str:
    """Returns the ports of an agent that has a host of its own, in Mesos's text syntax."""
    return f"[{FIRST}-{LAST}]"


def own_ports(index: int) -> str:
    """Returns the free ports of the agent of that number (from 0), in Mesos's text syntax.

    No two agents have a port in common. The ports are free when this is called; what listens later is not known.
    """
    begin, end = _range(index)
    ranges: list[tuple[int, int]] = []
    taken = listening()
    for port in range(begin, end + 1):
        if port in taken if taken is not None else not is_free(port):
            continue
        if ranges and ranges[-1][1] == port - 1:
            ranges[-1] = (ranges[-1][0], port)
        else:
            ranges.append((port, port))
    return f"[{','.join(f'{first}-{last}' for first, last in ranges)}]"


def _range(index: int) -> tuple[int, int]:
    """Returns the first and last port of an agent. Beyond the first 22 agents each has ten ports."""
    if index == 0:
        return FIRST, LAST
    begin = FIRST - COUNT * index
    if begin >= LOWEST:
        return begin, begin + COUNT - 1
    below = LOWEST - 10 * (index - (FIRST - LOWEST) // COUNT)
    return max(1024, below), max(1024, below) + 9


def listening() -> set[int] | None:
    """Returns the TCP ports on which something listens, as Linux's /proc tells; None where there is none."""
    ports = set()
    try:
        for name in ("tcp", "tcp6"):
            for line in Path("/proc/net", name).read_bytes().splitlines()[1:]:
                fields = line.split(None, 4)
                if fields[3] == _LISTEN:
                    ports.add(int(fields[1].rpartition(b":")[2], 16))
    except (OSError, ValueError, IndexError):
        return None
    return ports


def is_free(port: int) -> bool:
    """Returns whether a task could listen on the port."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection that has just ended is no obstacle
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True
