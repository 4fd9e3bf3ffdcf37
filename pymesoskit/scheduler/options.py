"""What a scheduler's client is told about the framework and its masters, as one value, and what is refused of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from attrs import frozen

from pymesoskit.scheduler import ids
from pymesoskit.scheduler.store import FrameworkIdStore, MemoryStore
from pymesoskit.transport.detector import Detector, FixedDetector
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymesoskit.scheduler.session import OnRemoved
    from pymesoskit.subscription.options import ConnectionOptions
    from pymesoskit.transport.address import Address


@frozen
class FrameworkOptions:
    """Which framework subscribes, where, and what it keeps."""

    framework: mesos.FrameworkInfo
    detector: Detector
    store: FrameworkIdStore
    suppressed_roles: frozenset[str]
    offer_constraints: scheduler.OfferConstraints | None
    on_removed: OnRemoved
    connection: ConnectionOptions

    @classmethod
    def of(
        cls,
        framework: mesos.FrameworkInfo,
        master: str | Address | Iterable[str | Address] | Detector,
        *,
        store: FrameworkIdStore | None,
        suppressed_roles: str | Iterable[str],
        offer_constraints: scheduler.OfferConstraints | None,
        on_removed: OnRemoved,
        connection: ConnectionOptions,
    ) -> FrameworkOptions:
        """The options that these arguments mean. Raises ``TypeError`` and ``ValueError`` for unusable ones."""
        if not isinstance(framework, mesos.FrameworkInfo):
            raise TypeError(f"framework must be a FrameworkInfo, for example framework_info('name'), not {framework!r}")
        if isinstance(store, str | os.PathLike):
            raise TypeError(f"store must keep a framework id, not be a path: FileStore({os.fspath(store)!r})?")
        _need("store", "a FrameworkIdStore", store, "load", "save", "clear")
        _need(
            "credentials",
            "Credentials, for example Basic('principal', 'secret')",
            connection.credentials,
            "headers",
            "refused",
        )
        return cls(
            framework=framework,
            detector=master if isinstance(master, Detector) else FixedDetector(master),
            store=store if store is not None else MemoryStore(),
            suppressed_roles=frozenset(ids.roles(suppressed_roles)),
            offer_constraints=offer_constraints,
            on_removed=on_removed,
            connection=connection,
        )


def _need(name: str, what: str, given: object, *methods: str) -> None:
    missing = [method for method in methods if given is not None and not callable(getattr(given, method, None))]
    if missing:
        absent = ", ".join(map(repr, missing))
        raise TypeError(f"{name} must be {what}: {type(given).__name__!r} has no method {absent}")
