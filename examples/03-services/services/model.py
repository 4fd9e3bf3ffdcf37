"""Apps and their instances, as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

from attrs import field, fields_dict, frozen

ID = re.compile(r"/[a-z0-9]([a-z0-9.-]*[a-z0-9])?(/[a-z0-9]([a-z0-9.-]*[a-z0-9])?)*")


class AppError(ValueError):
    """An app that cannot be; the message names the field and what is wrong with it."""


def number(least: float, *, whole: bool = False) -> Any:
    """A validator: a number of at least ``least``."""

    def check(_: object, attribute: Any, value: object) -> None:
        kinds = int if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value < float("inf"):
            what = "whole number" if whole else "number"
            raise AppError(f"{attribute.name} must be a {what} of at least {least:g}, not {value!r}")

    return check


@frozen
class App:
    """What to keep running. Names and defaults are Marathon's."""

    id: str = field()
    cmd: str = field()
    instances: int = field(default=1, validator=number(0, whole=True))
    cpus: float = field(default=1.0, validator=number(0.01))
    mem: float = field(default=128.0, validator=number(1))  # MB
    disk: float = field(default=0.0, validator=number(0))  # MB
    ports: int = field(
        default=0, validator=number(0, whole=True)
    )  # how many host ports an instance gets: PORT0, PORT1, …
    env: Mapping[str, str] = field(factory=dict)
    backoffSeconds: float = field(default=1.0, validator=number(0))
    backoffFactor: float = field(default=1.15, validator=number(1))
    maxLaunchDelaySeconds: float = field(default=300.0, validator=number(0))

    @id.validator
    def _id(self, _: Any, value: object) -> None:
        if not isinstance(value, str) or ID.fullmatch(value) is None:
            raise AppError(
                f"id must be a path of lower-case letters, digits, '-' and '.', as in /shop/web, not {value!r}"
            )

    @cmd.validator
    def _cmd(self, _: Any, value: object) -> None:
        if not isinstance(value, str) or not value:
            raise AppError(f"cmd must be a text that is not empty, not {value!r}")

    @env.validator
    def _env(self, _: Any, value: object) -> None:
        if not isinstance(value, Mapping) or not all(isinstance(v, str) for v in value.values()):
            raise AppError(f"env must be an object whose values are texts, not {value!r}")

    @classmethod
    def from_json(cls, document: object) -> App:
        """Raises AppError. An id without its first slash gets it; an unknown field is an error, not to lose a typo."""
        if not isinstance(document, Mapping):
            raise AppError(f"an app is a JSON object, not {document!r}")
        known = fields_dict(cls)
        if unknown := sorted(set(document) - set(known)):
            raise AppError(f"unknown field {unknown[0]!r}; an app has {', '.join(known)}")
        if missing := [name for name in ("id", "cmd") if name not in document]:
            raise AppError(f"{missing[0]} is missing")
        app_id = document["id"]
        return cls(**{**document, "id": "/" + app_id.lstrip("/") if isinstance(app_id, str) else app_id})


class InstanceState(Enum):
    """Where an instance stands. INTENDED is stored before the launch is sent, so that a crash in between is known."""

    INTENDED = "intended"
    STAGING = "staging"
    RUNNING = "running"
    KILLING = "killing"
    ENDED = "ended"


@frozen
class Instance:
    """One task of an app."""

    id: str  # also the task's id
    app_id: str
    agent_id: str
    host: str
    ports: tuple[int, ...]
    state: InstanceState
    launched: float  # seconds since the epoch
    started: float | None = None
