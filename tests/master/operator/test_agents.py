"""What operators do to agents: weights, draining, deactivation, maintenance, reservations, volumes."""

from __future__ import annotations

import pytest

from pymesoskit.testing.engine.network.messages import ApplyOperation, DrainAgent, ShutdownAgent
from pymesoskit.wire.v1 import mesos

MACHINE = {"hostname": "127.0.0.1", "ip": "127.0.0.1"}
OTHER = {"hostname": "elsewhere", "ip": "10.0.0.1"}


@pytest.fixture
def real(make_real_world):
    return make_real_world()


def answer(response):
    return response.status, response.body.decode()


def kinds(framework):
    return [event["type"] for event in framework.take()]


def offers(framework):
    return [offer for event in framework.take() if event["type"] == "OFFERS" for offer in event["offers"]["offers"]]


class TestWeights:
    @pytest.mark.parametrize(
        ("info", "text"),
        [
            (
                {"role": "a b", "weight": 1},
                ": Invalid role 'a b': Role component 'a b' is invalid because it contains backspace or whitespace",
            ),
            ({"role": "a", "weight": 0}, " for role 'a': Invalid weight '0': Weights must be positive"),
            ({"role": "a", "weight": -1.5}, " for role 'a': Invalid weight '-1.5': Weights must be positive"),
        ],
    )
    def test_invalid_ones(self, world, info, text):
        infos = [{"role": "ok", "weight": 2}, info]
        refused = f"Failed to validate update weights request JSON{text}"
        assert answer(world.operator("UPDATE_WEIGHTS", {"weight_infos": infos})) == (400, refused)
        assert world.operator("GET_WEIGHTS").body == b'{"type":"GET_WEIGHTS"}'

    def test_roles_beside_the_whitelist(self, make_world):
        world = make_world(roles="a")
        refused = "Failed to validate update weights request JSON: Unknown role 'b'"
        infos = {"weight_infos": [{"role": "b", "weight": 2}]}
        assert answer(world.operator("UPDATE_WEIGHTS", infos)) == (400, refused)

    def test_what_is_set_is_shown_and_told(self, world):
        infos = [{"role": "b", "weight": 2.5}, {"role": " a ", "weight": 3.0}]
        assert world.operator("UPDATE_WEIGHTS", {"weight_infos": infos}).status == 200
        shown = [{"weight": 3.0, "role": "a"}, {"weight": 2.5, "role": "b"}]
        assert world.query("GET_WEIGHTS") == {"weight_infos": shown}
        assert world.get("/weights") == shown
        assert world.allocator.named("update_weights") == [(({"b": 2.5, "a": 3.0},), {})]

    def test_all_offers_are_taken_back_if_a_framework_has_the_role(self, real):
        real.agent()
        framework = real.framework(roles=["a"])
        real.advance(1)
        framework.take()
        real.operator("UPDATE_WEIGHTS", {"weight_infos": [{"role": "b", "weight": 2}]})
        assert kinds(framework) == []
        real.operator("UPDATE_WEIGHTS", {"weight_infos": [{"role": "a", "weight": 2}]})
        assert kinds(framework) == ["RESCIND"]

    def test_those_of_the_flag_count_only_as_long_as_none_are_stored(self, make_world):
        world = make_world(weights="a=2,b=3")
        assert world.get("/weights") == [{"role": "a", "weight": 2.0}, {"role": "b", "weight": 3.0}]
        world.master.terminate()
        world.flags = make_world(weights="a=5,c=7").flags
        world.start_master()
        assert world.get("/weights") == [{"role": "a", "weight": 2.0}, {"role": "b", "weight": 3.0}]


