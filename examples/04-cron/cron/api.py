"""The REST API: a part of Chronos's, under its names."""

from __future__ import annotations

import time
from typing import Any

from attrs import asdict
from flask import Flask, Response, jsonify, request

from .book import Book, Entry
from .framework import Cron
from .model import Job, JobError, Run
from .schedule import ScheduleError


def describe(entry: Entry) -> dict[str, Any]:
    """A job as the API shows it: ``schedule`` is what is left of it."""
    shown = {**asdict(entry.job), "parents": list(entry.job.parents), "schedule": entry.schedule}
    if entry.schedule is None:
        del shown["schedule"]
    return {
        **shown,
        "successCount": entry.successes,
        "errorCount": entry.errors,
        "lastSuccess": timestamp(entry.last_success),
        "lastError": timestamp(entry.last_error),
    }


def timestamp(seconds: float | None) -> str:
    return "" if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def describe_run(run: Run) -> dict[str, Any]:
    return {**asdict(run), "state": run.state.value, "due": timestamp(run.due), "late": lateness(run)}


def lateness(run: Run) -> float | None:
    """How long after it was due the run began (seconds)."""
    return None if run.started is None else round(run.started - run.due, 3)


def application(book: Book, cron: Cron) -> Flask:
    app = Flask("cron")

    @app.errorhandler(JobError)
    @app.errorhandler(ScheduleError)
    def refused(error: ValueError) -> tuple[Response, int]:
        return jsonify(status="400", message=str(error)), 400

    @app.errorhandler(KeyError)
    def unknown(error: KeyError) -> tuple[Response, int]:
        return jsonify(status="400", message=f"there is no job {error.args[0]!r}"), 400

    def put(document: object) -> tuple[str, int]:
        book.put(Job.from_json(document), time.time())
        cron.changed()
        return "", 204

    def body() -> object:
        document = request.get_json(force=True, silent=True)
        if document is None:
            raise JobError("the body is no JSON document")
        return document

    @app.post("/v1/scheduler/iso8601")
    def put_scheduled() -> tuple[str, int]:
        document = body()
        if isinstance(document, dict) and document.get("schedule") is None:
            raise JobError("a job of /v1/scheduler/iso8601 needs a schedule")
        return put(document)

    @app.post("/v1/scheduler/dependency")
    def put_dependent() -> tuple[str, int]:
        document = body()
        if isinstance(document, dict) and not document.get("parents"):
            raise JobError("a job of /v1/scheduler/dependency needs parents")
        return put(document)

    @app.get("/v1/scheduler/jobs")
    def jobs() -> Response:
        return jsonify([describe(entry) for entry in book.jobs()])

    @app.get("/v1/scheduler/job/<name>")
    def job(name: str) -> Response:
        return jsonify(describe(book.job(name)))

    @app.get("/v1/scheduler/job/<name>/runs")
    def runs(name: str) -> Response:
        return jsonify([describe_run(run) for run in book.runs_of(name)])

    @app.put("/v1/scheduler/job/<name>")
    def run_now(name: str) -> tuple[str, int]:
        book.enter_now(name, time.time())
        cron.changed()
        return "", 204

    @app.delete("/v1/scheduler/job/<name>")
    def remove(name: str) -> tuple[str, int]:
        cron.kill(book.remove(name, time.time()))
        cron.changed()
        return "", 204

    @app.get("/v1/scheduler/graph/csv")
    def graph() -> Response:
        entries = book.jobs()
        open_runs = {run.job: run.state.value for run, _ in book.open_runs()}
        lines = []
        for entry in entries:
            last = "fresh"
            if entry.last_success is not None or entry.last_error is not None:
                last = "success" if (entry.last_success or 0) >= (entry.last_error or 0) else "failure"
            lines.append(f"node,{entry.job.name},{last},{open_runs.get(entry.job.name, 'idle')}")
        lines += [f"link,{parent},{entry.job.name}" for entry in entries for parent in entry.job.parents]
        return Response("".join(line + "\n" for line in lines), mimetype="text/plain")

    @app.get("/ping")
    def ping() -> str:
        return "pong"

    return app
