"""What holds for all tests."""

from __future__ import annotations

import os
import signal

import pytest

pytest_plugins = ["pytester"]


def pytest_configure() -> None:
    """Ctrl-C works in what tests start, even if whoever started the tests had it ignored (as a shell does in the background)."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """With PYMESOSKIT_FAIL_ON_SKIP (as in CI) a skipped test fails the run: there all that tests need is at hand."""
    if hasattr(session.config, "workerinput") or not os.environ.get("PYMESOSKIT_FAIL_ON_SKIP"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    if skipped and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line(f"{len(skipped)} skipped, which PYMESOSKIT_FAIL_ON_SKIP does not allow", red=True)
