"""Several masters, one of which leads (docs/reference/scheduler-api.md 1.2, operator-api.md 1)."""

import pytest

LED = [
    "/api/v1",
    "/api/v1/scheduler",
    "/state",
    "/state-summary",
    "/slaves",
    "/frameworks",
    "/tasks",
    "/roles",
    "/quota",
    "/weights",
]
EVERYWHERE = ["/health", "/version", "/flags", "/metrics/snapshot"]


class Election:
    def __init__(self) -> None:
        self.address: str | None = None
        self.watchers: list = []

    def leader(self):
        return self.address

    def watch(self, changed):
        self.watchers.append(changed)
        return lambda: self.watchers.remove(changed)

    def elect(self, address: str | None) -> None:
        self.address = address
        for changed in list(self.watchers):
            changed()


@pytest.fixture
def election():
    return Election()


@pytest.fixture
def standby(world, election):
    """The world's master as one of several, none of which is elected yet."""
    world.master.terminate()
    world.leadership = election
    world.start_master()
    return world


def redirection(responder):
    return responder.response.status, dict(responder.response.headers).get("Location")


@pytest.mark.parametrize("path", LED)
def test_without_a_leader_nothing_is_served(standby, path):
    responder = standby.request("GET", path)
    assert (responder.response.status, responder.response.body) == (503, b"No leader elected")


@pytest.mark.parametrize("path", LED)
def test_the_others_send_to_the_leader_before_they_look_at_the_request(standby, election, path):
    election.elect("master@10.0.0.2:5050")
    assert redirection(standby.request("PUT", f"{path}?a=b")) == (307, f"//10.0.0.2:5050{path}?a=b")


@pytest.mark.parametrize("path", EVERYWHERE)
def test_some_endpoints_are_those_of_each_master(standby, path):
    assert standby.request("GET", path).response.status == 200


def test_redirect_names_the_leader_even_on_the_leader(standby, election):
    assert standby.request("GET", "/redirect").response.status == 503
    election.elect("master@10.0.0.2:5050")
    assert redirection(standby.request("GET", "/redirect")) == (307, "//10.0.0.2:5050")
    election.elect(standby.master.core.address)
    assert redirection(standby.request("GET", "/redirect")) == (307, "//127.0.0.1:5050")


def test_who_is_elected_takes_up_the_registry(world, election):
    agent = world.agent()
    world.master.terminate()
    world.leadership = election
    world.start_master()
    agent.reregister()
    assert not world.state.agents
    assert not world.state.recovered_agents
    election.elect(world.master.core.address)
    assert list(world.state.recovered_agents) == [agent.id]
    agent.reregister()
    assert list(world.state.agents) == [agent.id]
    assert world.framework().id


def test_who_loses_leadership_ends(standby, election):
    election.elect(standby.master.core.address)
    framework = standby.framework()
    election.elect("master@10.0.0.2:5050")
    assert framework.stream.aborted
    assert not standby.master.core.timers
    assert not election.watchers
