import subprocess
import sys
from pathlib import Path

from examples.support import cluster


def test_five_tasks_say_hello(tmp_path: Path) -> None:
    with cluster(tmp_path) as mesos:
        command = [sys.executable, str(Path(__file__).with_name("hello.py")), mesos.address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("TASK_FINISHED") == 5, done.stdout
