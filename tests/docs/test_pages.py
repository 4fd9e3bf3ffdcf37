"""The pages of the documentation: all are listed, links lead somewhere, and what is generated is up to date."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
INDEX = ROOT / "docs" / "README.md"
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("README.md")),
    ROOT / "benchmarks" / "README.md",
    *(ROOT / name for name in ("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md")),
]

CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def links(page: Path) -> list[str]:
    """Where the page's links lead, those to elsewhere in the world left out."""
    targets = LINK.findall(CODE.sub("", page.read_text()))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """The names that headings have in links."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(page.read_text())}


#: The last column of the coverage tables. A better test than one that is named there does not make the page wrong.
PINS = re.compile(r"^(\| `[\w/.-]+` \| .* \|) (.*) \|$", re.MULTILINE)


def without_pins(page: str) -> str:
    """The page without that column."""
    return PINS.sub(r"\1", page)


def tool(name: str) -> ModuleType:
    """A program of ``tools/`` as a module."""
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_index_lists_every_page() -> None:
    listed = {(INDEX.parent / target).resolve() for target in links(INDEX)}
    assert set(PAGES) - {INDEX} <= listed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{target}: there is no such file"
        assert not anchor or anchor in anchors(there), f"{target}: there is no such heading"


def test_each_page_has_a_title() -> None:
    assert [page for page in PAGES if not page.read_text().startswith("# ")] == []


def test_all_that_the_cluster_does_is_pinned_by_a_test_or_explained() -> None:
    fidelity = tool("fidelity")
    text, problems = fidelity.coverage()
    assert problems == []
    page = fidelity.PAGE.read_text()
    assert without_pins(fidelity.with_coverage(text)) == without_pins(page), "run python tools/fidelity.py"
    known = {test.label for test in fidelity.tests()}
    named = {label for _, pins in PINS.findall(page) for label in pins.split(", ") if label}
    assert named - known == set(), "they are gone: run python tools/fidelity.py"


def test_the_state_diagrams_are_those_of_the_tables() -> None:
    states = tool("states")
    assert states.page() == states.PAGE.read_text(), "run python tools/states.py"


ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


def test_modules_that_the_architecture_names_exist() -> None:
    there = [path.relative_to(ROOT).as_posix() for path in (ROOT / "pymesoskit").rglob("*.py")]
    named = set(re.findall(r"[\w/]+\.py\b", ARCHITECTURE))
    assert {name for name in named if not any(path.endswith(f"/{name}") for path in there)} == set()


def test_directories_that_the_architecture_names_exist() -> None:
    there = [f"/{path.relative_to(ROOT).as_posix()}/" for path in (ROOT / "pymesoskit").rglob("*") if path.is_dir()]
    there += [f"/{path.relative_to(ROOT).as_posix()}/" for path in (ROOT / "tests").rglob("*") if path.is_dir()]
    named = set(re.findall(r"`([\w/]+)/`", ARCHITECTURE)) | set(re.findall(r"`(tests/[\w/]+)`", ARCHITECTURE))
    assert {name for name in named if not any(f"/{name}/" in path for path in there)} == set()


def test_the_architecture_lists_every_package() -> None:
    drawn = set(re.findall(r"^  (\w+)(?:/|\.py) ", ARCHITECTURE, re.MULTILINE))
    listed = set(re.findall(r"`(\w+)(?:/|\.py)`", ARCHITECTURE)) | drawn
    packages = {
        path.parent.name
        for where in ("pymesoskit", "pymesoskit/testing", "pymesoskit/testing/engine")
        for path in (ROOT / where).glob("*/__init__.py")
    }
    assert packages - listed == set()
