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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs
from attrs import frozen

from pymesoskit.testing.cluster.cluster import SimulatedCluster
from pymesoskit.testing.engine.flags.flags import AgentFlags, MasterFlags
from pymesoskit.wire.v1 import agent, executor, master, mesos, scheduler

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "fidelity.md"
NOTES = ROOT / "docs" / "fidelity.toml"
BEGIN, END = "<!-- coverage: written by tools/fidelity.py -->", "<!-- end of coverage -->"

SCENARIOS = "tests/conformance/vendored/scenarios"


#: Tests that name many things without pinning the rule of any.
PIN_NOTHING = ("tests/hostile/", "tests/cluster/test_flags.py", "tests/cli/")

#: What makes worlds out of flags in the tests of one kind of process, by where these are.
WORLDS = {"tests/master/": MasterFlags, "tests/agent": AgentFlags}
GIVEN_AS = {"master": MasterFlags, "master_flags": MasterFlags, "agent": AgentFlags, "agent_flags": AgentFlags}


@frozen
class Test:
    """A test function and what is in it."""

    name: str
    path: str
    words: frozenset[str]  # names, attributes and texts
    words_of_helpers: frozenset[str]  # those of the functions, classes and fixtures of the module that it uses
    flags: frozenset[str]  # ``PROGRAM.NAME`` of those that it gives values to
    asks_agents: bool  # whether it sends requests to agents

    @property
    def is_scenario(self) -> bool:
        return self.path.startswith(SCENARIOS)

    @property
    def label(self) -> str:
        return f"`{self.name}`" if self.is_scenario else f"`{self.path}::{self.name}`"


