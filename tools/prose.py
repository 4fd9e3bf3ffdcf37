"""Finds wordings that the project avoids (tools/prose.toml) in its pages, docstrings, comments and texts.

Usage: python tools/prose.py [FILE…]; without files it reads all pages and programs that git knows.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = tomllib.loads((ROOT / "tools" / "prose.toml").read_text())
SUFFIXES = {".md", ".py", ".toml"}

#: What may stand between two words: white space, and the beginning of the next line of a comment.
GAP = r"(?:\s+#?:?\s*)"
PHRASES = {
    re.compile(rf"\b(?:{phrase.replace(' ', GAP)})\b", re.IGNORECASE): instead
    for phrase, instead in SETTINGS["phrases"].items()
}


def problems(text: str) -> Iterator[tuple[int, str, str]]:
    """Yields line number, wording, and what to write instead, in the order of the phrases."""
    for phrase, instead in PHRASES.items():
        for found in phrase.finditer(text):
            yield text.count("\n", 0, found.start()) + 1, " ".join(found[0].split()), instead


def files() -> Iterator[Path]:
    """Yields the files to read: those that git knows, or all of them where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = listed.stdout.splitlines() or [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*")]
    for name in sorted(names):
        path = ROOT / name
        if path.suffix in SUFFIXES and not name.startswith((".", *SETTINGS["exclude"])) and path.is_file():
            yield path


def main(arguments: list[str]) -> int:
    count = 0
    for path in map(Path, arguments) if arguments else files():
        for line, wording, instead in sorted(problems(path.read_text())):
            sys.stdout.write(
                f"{path.relative_to(ROOT) if path.is_absolute() else path}:{line}: {wording!r}: {instead}\n"
            )
            count += 1
    return min(count, 1)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
