"""The directive ``public``: all names that a module exports, with signatures, types and docstrings.

A name that several modules export is described once: errors with the errors, others with ``pymesoskit`` itself.
Docstrings are plain text with double backticks (CONTRIBUTING.md), so everything else that looks like markup is escaped.
"""

from __future__ import annotations

import inspect
import re
from enum import Enum
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from api import LINES  # tools/api.py
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx

TOP, ERRORS = "pymesoskit", "pymesoskit.errors"
BUILTINS = "object, Exception, tuple, int, str, float, dict, list, set, frozenset, Enum, StrEnum, IntEnum"
LONG = 40  # parameters
CODE = re.compile(r"(``.+?``)")
MARKUP = re.compile(r"([*|`\\]|_(?=\W|$))")


class Public(Directive):
    """``{public} MODULE`` describes what the module exports."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        lines = StringList(list(described(name)), source=f"public names of {name}")
        container = nodes.container()
        self.state.nested_parse(lines, self.content_offset, container)
        return container.children


def described(name: str) -> Iterator[str]:
    """Yields the lines that autodoc expands."""
    module = import_module(name)
    elsewhere = {"__version__"}
    for other in {TOP: [ERRORS], ERRORS: []}.get(name, [TOP, ERRORS]):
        elsewhere.update(import_module(other).__all__)
    yield from [f".. py:module:: {name}", "", f".. py:currentmodule:: {name}"]
    yield ""
    for exported in module.__all__:
        if exported in elsewhere:
            continue
        value = getattr(module, exported)
        if isinstance(value, ModuleType):
            if not value.__name__.endswith("_pb2") and not value.__name__.startswith("pymesoskit.wire"):
                yield from functions_of(name, exported, value)
            continue
        if (line := LINES.get(f"{name}.{exported}")) is not None:  # a value, which has no docstring
            yield from [f".. py:data:: {exported}", "", f"   {line.replace('`', '``')}", ""]
            continue
        yield f".. {directive(value)}:: {name}.{exported}"
        if inspect.isclass(value):
            yield "   :members:"
            if issubclass(value, Enum):
                yield "   :undoc-members:"
            if not issubclass(value, BaseException) and name != ERRORS:
                yield f"   :inherited-members: {BUILTINS}"
        yield ""


def functions_of(name: str, exported: str, module: ModuleType) -> Iterator[str]:
    """Yields those of a module of functions, such as ``calls``, under the path that users import it by."""
    yield f".. rubric:: {exported}"
    yield ""
    yield from plain((inspect.getdoc(module) or "").splitlines())
    yield ""
    for function, value in vars(module).items():
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not function.startswith("_"):
            yield f".. autofunction:: {name}.{exported}.{function}"
            yield ""


def directive(value: object) -> str:
    if inspect.isclass(value):
        return "autoexception" if issubclass(value, BaseException) else "autoclass"
    return "autofunction" if inspect.isroutine(value) else "autodata"


def plain(lines: list[str]) -> list[str]:
    """Returns a docstring with everything escaped that is not code. Indented blocks after ``::`` stay as they are."""
    found = []
    literal = False
    for line in lines:
        if literal and line and not line.startswith(" "):
            literal = False
        found.append(line if literal else escaped(line))
        literal = literal or line.endswith("::")
    return found


def escaped(line: str) -> str:
    return "".join(part if part.startswith("``") else MARKUP.sub(r"\\\1", part) for part in CODE.split(line))


def process(app: Sphinx, what: str, name: str, item: Any, options: Any, lines: list[str]) -> None:
    lines[:] = plain(lines)


def shorten(
    app: Sphinx, what: str, name: str, item: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Leaves out the arguments of enums and protocols, signatures of a hundred flags, the name of attrs' marker."""
    if what == "class" and inspect.isclass(item):
        if issubclass(item, Enum) or getattr(item, "_is_protocol", False):
            return "", None
        if signature is not None and signature.count(":") > LONG:
            return "(**flags)", None
    if signature is not None:
        signature = signature.replace("= NOTHING", "= …")
    return signature, returns


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("public", Public)
    app.connect("autodoc-process-docstring", process)
    app.connect("autodoc-process-signature", shorten)
    return {"parallel_read_safe": True}
