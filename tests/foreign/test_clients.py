"""Schedulers and executors of other people complete tasks on the cluster, unmodified, over HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.foreign.conftest import PROGRAMS, run_client

Run = Callable[..., str]


def test_pymesos_scheduler_and_executor(run_foreign: Run, cluster_address: str) -> None:
    output = run_foreign("pymesos_scheduler.py", cluster_address, "8")
    assert "finished 8 of 8" in output
    assert output.count("message ") == 8, output


def test_pymesos_operator_driver(run_foreign: Run, cluster_address: str) -> None:
    output = run_foreign("pymesos_operator.py", cluster_address, "2")
    assert "get_agents" in output


def test_mesoshttp_scheduler(run_foreign: Run, cluster_address: str) -> None:
    output = run_foreign("mesoshttp_scheduler.py", cluster_address, "8")
    assert "finished 8 of 8" in output
    assert output.count("TASK_RUNNING") == 8, output


def test_scheduler_that_speaks_protobuf_with_apaches_own_messages(run_foreign: Run, cluster_address: str) -> None:
    output = run_foreign("protobuf_scheduler.py", cluster_address, "8")
    assert "finished 8 of 8" in output
    assert output.count("TASK_RUNNING") == 8, output


def test_mesos_go_scheduler_speaks_protobuf(mesos_go: str, cluster_address: str, tmp_path: Path) -> None:
    output = run_client([mesos_go, cluster_address, "8"], tmp_path)
    assert "finished 8 of 8" in output
    assert output.count("TASK_RUNNING") == 8, output


def test_mesos_framework_for_node(node_directory: Path, cluster_address: str, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()  # the library writes there
    (tmp_path / "node_modules").symlink_to(node_directory / "node_modules")
    node = shutil.which("node")
    assert node is not None
    output = run_client([node, str(PROGRAMS / "node" / "scheduler.js"), cluster_address, "8"], tmp_path)
    assert "finished 8 of 8" in output
    assert output.count("TASK_RUNNING") == 8, output
