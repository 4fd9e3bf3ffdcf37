"""UPDATE_FRAMEWORK (docs/reference/scheduler-api.md 9), and what SUBSCRIBE checks in which order (3)."""

import pytest

from pymesoskit.testing.engine.network.messages import UpdateFramework


@pytest.fixture
def framework(world):
    return world.framework(roles=["web", "ads"], principal="ops", failover_timeout=60.0)


@pytest.fixture
def update(framework):
    """The answer to an UPDATE_FRAMEWORK with these changes (None: left out)."""

    def update(call=None, **changes):
        info = {**framework.info, "id": {"value": framework.id}, **changes}
        info = {name: value for name, value in info.items() if value is not None}
        response = framework.call("UPDATE_FRAMEWORK", {"framework_info": info, **(call or {})})
        framework.world.settle()
        return response.status, response.body.decode()

    return update


INVALID = "Supplied FrameworkInfo is not valid: "
UPDATE = "FrameworkInfo update is not valid: "
UNSUPPORTED = "Updating 'FrameworkInfo.{}' is unsupported; attempted to update from '{}' to '{}'"


@pytest.mark.parametrize(
    ("call", "changes", "error"),
    [
        ({}, {"roles": ["a", "a"]}, INVALID + "'FrameworkInfo.roles' contains duplicate items: { a }"),
        (
            {},
            {"capabilities": []},
            INVALID + "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable",
        ),
        ({}, {"failover_timeout": 1e30}, INVALID + "The framework failover_timeout (1e+30) is invalid"),
        (
            {"suppressed_roles": ["x"]},
            {"user": "other"},
            INVALID + "Suppressed role 'x' is not contained in the list of roles",
        ),
        ({}, {"principal": "x", "user": "other"}, UPDATE + "Changing framework's principal is not allowed."),
        ({}, {"principal": None}, UPDATE + "Changing framework's principal is not allowed."),
        ({}, {"user": "other", "checkpoint": True}, UPDATE + UNSUPPORTED.format("user", "root", "other")),
        ({}, {"checkpoint": True}, UPDATE + UNSUPPORTED.format("checkpoint", "false", "true")),
        (
            {"offer_constraints": {"role_constraints": {"web": {}}}},
            {"checkpoint": True},
            UPDATE + UNSUPPORTED.format("checkpoint", "false", "true"),
        ),
        (
            {"offer_constraints": {"role_constraints": {"web": {}}}},
            {},
            (
                "'UpdateFramework.offer_constraints' are not valid: 'OfferConstraints::role_constraints' has an empty "
                "'RoleConstraints::groups' for role web"
            ),
        ),
    ],
)
def test_an_update_that_cannot_be_is_refused_and_changes_nothing(world, framework, update, call, changes, error):
    before = world.query("GET_FRAMEWORKS")
    assert update(call, **changes) == (400, error)
    assert world.query("GET_FRAMEWORKS") == before


def test_the_id_must_be_that_of_the_call(framework, update):
    assert update(id={"value": "x"}) == (
        400,
        "Failed to validate scheduler::Call: 'framework_id' differs from 'update_framework.framework_info.id'",
    )


def test_all_of_the_info_is_replaced(world, framework, update):
    assert update(name="B", failover_timeout=5.0, webui_url="http://x") == (200, "")
    info = world.state.frameworks[framework.id].info
    assert (info.name, info.failover_timeout, info.webui_url) == ("B", 5.0, "http://x")
    assert update() == (200, "")
    info = world.state.frameworks[framework.id].info
    assert (info.name, info.failover_timeout, info.HasField("webui_url")) == ("A", 60.0, False)


def test_agents_hear_of_a_change_and_of_nothing_else(world, framework, update):
    """The order of roles and capabilities is none."""
    agent = world.agent()
    agent.take(UpdateFramework)
    assert update()[0] == 200
    assert update(roles=["ads", "web"], capabilities=list(reversed(framework.info["capabilities"])))[0] == 200
    assert update({"suppressed_roles": ["ads"]})[0] == 200
    assert agent.take(UpdateFramework) == []
    assert update(roles=["web"])[0] == 200
    (message,) = agent.take(UpdateFramework)
    assert list(message.framework.roles) == ["web"]


