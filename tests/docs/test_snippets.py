"""Every Python snippet of the README and of docs/ runs as it stands.

The blocks of a page run in order, in one interpreter of their own, in an empty directory. The words behind ```python say more:

- `file=NAME`: the block is written to NAME first, and run only if the page says so;
- `pytest=NAME`: written to NAME, then pytest runs it and must pass;
- `no-run`: only shown (what needs a cluster elsewhere); it must compile all the same.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import frozen

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").glob("*/README.md"))]
BLOCK = re.compile(r"^```python[ \t]*([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@frozen
class Block:
    line: int
    words: tuple[str, ...]
    code: str

    def named(self, word: str) -> str | None:
        return next((w.removeprefix(word + "=") for w in self.words if w.startswith(word + "=")), None)


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(text.count("\n", 0, found.start()) + 2, tuple(found[1].split()), found[2])
        for found in BLOCK.finditer(text)
    ]


def run(command: list[str], directory: Path, page: Path, what: str) -> None:
    done = subprocess.run(
        command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, f"{page.relative_to(ROOT)}, {what}: exit code {done.returncode}\n{done.stdout}"


WITH_CODE = [page for page in PAGES if blocks(page)]


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_snippets_of(page: Path, tmp_path: Path) -> None:
    program = []
    for block in blocks(page):
        # Blank lines in front make the line numbers of a traceback those of the page.
        padded = "\n" * (block.line - 1) + block.code
        compile(padded, str(page), "exec")
        if (name := block.named("pytest")) is not None:
            (tmp_path / name).write_text(block.code)
            run(
                [
                    sys.executable,
                    "-W",
                    "error",
                    "-m",
                    "pytest",
                    "-q",
                    "-p",
                    "no:randomly",
                    "-p",
                    "no:cacheprovider",
                    name,
                ],
                tmp_path,
                page,
                f"line {block.line}",
            )
        elif (name := block.named("file")) is not None:
            (tmp_path / name).write_text(block.code)
        elif "no-run" not in block.words:
            program.append(padded)
    if program:
        source = "\n".join(f"exec(compile({code!r}, {str(page)!r}, 'exec'), globals())" for code in program)
        (tmp_path / "_page.py").write_text(source)
        run([sys.executable, "-W", "error", "_page.py"], tmp_path, page, "its snippets")
