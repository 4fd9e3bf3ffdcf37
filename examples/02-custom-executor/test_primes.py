import subprocess
import sys
from pathlib import Path

from examples.support import cluster


def test_the_executor_counts_primes(tmp_path: Path) -> None:
    with cluster(tmp_path) as mesos:
        command = [sys.executable, str(Path(__file__).with_name("scheduler.py")), mesos.address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "168 primes below 1000\n" in done.stdout
    assert "1229 primes below 10000\n" in done.stdout
