"""Schedulers and executors of other people complete tasks on the cluster, unmodified, over HTTP."""

from __future__ import annotations

from collections.abc import Callable

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