class TestDeactivation:
    def test_an_agent_is_offered_no_more_until_it_is_active_again(self, real):
        agent, framework = real.agent(), real.framework()
        real.advance(1)
        framework.take()
        payload = {"agent_id": {"value": agent.id}}
        assert real.operator("DEACTIVATE_AGENT", payload).status == 200
        assert kinds(framework) == ["RESCIND"]
        (view,) = real.query("GET_AGENTS")["agents"]
        assert (view["active"], view["deactivated"]) == (False, True)
        real.advance(10)
        assert kinds(framework) == []
        assert real.operator("REACTIVATE_AGENT", payload).status == 200
        real.advance(10)
        assert kinds(framework) == ["OFFERS"]
        assert answer(real.operator("REACTIVATE_AGENT", payload)) == (400, "Agent is not deactivated")

    def test_it_outlives_the_master(self, real):
        agent = real.agent()
        real.operator("DEACTIVATE_AGENT", {"agent_id": {"value": agent.id}})
        real.master.terminate()
        real.start_master()
        assert answer(real.operator("REACTIVATE_AGENT", {"agent_id": {"value": agent.id}})) == (
            409,
            "Agent removed while processing the call",
        )
        real.operator("DEACTIVATE_AGENT", {"agent_id": {"value": agent.id}})
        agent.reregister()
        (view,) = real.query("GET_AGENTS")["agents"]
        assert (view["active"], view["deactivated"]) == (False, True)


class TestDraining:
    def drain(self, world, agent, **fields):
        return world.operator("DRAIN_AGENT", {"agent_id": {"value": agent.id}, **fields})

    def info(self, world):
        (agent,) = world.get("/slaves")["slaves"]
        return agent["deactivated"], agent["drain_info"]

    def test_an_idle_agent_is_drained_at_once(self, world):
        agent = world.agent()
        assert self.drain(world, agent).status == 200
        assert self.info(world) == (True, {"state": "DRAINED", "config": {"mark_gone": False}})
        assert agent.take(DrainAgent) == [DrainAgent(mesos.DrainConfig(mark_gone=False))]

    def test_a_busy_one_when_its_last_task_is_over(self, world, task):
        agent, framework = world.agent(), world.framework()
        framework.launch(world.offer(framework, agent), task("t1", {"agent_id": {"value": agent.id}}))
        self.drain(world, agent, max_grace_period={"seconds": 5, "nanos": 500})
        config = {"max_grace_period": {"nanoseconds": 5000000500}, "mark_gone": False}
        assert self.info(world) == (True, {"state": "DRAINING", "config": config})
        payload = {"agent_id": {"value": agent.id}}
        assert answer(world.operator("REACTIVATE_AGENT", payload)) == (400, "Agent is still in the DRAINING state")
        uuid = b"1" * 16
        agent.update(framework.id, "t1", "TASK_KILLED", uuid=uuid)
        assert self.info(world)[1]["state"] == "DRAINING"
        ids = {"agent_id": {"value": agent.id}, "task_id": {"value": "t1"}}
        framework.call("ACKNOWLEDGE", {**ids, "uuid": "MTExMTExMTExMTExMTExMQ=="})
        assert self.info(world)[1]["state"] == "DRAINED"
        assert world.operator("REACTIVATE_AGENT", payload).status == 200
        (agent,) = world.get("/slaves")["slaves"]
        assert "drain_info" not in agent

    def test_offers_are_rescinded(self, real):
        agent, framework = real.agent(), real.framework()
        real.advance(1)
        framework.take()
        self.drain(real, agent)
        assert kinds(framework) == ["RESCIND"]

    def test_a_drained_agent_may_be_gone_for_good(self, world):
        agent = world.agent()
        self.drain(world, agent, mark_gone=True)
        assert world.get("/slaves")["slaves"] == []
        assert agent.id in world.state.gone

    def test_not_one_that_is_scheduled_for_maintenance(self, world):
        agent = world.agent()
        window = {"machine_ids": [MACHINE], "unavailability": {"start": {"nanoseconds": 1}}}
        world.operator("UPDATE_MAINTENANCE_SCHEDULE", {"schedule": {"windows": [window]}})
        text = f"Agent {agent.id} is part of a maintenance schedule under Machine 127.0.0.1 (127.0.0.1)"
        assert answer(self.drain(world, agent)) == (400, text)

    def test_not_one_that_cannot(self, world):
        agent = world.agent(capabilities=("MULTI_ROLE",))
        assert answer(self.drain(world, agent)) == (400, f"Agent {agent.id} is not capable of draining")

    def test_one_that_is_away_is_told_when_it_is_back(self, world):
        agent = world.agent()
        agent.die()
        self.drain(world, agent)
        agent.live_again()
        agent.reregister()
        assert len(agent.take(DrainAgent)) == 1
        (view,) = world.query("GET_AGENTS")["agents"]
        assert view["drain_info"]["state"] == "DRAINED"
        assert view["estimated_drain_start_time"]["nanoseconds"] > 0

    @pytest.mark.parametrize("away", ["unreachable", "recovered"])
    def test_since_when_is_known_only_of_an_agent_that_was_registered_then(self, world, away):
        agent = world.agent()
        agent.die()
        if away == "unreachable":
            world.advance(100)
        else:
            world.master.terminate()
            world.start_master()
        self.drain(world, agent)
        agent.live_again()
        agent.reregister()
        (view,) = world.query("GET_AGENTS")["agents"]
        assert view["drain_info"]["state"] == "DRAINED"
        assert "estimated_drain_start_time" not in view

    def test_since_when_is_forgotten_with_the_master(self, world):
        agent = world.agent()
        self.drain(world, agent)
        assert "estimated_drain_start_time_seconds" in world.get("/slaves")["slaves"][0]
        world.master.terminate()
        world.start_master()
        agent.reregister()
        (slave,) = world.get("/slaves")["slaves"]
        assert slave["drain_info"]["state"] == "DRAINED"
        assert "estimated_drain_start_time_seconds" not in slave


