"""The framework: keeps as many instances of each app running as it should have.

What should be is in the store (apps), so is what was launched (instances): it is written down before the launch is
sent. After each event the two are compared (`_balance`), and the difference is made up: too few are launched on the
next offers, too many are killed, the youngest first. The state is guarded by one lock, because the REST API works on it
too; the driver is never waited for.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Mapping, Sequence

from attrs import evolve

from pymesoskit import (
    MesosError,
    NotSubscribed,
    OfferPool,
    Resources,
    Scheduler,
    SchedulerDriver,
    command_task,
    is_terminal,
    mesos,
    state_name,
)
from pymesoskit.wire.v1 import scheduler

from .backoff import Backoff
from .model import App, Instance, InstanceState
from .store import Store

log = logging.getLogger("services")

#: How often the state is looked at even if nothing happens (seconds): for launches that had to wait.
INTERVAL = 1.0


class Keeper(Scheduler):
    """See the module."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._apps = store.apps()
        self._instances = {instance.id: instance for instance in store.instances()}
        self._backoff = Backoff()
        self._driver: SchedulerDriver | None = None
        self._suppressed = False
        self._over = threading.Event()
        self._clock = threading.Thread(target=self._run_clock, name="services-clock", daemon=True)

    # For the REST API: any thread

    def apps(self) -> Mapping[str, App]:
        with self._lock:
            return dict(self._apps)

    def instances(self, app_id: str) -> list[Instance]:
        """Those of an app, the oldest first."""
        with self._lock:
            return [instance for instance in self._instances.values() if instance.app_id == app_id]

    def put(self, app: App) -> None:
        """Adds an app or replaces the one of that id: then its instances too, unless only their number changed."""
        with self._lock:
            old = self._apps.get(app.id)
            self._store.put_app(app)
            self._apps[app.id] = app
            self._backoff.forget(app.id)
            if old is not None and evolve(old, instances=app.instances) != app:
                self._kill(self.instances(app.id))
            self._balance()

    def remove(self, app_id: str) -> None:
        """Removes an app and ends its instances. Raises KeyError."""
        with self._lock:
            del self._apps[app_id]
            self._store.remove_app(app_id)
            self._balance()

    def kill(self, instance_id: str) -> Instance:
        """Ends an instance; the app gets another one. Raises KeyError."""
        with self._lock:
            instance = self._instances[instance_id]
            self._kill([instance])
            return instance

    # What is missing, what is too much

    def _missing(self, app: App) -> int:
        alive = sum(
            instance.app_id == app.id and instance.state is not InstanceState.KILLING
            for instance in self._instances.values()
        )
        return app.instances - alive

    def _balance(self) -> None:
        """Kills what is too much, and asks for offers if, and only if, something is to be launched."""
        for instance in [i for i in self._instances.values() if i.app_id not in self._apps]:
            self._kill([instance])
        wanting = False
        for app in self._apps.values():
            missing = self._missing(app)
            if missing < 0:
                alive = [i for i in self.instances(app.id) if i.state is not InstanceState.KILLING]
                self._kill(sorted(alive, key=lambda i: i.launched)[missing:])
            wanting = wanting or (missing > 0 and self._backoff.ready(app.id, time.monotonic()))
        if self._driver is None:
            return
        try:
            if wanting and self._suppressed:
                self._driver.revive()
                self._suppressed = False
            elif not wanting and not self._suppressed:
                self._driver.suppress()
                self._suppressed = True
        except NotSubscribed:
            log.info("not subscribed now")  # `subscribed` starts from nothing

    def _kill(self, instances: Sequence[Instance]) -> None:
        for instance in instances:
            if instance.state is not InstanceState.KILLING:
                self._keep(evolve(instance, state=InstanceState.KILLING))
            if self._driver is not None:
                try:
                    self._driver.kill(instance.id, instance.agent_id)
                except NotSubscribed:
                    log.info("cannot kill %s now", instance.id)  # its state is stored: `subscribed` does it

    def _keep(self, instance: Instance) -> None:
        self._store.put_instances([instance])
        self._instances[instance.id] = instance

    def _forget(self, instance_id: str) -> Instance | None:
        self._store.remove_instance(instance_id)
        return self._instances.pop(instance_id, None)

    def _run_clock(self) -> None:
        while not self._over.wait(INTERVAL):
            with self._lock:
                self._balance()

    # Events

    def subscribed(self, driver: SchedulerDriver, subscribed: scheduler.Event.Subscribed) -> None:
        log.info("subscribed as %s", subscribed.framework_id.value)
        with self._lock:
            self._driver, self._suppressed = driver, False
            if self._instances:
                driver.reconcile([(instance.id, instance.agent_id) for instance in self._instances.values()])
            driver.reconcile()  # and what the master knows of besides
            self._kill([i for i in self._instances.values() if i.state is InstanceState.KILLING])
            self._balance()
            if not self._clock.is_alive():
                self._clock.start()

    def disconnected(self, driver: SchedulerDriver, reason: MesosError) -> None:
        log.warning("disconnected: %s", reason)
        with self._lock:
            self._driver = None

    def stopped(self, driver: SchedulerDriver, error: MesosError | None) -> None:
        self._over.set()
        if self._clock.is_alive():
            self._clock.join()

    def offers(self, driver: SchedulerDriver, offers: Sequence[mesos.Offer]) -> None:
        with self._lock:
            for offer in offers:
                pool, launches = OfferPool(offer), []
                for app in self._apps.values():
                    if not self._backoff.ready(app.id, time.monotonic()):
                        continue
                    for _ in range(self._missing(app)):
                        launch = self._prepare(app, offer, pool)
                        if launch is None:
                            break
                        self._instances[launch[0].id] = launch[0]
                        launches.append(launch)
                if launches:
                    self._store.put_instances([instance for instance, _ in launches])
                    driver.launch(offer, [info for _, info in launches])
                else:
                    driver.decline(offer)
            self._balance()

    def _prepare(self, app: App, offer: mesos.Offer, pool: OfferPool) -> tuple[Instance, mesos.TaskInfo] | None:
        """An instance on this offer, None if it has not enough left."""
        wanted = f"cpus:{app.cpus};mem:{app.mem}" + (f";disk:{app.disk}" if app.disk else "")
        ports = [port for begin, end in pool.left.ports() for port in range(begin, min(end, begin + app.ports) + 1)][
            : app.ports
        ]
        if len(ports) < app.ports:
            return None
        if ports:
            wanted += f";ports:[{','.join(f'{port}-{port}' for port in ports)}]"
        resources = pool.take(Resources.parse(wanted))
        if resources is None:
            return None
        name = app.id.strip("/").replace("/", "_")
        instance = Instance(
            id=f"{name}.{uuid.uuid4()}",
            app_id=app.id,
            agent_id=offer.agent_id.value,
            host=offer.hostname,
            ports=tuple(ports),
            state=InstanceState.INTENDED,
            launched=time.time(),
        )
        environment = {"HOST": offer.hostname, "MARATHON_APP_ID": app.id, "MESOS_TASK_ID": instance.id}
        environment |= {f"PORT{i}": str(port) for i, port in enumerate(ports)}
        if ports:
            environment |= {"PORT": str(ports[0]), "PORTS": ",".join(map(str, ports))}
        info = command_task(
            app.cmd, resources, offer, task_id=instance.id, name=name, environment={**environment, **app.env}
        )
        return instance, info

    def update(self, driver: SchedulerDriver, status: mesos.TaskStatus) -> None:
        task_id, now = status.task_id.value, time.time()
        log.info("%s %s %s", task_id, state_name(status), status.message)
        with self._lock:
            instance = self._instances.get(task_id)
            if status.state in (mesos.TASK_UNREACHABLE, mesos.TASK_UNKNOWN) or is_terminal(status):
                # Unreachable is lost, as in Marathon with its defaults: should the task come back, it is one too many.
                self._forget(task_id)
                app = None if instance is None else self._apps.get(instance.app_id)
                if app is not None and status.state in (mesos.TASK_FAILED, mesos.TASK_FINISHED, mesos.TASK_ERROR):
                    self._backoff.failed(app, time.monotonic())
            elif instance is None:
                driver.kill(task_id, status.agent_id.value)
            elif status.state == mesos.TASK_RUNNING and instance.state is not InstanceState.KILLING:
                self._keep(evolve(instance, state=InstanceState.RUNNING, started=instance.started or now))
            elif status.state in (mesos.TASK_STAGING, mesos.TASK_STARTING) and instance.state is InstanceState.INTENDED:
                self._keep(evolve(instance, state=InstanceState.STAGING))
            self._balance()

    def call_failed(self, driver: SchedulerDriver, call: str, error: MesosError) -> None:
        log.warning("%s", error)
        if call != "ACCEPT":
            return
        with self._lock:  # whether the tasks were launched is not known: the master is asked
            unheard = [i for i in self._instances.values() if i.state is InstanceState.INTENDED]
            if unheard:
                driver.reconcile([(instance.id, instance.agent_id) for instance in unheard])