def tests() -> list[Test]:
    """All of them, the scenarios first."""
    found = []
    paths = sorted((ROOT / SCENARIOS).glob("*.py")) + sorted(
        path for path in (ROOT / "tests").rglob("test_*.py") if "scenarios" not in path.parts
    )
    for path in paths:
        relative = path.relative_to(ROOT).as_posix()
        if relative.startswith(PIN_NOTHING):
            continue
        module = ast.parse(path.read_text())
        constants = {
            target.id: node.value
            for node in module.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        helpers = {node.name: node for node in module.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        for owner in ast.walk(module):
            if not isinstance(owner, (ast.Module, ast.ClassDef)):
                continue
            methods = {node.name: node for node in owner.body if isinstance(node, ast.FunctionDef)}
            for node in methods.values():
                if node.name.startswith("test_") or is_scenario(node):
                    used = used_by(node, {**helpers, **methods})
                    named = {
                        inner.id for part in (node, *used) for inner in ast.walk(part) if isinstance(inner, ast.Name)
                    }
                    own = [node, *(constants[name] for name in sorted(named & constants.keys()))]
                    found.append(
                        Test(
                            node.name,
                            relative,
                            frozenset(word for part in own for word in words(part)),
                            frozenset(word for part in used for word in words(part)),
                            frozenset(flag for part in (*own, *used) for flag in given_flags(part, relative)),
                            any(isinstance(inner, ast.keyword) and inner.arg == "agent" for inner in calls_in(node)),
                        )
                    )
    return found


def calls_in(node: ast.FunctionDef) -> Iterator[ast.AST]:
    """What is in the function's body, without its decorators."""
    return (inner for statement in node.body for inner in ast.walk(statement))


def used_by(node: ast.FunctionDef, helpers: Mapping[str, ast.AST]) -> list[ast.AST]:
    """The helpers that the test names, as fixtures too, and those that these name."""
    found: dict[str, ast.AST] = {}
    waiting: list[ast.AST] = [node]
    while waiting:
        for inner in ast.walk(waiting.pop()):
            name = getattr(inner, "id", None) or getattr(inner, "attr", None) or getattr(inner, "arg", None)
            if isinstance(name, str) and name in helpers and not name.startswith("test_") and name not in found:
                found[name] = helpers[name]
                waiting.append(helpers[name])
    return list(found.values())


def given_flags(node: ast.AST, path: str) -> Iterator[str]:
    """The flags that get values: of a scenario or a cluster by name, of a world by the kind of process it is for."""
    own = next((kind for start, kind in WORLDS.items() if path.startswith(start)), None)
    for inner in ast.walk(node):
        if isinstance(inner, ast.keyword) and inner.arg in GIVEN_AS and isinstance(inner.value, ast.Dict):
            yield from (f"{GIVEN_AS[inner.arg].PROGRAM}.{name}" for name in keys(inner.value))
        elif isinstance(inner, ast.Call) and own is not None and ast.unparse(inner.func).lower().endswith("world"):
            yield from (f"{own.PROGRAM}.{keyword.arg}" for keyword in inner.keywords)
            yield from (
                f"{own.PROGRAM}.{name}" for each in inner.args if isinstance(each, ast.Dict) for name in keys(each)
            )
        elif isinstance(inner, ast.Dict):
            names = keys(inner)
            for kind in (MasterFlags, AgentFlags) if own is None else (own,):
                if names and set(names) <= set(kind.names()) and not set(names) <= {"hostname", "ip"}:  # a machine's id
                    yield from (f"{kind.PROGRAM}.{name}" for name in names)


def keys(node: ast.Dict) -> list[str]:
    """The keys that are texts, if the values can be texts."""
    if any(isinstance(value, (ast.List, ast.Tuple, ast.Dict, ast.Set)) for value in node.values):
        return []
    return [key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]


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


def pins(items: Sequence[str], known: Iterable[Test]) -> dict[str, list[str]]:
    """For each item the tests that pin it, the best first.

    Those that have its name come before those that have it in another form, and these before those whose helpers
    have it; then those that are named after it; then those about few other items.
    """
    names = {item: {item} if item.startswith("/") else aliases(item) for item in items}
    found: dict[str, list[tuple[int, bool, int, int, str]]] = {item: [] for item in items}
    for at, test in enumerate(known):
        everything = test.words | test.words_of_helpers
        mentioned = [item for item in items if names[item] & everything]
        for item in mentioned:
            titled = item.strip("/").replace("/", "_").replace("-", "_").lower() in test.name
            distance = 0 if item in test.words else 1 if names[item] & test.words else 2
            found[item].append((distance, not titled, len(mentioned), at, test.label))
    return {item: [entry[-1] for entry in sorted(entries)] for item, entries in found.items()}


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
        process, one = cluster.master._member.process, cluster.agents[0]._member.process
        assert process is not None
        assert one is not None
        return sorted(process.paths()), sorted(one.paths())


@frozen
class Section:
    """A table of the page."""

    title: str
    key: str  # in the notes
    items: Sequence[str]
    where: tuple[str, ...]  # where tests of them are
    of_agents: bool = False  # scenarios count only if they send requests to agents

    def tests(self, known: Iterable[Test]) -> list[Test]:
        return [
            test
            for test in known
            if test.path.startswith(self.where) and (test.asks_agents or not (self.of_agents and test.is_scenario))
        ]


def sections() -> list[Section]:
    """The tables of what can be asked of the cluster. Tests of the client pin nothing of it."""
    of_master, of_agent = endpoints()
    frameworks = (SCENARIOS, "tests/master/test_", "tests/cluster/")
    executors = (f"{SCENARIOS}/executors.py", f"{SCENARIOS}/groups.py", f"{SCENARIOS}/agents.py", "tests/agent/")
    operators = (SCENARIOS, "tests/master/")
    on_agents = (SCENARIOS, "tests/agent/", "tests/agent_limits/")
    stream = (
        f"{SCENARIOS}/operator.py",
        f"{SCENARIOS}/failover.py",
        f"{SCENARIOS}/agents.py",
        "tests/master/operator/test_events.py",
    )
    return [
        Section("Scheduler API: calls", "scheduler.calls", values(scheduler.Call.Type), frameworks),
        Section("Scheduler API: events", "scheduler.events", values(scheduler.Event.Type), frameworks),
        Section(
            "Offer operations",
            "operations",
            values(mesos.Offer.Operation.Type),
            (*frameworks, "tests/master/operator/", "tests/resources/test_operations.py"),
        ),
        Section("Executor API: calls", "executor.calls", values(executor.Call.Type), executors),
        Section("Executor API: events", "executor.events", values(executor.Event.Type), executors),
        Section("Operator API of the master: calls", "master.calls", values(master.Call.Type), operators),
        Section("Operator API of the master: events", "master.events", values(master.Event.Type), stream),
        Section("Operator API of agents: calls", "agent.calls", values(agent.Call.Type), on_agents, of_agents=True),
        Section("Endpoints of the master", "master.endpoints", of_master, (SCENARIOS, "tests/master/")),
        Section("Endpoints of agents", "agent.endpoints", of_agent, on_agents, of_agents=True),
    ]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def coverage() -> tuple[str, list[str]]:
    """The tables, and what is neither pinned nor explained."""
    notes = tomllib.loads(NOTES.read_text())
    known = tests()
    parts, problems = [], []
    for section in sections():
        explained = notes.get(section.key, {})
        problems += [
            f'docs/fidelity.toml ["{section.key}"]: there is no {name}'
            for name in sorted(set(explained) - set(section.items))
        ]
        rows = []
        pinned = pins(section.items, section.tests(known))
        for item in section.items:
            if not pinned[item] and item not in explained:
                problems.append(
                    f"{section.title}: {item} is pinned by no test, and docs/fidelity.toml does not say why"
                )
            rows.append((f"`{item}`", explained.get(item, "as Mesos"), ", ".join(pinned[item][:2])))
        parts.append(f"### {section.title}\n\n{table(['', 'state', 'pinned by'], rows)}")
    used = used_flags()
    for kind, title in ((MasterFlags, "Flags of the master"), (AgentFlags, "Flags of agents")):
        explained = notes.get(f"{kind.PROGRAM}.flags", {})
        effective, without = [], []
        for field in attrs.fields(kind):
            pinned_by = [test.label for test in known if f"{kind.PROGRAM}.{field.name}" in test.flags]
            if field.name in explained or field.name in used:
                effective.append((f"`{field.name}`", explained.get(field.name, "as Mesos"), ", ".join(pinned_by[:2])))
                if not pinned_by and field.name not in explained:
                    problems.append(f"{title}: {field.name} has an effect, but is pinned by no test")
            else:
                without.append(f"`{field.name}`")
        text = f"### {title}\n\n{table(['', 'state', 'pinned by'], effective)}"
        parts.append(f"{text}\n\nAccepted and shown in `/flags`, without an effect here: {', '.join(without)}.")
    return "\n\n".join(parts), problems


def with_coverage(text: str) -> str:
    """The page with these tables instead of those that it has."""
    head, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is not up to date")
    check = parser.parse_args().check
    text, problems = coverage()
    for problem in problems:
        print(problem, file=sys.stderr)
    updated = with_coverage(text)
    if not check:
        PAGE.write_text(updated)
    elif updated != PAGE.read_text():
        print("docs/fidelity.md is out of date: run python tools/fidelity.py", file=sys.stderr)
        return 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
