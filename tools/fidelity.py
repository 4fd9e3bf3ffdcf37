#!/usr/bin/env python3
"""Writes the coverage tables of docs/fidelity.md from the code and its tests: `python tools/fidelity.py [--check]`.

What there is to cover is read from the schemas (calls, events, operations), from the cluster's own routing tables
(endpoints) and from its flags. What pins each is found by reading the tests: the scenarios recorded from a real Mesos
first, then the project's own. What behaves otherwise than Mesos is listed, with the reason, in docs/fidelity.toml.
Something that is neither pinned nor listed there is an error.
"""

from __future__ import annotations

import argparse
import ast
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import attrs
from attrs import frozen

from pymesoskit.testing.cluster import SimulatedCluster
from pymesoskit.testing.flags import AgentFlags, MasterFlags
from pymesoskit.wire.v1 import agent, executor, master, mesos, scheduler

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "fidelity.md"
NOTES = ROOT / "docs" / "fidelity.toml"
BEGIN, END = "<!-- coverage: written by tools/fidelity.py -->", "<!-- end of coverage -->"

SCENARIOS = "tests/conformance/scenarios"


@frozen
class Test:
    """A test function and the words in it: names, attributes and texts."""

    name: str
    path: str
    words: frozenset[str]

    @property
    def label(self) -> str:
        return f"`{self.name}`" if self.path.startswith(SCENARIOS) else f"`{self.path}::{self.name}`"


def tests() -> list[Test]:
    """All of them, the scenarios first."""
    found = []
    paths = sorted((ROOT / SCENARIOS).glob("*.py")) + sorted(
        path for path in (ROOT / "tests").rglob("test_*.py") if "scenarios" not in path.parts
    )
    for path in paths:
        relative = path.relative_to(ROOT).as_posix()
        module = ast.parse(path.read_text())
        constants = {
            target.id: frozenset(words(node.value))
            for node in module.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef) and (node.name.startswith("test_") or is_scenario(node)):
                own = frozenset(words(node))
                found.append(
                    Test(node.name, relative, own.union(*(constants[name] for name in own & constants.keys())))
                )
    return found


def is_scenario(node: ast.FunctionDef) -> bool:
    return any(
        isinstance(d, ast.Call) and isinstance(d.func, ast.Name) and d.func.id == "scenario"
        for d in node.decorator_list
    )


def words(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            yield inner.id
        elif isinstance(inner, ast.Attribute):
            yield inner.attr
        elif isinstance(inner, ast.keyword) and inner.arg is not None:
            yield inner.arg
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            yield inner.value
            yield from inner.value.replace("?", " ").replace("/", " /").replace("=", " ").replace('"', " ").split()
            yield inner.value.partition("?")[0]
            yield inner.value.partition("=")[0]


def aliases(name: str) -> set[str]:
    """How tests may write it: by its name, as a method, as the kit's short form of an operation."""
    return {name, name.lower(), name.removesuffix("_VOLUME")}


def used_flags() -> set[str]:
    """The flags that the cluster's code asks for."""
    found = set()
    for path in (ROOT / "pymesoskit" / "testing").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("flags"):
                found.add(node.attr)
    return found


def values(enum: object) -> list[str]:
    return [name for name in enum.keys() if name != "UNKNOWN"]  # type: ignore[attr-defined]  # noqa: SIM118  # a protobuf enum


def endpoints() -> tuple[list[str], list[str]]:
    """The paths that a master and an agent serve."""
    with SimulatedCluster(agents=1) as cluster:
        process, one = cluster.master.process, cluster.agents[0].process
        assert process is not None
        assert one is not None
        return sorted(process.paths()), sorted(one.paths())


def sections() -> list[tuple[str, str, Sequence[str], Sequence[str]]]:
    """(title, key in the notes, items, where tests of them are)."""
    of_master, of_agent = endpoints()
    everywhere = ("tests",)
    return [
        ("Scheduler API: calls", "scheduler.calls", values(scheduler.Call.Type), everywhere),
        ("Scheduler API: events", "scheduler.events", values(scheduler.Event.Type), everywhere),
        ("Offer operations", "operations", values(mesos.Offer.Operation.Type), everywhere),
        ("Executor API: calls", "executor.calls", values(executor.Call.Type), (SCENARIOS, "tests/agent")),
        (
            "Executor API: events",
            "executor.events",
            values(executor.Event.Type),
            (SCENARIOS, "tests/agent", "tests/executor"),
        ),
        ("Operator API of the master: calls", "master.calls", values(master.Call.Type), everywhere),
        ("Operator API of the master: events", "master.events", values(master.Event.Type), everywhere),
        (
            "Operator API of agents: calls",
            "agent.calls",
            values(agent.Call.Type),
            (SCENARIOS, "tests/agent", "tests/agent_limits"),
        ),
        ("Endpoints of the master", "master.endpoints", of_master, everywhere),
        ("Endpoints of agents", "agent.endpoints", of_agent, everywhere),
    ]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def coverage() -> tuple[str, list[str]]:
    """The tables, and what is neither pinned nor explained."""
    notes = tomllib.loads(NOTES.read_text())
    known = tests()
    parts, problems = [], []
    for title, key, items, where in sections():
        explained = notes.get(key, {})
        problems += [
            f'docs/fidelity.toml ["{key}"]: there is no {name}' for name in sorted(set(explained) - set(items))
        ]
        rows = []
        for item in items:
            names = {item} if item.startswith("/") else aliases(item)
            pins = [test.label for test in known if names & test.words and test.path.startswith(tuple(where))]
            state = explained.get(item, "as Mesos")
            if not pins and item not in explained:
                problems.append(f"{title}: {item} is pinned by no test, and docs/fidelity.toml does not say why")
            rows.append((f"`{item}`", state, ", ".join(pins[:2])))
        parts.append(f"### {title}\n\n{table(['', 'state', 'pinned by'], rows)}")
    used = used_flags()
    for kind, title in ((MasterFlags, "Flags of the master"), (AgentFlags, "Flags of agents")):
        explained = notes.get(f"{kind.PROGRAM}.flags", {})
        effective, without = [], []
        for field in attrs.fields(kind):
            pins = [test.label for test in known if field.name in test.words]
            if field.name in explained or field.name in used:
                effective.append((f"`{field.name}`", explained.get(field.name, "as Mesos"), ", ".join(pins[:2])))
                if not pins and field.name not in explained:
                    problems.append(f"{title}: {field.name} has an effect, but is pinned by no test")
            else:
                without.append(f"`{field.name}`")
        text = f"### {title}\n\n{table(['', 'state', 'pinned by'], effective)}"
        parts.append(f"{text}\n\nAccepted and shown in `/flags`, without an effect here: {', '.join(without)}.")
    return "\n\n".join(parts), problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is not up to date")
    check = parser.parse_args().check
    text, problems = coverage()
    for problem in problems:
        print(problem, file=sys.stderr)
    page = PAGE.read_text()
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    updated = f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}"
    if check and updated != page:
        print("docs/fidelity.md is out of date: run python tools/fidelity.py", file=sys.stderr)
        return 1
    if not check:
        PAGE.write_text(updated)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
