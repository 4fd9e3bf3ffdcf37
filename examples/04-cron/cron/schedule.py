"""ISO 8601 repeating intervals: ``R5/2026-01-01T00:00:00Z/PT1H`` is five times, an hour apart.

``R`` alone repeats for ever, ``R0`` never runs, an empty start means now. Months and years follow the calendar. No
clock is read here: whoever asks says what time it is.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import isodate
from attrs import evolve, frozen

FORM = re.compile(r"R(?P<times>[0-9]*)/(?P<start>[^/]*)/(?P<period>P[^/]*)")


class ScheduleError(ValueError):
    """The text is no schedule; the message says what is wrong with it."""


@frozen
class Schedule:
    """When a job is due next, how often it is still to run, and how far apart."""

    times: int | None  # None: for ever
    due: datetime  # with a time zone
    period: timedelta | isodate.Duration
    period_text: str

    @classmethod
    def parse(cls, text: str, now: datetime) -> Schedule:
        """Raises ScheduleError."""
        found = FORM.fullmatch(text)
        if found is None:
            raise ScheduleError(
                f"schedule {text!r} is not of the form R[times]/[start]/period, as in R5/2026-01-01T00:00:00Z/PT1H"
            )
        try:
            due = isodate.parse_datetime(found["start"]) if found["start"] else now
        except ValueError as e:
            raise ScheduleError(f"schedule {text!r}: the start {found['start']!r} is no ISO 8601 time: {e}") from None
        try:
            period = isodate.parse_duration(found["period"]) if found["period"] != "P" else timedelta(0)
        except ValueError as e:
            raise ScheduleError(
                f"schedule {text!r}: the period {found['period']!r} is no ISO 8601 duration: {e}"
            ) from None
        if due.tzinfo is None:
            due = due.replace(tzinfo=UTC)
        times = int(found["times"]) if found["times"] else None
        if due + period <= due and (times is None or times > 1):
            raise ScheduleError(f"schedule {text!r} repeats, so its period must be longer than nothing")
        return cls(times, due, period, found["period"])

    def __str__(self) -> str:
        start = self.due.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return f"R{'' if self.times is None else self.times}/{start}/{self.period_text}"

    @property
    def over(self) -> bool:
        """Whether it never runs again."""
        return self.times == 0

    def after_run(self, now: datetime) -> Schedule:
        """What is left once the run that was due has been started.

        However many periods went by meanwhile, they were one run: the next one is due at the first whole period after
        ``now``.
        """
        due, steps = self.due + self.period, 1
        if due <= now and isinstance(self.period, timedelta) and self.period:
            steps += (now - due) // self.period + 1
            due = self.due + steps * self.period
        while due <= now and self.period != timedelta(0):  # calendar months and years: few steps
            steps += 1
            due = self.due + steps * self.period
        return evolve(self, times=None if self.times is None else self.times - 1, due=due)