def test_offers_of_roles_that_are_left_are_rescinded_but_not_those_of_suppressed_ones(world, framework, update):
    agent = world.agent()
    web, ads = (world.offer(framework, agent, "cpus:1", role) for role in ("web", "ads"))
    assert update({"suppressed_roles": ["web", "ads"]})[0] == 200
    assert framework.take() == []
    assert update(roles=["web"])[0] == 200
    assert framework.take() == [{"type": "RESCIND", "rescind": {"offer_id": ads["id"]}}]
    assert list(world.state.offers) == [web["id"]["value"]]


def test_suppressed_roles_and_constraints_are_replaced(world, framework, update):
    constraint = {"selector": {"attribute_name": "rack"}, "predicate": {"exists": {}}}
    constraints = {"role_constraints": {"web": {"groups": [{"attribute_constraints": [constraint]}]}}}
    known = world.state.frameworks[framework.id]
    assert update({"suppressed_roles": ["web"], "offer_constraints": constraints})[0] == 200
    assert (known.suppressed_roles, known.offer_constraints is None) == ({"web"}, False)
    assert update()[0] == 200
    assert (known.suppressed_roles, known.offer_constraints) == (frozenset(), None)


# SUBSCRIBE

#: In the order in which they are looked at: fields of the info, fields of the call, and what is said.
WRONG = [
    ({"roles": ["a", "a"]}, {}, "'FrameworkInfo.roles' contains duplicate items: { a }"),
    ({"id": {"value": "a/b"}}, {}, "'a/b' contains invalid characters"),
    (
        {"offer_filters": {"web": {"min_allocatable_resources": {"quantities": [{}]}}}},
        {},
        "Resource quantities must contain at least one quantity",
    ),
    ({"roles": ["c", "web", "b"]}, {}, "Roles { b, c } are not present in the master's --roles"),
    ({}, {"suppressed_roles": ["x"]}, "Suppressed role 'x' is not contained in the list of roles"),
    ({"user": "root"}, {}, "User 'root' is not allowed to run frameworks without --root_submissions set"),
    ({"id": {"value": "done"}}, {}, "Framework has been removed"),
    ({"failover_timeout": 1e30}, {}, "The framework failover_timeout (1e+30) is invalid"),
    (
        {},
        {"offer_constraints": {"role_constraints": {"web": {}}}},
        "'OfferConstraints::role_constraints' has an empty 'RoleConstraints::groups' for role web",
    ),
]


@pytest.mark.parametrize("right", range(len(WRONG)))
def test_the_first_thing_that_is_wrong_with_a_subscription_is_told(make_world, make_framework, right):
    world = make_world(roles="web", root_submissions="false")
    done = make_framework(world, user="nobody", id={"value": "done"})
    done.id = "done"
    done.subscribe().call("TEARDOWN")
    info, call = {"user": "nobody", "name": "A", "roles": ["web"], "capabilities": [{"type": "MULTI_ROLE"}]}, {}
    for fields, more, _ in reversed(WRONG[right:]):
        info.update(fields)
        call.update(more)
    body = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info, **call}}
    if "id" in info:
        body["framework_id"] = info["id"]
    stream = world.post(body).opened
    assert stream.events == [{"type": "ERROR", "error": {"message": WRONG[right][2]}}]
    assert stream.closed


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (-1, "Negative values not supported"),
        ("Infinity", "Infinite values not supported"),
        ("-Infinity", "Infinite values not supported"),
        (1e-310, "Subnormal values not supported"),
        (0, None),
    ],
)
def test_quantities_of_filters(world, value, error):
    quantities = {"quantities": [{"quantities": {"cpus": {"value": value}}}]}
    framework = world.framework(offer_filters={"web": {"min_allocatable_resources": quantities}})
    said = [event["error"]["message"] for event in framework.events if event["type"] == "ERROR"]
    assert said == ([] if error is None else [f"Invalid resource quantity for 'cpus': {error}"])


@pytest.mark.parametrize("timeout", [9223372036.0, -9223372036.0, 0.0])
def test_failover_timeouts_fit_64_bits_of_nanoseconds(world, timeout):
    assert world.framework(failover_timeout=timeout).id
    assert world.framework(failover_timeout=timeout * 1.1).id == (
        "" if timeout else world.master.core.state.master_id + "-0001"
    )
