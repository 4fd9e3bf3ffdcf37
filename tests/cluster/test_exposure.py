"""A cluster that listens beyond loopback without asking for credentials says so, and how to close it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pymesoskit.testing.engine.flags.exposure import exposure_warning
from pymesoskit.testing.engine.flags.flags import AgentFlags, MasterFlags

OPEN_MASTER, OPEN_AGENT = MasterFlags(), AgentFlags()
MASTER = MasterFlags(authenticate_http_frameworks=True, authenticate_http_readwrite=True)
AGENT = AgentFlags(authenticate_http_readwrite=True)


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.0.0.7", "::1", "localhost"])
def test_loopback_is_reached_by_this_machine_only(ip: str) -> None:
    assert exposure_warning(ip, OPEN_MASTER, [OPEN_AGENT]) is None


@pytest.mark.parametrize("ip", ["0.0.0.0", "::", "192.168.1.2", "host.example"])
def test_any_other_address_needs_credentials(ip: str) -> None:
    warning = exposure_warning(ip, OPEN_MASTER, [OPEN_AGENT, OPEN_AGENT])
    assert warning is not None
    assert f"the cluster listens at {ip}, and everybody who can reach it can run commands" in warning
    assert "(--bind 127.0.0.1)" in warning
    assert "--master-flag authenticate_http_frameworks=true, --master-flag authenticate_http_readwrite=true" in warning
    assert warning.count("--agent-flag authenticate_http_readwrite=true") == 1
    assert exposure_warning(ip, MASTER, [AGENT]) is None
    assert exposure_warning(ip, MASTER, []) is None


def test_only_what_is_missing_is_named() -> None:
    warning = exposure_warning("0.0.0.0", MASTER, [AGENT, OPEN_AGENT])
    assert warning is not None
    assert "--master-flag authenticate" not in warning
    assert "--agent-flag authenticate_http_readwrite=true" in warning


def test_the_command_line_warns_on_stderr() -> None:
    command = [sys.executable, "-m", "pymesoskit", "cluster", "--bind", "0.0.0.0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("listening on http://")
        process.terminate()
        assert process.stderr.read().startswith("pymesoskit: warning: the cluster listens at 0.0.0.0, and everybody")
