"""One seed is one history, whatever the hash seed of the process is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import hashlib
from pymesoskit.testing.simulation import all_faults, simulate
from pymesoskit.testing.story.lines import StoryTeller
from tests.simulation.frameworks import done, world_of

digest = hashlib.sha256()
for masters in (1, 2):
    for faults in ([], all_faults()):
        def build(world):
            world_of(4, masters=masters)(world)
            teller = StoryTeller()
            world.cluster.journal.watch(
                lambda entry: digest.update(f"{entry.time!r} {list(teller.lines([entry], all_kinds=True))}".encode())
            )
        simulate(build, seeds=[5], faults=faults, until=done).raise_if_failed()
print(digest.hexdigest())
"""


def test_histories_do_not_depend_on_the_hash_seed() -> None:
    def history(hash_seed: int) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
        command = [sys.executable, "-c", SCRIPT]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert len({history(hash_seed) for hash_seed in (1, 2, 3)}) == 1
