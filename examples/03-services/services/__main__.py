"""`python -m services --master HOST:PORT`: the scheduler and its REST API, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from types import FrameType

from werkzeug.serving import make_server

from pymesoskit import MesosError, SchedulerDriver, framework_info, mesos

from .api import application
from .keeper import Keeper
from .store import Store

#: How long instances live on while the scheduler is away (seconds).
WEEK = 7 * 24 * 3600.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="services", description=__doc__)
    parser.add_argument(
        "--master", default="127.0.0.1:5050", metavar="HOST:PORT", help="the Mesos master (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=8080, help="of the REST API, on loopback; 0: any (default: %(default)s)"
    )
    parser.add_argument(
        "--database", default="services.sqlite", metavar="FILE", help="apps and instances (default: %(default)s)"
    )
    parser.add_argument("--role", default="services", help="the role to get offers for (default: %(default)s)")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)

    store = Store(options.database)
    keeper = Keeper(store)
    killing = mesos.FrameworkInfo.Capability.TASK_KILLING_STATE
    info = framework_info("services", [options.role], user="root", failover_timeout=WEEK, capabilities=[killing])
    driver = SchedulerDriver(keeper, info, options.master, store=store)
    server = make_server("127.0.0.1", options.port, application(keeper), threaded=True)
    api = threading.Thread(target=server.serve_forever, name="services-api", daemon=True)

    def stop(number: int, frame: FrameType | None) -> None:
        driver.disconnect()  # the tasks go on; the next start takes them over

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    api.start()
    print(f"listening on http://127.0.0.1:{server.port}", flush=True)
    try:
        driver.run()
    except MesosError as error:
        print(f"services: {error}", file=sys.stderr)
        return 1
    finally:
        server.shutdown()
        api.join()
        server.server_close()
        store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
