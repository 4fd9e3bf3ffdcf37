"""The command line: ``python -m pymesoskit``, installed as ``pymesoskit`` too.

``cluster_command.py`` has ``cluster``, ``run_command.py`` has ``run``. Wrong input is one line on stderr, exit code 2.
Source: docs/command-line.md.

Internal: the command ``pymesoskit`` is the public face of it.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Exit code for wrong input.
WRONG_INPUT = 2


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_INPUT, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line (that of the process if None is given); returns the exit code."""
    from pymesoskit import __version__
    from pymesoskit.cli import cluster_command, run_command

    parser = Parser(
        prog="pymesoskit", description="Mesos frameworks, and a Mesos cluster in one process for testing them."
    )
    parser.add_argument("--version", action="version", version=f"pymesoskit {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    cluster_command.add_to(commands)
    run_command.add_to(commands)
    options = parser.parse_args(arguments)
    return int(options.run(options))


def fail(text: str) -> int:
    """Says what was wrong, in one line; returns the exit code."""
    sys.stderr.write(f"pymesoskit: {' '.join(text.split())}\n")
    return WRONG_INPUT
