"""The REST API: a part of Marathon's `/v2/apps`, under its names."""

from __future__ import annotations

import time
from typing import Any

from attrs import asdict, evolve
from flask import Flask, Response, jsonify, request

from .keeper import Keeper
from .model import App, AppError, Instance, InstanceState


def timestamp(seconds: float | None) -> str | None:
    return None if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def describe_task(instance: Instance) -> dict[str, Any]:
    return {
        "id": instance.id,
        "appId": instance.app_id,
        "slaveId": instance.agent_id,
        "host": instance.host,
        "ports": list(instance.ports),
        "state": f"TASK_{instance.state.name}" if instance.state is not InstanceState.INTENDED else "TASK_STAGING",
        "stagedAt": timestamp(instance.launched),
        "startedAt": timestamp(instance.started),
    }


def describe(keeper: Keeper, app: App) -> dict[str, Any]:
    instances = keeper.instances(app.id)
    running = sum(instance.state is InstanceState.RUNNING for instance in instances)
    staged = sum(instance.state in (InstanceState.INTENDED, InstanceState.STAGING) for instance in instances)
    return {**asdict(app), "env": dict(app.env), "tasksRunning": running, "tasksStaged": staged}


def application(keeper: Keeper) -> Flask:
    web = Flask("services")

    @web.errorhandler(AppError)
    def refused(error: AppError) -> tuple[Response, int]:
        return jsonify(message=str(error)), 422

    def known(app_id: str) -> App:
        app = keeper.apps().get("/" + app_id.strip("/"))
        if app is None:
            raise LookupError(app_id)
        return app

    @web.errorhandler(LookupError)
    def unknown(error: LookupError) -> tuple[Response, int]:
        return jsonify(message=f"App '/{str(error.args[0]).strip('/')}' does not exist"), 404

    def body() -> Any:
        document = request.get_json(force=True, silent=True)
        if not isinstance(document, dict):
            raise AppError("the body must be a JSON object")
        return document

    @web.get("/v2/apps")
    def apps() -> Response:
        return jsonify(apps=[describe(keeper, app) for app in keeper.apps().values()])

    @web.post("/v2/apps")
    def create() -> tuple[Response, int]:
        app = App.from_json(body())
        if app.id in keeper.apps():
            return jsonify(message=f"An app with id [{app.id}] already exists."), 409
        keeper.put(app)
        return jsonify(describe(keeper, app)), 201

    @web.get("/v2/apps/<path:app_id>")
    def show(app_id: str) -> Response:
        if app_id.endswith("/tasks"):
            app = known(app_id.removesuffix("/tasks"))
            return jsonify(tasks=[describe_task(instance) for instance in keeper.instances(app.id)])
        return jsonify(app=describe(keeper, known(app_id)))

    @web.put("/v2/apps/<path:app_id>")
    def change(app_id: str) -> tuple[Response, int]:
        document = {key: value for key, value in body().items() if key not in ("tasksRunning", "tasksStaged")}
        wanted = "/" + app_id.strip("/")
        if document.setdefault("id", wanted) not in (wanted, wanted[1:]):
            raise AppError(f"id must be {wanted!r}, as in the path, not {document['id']!r}")
        old = keeper.apps().get(wanted)
        app = App.from_json({**asdict(old), **document} if old is not None else document)
        keeper.put(app)
        return jsonify(describe(keeper, app)), 200 if old is not None else 201

    @web.delete("/v2/apps/<path:app_id>")
    def remove(app_id: str) -> Response:
        task_of, _, task_id = app_id.partition("/tasks/")
        app = known(task_of)
        if task_id:
            if all(instance.id != task_id for instance in keeper.instances(app.id)):
                raise LookupError(app_id)
            return jsonify(task=describe_task(keeper.kill(task_id)))
        keeper.remove(app.id)
        return jsonify(describe(keeper, evolve(app, instances=0)))

    @web.get("/ping")
    def ping() -> str:
        return "pong"

    return web
