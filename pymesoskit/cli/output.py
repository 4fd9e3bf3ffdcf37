"""A task's output while it runs: its sandbox's ``stdout`` and ``stderr``, read from the agent over HTTP.

Source: docs/reference/operator-api.md, ``/files/read`` and the agent's ``/state``.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, TextIO

import requests

if TYPE_CHECKING:
    from pymesoskit.wire.v1 import mesos

#: Seconds between two looks.
INTERVAL = 0.1

#: Bytes that are asked for at once.
PIECE = 64 * 1024

#: Seconds for which the agent may leave a request unanswered.
PATIENCE = 5.0


class TaskOutput:
    """Copies a command task's output to this process's, in a thread of its own, until ``finish``."""

    def __init__(self, offer: mesos.Offer, task_id: str) -> None:
        address = offer.url.address
        host = address.ip or address.hostname or offer.hostname
        self._base = f"{offer.url.scheme or 'http'}://{host}:{address.port or 5051}"
        self._task_id = task_id
        self._agent_id = offer.agent_id.value
        self._framework_id = offer.framework_id.value
        self._session = requests.Session()
        self._session.trust_env = False  # neither proxies nor netrc, as the driver
        self._directory: str | None = None
        self._offsets = {"stdout": 0, "stderr": 0}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="task-output", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def finish(self) -> None:
        """The task has ended: copies what is left, then ends."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _follow(self) -> None:
        with self._session:
            last = False
            while True:
                try:
                    self._copy()
                except requests.RequestException as error:
                    if last:
                        sys.stderr.write(f"pymesoskit: cannot read the task's output: {error}\n")
                if last:
                    return
                last = self._ended.wait(INTERVAL)

    def _copy(self) -> None:
        if self._directory is None:
            self._directory = self._find_sandbox()
        if self._directory is not None:
            self._copy_file("stdout", sys.stdout)
            self._copy_file("stderr", sys.stderr)

    def _copy_file(self, name: str, to: TextIO) -> None:
        while True:
            where = {"path": f"{self._directory}/{name}", "offset": self._offsets[name], "length": PIECE}
            answer = self._get("/files/read", where)
            data = answer["data"] if answer is not None else ""
            if not data:
                return
            self._offsets[name] += len(data.encode("utf-8", "surrogateescape"))
            to.write(data)
            to.flush()

    def _find_sandbox(self) -> str | None:
        """The directory of the task's executor (of a command task it has the task's id), as the agent tells it."""
        state = self._get("/state", {})
        if state is None:
            return None
        for framework in [*state.get("frameworks", []), *state.get("completed_frameworks", [])]:
            if framework["id"] != self._framework_id:
                continue
            for executor in [*framework.get("executors", []), *framework.get("completed_executors", [])]:
                if executor["id"] == self._task_id:
                    return str(executor["directory"])
        return None

    def _get(self, path: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
        """The answer; None if there is none of that kind yet."""
        answer = self._session.get(self._base + path, params=parameters, timeout=PATIENCE)
        if answer.status_code != 200:
            return None
        body: dict[str, Any] = answer.json()
        return body
