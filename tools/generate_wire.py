#!/usr/bin/env python3
"""Regenerates pymesoskit/wire/v1 from pymesoskit/wire/proto (`make wire`).

protoc places a module by the path of its .proto file (mesos/v1/scheduler/…) and
imports it from the top of sys.path. Here the modules live in one package,
pymesoskit.wire.v1, so the imports are rewritten; nothing else is touched.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "pymesoskit" / "wire" / "proto"
TARGET = ROOT / "pymesoskit" / "wire" / "v1"

#: `from mesos.v1.quota import quota_pb2 as …` and `from mesos.v1 import mesos_pb2 as …`
IMPORT = re.compile(r"^from mesos\.v1(?:\.\w+)? import (\w+_pb2)", re.MULTILINE)


def main() -> int:
    sources = sorted(str(path.relative_to(PROTO)) for path in (PROTO / "mesos").rglob("*.proto"))
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        subprocess.run(
            [
                sys.executable,
                "-m",
                "grpc_tools.protoc",
                f"-I{PROTO}",
                f"--python_out={out}",
                f"--pyi_out={out}",
                *sources,
            ],
            check=True,
        )
        for stale in TARGET.glob("*_pb2.py*"):
            stale.unlink()
        for path in sorted(out.rglob("*_pb2.py*")):
            text = IMPORT.sub(r"from pymesoskit.wire.v1 import \1", path.read_text())
            (TARGET / path.name).write_text(text)
            print(f"wrote {(TARGET / path.name).relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
