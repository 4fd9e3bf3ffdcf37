"""`python -m cron --master HOST:PORT`: the scheduler and its REST API, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from types import FrameType

from werkzeug.serving import make_server

from pymesoskit import MesosError, SchedulerDriver, framework_info

from .api import application
from .book import Book
from .framework import Cron

#: How long tasks live on while the scheduler is away (seconds).
WEEK = 7 * 24 * 3600.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="cron", description=__doc__)
    parser.add_argument(
        "--master", default="127.0.0.1:5050", metavar="HOST:PORT", help="the Mesos master (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=4400, help="of the REST API, on loopback; 0: any (default: %(default)s)"
    )
    parser.add_argument(
        "--database", default="cron.sqlite", metavar="FILE", help="jobs and runs (default: %(default)s)"
    )
    parser.add_argument("--role", default="cron", help="the role to get offers for (default: %(default)s)")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)

    book = Book(options.database)
    cron = Cron(book)
    info = framework_info("cron", [options.role], user="root", failover_timeout=WEEK)
    driver = SchedulerDriver(cron, info, options.master, store=book)
    server = make_server("127.0.0.1", options.port, application(book, cron), threaded=True)
    api = threading.Thread(target=server.serve_forever, name="cron-api", daemon=True)

    def stop(number: int, frame: FrameType | None) -> None:
        driver.disconnect()  # the tasks go on; the next start takes them over

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    api.start()
    print(f"listening on http://127.0.0.1:{server.port}", flush=True)
    try:
        driver.run()
    except MesosError as error:
        print(f"cron: {error}", file=sys.stderr)
        return 1
    finally:
        server.shutdown()
        api.join()
        server.server_close()
        book.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
