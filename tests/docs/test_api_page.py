"""What is public: the exports of the public modules, and the page that lists them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pymesoskit

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()
PUBLIC = (
    "pymesoskit",
    "pymesoskit.errors",
    "pymesoskit.executor",
    "pymesoskit.operator",
    "pymesoskit.resources",
    "pymesoskit.scheduler",
    "pymesoskit.testing",
    "pymesoskit.testing.allocator",
    "pymesoskit.testing.checkers",
    "pymesoskit.testing.simulation",
    "pymesoskit.wire",
    "pymesoskit.wire.v1",
)
LAZY = {"pymesoskit", "pymesoskit.testing"}  # their names are loaded when they are first used


def section(module: str) -> str:
    """The part of the page on one module."""
    found = re.search(rf"^## `{re.escape(module)}`$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"no section on {module}"
    return found[1]


@pytest.mark.parametrize("module", PUBLIC)
def test_each_name_of_all_can_be_imported_and_stands_there_once(module: str) -> None:
    exports = importlib.import_module(module).__all__
    assert len(set(exports)) == len(exports)
    for name in exports:
        assert getattr(importlib.import_module(module), name) is not None


@pytest.mark.parametrize("module", sorted(set(PUBLIC) - LAZY))
def test_all_names_are_in_all_that_a_public_module_shows(module: str) -> None:
    loaded = importlib.import_module(module)
    shown = {
        name
        for name, value in vars(loaded).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name not in {"annotations", "TYPE_CHECKING"}
    }
    assert shown - set(loaded.__all__) - {"Any", "import_module"} == set()


@pytest.mark.parametrize("module", PUBLIC)
def test_the_page_lists_what_a_module_exports_and_nothing_else(module: str) -> None:
    text = section(module)
    rows = re.findall(r"^\| `(\w+)` \| \w+ \| (.+) \|$", text, re.MULTILINE)
    assert all(line.strip() for _, line in rows)
    again = re.search(r"^Also here, as above: (.*)\.$", text, re.MULTILINE)
    names = [name for name, _ in rows] + (re.findall(r"`(\w+)`", again[1]) if again else [])
    assert sorted(names) == sorted(importlib.import_module(module).__all__)


def test_the_page_has_no_other_modules() -> None:
    assert sorted(re.findall(r"^## `(.*)`$", PAGE, re.MULTILINE)) == sorted(PUBLIC)


def test_the_page_is_what_the_tool_writes() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "api.py", "--check"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_other_packages_say_that_they_are_internal() -> None:
    packages = [module.name for module in pkgutil.walk_packages(pymesoskit.__path__, "pymesoskit.") if module.ispkg]
    silent = [
        name
        for name in packages
        if name not in PUBLIC and not re.search(r"\bInternal\b", importlib.import_module(name).__doc__ or "")
    ]
    assert silent == []


@pytest.mark.parametrize(
    "name",
    [
        "CallRefused",
        "Detector",
        "HandlerFailed",
        "NotSubscribed",
        "OutcomeUnknown",
        "PendingCall",
        "ResourcesError",
        "default_executor",
    ],
)
def test_what_users_look_for_at_the_top_is_there(name: str) -> None:
    assert name in pymesoskit.__all__


def test_importing_the_top_loads_nothing_else() -> None:
    program = "import sys, pymesoskit; print([m for m in sys.modules if m.startswith('pymesoskit.')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def modules_in(text: str) -> set[str]:
    return set(re.findall(r"^\s*(?:from|import) (pymesoskit[\w.]*)", text, re.MULTILINE))


@pytest.mark.parametrize(
    "page", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"], ids=lambda page: page.name
)
def test_the_guides_import_from_public_modules_only(page: Path) -> None:
    code = "\n".join(re.findall(r"^```python.*?\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL))
    assert modules_in(code) - set(PUBLIC) == set()


@pytest.mark.parametrize(
    "page", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"], ids=lambda page: page.name
)
def test_the_guides_import_each_name_from_one_place(page: Path) -> None:
    """A name that the top has is imported from there."""
    code = "\n".join(re.findall(r"^```python.*?\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL))
    longer = re.findall(r"^\s*from (pymesoskit\.[\w.]+) import \(?([^)]*?)(?:\)|$)", code, re.MULTILINE)
    wrong = {
        f"{module}.{name}"
        for module, names in longer
        for name in re.findall(r"\w+", names)
        if name in pymesoskit.__all__ and name != "calls" and module in PUBLIC
    }
    assert wrong == set()
