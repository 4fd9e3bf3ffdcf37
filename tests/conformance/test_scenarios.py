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

#: Scenarios that the cluster does not pass yet. One that passes must leave this list.
EXPECTED_TO_FAIL = frozenset(
    {
        "containers_endpoint_fields",
        "executor_id_again_after_restart",
        "order_in_messages",
        "order_of_resources",
        "reserve_with_wrong_allocation",
    }
)


def test_each_scenario_has_a_transcript() -> None:
    listed = subprocess.run(
        [sys.executable, str(KIT / "run.py"), "--list"], capture_output=True, text=True, timeout=60, check=True
    )
    assert sorted(line.split()[0] for line in listed.stdout.splitlines()) == NAMES


def test_scenarios_that_are_expected_to_fail_exist() -> None:
    assert set(NAMES) >= EXPECTED_TO_FAIL


@pytest.mark.parametrize("scenario", NAMES)
def test_scenario(scenario: str, player: Player) -> None:
    passed, said = player.result(scenario)
    if scenario in EXPECTED_TO_FAIL:
        assert not passed, f"{scenario} passes now: remove it from EXPECTED_TO_FAIL"
    else:
        assert passed, said
