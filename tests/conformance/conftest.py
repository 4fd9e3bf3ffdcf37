"""Plays scenarios ahead of the tests that need their results."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
KEY = pytest.StashKey["Player"]()


class Player:
    """Plays two scenarios at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(2)
        self._results: dict[str, Future[tuple[bool, str]]] = {}

    def begin(self, scenario: str) -> None:
        """Starts the scenario unless it has been started already."""
        if scenario not in self._results:
            self._results[scenario] = self._pool.submit(play, scenario)

    def result(self, scenario: str) -> tuple[bool, str]:
        """Returns whether the scenario passed, and the output of the kit."""
        self.begin(scenario)
        return self._results.pop(scenario).result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def play(scenario: str) -> tuple[bool, str]:
    command = [
        sys.executable,
        str(HERE / "vendored" / "run.py"),
        "--fake",
        "--python",
        sys.executable,
        "--timeout",
        "60",
        scenario,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    return done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def player(request: pytest.FixtureRequest) -> Iterator[Player]:
    player = request.config.stash[KEY] = Player()
    yield player
    player.close()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    player = item.config.stash.get(KEY, None)
    if player is None:
        return
    for one in (item, nextitem):
        if isinstance(one, pytest.Function) and hasattr(one, "callspec") and "scenario" in one.callspec.params:
            player.begin(one.callspec.params["scenario"])
