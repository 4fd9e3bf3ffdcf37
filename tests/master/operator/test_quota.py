"""Quota: what is refused, what is stored, which offers are taken back."""

from __future__ import annotations

import pytest

FORCE = "(use 'force' flag to bypass this check)"


def config(role, guarantees=None, limits=None):
    def scalars(amounts):
        return {name: {"value": value} for name, value in amounts.items()}

    return {
        "role": role,
        **({} if guarantees is None else {"guarantees": scalars(guarantees)}),
        **({} if limits is None else {"limits": scalars(limits)}),
    }


def update(world, *configs, force=False):
    response = world.operator("UPDATE_QUOTA", {"quota_configs": list(configs), "force": force})
    return response.status, response.body.decode()


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (config("", {"cpus": 1}), "Invalid 'QuotaConfig.role': Role names cannot be the empty string"),
        (config("a", {"cpus": -1}), "Invalid guarantee configuration {'cpus': -1}: Negative values not supported"),
        (config("a", None, {"cpus": -1}), "Invalid limit configuration {'cpus': -1}: Negative values not supported"),
        (
            config("a", {"mem": 2.0**41}),
            (
                "Invalid 'QuotaConfig.guarantees': {'mem': 2199023255552} is invalid: values greater than 1 exabyte "
                "(1099511627776) are not supported"
            ),
        ),
        (
            config("a", None, {"cpus": 2e12}),
            (
                "Invalid 'QuotaConfig.limits': {'cpus': 2000000000000} is invalid: values greater than 1 trillion "
                "(1000000000000) are not supported"
            ),
        ),
        (
            config("a", {"cpus": 2, "mem": 1}, {"cpus": 1}),
            "'QuotaConfig.guarantees' { cpus: 2, mem: 1 } is not contained within the 'QuotaConfig.limits' { cpus: 1 }",
        ),
    ],
)
def test_invalid_configurations(world, wrong, text):
    assert update(world, wrong) == (400, f"Invalid QuotaConfig: {text}")


def test_nested_roles_have_no_quota(world):
    assert update(world, config("a/b", {"cpus": 1})) == (
        400,
        "Updating quota on nested role 'a/b' is not supported yet",
    )


def test_only_roles_of_the_whitelist(make_world):
    world = make_world(roles="a,b")
    assert update(world, config("c")) == (400, "Invalid QuotaConfig: 'c' is not on the roles whitelist")
    assert update(world, config("*"), force=True)[0] == 200


def test_guarantees_beyond_the_cluster_need_force(world):
    world.agent()
    text = f"total quota guarantees 'cpus:5' exceed cluster capacity 'cpus:4; disk:10000; mem:4096' {FORCE}"
    assert update(world, config("a", {"cpus": 5})) == (400, f"Invalid QuotaConfig: {text}")
    assert update(world, config("a", {"cpus": 5}), force=True) == (200, "")


def test_all_of_a_request_or_nothing(world):
    world.agent()
    assert update(world, config("a", {"cpus": 1}), config("b c"))[0] == 400
    assert world.query("GET_QUOTA") == {"status": {}}
    assert world.allocator.named("update_quota") == []


def test_limits_below_what_is_used_need_force(make_real_world, task):
    world = make_real_world()
    world.agent()
    framework = world.framework(roles=["dev/team"])
    world.advance(1)
    offer = framework.take()[-1]["offers"]["offers"][0]
    framework.launch(offer, task("t1", offer, cpus=2))
    text = f"Role 'dev' is already consuming 'cpus:2; mem:32'; this is more than the requested limits 'cpus:1' {FORCE}"
    assert update(world, config("dev", None, {"cpus": 1})) == (400, f"Invalid QuotaConfig: {text}")
    assert update(world, config("dev", None, {"cpus": 1}), force=True)[0] == 200
    assert update(world, config("dev", None, {"cpus": 2, "mem": 32}))[0] == 200


def test_what_is_set_is_shown_in_both_forms(world):
    world.agent()
    update(world, config("a", {"cpus": 1, "mem": 64}, {"cpus": 2}), config("b", None, {"cpus": 0}))
    status = {
        "infos": [
            {
                "role": "a",
                "guarantee": [
                    {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1.0}},
                    {"name": "mem", "type": "SCALAR", "scalar": {"value": 64.0}},
                ],
            },
            {"role": "b"},
        ],
        "configs": [
            config("a", {"cpus": 1.0, "mem": 64.0}, {"cpus": 2.0}),
            config("b", None, {"cpus": 0.0}),
        ],
    }
    assert world.query("GET_QUOTA") == {"status": status}
    assert world.get("/quota") == status
    roles = {role["name"]: role["quota"] for role in world.get("/roles")["roles"]}
    assert roles["a"] == {"role": "a", "guarantee": {"cpus": 1.0, "mem": 64.0}, "limit": {"cpus": 2.0}, "consumed": {}}
    (first, _), _ = world.allocator.named("update_quota")
    assert first == ("a", {"cpus": 1.0, "mem": 64.0}, {"cpus": 2.0})


def test_a_default_configuration_is_shown_until_the_master_dies(world):
    update(world, config("a", {}, {}))
    assert world.query("GET_QUOTA") == {"status": {"infos": [{"role": "a"}], "configs": [{"role": "a"}]}}


