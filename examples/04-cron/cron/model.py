"""Jobs and their runs, as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

from attrs import field, frozen

NAME = re.compile(r"[\w.-]+")


class JobError(ValueError):
    """A job that cannot be; the message names the field and what is wrong with it."""


def number(above: float) -> Any:
    """A validator: a number of at least ``above``."""

    def check(_: object, attribute: Any, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not above <= value < float("inf"):
            raise JobError(f"{attribute.name} must be a number of at least {above:g}, not {value!r}")

    return check


def text(_: object, attribute: Any, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise JobError(f"{attribute.name} must be a text that is not empty, not {value!r}")


@frozen
class Job:
    """What to run. It has a schedule, or parents that it waits for, never both."""

    name: str = field()
    command: str = field(validator=text)
    schedule: str | None = None
    parents: tuple[str, ...] = ()
    cpus: float = field(default=0.1, validator=number(0.001))
    mem: float = field(default=32.0, validator=number(1))  # MB
    disk: float = field(default=0.0, validator=number(0))  # MB
    retries: int = field(default=2, validator=number(0))
    disabled: bool = False
    owner: str = ""
    description: str = ""

    @name.validator
    def _name(self, _: Any, value: object) -> None:
        if not isinstance(value, str) or NAME.fullmatch(value) is None:
            raise JobError(f"name must consist of letters, digits, '_', '.' and '-', not {value!r}")

    def __attrs_post_init__(self) -> None:
        if (self.schedule is None) == (not self.parents):
            raise JobError(f"job {self.name!r} must have either a schedule or parents")

    @classmethod
    def from_json(cls, document: object) -> Job:
        """Raises JobError. Fields that this program does not know are an error: a typo must not be lost."""
        if not isinstance(document, Mapping):
            raise JobError(f"a job is a JSON object, not {document!r}")
        known = {
            "name",
            "command",
            "schedule",
            "parents",
            "cpus",
            "mem",
            "disk",
            "retries",
            "disabled",
            "owner",
            "description",
        }
        if unknown := sorted(set(document) - known):
            raise JobError(f"unknown field {unknown[0]!r}; a job has {', '.join(sorted(known))}")
        if missing := sorted({"name", "command"} - set(document)):
            raise JobError(f"{missing[0]} is missing")
        parents = document.get("parents", ())
        if not isinstance(parents, list | tuple) or not all(isinstance(name, str) for name in parents):
            raise JobError(f"parents must be a list of names, not {parents!r}")
        return cls(**{**document, "parents": tuple(dict.fromkeys(parents))})


class RunState(Enum):
    """Where a run stands. INTENDED is stored before the launch is sent, so that a crash in between is known."""

    WAITING = "waiting"  # to be launched as soon as there is an offer
    INTENDED = "intended"  # an ACCEPT with it has been or is being sent
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def over(self) -> bool:
        return self in {RunState.FINISHED, RunState.FAILED}


@frozen
class Run:
    """One run of a job: the launch of one task."""

    id: str  # also the task's id
    job: str
    due: float  # seconds since the epoch
    attempt: int
    state: RunState
    agent_id: str | None = None
    message: str = ""
    started: float | None = None
    ended: float | None = None
