"""The public names of ``pymesoskit.testing``: all can be imported, and importing the package loads none of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pymesoskit import testing


@pytest.mark.parametrize("name", testing.__all__)
def test_each_exported_name_can_be_imported(name: str) -> None:
    assert getattr(testing, name) is not None


def test_the_exports_are_what_dir_shows() -> None:
    assert set(testing.__all__) <= set(dir(testing))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Clutser'"):
        _ = testing.Clutser


def test_importing_the_package_loads_nothing_of_the_cluster() -> None:
    program = "import sys, pymesoskit.testing; print([m for m in sys.modules if m.startswith('pymesoskit.testing.')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
