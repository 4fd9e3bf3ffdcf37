"""Checks what `make dist` has built: the wheel runs the README's first framework in an empty environment.

Usage: python tools/check_dist.py DIRECTORY
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IN_SDIST = ("README.md", "CHANGELOG.md", "LICENSE", "Makefile", "docs/README.md", "tests/conftest.py", "tools/prose.py")
IN_WHEEL = ("pymesoskit/py.typed", "pymesoskit/wire/proto/mesos/v1/mesos.proto")


def main(directory: Path) -> None:
    (wheel,) = directory.glob("*.whl")
    (sdist,) = directory.glob("*.tar.gz")
    top = sdist.name.removesuffix(".tar.gz")
    with tarfile.open(sdist) as archive:
        missing(sdist, {f"{top}/{name}" for name in IN_SDIST} - set(archive.getnames()))
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        missing(wheel, set(IN_WHEEL) - names)
        strangers = {name for name in names if not name.startswith(("pymesoskit/", f"{top}.dist-info/"))}
        if strangers:
            raise SystemExit(f"{wheel.name} contains files that do not belong to the package: {sorted(strangers)}")
    with tempfile.TemporaryDirectory(prefix="pymesoskit-dist-") as name:
        empty = Path(name)
        venv.create(empty / "venv", with_pip=True)
        python = str(empty / "venv" / "bin" / "python")
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel.resolve()), cwd=empty)
        (empty / "hello.py").write_text(snippet("hello.py"))
        (empty / "main.py").write_text(snippet(None))
        output = run(python, "-W", "error", "main.py", cwd=empty)
        if "TASK_FINISHED" not in output:
            raise SystemExit(f"hello did not finish on the installed wheel:\n{output}")
        run(python, "-m", "pymesoskit", "run", "--cpus", "0.1", "--mem", "32", "echo hello", cwd=empty)
    sys.stdout.write(f"{wheel.name} installs into an empty environment and runs the README's framework\n")


def missing(archive: Path, names: set[str]) -> None:
    if names:
        raise SystemExit(f"{archive.name} lacks {sorted(names)}")


def snippet(file: str | None) -> str:
    """Returns the README's block that is written to ``file``, or the first one that runs as it stands."""
    for block in (ROOT / "README.md").read_text().split("```python")[1:]:
        words, _, code = block.partition("\n")
        if words.strip() == (f"file={file}" if file else ""):
            return code.partition("```")[0]
    raise SystemExit(f"README.md has no such block: {file or 'one that runs as it stands'}")


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed with exit code {done.returncode}:\n{done.stdout}")
    return done.stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
