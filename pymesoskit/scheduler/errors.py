"""What only schedulers meet: the ERROR events of a subscription (docs/reference/scheduler-api.md 3). The tree is in
``pymesoskit/errors.py``.
"""

from __future__ import annotations

from pymesoskit.transport.errors import ErrorEvent

__all__ = ["FrameworkFailedOver", "FrameworkRemoved", "SubscriptionRejected", "error_event"]


class FrameworkRemoved(ErrorEvent):
    """The framework id belongs to a framework that was torn down or whose failover timeout is over: it can never
    subscribe again.

    With ``OnRemoved.NEW_ID`` the driver subscribes anew, as a new framework, instead of ending with this.
    """


class FrameworkFailedOver(ErrorEvent):
    """Another scheduler has subscribed with the same framework id: this one is not in charge any more."""


class SubscriptionRejected(ErrorEvent):
    """The master does not accept the FrameworkInfo or the other contents of SUBSCRIBE; trying again would not help."""


_BY_MESSAGE: dict[str, type[ErrorEvent]] = {
    "Framework has been removed": FrameworkRemoved,
    "Framework failed over": FrameworkFailedOver,
}


def error_event(message: str) -> ErrorEvent:
    """The error that an ERROR event stands for."""
    return _BY_MESSAGE.get(message, SubscriptionRejected)(message)
