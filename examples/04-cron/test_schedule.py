"""The rules of schedules and of the book, without a cluster."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from cron.book import Book
from cron.model import Job, JobError, RunState
from cron.schedule import Schedule, ScheduleError

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def job(name: str = "a", **more: object) -> Job:
    fields = {"schedule": "R3/1970-01-01T00:00:10Z/PT5S"} if "parents" not in more else {}
    return Job.from_json({"name": name, "command": "true", **fields, **more})


@pytest.mark.parametrize(
    "text", ["R5/2026-01-01T00:00:00Z/PT1H", "R/2026-01-01T00:00:00Z/P1D", "R0/2026-01-01T00:00:00Z/P1Y2M"]
)
def test_a_schedule_is_written_as_it_was_read(text: str) -> None:
    assert str(Schedule.parse(text, NOW)) == text


def test_an_empty_start_is_now() -> None:
    assert Schedule.parse("R2//PT1H", NOW).due == NOW


def test_months_follow_the_calendar() -> None:
    monthly = Schedule.parse("R/2026-01-31T09:00:00Z/P1M", NOW)
    assert monthly.after_run(NOW).due == datetime(2026, 2, 28, 9, tzinfo=UTC)


@given(st.integers(1, 100_000), st.integers(0, 10_000_000))
def test_what_was_missed_is_one_run_and_the_next_is_at_a_whole_period_after_now(period: int, late: int) -> None:
    schedule = Schedule.parse(f"R5/2026-01-01T00:00:00Z/PT{period}S", NOW)
    now = schedule.due + timedelta(seconds=late)
    left = schedule.after_run(now)
    assert left.times == 4
    assert now < left.due <= now + timedelta(seconds=period)
    assert (left.due - schedule.due) % timedelta(seconds=period) == timedelta(0)


@pytest.mark.parametrize("text", ["", "R5/2026-01-01", "R-1//PT1H", "R/x/PT1H", "R//1H", "R//PT0S", "R//P"])
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ScheduleError, match="schedule"):
        Schedule.parse(text, NOW)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "book.sqlite")


def test_a_run_is_entered_once_even_if_the_book_is_opened_again(tmp_path: Path, book: Book) -> None:
    book.put(job(), 0)
    assert len(book.enter_due(10)) == 1
    book.close()
    again = Book(tmp_path / "book.sqlite")
    assert again.enter_due(10) == []
    assert again.enter_due(100) == []  # due again, but the first is still open
    again.close()


def test_updates_that_come_twice_count_once(book: Book) -> None:
    book.put(job(), 0)
    book.put(job("child", parents=["a"]), 0)
    (run,) = book.enter_due(10)
    assert book.started(run.id, 11)
    assert [child.job for child in book.finished(run.id, 12)] == ["child"]
    assert book.finished(run.id, 12) == []
    assert book.failed(run.id, "late", 13) is None
    assert book.job("a").successes == 1
    assert not book.started(run.id, 14)
    book.close()


def test_a_launch_that_was_lost_costs_no_attempt(book: Book) -> None:
    book.put(job(retries=0), 0)
    (run,) = book.enter_due(10)
    book.intend([run], "S0")
    again = book.failed(run.id, "TASK_GONE", 11, launched=False)
    assert again is not None
    assert (again.attempt, again.state, again.id != run.id) == (0, RunState.WAITING, True)
    assert book.failed(again.id, "exit 1", 12) is None
    assert book.job("a").errors == 1
    book.close()


def test_a_job_cannot_wait_for_its_descendants(book: Book) -> None:
    book.put(job(), 0)
    book.put(job("b", parents=["a"]), 0)
    with pytest.raises(JobError, match="cannot wait for its own descendants"):
        book.put(Job.from_json({"name": "a", "command": "true", "parents": ["b"]}), 0)
    with pytest.raises(JobError, match="b wait for it"):
        book.remove("a", 0)
    book.close()