class TestMaintenance:
    def window(self, *machines, **fields):
        unavailability = {"start": {"nanoseconds": 10**18}, "duration": {"nanoseconds": 10**9}}
        return {"machine_ids": list(machines), "unavailability": unavailability, **fields}

    def schedule(self, world, *windows):
        return world.operator("UPDATE_MAINTENANCE_SCHEDULE", {"schedule": {"windows": list(windows)}})

    def machines(self, world, kind, *machines):
        return world.operator(kind, {"machines": list(machines)})

    @pytest.mark.parametrize(
        ("machines", "fields", "text"),
        [
            ((), {}, "List of machines in the maintenance window is empty"),
            (({},), {}, "Both 'hostname' and 'ip' for a machine are empty"),
            (({"ip": "1.2.3"},), {}, "Failed to parse IPv4: 1.2.3"),
            (
                ({"hostname": "A"}, {"hostname": "a"}),
                {},
                'Machine \'{"hostname":"a"}\' appears more than once in the schedule',
            ),
            (
                (MACHINE,),
                {"unavailability": {"start": {"nanoseconds": 1}, "duration": {"nanoseconds": -1}}},
                "Unavailability 'duration' is negative",
            ),
        ],
    )
    def test_schedules_that_are_refused(self, world, machines, fields, text):
        assert answer(self.schedule(world, self.window(OTHER), self.window(*machines, **fields))) == (400, text)
        assert world.query("GET_MAINTENANCE_SCHEDULE") == {"schedule": {}}

    def test_a_schedule_is_shown_and_its_machines_drain(self, world):
        window = self.window(MACHINE, OTHER)
        assert self.schedule(world, window).status == 200
        assert world.query("GET_MAINTENANCE_SCHEDULE") == {"schedule": {"windows": [window]}}
        assert world.get("/maintenance/schedule") == {"windows": [window]}
        draining = {"draining_machines": [{"id": MACHINE}, {"id": OTHER}]}
        assert world.query("GET_MAINTENANCE_STATUS") == {"status": draining}
        assert world.get("/maintenance/status") == draining

    def test_offers_are_made_anew_with_the_unavailability(self, real, task):
        real.agent()
        framework = real.framework()
        real.advance(1)
        framework.launch(offers(framework)[0], task("t1", {"agent_id": {"value": next(iter(real.state.agents))}}))
        real.advance(6)
        framework.take()
        window = self.window(MACHINE)
        self.schedule(real, window)
        assert kinds(framework) == ["RESCIND"]
        real.advance(1)
        events = framework.take()
        assert {event["type"] for event in events} == {"OFFERS", "INVERSE_OFFERS"}
        offer = next(event for event in events if event["type"] == "OFFERS")["offers"]["offers"][0]
        assert offer["unavailability"] == window["unavailability"]
        self.schedule(real)
        assert sorted(kinds(framework)) == ["RESCIND", "RESCIND_INVERSE_OFFER"]
        real.advance(1)
        assert "unavailability" not in offers(framework)[0]

    @pytest.mark.parametrize(
        ("call", "status"), [("ACCEPT_INVERSE_OFFERS", "ACCEPT"), ("DECLINE_INVERSE_OFFERS", "DECLINE")]
    )
    def test_answers_to_inverse_offers_are_in_the_status(self, real, task, call, status):
        real.agent()
        framework = real.framework()
        real.advance(1)
        framework.launch(offers(framework)[0], task("t1", {"agent_id": {"value": next(iter(real.state.agents))}}))
        self.schedule(real, self.window(MACHINE))
        real.advance(1)
        inverse = next(event for event in framework.take() if event["type"] == "INVERSE_OFFERS")
        offer_id = inverse["inverse_offers"]["inverse_offers"][0]["id"]
        assert framework.call(call, {"inverse_offer_ids": [offer_id]}).status == 202
        (machine,) = real.get("/maintenance/status")["draining_machines"]
        (shown,) = machine["statuses"]
        assert (shown["status"], shown["framework_id"]["value"]) == (status, framework.id)
        assert shown["timestamp"]["nanoseconds"] == int(real.actor.clock.time() * 1e9)

    def test_a_machine_goes_down_and_comes_up(self, world, task):
        agent, framework = world.agent(), world.framework()
        framework.launch(world.offer(framework, agent), task("t1", {"agent_id": {"value": agent.id}}))
        self.schedule(world, self.window(MACHINE, OTHER))
        framework.take()
        assert self.machines(world, "START_MAINTENANCE", MACHINE).status == 200
        assert agent.take(ShutdownAgent) == [ShutdownAgent("Operator initiated 'Machine DOWN'")]
        (status,) = framework.take_statuses()
        assert status["state"] == "TASK_LOST"
        assert status["message"] == "Agent 127.0.0.1 removed: Operator initiated 'Machine DOWN'"
        assert world.get("/slaves")["slaves"] == []
        assert world.get("/maintenance/status") == {"draining_machines": [{"id": OTHER}], "down_machines": [MACHINE]}
        deactivated = (
            '{"hostname":"127.0.0.1","ip":"127.0.0.1"}\' is deactivated and cannot be removed from the schedule'
        )
        assert answer(self.schedule(world)) == (400, f"Machine '{deactivated}")
        agent.register()
        assert world.get("/slaves")["slaves"] == []
        assert self.machines(world, "STOP_MAINTENANCE", MACHINE).status == 200
        assert world.get("/maintenance/schedule")["windows"] == [self.window(OTHER)]
        agent.register()
        assert len(world.get("/slaves")["slaves"]) == 1

    def test_only_draining_machines_go_down_and_only_those_that_are_down_come_up(self, world):
        text = '{"hostname":"127.0.0.1","ip":"127.0.0.1"}'
        for kind in ("START_MAINTENANCE", "STOP_MAINTENANCE"):
            assert answer(self.machines(world, kind)) == (400, "List of machines is empty")
            refused = f"Machine '{text}' is not part of a maintenance schedule"
            assert answer(self.machines(world, kind, MACHINE)) == (400, refused)
        world.agent()
        refused = f"Machine '{text}' is not in DRAINING mode and cannot be brought down"
        assert answer(self.machines(world, "START_MAINTENANCE", MACHINE)) == (400, refused)
        self.schedule(world, self.window(MACHINE))
        refused = f"Machine '{text}' is not in DOWN mode and cannot be brought up"
        assert answer(self.machines(world, "STOP_MAINTENANCE", MACHINE)) == (400, refused)

    def test_machines_are_shown_as_they_were_first_named(self, world):
        world.agent()
        self.schedule(world, self.window({"hostname": "B"}))
        self.schedule(world, self.window({"hostname": "b"}))
        assert world.get("/maintenance/schedule")["windows"] == [self.window({"hostname": "b"})]
        assert world.get("/maintenance/status") == {"draining_machines": [{"id": {"hostname": "B"}}]}
        assert self.machines(world, "START_MAINTENANCE", {"hostname": "b"}).status == 200
        refused = 'Machine \'{"hostname":"B"}\' is deactivated and cannot be removed from the schedule'
        assert answer(self.schedule(world)) == (400, refused)

    def test_a_machine_that_was_once_heard_of_stays_known(self, world):
        self.schedule(world, self.window(MACHINE))
        self.machines(world, "START_MAINTENANCE", MACHINE)
        self.machines(world, "STOP_MAINTENANCE", MACHINE)
        text = '{"hostname":"127.0.0.1","ip":"127.0.0.1"}'
        refused = f"Machine '{text}' is not in DOWN mode and cannot be brought up"
        assert answer(self.machines(world, "STOP_MAINTENANCE", MACHINE)) == (400, refused)
        refused = f"Machine '{text}' is not in DRAINING mode and cannot be brought down"
        assert answer(self.machines(world, "START_MAINTENANCE", MACHINE)) == (400, refused)

    def test_a_failed_request_leaves_all_machines_as_they_are(self, world):
        self.schedule(world, self.window(MACHINE))
        assert self.machines(world, "START_MAINTENANCE", MACHINE, OTHER).status == 400
        assert world.get("/maintenance/status") == {"draining_machines": [{"id": MACHINE}]}


