"""``pymesoskit run``: one command as a task, on a cluster that is there or on one that lives as long as the command.

State changes go to stderr, the task's output to stdout and stderr as it comes (read over the agent's ``/files/read``,
so it works with a real cluster too), and the task's exit code becomes this program's. Ctrl-C kills the task.
"""

from __future__ import annotations

import re
import signal
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from pymesoskit.cli.output import TaskOutput

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from pymesoskit.scheduler import SchedulerClient
    from pymesoskit.wire.v1 import mesos

DESCRIPTION = "Runs a shell command as a task, shows its states and its output, and exits with its exit code."

#: Exit codes for a task that ended otherwise than by its own exit: the shell's for SIGINT, and a general one.
INTERRUPTED = 128 + signal.SIGINT
LOST = 1


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command."""
    parser = commands.add_parser("run", help="run a command as a task", description=DESCRIPTION)
    parser.add_argument("--cpus", type=float, default=0.1, metavar="N", help="default: 0.1")
    parser.add_argument("--mem", type=float, default=32, metavar="MB", help="default: 32")
    parser.add_argument("--disk", type=float, default=0, metavar="MB", help="default: 0")
    parser.add_argument(
        "--master",
        metavar="HOST:PORT[,…]",
        help="where to run it: the address of a master, or of several (default: a cluster made for it)",
    )
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="a variable; may be repeated")
    parser.add_argument("--role", default="*", metavar="ROLE", help="default: *")
    parser.add_argument("--user", metavar="USER", help="as whom to run it (default: the current user)")
    parser.add_argument("shell_command", nargs="+", metavar="COMMAND", help="as for a shell")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from pymesoskit.cli import fail
    from pymesoskit.errors import MesosError
    from pymesoskit.resources import Resources, ResourcesError
    from pymesoskit.transport.address import Address

    try:
        environment = _variables(options.env)
        resources = Resources.parse(f"cpus:{options.cpus:g};mem:{options.mem:g};disk:{options.disk:g}")
        masters = [Address.parse(one) for one in options.master.split(",")] if options.master is not None else []
        if masters:
            _look_for(masters)
    except (ValueError, ResourcesError) as error:
        return fail(str(error))
    with ExitStack() as stack:
        if not masters:
            from pymesoskit.testing.cluster.cluster import Cluster

            own = f"cpus:{max(options.cpus, 1):g};mem:{max(options.mem, 1024):g};disk:{max(options.disk, 1024):g}"
            cluster = stack.enter_context(Cluster([f"{own};ports:auto"]))
            masters = [Address.parse(cluster.address)]
        try:
            return _Run(options, resources, environment, masters).result()
        except MesosError as error:
            sys.stderr.write(f"pymesoskit: {error}\n")
            return LOST
        except KeyboardInterrupt:
            return INTERRUPTED


class _Run:
    """One task from subscription to its end."""

    def __init__(
        self,
        options: argparse.Namespace,
        resources: Resources,
        environment: Mapping[str, str],
        masters: list[Address],
    ) -> None:
        from pymesoskit.scheduler import SchedulerClient, framework_info, new_task_id

        framework = framework_info("pymesoskit run", [options.role], user=options.user)
        self._command = " ".join(options.shell_command)
        self._resources = resources
        self._environment = environment
        self._task_id = new_task_id("run")
        self._client: SchedulerClient = SchedulerClient(framework, masters, on_notice=self._notice)
        self._over = False
        self._agent: mesos.AgentID | None = None
        self._output: TaskOutput | None = None
        self._interrupted = False

    def result(self) -> int:
        """Runs it to its end; returns the exit code."""
        from pymesoskit.errors import MesosError

        with self._client:
            try:
                status = self._watch()
            finally:
                self._over = True
                if self._output is not None:
                    self._output.finish()
                with suppress(MesosError):
                    self._client.teardown()
                    for _ in self._client.events():
                        continue
        return INTERRUPTED if self._interrupted else exit_code(status)

    def _watch(self) -> mesos.TaskStatus:
        """Handles events until the task has ended; an interrupt kills it, a second one is not waited for."""
        events = self._client.events()
        while True:
            try:
                for event in events:
                    status = self._handle(event)
                    if status is not None:
                        return status
                raise SystemExit("pymesoskit: the master ended the framework")
            except KeyboardInterrupt:
                if self._interrupted or self._agent is None:
                    raise
                self._interrupted = True
                _say("interrupted, killing the task")
                self._client.kill(self._task_id, self._agent)
                events = self._client.events()

    def _handle(self, event: scheduler.Event) -> mesos.TaskStatus | None:
        from pymesoskit.scheduler import is_terminal, state_name
        from pymesoskit.wire.v1 import scheduler

        if event.type == scheduler.Event.OFFERS:
            for offer in event.offers.offers:
                self._consider(offer)
        elif event.type == scheduler.Event.UPDATE and event.update.status.task_id.value == self._task_id:
            status = event.update.status
            if status.uuid:
                self._client.acknowledge(status)
            _say(f"{state_name(status)}{': ' if status.message else ''}{status.message}")
            if is_terminal(status):
                return status
        return None

    def _notice(self, notice: Notice) -> None:
        from pymesoskit.subscription.session import Disconnected
        from pymesoskit.subscription.subscriber import CallFailed

        if not self._over and isinstance(notice, Disconnected):
            _say(f"disconnected: {notice.reason}")
        elif not self._over and isinstance(notice, CallFailed):
            _say(str(notice.error))

    def _consider(self, offer: mesos.Offer) -> None:
        from pymesoskit.scheduler import OfferPool, command_task

        wanted = OfferPool(offer).take(self._resources) if self._agent is None else None
        if wanted is None:
            self._client.decline(offer, refuse_seconds=5.0 if self._agent is None else 3600.0)
            return
        self._agent = offer.agent_id
        _say(f"launching {self._task_id} on {offer.hostname}")
        self._output = TaskOutput(offer, self._task_id)
        task = command_task(
            self._command, wanted, offer, task_id=self._task_id, name=self._command[:60], environment=self._environment
        )
        self._client.launch(offer, task, refuse_seconds=3600.0)
        self._client.suppress()
        self._output.start()


def exit_code(status: mesos.TaskStatus) -> int:
    """The exit code that stands for the end of a task: its command's own, 128 + N for signal N, 1 for any other end."""
    from pymesoskit.wire.v1 import mesos

    if status.state == mesos.TASK_FINISHED:
        return 0
    if exited := re.search(r"exited with status (\d+)", status.message):
        return int(exited[1]) or LOST
    if ended := re.search(r"terminated with signal ([A-Za-z0-9 ]+?)(?: \(core dumped\))?$", status.message):
        return next((128 + number for number in signal.valid_signals() if signal.strsignal(number) == ended[1]), LOST)
    return LOST


def _variables(settings: list[str]) -> dict[str, str]:
    variables = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise ValueError(f"bad variable '{setting}': expected NAME=VALUE")
        variables[name] = value
    return variables


def _look_for(masters: list[Address]) -> None:
    """Raises ValueError if no master answers at any of these: better said at once than tried forever."""
    import requests

    with requests.Session() as session:
        session.trust_env = False  # neither proxies nor netrc, as the driver
        for address in masters:
            try:
                session.get(address.url("/health"), timeout=10)
            except requests.RequestException:
                continue
            return
    raise ValueError(f"no master answers at {', '.join(map(str, masters))}")


def _say(text: str) -> None:
    sys.stderr.write(f"pymesoskit: {text}\n")
    sys.stderr.flush()


if TYPE_CHECKING:
    from pymesoskit.resources import Resources
    from pymesoskit.subscription.client import Notice
    from pymesoskit.transport.address import Address
    from pymesoskit.wire.v1 import scheduler
