"""Runs benchmarks by name (all without one), and prints a table for each."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import platform
import sys

import benchmarks
from benchmarks.harness import pinned_cpu, table

SHARED = {"__main__", "harness"}


def names() -> list[str]:
    """The benchmarks there are: the modules of this package that have ``run``."""
    return sorted(
        module.name
        for module in pkgutil.iter_modules(benchmarks.__path__)
        if module.name not in SHARED and hasattr(importlib.import_module(f"benchmarks.{module.name}"), "run")
    )


def main(arguments: list[str] | None = None) -> int:
    known = names()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; all if none is given")
    parser.add_argument("--quick", action="store_true", help="smaller sizes: shows that it works, not how fast")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    with pinned_cpu() as cpu:
        print(
            f"Python {platform.python_version()}, {platform.machine()}, "
            + (f"CPU {cpu}" if cpu is not None else "not pinned")
        )
        for name in options.names or known:
            print(f"\n{name}", flush=True)
            print(table(importlib.import_module(f"benchmarks.{name}").run(options.quick)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