def test_a_limit_takes_the_roles_own_offers_back(make_real_world):
    world = make_real_world()
    for port in (5051, 5052):
        world.agent(port=port)
    dev, other = world.framework(roles=["dev"]), world.framework(roles=["other"])
    world.advance(1)
    held = {f.id: sum(len(e["offers"]["offers"]) for e in f.take()) for f in (dev, other)}
    assert held == {dev.id: 1, other.id: 1}
    update(world, config("dev", None, {"cpus": 1}), force=True)
    assert [event["type"] for event in dev.take()] == ["RESCIND"]
    assert other.take() == []


def test_a_guarantee_takes_others_offers_back_until_it_is_met(make_real_world):
    world = make_real_world()
    for port in (5051, 5052, 5053):
        world.agent(port=port)
    other = world.framework(roles=["other"])
    world.advance(1)
    other.take()
    update(world, config("prod", {"cpus": 5}))
    assert [event["type"] for event in other.take()] == ["RESCIND", "RESCIND"]


class TestSetQuota:
    def request(self, role="a", cpus=1.0, **fields):
        guarantee = [{"name": "cpus", "type": "SCALAR", "scalar": {"value": cpus}, **fields}]
        return {"role": role, "guarantee": guarantee}

    def set(self, world, request):
        response = world.operator("SET_QUOTA", {"quota_request": request})
        return response.status, response.body.decode()

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"role": "a b"}, "QuotaInfo with invalid role: Role component 'a b' is invalid because it contains"),
            ({"role": ""}, "QuotaInfo with invalid role: Role names cannot be the empty string"),
            ({"guarantee": []}, "QuotaInfo with empty 'guarantee'"),
            (
                {"guarantee": [{"name": "p", "type": "SET", "set": {"item": ["x"]}}]},
                "QuotaInfo must not include non-scalar resources",
            ),
            (
                {"guarantee": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}] * 2},
                "QuotaInfo contains duplicate resource name 'cpus'",
            ),
        ],
    )
    def test_invalid_requests(self, world, changes, text):
        status, body = self.set(world, {**self.request(), **changes})
        assert status == 400
        assert body.startswith(f"Failed to validate set quota request: {text}")

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({"reservations": [{"type": "DYNAMIC", "role": "x"}]}, "QuotaInfo must not contain any ReservationInfo"),
            ({"revocable": {}}, "QuotaInfo must not contain RevocableInfo"),
        ],
    )
    def test_only_plain_scalars(self, world, fields, text):
        assert self.set(world, self.request(**fields)) == (400, f"Failed to validate set quota request: {text}")

    def test_a_request_without_a_role_has_the_empty_one(self, world):
        request = {"guarantee": self.request()["guarantee"]}
        text = "QuotaInfo with invalid role: Role names cannot be the empty string"
        assert self.set(world, request) == (400, f"Failed to validate set quota request: {text}")

    def test_a_guarantee_is_a_limit_too(self, world):
        world.agent()
        assert self.set(world, self.request()) == (200, "")
        assert world.query("GET_QUOTA")["status"]["configs"] == [config("a", {"cpus": 1.0}, {"cpus": 1.0})]
        text = "Failed to validate set quota request: Cannot set quota for role 'a' which already has quota"
        assert self.set(world, self.request()) == (400, text)

    def test_a_nested_role_fails_for_want_of_its_parents_guarantee(self, world):
        status, body = self.set(world, self.request("a/b"))
        assert (status, body) == (
            400,
            (
                "Failed to validate set quota request: Invalid quota configuration. Parent role 'a' with guarantees ({}) "
                "does not contain the sum of its children's guarantees (cpus:1)"
            ),
        )

    def test_too_much_is_a_conflict(self, world):
        text = (
            "Quota guarantees overcommit the cluster (use 'force' to bypass this check): "
            "Total quota guarantees 'cpus:1' exceed cluster capacity '{}'"
        )
        assert self.set(world, self.request()) == (409, text)
        assert self.set(world, {**self.request(), "force": True})[0] == 200

    def test_whole_agents_are_freed_one_for_each_framework_of_the_role(self, make_real_world):
        world = make_real_world()
        for port in (5051, 5052, 5053):
            world.agent(port=port)
        other = world.framework(roles=["other"])
        world.advance(1)
        other.take()
        frameworks = [world.framework(roles=["prod"]) for _ in range(2)]
        assert self.set(world, self.request("prod"))[0] == 200
        assert [event["type"] for event in other.take()] == ["RESCIND", "RESCIND"]
        assert all(framework.take() == [] for framework in frameworks)

    def test_removal(self, world):
        world.agent()
        self.set(world, self.request())
        assert world.operator("REMOVE_QUOTA", {"role": "a"}).status == 200
        assert world.query("GET_QUOTA") == {"status": {}}
        assert world.allocator.named("update_quota")[-1] == (("a", {}, {}), {})
        response = world.operator("REMOVE_QUOTA", {"role": "a"})
        assert (response.status, response.body) == (400, b"Failed to remove quota: Role 'a' has no quota set")
