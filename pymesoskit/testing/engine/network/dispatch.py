"""The table by which a party of the network handles messages: one handler for each type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.network.messages import Message
    from pymesoskit.testing.engine.network.network import Address

M = TypeVar("M")


class Dispatch:
    """Handlers by type of message. ``on`` is typed: a handler accepts the type for which it is entered."""

    def __init__(self) -> None:
        self._handlers: dict[type, Callable[[Address, Any], object]] = {}

    def on(self, kind: type[M], handler: Callable[[Address, M], object]) -> None:
        """Enters ``handler(sender, message)`` for messages of this type."""
        self._handlers[kind] = handler

    def __call__(self, sender: Address, message: Message) -> bool:
        """Handles a message; returns False if there is no handler for its type."""
        handler = self._handlers.get(type(message))
        if handler is None:
            return False
        handler(sender, message)
        return True
