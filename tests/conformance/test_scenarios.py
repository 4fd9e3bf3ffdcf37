"""Scenarios recorded on a real Mesos 1.11 master and agents, played against `python -m pymesoskit cluster` (README.md).

Each has a cluster and a process of its own. They mostly wait, so while one is played the next one of this worker is played
too (conftest.py).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Player

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in (HERE / "golden").glob("*.json"))


def test_each_scenario_has_a_transcript() -> None:
    listed = subprocess.run(
        [sys.executable, str(HERE / "run.py"), "--list"], capture_output=True, text=True, timeout=60, check=True
    )
    assert sorted(line.split()[0] for line in listed.stdout.splitlines()) == NAMES


@pytest.mark.parametrize("scenario", NAMES)
def test_scenario(scenario: str, player: Player) -> None:
    passed, said = player.result(scenario)
    assert passed, said
