"""Scenarios recorded on a real Mesos 1.11 master and agents, played against `python -m pymesoskit cluster` (README.md).

Each scenario has a cluster and a process of its own. Scenarios mostly wait, so each worker starts the next one while the current one
runs (conftest.py).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Player

KIT = Path(__file__).parent / "vendored"
NAMES = sorted(path.stem for path in (KIT / "golden").glob("*.json"))


def test_each_scenario_has_a_transcript() -> None:
    listed = subprocess.run(
        [sys.executable, str(KIT / "run.py"), "--list"], capture_output=True, text=True, timeout=60, check=True
    )
    assert sorted(line.split()[0] for line in listed.stdout.splitlines()) == NAMES


@pytest.mark.parametrize("scenario", NAMES)
def test_scenario(scenario: str, player: Player) -> None:
    passed, said = player.result(scenario)
    assert passed, said
