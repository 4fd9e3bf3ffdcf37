"""Where the members of a cluster listen, and the addresses that they advertise.

By default all members share the cluster's address and each has a port of its own. Agents whose flags give all of them
the same port get addresses of their own on the loopback network: 127.0.0.2, 127.0.0.3, …
Source: docs/reference/agent-executor.md 1 (flags ``ip``, ``port``, ``advertise_ip``, ``advertise_port``).
"""

from __future__ import annotations

import ipaddress
import socket
from collections import defaultdict
from typing import TYPE_CHECKING

from pymesoskit.testing.cluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymesoskit.testing.engine.flags.flags import AgentFlags

LOOPBACK = "127.0.0.1"

#: The address of the first agent that has one of its own.
FIRST_OWN = ipaddress.IPv4Address("127.0.0.2")

#: An address that is never assigned (RFC 5737 and 3849), to find out which of its own this machine would use.
_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


def check_ip(text: str, what: str) -> str:
    """Returns ``text`` if it is an IPv4 or IPv6 address, without brackets. Raises ``ClusterError``."""
    try:
        return str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        raise ClusterError(f"{what} must be an IP address such as 127.0.0.1 or ::1, not {text!r}") from None


def is_loopback(ip: str) -> bool:
    """Whether only this machine can connect to the address."""
    return ipaddress.ip_address(ip).is_loopback


def advertised(ip: str) -> str:
    """Returns the address at which others reach a member that listens at ``ip``.

    It is ``ip`` itself, or for 0.0.0.0 and :: the machine's own address on the way to other networks (loopback if it
    has none).
    """
    address = ipaddress.ip_address(ip)
    if not address.is_unspecified:
        return ip
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((_ELSEWHERE[family], 9))  # sends nothing: it only chooses a route
            return str(probe.getsockname()[0])
        except OSError:
            return LOOPBACK if address.version == 4 else "::1"


def netloc(ip: str, port: int) -> str:
    """``ip:port``, with brackets around an IPv6 address."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def agent_addresses(bind: str, flags: Sequence[AgentFlags]) -> list[str]:
    """Returns where each agent listens: at the ``ip`` of its flags, or at ``bind``.

    Agents that would meet at one port get addresses of their own if they are on loopback. Raises ``ClusterError`` if
    they cannot.
    """
    ips = [check_ip(one.ip, "the flag 'ip' of mesos-agent") if one.ip is not None else bind for one in flags]
    meeting: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, one in enumerate(flags):
        if one.port:
            meeting[ips[index], one.port].append(index)
    for (ip, port), indices in meeting.items():
        if len(indices) == 1:
            continue
        if ip != LOOPBACK or any(flags[index].ip is not None for index in indices):
            raise ClusterError(
                f"agents {', '.join(map(str, indices))} would all listen at {netloc(ip, port)}: give them different "
                "ports or addresses (flags 'port' and 'ip' of each AgentSpec), or leave the port out"
            )
        for index in indices:
            ips[index] = str(FIRST_OWN + index)
    return ips
