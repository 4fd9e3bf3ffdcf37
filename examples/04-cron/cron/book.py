"""The book: jobs, what is due, and every run, in SQLite.

Each public method is one transaction, so the book is right whenever the process dies: a run is in it before its launch
is sent, and the schedule moves on in the same transaction that enters the run. That is why a restart loses and doubles
nothing. No network and no clock here: times are handed in, as seconds since the epoch.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from .model import Job, JobError, Run, RunState
from .schedule import Schedule

TABLES = """
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS job (
    name TEXT PRIMARY KEY,
    definition TEXT NOT NULL,
    schedule TEXT,                        -- what is left of it
    due REAL,                             -- when it is due next, NULL: never
    successes INTEGER NOT NULL DEFAULT 0,
    errors INTEGER NOT NULL DEFAULT 0,
    last_success REAL,
    last_error REAL
) STRICT;
CREATE INDEX IF NOT EXISTS job_due ON job (due);
-- How often a parent has succeeded since its child was last started.
CREATE TABLE IF NOT EXISTS edge (
    parent TEXT NOT NULL REFERENCES job, child TEXT NOT NULL REFERENCES job, successes INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (child, parent)
) STRICT;
CREATE TABLE IF NOT EXISTS run (
    id TEXT PRIMARY KEY, job TEXT NOT NULL, due REAL NOT NULL, attempt INTEGER NOT NULL, state TEXT NOT NULL,
    agent_id TEXT, message TEXT NOT NULL DEFAULT '', started REAL, ended REAL
) STRICT;
CREATE INDEX IF NOT EXISTS run_open ON run (state, due) WHERE ended IS NULL;
CREATE INDEX IF NOT EXISTS run_of_job ON run (job);
"""

OPEN = (RunState.WAITING, RunState.INTENDED, RunState.RUNNING)


@frozen
class Entry:
    """A job and how it has fared."""

    job: Job
    schedule: str | None  # what is left
    successes: int
    errors: int
    last_success: float | None
    last_error: float | None


class Book:
    """See the module. Any thread may use it."""

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON;" + TABLES)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    # The framework's id: a store for the driver

    def load(self) -> str | None:
        """The framework's id of an earlier life."""
        with self._lock:
            row = self._db.execute("SELECT value FROM setting WHERE name = 'framework_id'").fetchone()
        return None if row is None else row["value"]

    def save(self, framework_id: str) -> None:
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO setting VALUES ('framework_id', ?)", (framework_id,))

    def clear(self) -> None:
        with self._transaction() as db:
            db.execute("DELETE FROM setting WHERE name = 'framework_id'")

    # Jobs

    def put(self, job: Job, now: float) -> None:
        """Adds the job or replaces the one of its name; its runs and counts stay. Raises JobError, ScheduleError."""
        schedule = None
        if job.schedule is not None:
            schedule = Schedule.parse(job.schedule, datetime.fromtimestamp(now, UTC))
        with self._transaction() as db:
            known = {row["name"] for row in db.execute("SELECT name FROM job")}
            if unknown := [parent for parent in job.parents if parent not in known or parent == job.name]:
                raise JobError(f"job {job.name!r} cannot wait for {unknown[0]!r}: there is no such other job")
            if job.name in self._ancestors(db, job.parents):
                raise JobError(f"job {job.name!r} cannot wait for its own descendants: it would wait for itself")
            due = None if schedule is None or schedule.over or job.disabled else schedule.due.timestamp()
            db.execute(
                "INSERT INTO job (name, definition, schedule, due) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
                " definition = excluded.definition, schedule = excluded.schedule, due = excluded.due",
                (job.name, json.dumps(asdict(job)), None if schedule is None else str(schedule), due),
            )
            kept = {
                row["parent"]: row["successes"] for row in db.execute("SELECT * FROM edge WHERE child = ?", (job.name,))
            }
            db.execute("DELETE FROM edge WHERE child = ?", (job.name,))
            db.executemany(
                "INSERT INTO edge VALUES (?, ?, ?)", [(parent, job.name, kept.get(parent, 0)) for parent in job.parents]
            )

    def remove(self, name: str, now: float) -> list[Run]:
        """Removes the job and gives up its runs; returns those whose tasks are to be killed. Raises KeyError."""
        with self._transaction() as db:
            children = [row["child"] for row in db.execute("SELECT child FROM edge WHERE parent = ?", (name,))]
            if children:
                raise JobError(f"job {name!r} cannot be removed: {', '.join(sorted(children))} wait for it")
            db.execute("DELETE FROM edge WHERE child = ?", (name,))
            if db.execute("DELETE FROM job WHERE name = ?", (name,)).rowcount == 0:
                raise KeyError(name)
            left = self._runs(db, "job = ? AND ended IS NULL", (name,))
            db.execute(
                "UPDATE run SET state = ?, message = 'the job was removed', ended = ? WHERE job = ? AND ended IS NULL",
                (RunState.FAILED.value, now, name),
            )
        return [run for run in left if run.state is not RunState.WAITING]

    def jobs(self) -> list[Entry]:
        with self._lock:
            return [self._entry(row) for row in self._db.execute("SELECT * FROM job ORDER BY name")]

    def job(self, name: str) -> Entry:
        """Raises KeyError."""
        with self._lock:
            row = self._db.execute("SELECT * FROM job WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise KeyError(name)
        return self._entry(row)

    # Runs

    def enter_due(self, now: float) -> list[Run]:
        """Enters a run for each job that is due and has none open, and moves its schedule on."""
        entered = []
        with self._transaction() as db:
            due = db.execute(
                "SELECT * FROM job WHERE due <= ? AND NOT EXISTS"
                " (SELECT 1 FROM run WHERE run.job = job.name AND run.ended IS NULL) ORDER BY due",
                (now,),
            ).fetchall()
            for row in due:
                moment = datetime.fromtimestamp(now, UTC)
                left = Schedule.parse(row["schedule"], moment).after_run(moment)
                entered.append(self._enter(db, row["name"], row["due"], attempt=0))
                db.execute(
                    "UPDATE job SET schedule = ?, due = ? WHERE name = ?",
                    (str(left), None if left.over else left.due.timestamp(), row["name"]),
                )
        return entered

    def enter_now(self, name: str, now: float) -> Run:
        """Enters a run out of turn. Raises KeyError."""
        with self._transaction() as db:
            if db.execute("SELECT 1 FROM job WHERE name = ?", (name,)).fetchone() is None:
                raise KeyError(name)
            return self._enter(db, name, now, attempt=0)

    def next_due(self) -> float | None:
        """When the next job is due."""
        with self._lock:
            row = self._db.execute(
                "SELECT min(due) FROM job WHERE NOT EXISTS"
                " (SELECT 1 FROM run WHERE run.job = job.name AND run.ended IS NULL)"
            ).fetchone()
        return row[0]

    def open_runs(self, *states: RunState) -> list[tuple[Run, Job]]:
        """The runs that are not over (in these states, if any are given), the longest due first, with their jobs."""
        wanted = states or OPEN
        marks = ",".join("?" * len(wanted))
        with self._lock:
            runs = self._runs(self._db, f"ended IS NULL AND state IN ({marks})", [state.value for state in wanted])
            rows = {row["name"]: row for row in self._db.execute("SELECT * FROM job")}
        return [(run, self._entry(rows[run.job]).job) for run in runs if run.job in rows]

    def runs_of(self, name: str) -> list[Run]:
        """All runs of a job, the latest first. Raises KeyError."""
        self.job(name)
        with self._lock:
            return self._runs(self._db, "job = ?", (name,))[::-1]

    def intend(self, runs: Iterable[Run], agent_id: str) -> None:
        """These runs are about to be launched on the agent."""
        with self._transaction() as db:
            db.executemany(
                "UPDATE run SET state = ?, agent_id = ? WHERE id = ? AND ended IS NULL",
                [(RunState.INTENDED.value, agent_id, run.id) for run in runs],
            )

    def started(self, run_id: str, now: float) -> bool:
        """The task runs. False: the book knows of no open run of that id, so its task should not be."""
        with self._transaction() as db:
            changed = db.execute(
                "UPDATE run SET state = ?, started = coalesce(started, ?) WHERE id = ? AND ended IS NULL",
                (RunState.RUNNING.value, now, run_id),
            )
            return changed.rowcount == 1

    def finished(self, run_id: str, now: float) -> list[Run]:
        """The task has succeeded: enters a run of each child that now has all it waited for. A repetition changes
        nothing.
        """
        with self._transaction() as db:
            run = self._end(db, run_id, RunState.FINISHED, "", now)
            if run is None:
                return []
            db.execute("UPDATE job SET successes = successes + 1, last_success = ? WHERE name = ?", (now, run.job))
            db.execute("UPDATE edge SET successes = successes + 1 WHERE parent = ?", (run.job,))
            ready = db.execute(
                "SELECT child FROM edge WHERE parent = ? AND NOT EXISTS"
                " (SELECT 1 FROM edge other WHERE other.child = edge.child AND other.successes = 0) ORDER BY child",
                (run.job,),
            ).fetchall()
            entered = []
            for row in ready:
                definition = db.execute("SELECT definition FROM job WHERE name = ?", (row["child"],)).fetchone()
                db.execute("UPDATE edge SET successes = successes - 1 WHERE child = ?", (row["child"],))
                if not json.loads(definition["definition"])["disabled"]:
                    entered.append(self._enter(db, row["child"], now, attempt=0))
            return entered

    def failed(self, run_id: str, message: str, now: float, launched: bool = True) -> Run | None:
        """The task has failed, or (not launched) never was: enters the next attempt, if there is one left.

        What never ran costs no attempt. A repetition changes nothing.
        """
        with self._transaction() as db:
            run = self._end(db, run_id, RunState.FAILED, message, now)
            if run is None:
                return None
            row = db.execute("SELECT definition FROM job WHERE name = ?", (run.job,)).fetchone()
            if row is None:
                return None
            if launched:
                db.execute("UPDATE job SET errors = errors + 1, last_error = ? WHERE name = ?", (now, run.job))
                if run.attempt >= json.loads(row["definition"])["retries"]:
                    return None
            return self._enter(db, run.job, run.due, run.attempt + launched)

    # Inside a transaction

    @staticmethod
    def _enter(db: sqlite3.Connection, job: str, due: float, attempt: int) -> Run:
        count = db.execute("SELECT count(*) FROM run WHERE job = ?", (job,)).fetchone()[0]
        run = Run(f"{job}.{int(due * 1000)}.{attempt}.{count}", job, due, attempt, RunState.WAITING)
        db.execute(
            "INSERT INTO run (id, job, due, attempt, state) VALUES (?, ?, ?, ?, ?)",
            (run.id, job, due, attempt, run.state.value),
        )
        return run

    def _end(self, db: sqlite3.Connection, run_id: str, state: RunState, message: str, now: float) -> Run | None:
        found = self._runs(db, "id = ? AND ended IS NULL", (run_id,))
        if not found:
            return None
        db.execute("UPDATE run SET state = ?, message = ?, ended = ? WHERE id = ?", (state.value, message, now, run_id))
        return found[0]

    @staticmethod
    def _ancestors(db: sqlite3.Connection, names: Sequence[str]) -> set[str]:
        parents: dict[str, list[str]] = {}
        for row in db.execute("SELECT * FROM edge"):
            parents.setdefault(row["child"], []).append(row["parent"])
        found: set[str] = set()
        todo = list(names)
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += parents.get(name, ())
        return found

    @staticmethod
    def _runs(db: sqlite3.Connection, where: str, values: Sequence[Any]) -> list[Run]:
        rows = db.execute(f"SELECT * FROM run WHERE {where} ORDER BY due, rowid", values)
        return [Run(**{**dict(row), "state": RunState(row["state"])}) for row in rows]

    @staticmethod
    def _entry(row: sqlite3.Row) -> Entry:
        definition = json.loads(row["definition"])
        job = Job(**{**definition, "parents": tuple(definition["parents"])})
        return Entry(job, row["schedule"], row["successes"], row["errors"], row["last_success"], row["last_error"])
