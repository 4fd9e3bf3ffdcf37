"""pymesos's operator driver asks a master for its state; `pymesos_operator.py MASTER AGENTS` exits with 0 if all is there."""

import sys

from pymesos import MesosOperatorMasterDriver


def main(master, agents):
    driver = MesosOperatorMasterDriver(master)
    print("version", driver.getVersion())
    print("health", driver.getHealth())
    found = driver.getAgents()["get_agents"]["agents"]
    print("agents", [agent["agent_info"]["id"]["value"] for agent in found])
    state = driver.getState()["get_state"]
    print("state", sorted(state))
    names = {metric["name"] for metric in driver.getMetrics(5 * 10**9)["get_metrics"]["metrics"]}
    return 0 if len(found) == agents and "master/slaves_active" in names else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
