"""Whether a cluster lets strangers run commands because it listens beyond loopback. Source: docs/security.md."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymesoskit.testing.engine.flags.flags import AgentFlags, MasterFlags


def exposure_warning(ip: str, master: MasterFlags, agents: Iterable[AgentFlags]) -> str | None:
    """Returns the warning for a cluster that listens at ``ip`` with these flags.

    None if only this machine can reach it, or if every API that can start a process asks for credentials.
    """
    try:
        if ipaddress.ip_address(ip).is_loopback:
            return None
    except ValueError:  # a host name
        if ip == "localhost":
            return None
    missing = [f"--master-flag {name}=true" for name in _unset(master, "authenticate_http_frameworks")]
    missing += [f"--master-flag {name}=true" for name in _unset(master, "authenticate_http_readwrite")]
    wanted = dict.fromkeys(name for flags in agents for name in _unset(flags, "authenticate_http_readwrite"))
    missing += [f"--agent-flag {name}=true" for name in wanted]
    if not missing:
        return None
    return (
        f"warning: the cluster listens at {ip}, and everybody who can reach it can run commands as the user who "
        "started it. Listen on loopback (--bind 127.0.0.1) and let others in by an SSH tunnel, or require credentials "
        f"with {', '.join(missing)} and the files of credentials (--master-flag credentials=FILE, --agent-flag "
        "http_credentials=FILE). docs/security.md says more."
    )


def _unset(flags: MasterFlags | AgentFlags, name: str) -> list[str]:
    return [] if getattr(flags, name) else [name]
