"""How long an app that keeps ending has to wait for its next launch: Marathon's rule.

Each end of an instance multiplies the delay by the app's factor, up to its maximum; once nothing has ended for the
delay and the maximum together, or the app has changed, all is forgotten.
"""

from __future__ import annotations

from attrs import define

from .model import App


@define
class _Delay:
    seconds: float
    until: float
    forget_after: float


class Backoff:
    """Times are those of a monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._delays: dict[str, _Delay] = {}

    def failed(self, app: App, now: float) -> None:
        """An instance has ended by itself."""
        old = self._delays.get(app.id)
        if old is None or now > old.forget_after:
            seconds = app.backoffSeconds
        else:
            seconds = min(old.seconds * app.backoffFactor, app.maxLaunchDelaySeconds)
        until = now + seconds
        self._delays[app.id] = _Delay(seconds, until, until + app.maxLaunchDelaySeconds)

    def ready(self, app_id: str, now: float) -> bool:
        """Whether it may be launched now."""
        delay = self._delays.get(app_id)
        return delay is None or now >= delay.until

    def forget(self, app_id: str) -> None:
        """The app has changed."""
        self._delays.pop(app_id, None)
