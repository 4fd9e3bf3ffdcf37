"""``pymesoskit cluster``: a cluster with real HTTP until a signal ends it.

The contract, with every control command, is tests/conformance/README.md ("Launcher contract").
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pymesoskit.cli.control import carry_out

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pymesoskit.testing.cluster.cluster import Cluster

DESCRIPTION = """\
Runs a Mesos cluster (one master or --masters of them, and an agent for each --agent) in this process, with the HTTP API
of Mesos on loopback, and prints 'listening on http://127.0.0.1:PORT' once it serves: where the leading master is. With
several masters a second line 'masters 127.0.0.1:PORT,…' has the addresses of all. SIGTERM or SIGINT end the cluster and
all its tasks.
"""


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command."""
    parser = commands.add_parser("cluster", help="run a cluster", description=DESCRIPTION)
    parser.add_argument(
        "--port", type=int, default=0, metavar="PORT", help="of the (first) master; 0 (default): any free one"
    )
    parser.add_argument(
        "--masters",
        type=int,
        default=1,
        metavar="N",
        help="how many masters (default: 1); the first leads, and when it is gone for --master-flag zk_session_timeout "
        "(default: 10secs) the next one does. The others have any free ports",
    )
    parser.add_argument("--bind", default="127.0.0.1", metavar="IP", help="where to listen (default: 127.0.0.1)")
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="let web pages of this origin, such as http://localhost:3000, use the cluster; may be repeated",
    )
    parser.add_argument(
        "--agent",
        action="append",
        default=[],
        metavar="RESOURCES[@ATTRIBUTES]",
        help="an agent, such as 'cpus:4;mem:4096;disk:10000;ports:[31000-32000]@rack:r1'; may be repeated",
    )
    for program in ("master", "agent"):
        parser.add_argument(
            f"--{program}-flag",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help=f"a flag of mesos-{program} 1.11, such as "
            + ("allocation_interval=200ms" if program == "master" else "executor_registration_timeout=10secs")
            + "; may be repeated",
        )
    parser.add_argument("--work-dir", metavar="DIR", help="of sandboxes and checkpoints (default: a temporary one)")
    parser.add_argument(
        "--pace",
        choices=("mesos", "instant"),
        default="mesos",
        help="whether executors and commands take as long to get going as in a real Mesos (default), or no time at all",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="seed for all randomness")
    parser.add_argument(
        "--control",
        action="store_true",
        help="take commands such as 'agent 0 kill' or 'master 1 pause' on stdin",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the cluster until a signal comes; returns the exit code."""
    from pymesoskit.cli import fail
    from pymesoskit.testing.cluster.cluster import Cluster, ClusterError
    from pymesoskit.testing.engine.flags.exposure import exposure_warning
    from pymesoskit.testing.engine.flags.flags import AgentFlags, FlagError, MasterFlags
    from pymesoskit.testing.engine.http.server import ListenError
    from pymesoskit.testing.engine.machine.pace import INSTANT, MESOS

    with _signals() as ended:
        try:
            master_flags, agent_flags = MasterFlags.parse(options.master_flag), AgentFlags.parse(options.agent_flag)
            cluster = Cluster(
                options.agent,
                master_flags=master_flags,
                agent_flags=agent_flags,
                seed=options.seed,
                bind=options.bind,
                allow_origins=options.allow_origin,
                port=options.port,
                masters=options.masters,
                work_dir=options.work_dir,
                pace=MESOS if options.pace == "mesos" else INSTANT,
            )
        except (FlagError, ClusterError) as error:
            return fail(str(error))
        try:
            cluster.start()
        except (ClusterError, ListenError, ValueError) as error:
            cluster.stop()
            return fail(str(error))
        warning = exposure_warning(options.bind, master_flags, [agent_flags])
        if warning is not None:
            print(f"pymesoskit: {warning}", file=sys.stderr)
        try:
            several = f"\nmasters {cluster.addresses}" if len(cluster.masters) > 1 else ""
            _print(f"listening on {cluster.master_url}{several}")
            if options.control:
                threading.Thread(target=_control, args=(cluster,), name="control", daemon=True).start()
            os.read(ended, 1)
        finally:
            cluster.stop()
    return 0


@contextmanager
def _signals() -> Iterator[int]:
    """Gives a descriptor that can be read from once SIGTERM or SIGINT has come."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    # The interpreter itself writes to the pipe: a handler in Python might have to wait for the read that it is to end.
    outer = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in before:
        signal.signal(number, lambda *_: None)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(outer)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)


def _control(cluster: Cluster) -> None:
    """Carries out the commands on stdin, one after the other. Its end means nothing."""
    for line in sys.stdin:
        if line.strip():
            _print(carry_out(cluster, line))


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
