"""Where a process answers HTTP."""

from __future__ import annotations

from attrs import frozen


@frozen
class Endpoint:
    """Where a process answers HTTP."""

    hostname: str
    ip: str
    port: int

    @property
    def authority(self) -> str:
        """``ip:port``"""
        return f"{self.ip}:{self.port}"
