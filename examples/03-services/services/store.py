"""Apps and instances in SQLite. What is not in here did not happen: each method is one transaction."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path

from attrs import asdict

from .model import App, Instance, InstanceState

TABLES = """
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS app (id TEXT PRIMARY KEY, definition TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS instance (
    id TEXT PRIMARY KEY, app_id TEXT NOT NULL, agent_id TEXT NOT NULL, host TEXT NOT NULL, ports TEXT NOT NULL,
    state TEXT NOT NULL, launched REAL NOT NULL, started REAL
) STRICT;
"""


class Store:
    """See the module. Any thread may use it."""

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        with self._lock, self._db:
            self._db.executescript("PRAGMA journal_mode=WAL;" + TABLES)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # The framework's id: a store for the driver

    def load(self) -> str | None:
        """The framework's id of an earlier life."""
        with self._lock:
            row = self._db.execute("SELECT value FROM setting WHERE name = 'framework_id'").fetchone()
        return None if row is None else row["value"]

    def save(self, framework_id: str) -> None:
        with self._lock, self._db:
            self._db.execute("INSERT OR REPLACE INTO setting VALUES ('framework_id', ?)", (framework_id,))

    def clear(self) -> None:
        with self._lock, self._db:
            self._db.execute("DELETE FROM setting WHERE name = 'framework_id'")

    # Apps

    def apps(self) -> dict[str, App]:
        with self._lock:
            rows = self._db.execute("SELECT definition FROM app ORDER BY id").fetchall()
        return {app.id: app for app in (App(**json.loads(row["definition"])) for row in rows)}

    def put_app(self, app: App) -> None:
        with self._lock, self._db:
            self._db.execute("INSERT OR REPLACE INTO app VALUES (?, ?)", (app.id, json.dumps(asdict(app))))

    def remove_app(self, app_id: str) -> None:
        with self._lock, self._db:
            self._db.execute("DELETE FROM app WHERE id = ?", (app_id,))

    # Instances; those that have ended are not kept

    def instances(self) -> list[Instance]:
        with self._lock:
            rows = self._db.execute("SELECT * FROM instance ORDER BY launched, id").fetchall()
        return [
            Instance(**{**dict(row), "ports": tuple(json.loads(row["ports"])), "state": InstanceState(row["state"])})
            for row in rows
        ]

    def put_instances(self, instances: Iterable[Instance]) -> None:
        rows = [
            (i.id, i.app_id, i.agent_id, i.host, json.dumps(i.ports), i.state.value, i.launched, i.started)
            for i in instances
        ]
        with self._lock, self._db:
            self._db.executemany("INSERT OR REPLACE INTO instance VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def remove_instance(self, instance_id: str) -> None:
        with self._lock, self._db:
            self._db.execute("DELETE FROM instance WHERE id = ?", (instance_id,))