class TestReservations:
    @pytest.fixture
    def reserved(self, amount):
        def reserved(name, value, role="web", **fields):
            return amount(name, value, reservations=[{"type": "DYNAMIC", "role": role, **fields}])

        return reserved

    def call(self, world, kind, agent, resources, **fields):
        name = "volumes" if "VOLUMES" in kind else "resources"
        return world.operator(kind, {"agent_id": {"value": agent.id}, name: resources, **fields})

    def test_what_is_offered_is_taken_back_and_offered_anew_as_reserved(self, real, reserved):
        agent, framework = real.agent(), real.framework()
        real.advance(1)
        framework.take()
        resources = [reserved("cpus", 2), reserved("mem", 64)]
        assert self.call(real, "RESERVE_RESOURCES", agent, resources).status == 202
        assert kinds(framework) == ["RESCIND"]
        (applied,) = agent.take(ApplyOperation)
        assert applied.framework_id == ""
        assert not applied.operation.HasField("id")
        framework.call("REVIVE")
        real.advance(1)
        held = [r for r in offers(framework)[0]["resources"] if "reservations" in r]
        assert sorted(r["name"] for r in held) == ["cpus", "mem"]
        assert self.call(real, "UNRESERVE_RESOURCES", agent, resources).status == 202
        assert real.get("/slaves")["slaves"][0]["reserved_resources"] == {}

    def test_offers_are_taken_back_one_by_one_until_there_is_enough(self, world, reserved):
        agent = world.agent()
        frameworks = [world.framework() for _ in range(3)]
        for framework, resources in zip(frameworks, ("mem:64", "cpus:1", "cpus:1"), strict=True):
            world.offer(framework, agent, resources)
        assert self.call(world, "RESERVE_RESOURCES", agent, [reserved("cpus", 1)]).status == 202
        assert [kinds(framework) for framework in frameworks] == [[], ["RESCIND"], []]
        (_, filtered) = world.allocator.named("recover_resources")[-1]
        assert filtered["filters"].refuse_seconds == 5.0

    def test_what_is_not_there_is_a_conflict(self, real, reserved):
        agent = real.agent()
        response = self.call(real, "UNRESERVE_RESOURCES", agent, [reserved("cpus", 1)])
        assert answer(response) == (
            409,
            "cpus:4; mem:4096; disk:10000; ports:[31000-32000] does not contain cpus(reservations: [(DYNAMIC,web)]):1",
        )
        response = self.call(real, "RESERVE_RESOURCES", agent, [reserved("cpus", 99)])
        assert answer(response)[0] == 409
        assert answer(response)[1].endswith("does not contain cpus:99")

    def test_invalid_operations_name_the_agent_or_not(self, real, amount):
        agent = real.agent()
        described = f"{agent.id} at {agent.address} (127.0.0.1)"
        text = f"Invalid RESERVE operation on agent {described}: Resource cpus:1 is not dynamically reserved"
        assert answer(self.call(real, "RESERVE_RESOURCES", agent, [amount("cpus", 1)])) == (400, text)
        text = "Invalid UNRESERVE operation: Resource cpus:1 is not dynamically reserved"
        assert answer(self.call(real, "UNRESERVE_RESOURCES", agent, [amount("cpus", 1)])) == (400, text)
        status, text = answer(self.call(real, "DESTROY_VOLUMES", agent, [amount("disk", 1)]))
        assert status == 400
        assert text.startswith("Invalid DESTROY operation: ")
        status, text = answer(self.call(real, "CREATE_VOLUMES", agent, [amount("disk", 1)]))
        assert status == 400
        assert text.startswith(f"Invalid CREATE operation on agent {described}: ")

    def test_invalid_resources(self, real, reserved):
        agent = real.agent()
        status, text = answer(self.call(real, "RESERVE_RESOURCES", agent, [reserved("cpus", -1)]))
        assert (status, text) == (
            400,
            "Resource 'cpus(reservations: [(DYNAMIC,web)]):-1' is invalid: Invalid scalar resource: value <= 0",
        )

    def test_the_life_of_a_volume(self, real, reserved, amount):
        agent = real.agent()
        self.call(real, "RESERVE_RESOURCES", agent, [reserved("disk", 100)])
        disk = {"persistence": {"id": "v1"}, "volume": {"container_path": "data", "mode": "RW"}}
        volume = {**reserved("disk", 64), "disk": disk}
        assert self.call(real, "CREATE_VOLUMES", agent, [volume]).status == 202

        def grow_or_shrink(kind, **fields):
            return real.operator(kind, {"agent_id": {"value": agent.id}, "volume": volume, **fields})

        assert grow_or_shrink("GROW_VOLUME", addition=reserved("disk", 36)).status == 202
        (full,) = real.get("/slaves")["slaves"][0]["reserved_resources_full"]["web"]
        assert (full["scalar"]["value"], full["disk"]["persistence"]["id"]) == (100.0, "v1")
        volume = {**volume, "scalar": {"value": 100}}
        assert grow_or_shrink("SHRINK_VOLUME", subtract={"value": 40}).status == 202
        volume = {**volume, "scalar": {"value": 60}}
        assert self.call(real, "DESTROY_VOLUMES", agent, [volume]).status == 202
        (full,) = real.get("/slaves")["slaves"][0]["reserved_resources_full"]["web"]
        assert (full["scalar"]["value"], "disk" in full) == (100.0, False)
        assert [type(m) for m in agent.take(ApplyOperation)] == [ApplyOperation] * 5

    def test_reservations_are_refined(self, real, reserved, amount):
        agent = real.agent()
        self.call(real, "RESERVE_RESOURCES", agent, [reserved("cpus", 2, "eng")])
        layers = [{"type": "DYNAMIC", "role": "eng"}, {"type": "DYNAMIC", "role": "eng/web"}]
        assert self.call(real, "RESERVE_RESOURCES", agent, [amount("cpus", 1, reservations=layers)]).status == 202
        by_role = real.get("/slaves")["slaves"][0]["reserved_resources"]
        assert {role: held["cpus"] for role, held in by_role.items()} == {"eng": 1.0, "eng/web": 1.0}

    def test_reservations_move_to_another_role(self, real, reserved):
        agent = real.agent()
        source = [reserved("cpus", 2, "a")]
        self.call(real, "RESERVE_RESOURCES", agent, source)
        response = self.call(real, "RESERVE_RESOURCES", agent, [reserved("cpus", 2, "b")], source=source)
        assert response.status == 202
        by_role = real.get("/slaves")["slaves"][0]["reserved_resources"]
        assert {role: held["cpus"] for role, held in by_role.items()} == {"b": 2.0}

    def test_resources_must_not_be_allocated(self, real, reserved):
        agent = real.agent()
        resources = [{**reserved("cpus", 1), "allocation_info": {"role": "web"}}]
        status, text = answer(self.call(real, "RESERVE_RESOURCES", agent, resources))
        assert status == 400
        assert "attempted with an allocated resource" in text
