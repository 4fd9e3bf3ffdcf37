"""What only executors meet. The tree is in ``pymesoskit/errors.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.transport.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["EnvironmentProblems"]


class EnvironmentProblems(LocalError):
    """The environment is not one that an agent gives to an executor. ``problems`` has one text for each variable."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__("not started by a Mesos agent?\n" + "\n".join(f"  {problem}" for problem in self.problems))

    def __reduce__(self) -> tuple[type[EnvironmentProblems], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)
