"""Sphinx's settings for `make docs`.

The site consists of the repository's pages as they are. The source directory is the repository, so that links between
pages work both there and on the site.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "docs" / "_ext"), str(ROOT / "tools"), str(ROOT)]

import pymesoskit

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "pymesoskit"
author = "The pymesoskit developers"
project_copyright = author
version = release = pymesoskit.__version__

root_doc = "README"
include_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"]
include_patterns += [
    "docs/**.md",
    "docs/*/**.md",
    "examples/**README.md",
    "benchmarks/README.md",
    "tests/conformance/**README.md",
]
exclude_patterns = [".*", "build", "dist", "pymesoskit", "tools", "changes", "**/golden", "**/__pycache__"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "mermaid_svg", "public_names"]

myst_heading_anchors = 5
myst_fence_as_directive = ["mermaid"]
myst_enable_extensions = ["colon_fence"]

autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"pymesoskit {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_theme_options = {"source_repository": "https://github.com/pymesoskit/pymesoskit/", "source_branch": "main"}
copybutton_prompt_text = "$ "

#: The navigation: captions with their pages. A page that is missing here fails the build.
NAVIGATION = {
    "Getting started": [
        "docs/README",
        "docs/coming-from-pymesos",
        "examples/README",
        "examples/01-hello/README",
        "examples/02-custom-executor/README",
        "examples/03-services/README",
        "examples/04-cron/README",
    ],
    "Writing frameworks": [
        "docs/scheduler-client",
        "docs/executor-client",
        "docs/resources",
        "docs/errors",
        "docs/wire",
    ],
    "The cluster": [
        "docs/cluster",
        "docs/pytest-plugin",
        "docs/simulation",
        "docs/command-line",
        "docs/agents",
        "docs/tasks",
        "docs/operator-api",
        "docs/authorization",
        "docs/security",
        "docs/allocator",
        "docs/states",
        "docs/fidelity",
    ],
    "API": [
        "docs/api",
        "docs/api/pymesoskit",
        "docs/api/scheduler",
        "docs/api/executor",
        "docs/api/operator",
        "docs/api/resources",
        "docs/api/errors",
        "docs/api/testing",
        "docs/api/testing-allocator",
        "docs/api/testing-checkers",
        "docs/api/testing-simulation",
        "docs/api/wire",
    ],
    "How Mesos 1.11 behaves": ["docs/reference/*"],
    "The project": [
        "docs/design",
        "docs/architecture",
        "docs/decisions",
        "benchmarks/README",
        "tests/conformance/README",
        "tests/conformance/**README",
        "CONTRIBUTING",
        "SECURITY",
        "CODE_OF_CONDUCT",
        "CHANGELOG",
    ],
}


def add_navigation(app: Sphinx, docname: str, source: list[str]) -> None:
    """Appends the navigation to the front page. The file itself stays plain Markdown."""
    if docname != root_doc:
        return
    for caption, pages in NAVIGATION.items():
        listed = "\n".join(pages)
        source[0] += f"\n\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {caption}\n\n{listed}\n```\n"


def add_index(app: Sphinx, error: Exception | None) -> None:
    """Makes the front page the index of the site."""
    if error is None and app.builder.format == "html":
        (app.outdir / "index.html").write_text((app.outdir / "README.html").read_text())


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_navigation)
    app.connect("build-finished", add_index)
