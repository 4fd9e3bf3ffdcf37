"""The machine of a subscription, and what runs it.

Internal; the public names are in ``pymesoskit``.
"""

from pymesoskit.subscription.backoff import Backoff
from pymesoskit.subscription.client import Notice
from pymesoskit.subscription.pending import PendingCall
from pymesoskit.subscription.session import Connected, Disconnected, Ended, State, Watchdog
from pymesoskit.subscription.subscriber import CallFailed, Timeouts

__all__ = [
    "Backoff",
    "CallFailed",
    "Connected",
    "Disconnected",
    "Ended",
    "Notice",
    "PendingCall",
    "State",
    "Timeouts",
    "Watchdog",
]
