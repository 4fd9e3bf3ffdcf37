"""Runs the Asgard API's plugin of Mesos metrics (asgard-api-plugin-metrics-mesos 0.10.0), as that dashboard's API loads it.

`asgard_metrics.py MASTER PATH...`: asks for each path, such as `/leader?prefix=master/tasks_`, and prints a line of JSON for each.
It knows nothing of pymesoskit and runs on Python 3.8 to 3.10.
"""

import json
import os
import sys

import pkg_resources
from flask import Flask


def main(master, paths):
    os.environ["HOLLOWMAN_MESOS_ADDRESS_0"] = "http://" + master
    app = Flask("asgard")
    for entry_point in pkg_resources.iter_entry_points("asgard_api_metrics_mountpoint"):
        app.register_blueprint(entry_point.load()()["blueprint"])
    client = app.test_client()
    for path in paths:
        answer = client.get(path)
        if answer.status_code != 200:
            print("%s: %s %s" % (path, answer.status, answer.get_data(as_text=True)))
            return 1
        print(json.dumps(answer.get_json()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
