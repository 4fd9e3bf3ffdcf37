#!/usr/bin/env python3
"""Writes docs/api.md, the list of all public names: `python tools/api.py [--check]`.

The public names are those in the `__all__` of the public modules. A name belongs to the first public module that has
it: that is its import path in all documentation. Its line is the first sentence of its docstring.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "api.md"

PUBLIC_MODULES = {
    "pymesoskit": "What most frameworks need.",
    "pymesoskit.errors": "All errors of the clients: [errors.md](errors.md).",
    "pymesoskit.scheduler": "More for schedulers.",
    "pymesoskit.executor": "More for executors.",
    "pymesoskit.operator": "Single requests to masters and agents.",
    "pymesoskit.resources": "The algebra of resources: [resources.md](resources.md).",
    "pymesoskit.wire": "Encodings and records: [wire.md](wire.md).",
    "pymesoskit.wire.v1": "The messages of Mesos 1.11, a module for each `.proto` file.",
    "pymesoskit.testing": "The cluster for tests: [cluster.md](cluster.md).",
    "pymesoskit.testing.checkers": "Rules that a framework must keep: [simulation.md](simulation.md).",
    "pymesoskit.testing.simulation": "Simulation by seed: [simulation.md](simulation.md).",
    "pymesoskit.testing.allocator": "Allocation policies: [allocator.md](allocator.md).",
}

#: What has no docstring of its own.
LINES = {
    "pymesoskit.__version__": "The version of this package, as text.",
    "pymesoskit.JSON": "The content type `application/json`.",
    "pymesoskit.PROTOBUF": "The content type `application/x-protobuf`.",
    "pymesoskit.Notice": "What clients yield beside events: `Connected`, `Disconnected`, `Ended`, `CallFailed`.",
    "pymesoskit.mesos": "The common messages (`mesos.TaskInfo`, `mesos.Offer`, …).",
    "pymesoskit.scheduler.NEVER_RAN_STATES": "The terminal states of tasks that never ran.",
    "pymesoskit.scheduler.TERMINAL_STATES": "The states from which a task never leaves.",
    "pymesoskit.wire.v1.agent": "The agent's operator API.",
    "pymesoskit.wire.v1.allocator": "The status of inverse offers.",
    "pymesoskit.wire.v1.executor": "The executor API.",
    "pymesoskit.wire.v1.maintenance": "Maintenance schedules.",
    "pymesoskit.wire.v1.master": "The master's operator API.",
    "pymesoskit.wire.v1.quota": "Quotas.",
    "pymesoskit.wire.v1.resource_provider": "The resource provider API.",
    "pymesoskit.wire.v1.scheduler": "The scheduler API.",
    "pymesoskit.testing.INSTANT": "The pace at which nothing takes time.",
    "pymesoskit.testing.Approver": "A function from an `Object` or None to whether it is allowed.",
    "pymesoskit.testing.Agents": "How agents are given: how many, or the resources of each as text or `AgentSpec`.",
    "pymesoskit.testing.checkers.Verdict": "`Valid`, `Invalid` or `Unknown`.",
    "pymesoskit.testing.Outcomes": "A function from a task to its `Outcome`, or a table by task id or name.",
    "pymesoskit.testing.Subject": "Who wants to do something: the name of a principal, or `Claims`.",
    "pymesoskit.testing.MESOS": "The pace of a real cluster.",
    "pymesoskit.testing.allocator.AGENT_CAPABILITIES": "The capabilities of an agent of Mesos 1.11.",
    "pymesoskit.testing.allocator.AllocatorFactory": "The type of what makes an allocator for a cluster.",
    "pymesoskit.testing.allocator.Amounts": "The type of amounts by name.",
    "pymesoskit.testing.allocator.Holdings": "The type of what frameworks hold: framework → role → resources.",
}


def first_sentence(text: str) -> str:
    """Returns the first sentence of a docstring, in one line, in Markdown."""
    paragraph = " ".join(inspect.cleandoc(text).split("\n\n")[0].split())
    sentence = re.split(r"(?<=[.!?])\s+(?=[A-Z`])", paragraph)[0]
    return sentence.replace("``", "`").replace("|", r"\|")


def line_of(path: str, value: Any) -> str:
    """Returns the line that says what a name is. Raises ``SystemExit`` if nothing says so."""
    if path in LINES:
        return LINES[path]
    text = (
        value.__doc__ if isinstance(value, ModuleType) or inspect.isclass(value) or inspect.isroutine(value) else None
    )
    if not text:
        raise SystemExit(f"{path} has no docstring: write one, or add a line to LINES in tools/api.py")
    return first_sentence(text)


def kind_of(value: Any) -> str:
    """Returns what sort of thing a name stands for."""
    if isinstance(value, ModuleType):
        return "module"
    if inspect.isclass(value):
        return "error" if issubclass(value, Exception) else "class"
    return "function" if inspect.isroutine(value) else "value"


def page() -> str:
    """Returns the whole page."""
    lines = [
        "# API",
        "",
        "<!-- Written by tools/api.py from the modules themselves; `make api` writes it anew. -->",
        "",
        "Every public name, under the module to import it from. Modules that are not listed here are internal: they",
        "may change in any release.",
        "",
    ]
    listed: dict[str, Any] = {}
    for module_name, about in PUBLIC_MODULES.items():
        module = importlib.import_module(module_name)
        here: list[tuple[str, Any]] = []
        again: list[str] = []
        for name in module.__all__:
            value = getattr(module, name)
            if name in listed and listed[name] is value:
                again.append(name)
            else:
                here.append((name, value))
        listed |= {name: value for name, value in here if name not in listed}
        lines += [f"## `{module_name}`", "", about, "", "| name | kind | what it is |", "|---|---|---|"]
        lines += [
            f"| `{name}` | {kind_of(value)} | {line_of(f'{module_name}.{name}', value)} |"
            for name, value in sorted(here, key=lambda each: each[0].lower())
        ]
        if again:
            lines += ["", f"Also here, as above: {', '.join(f'`{name}`' for name in sorted(again, key=str.lower))}."]
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Write docs/api.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is out of date")
    text = page()
    if not parser.parse_args().check:
        PAGE.write_text(text)
    elif PAGE.read_text() != text:
        print("docs/api.md is out of date: run tools/api.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
