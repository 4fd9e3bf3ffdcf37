"""ACCEPT (docs/reference/scheduler-api.md 4 and 5)."""

import pytest

from pymesoskit.testing.engine.network.messages import ApplyOperation, RunTask, RunTaskGroup

DYNAMIC = {"reservations": [{"type": "DYNAMIC", "role": "web"}]}


@pytest.fixture
def framework(world):
    return world.framework()


@pytest.fixture
def agent(world):
    return world.agent()


def recovered(world):
    """What the allocator got back: (resources, refuse_seconds or None)."""
    return [
        (str(args[3]), kwargs["filters"].refuse_seconds if kwargs.get("filters") else None)
        for args, kwargs in world.allocator.named("recover_resources")
    ]


def status(framework):
    (one,) = framework.take_statuses()
    return one


def test_offers_carry_all_that_a_scheduler_needs(world, framework, agent):
    offer = world.offer(framework, agent, "cpus:1;ports:[1-2]")
    assert offer["hostname"] == "127.0.0.1"
    assert offer["url"] == {
        "scheme": "http",
        "address": {"hostname": "127.0.0.1", "ip": "127.0.0.1", "port": 5051},
        "path": "/slave(1)",
    }
    assert offer["allocation_info"] == {"role": "web"}
    assert all(resource["allocation_info"] == {"role": "web"} for resource in offer["resources"])
    assert all("role" not in resource for resource in offer["resources"])


def test_frameworks_of_old_see_the_old_format(world, agent):
    old = world.framework(capabilities=[], roles=[], role="web")
    world.allocator.listener.offers(old.id, {"web": {agent.id: world_resources("cpus(web):1;mem:32")}})
    (event,) = old.take()
    (offer,) = event["offers"]["offers"]
    assert "allocation_info" not in offer
    assert [(r["name"], r["role"], "allocation_info" in r, "reservations" in r) for r in offer["resources"]] == [
        ("cpus", "web", False, False),
        ("mem", "*", False, False),
    ]


def world_resources(text):
    from pymesoskit.resources import Resources

    return Resources.parse(text)


def test_a_task_is_sent_to_its_agent_and_the_rest_is_declined(world, framework, agent, task):
    offer = world.offer(framework, agent, "cpus:4;mem:4096")
    framework.launch(offer, task("t1", offer, cpus=1, mem=1024), refuse=7)
    (run,) = agent.take(RunTask)
    assert run.task.task_id.value == "t1"
    assert run.launch_executor
    assert recovered(world) == [("cpus:3; mem:3072", 7)]
    assert framework.take() == []
    assert str(world.state.frameworks[framework.id].used.total) == "cpus(allocated: web):1; mem(allocated: web):1024"


def test_without_filters_the_rest_is_declined_for_5_seconds(world, framework, agent):
    framework.accept(world.offer(framework, agent, "cpus:4"))
    assert recovered(world) == [("cpus:4", 5)]


@pytest.mark.parametrize("capable", [True, False])
def test_invalid_offers_drop_the_tasks_and_use_up_what_is_valid(world, agent, task, capable):
    kinds = ["MULTI_ROLE", *(["PARTITION_AWARE"] if capable else [])]
    framework = world.framework(capabilities=[{"type": kind} for kind in kinds])
    offer = world.offer(framework, agent, "cpus:1")
    framework.accept(
        offer, {"id": {"value": "x"}}, operations=[{"type": "LAUNCH", "launch": {"task_infos": [task("t", offer)]}}]
    )
    said = status(framework)
    assert said["state"] == ("TASK_DROPPED" if capable else "TASK_LOST")
    assert said["reason"] == "REASON_INVALID_OFFERS"
    assert said["message"] == "Task launched with invalid offers: Offer x is no longer valid"
    assert "uuid" not in said
    assert recovered(world) == [("cpus:1", None)]
    assert not world.state.offers


def test_offers_must_fit_together(world, framework, agent, task):
    other_agent = world.agent(port=5052)
    other = world.framework()
    offers = [
        world.offer(framework, agent, "cpus:1"),
        world.offer(framework, other_agent, "cpus:1"),
        world.offer(other, agent, "cpus:1"),
    ]

    def refusal(*chosen):
        framework.accept(*chosen, operations=[{"type": "LAUNCH", "launch": {"task_infos": [task("t", offers[0])]}}])
        return status(framework)["message"].removeprefix("Task launched with invalid offers: ")

    ids = [offer["id"]["value"] for offer in offers]
    assert refusal() == "No offers specified"
    assert refusal(offers[0], offers[2]) == (
        f"Offer {ids[2]} has invalid framework {other.id} while framework {framework.id} is expected"
    )
    offers[0] = world.offer(framework, agent, "cpus:1")
    assert refusal(offers[0], offers[1]) == (
        f"Aggregated offers must belong to one single agent. Offer {ids[1]} uses agent {other_agent.id} and agent {agent.id}"
    )
    assert refusal(offers[0], offers[0]) == f"Duplicate offer {offers[0]['id']['value']} in offer list"


def test_tasks_share_one_shrinking_pool(world, framework, agent, task):
    offer = world.offer(framework, agent, "cpus:2;mem:128")
    framework.launch(offer, task("a", offer, cpus=1.5), task("b", offer, cpus=1), task("c", offer, cpus=0.5))
    said = status(framework)
    assert said["task_id"]["value"] == "b"
    assert said["message"] == (
        "Total resources cpus(allocated: web):1; mem(allocated: web):32 required by task and its executor is more than "
        "available cpus(allocated: web):0.5; mem(allocated: web):96"
    )
    assert [run.task.task_id.value for run in agent.take(RunTask)] == ["a", "c"]


def test_an_id_is_taken_until_its_terminal_status_is_acknowledged(world, framework, agent, task):
    offer = world.offer(framework, agent)
    framework.launch(offer, task("t", offer), task("t", offer))
    assert status(framework)["message"] == "Task has duplicate ID: t"


def test_an_executor_is_charged_once(world, framework, agent, task, amount):
    executor = {"executor_id": {"value": "e"}, "command": {"value": "x"}, "resources": [amount("cpus", 1)]}
    offer = world.offer(framework, agent, "cpus:2;mem:64")
    framework.launch(
        offer, task("a", offer, cpus=0.5, executor=executor), task("b", offer, cpus=0.5, executor=executor)
    )
    assert framework.take() == []
    assert [run.launch_executor for run in agent.take(RunTask)] == [True, False]
    assert str(world.state.agents[agent.id].used.total) == "cpus(allocated: web):2; mem(allocated: web):64"


def test_another_executor_of_the_same_id_is_refused(world, framework, agent, task):
    executor = {"executor_id": {"value": "e"}, "command": {"value": "x"}}
    offer = world.offer(framework, agent)
    framework.launch(offer, task("a", offer, executor=executor), task("b", offer, executor={**executor, "name": "n"}))
    assert status(framework)["message"].startswith(
        "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID.\n"
    )


def group(framework, *tasks, **executor):
    info = {
        "type": "DEFAULT",
        "executor_id": {"value": "e"},
        "framework_id": {"value": framework.id},
        "resources": [
            {"name": n, "type": "SCALAR", "scalar": {"value": v}} for n, v in (("cpus", 0.1), ("mem", 32), ("disk", 10))
        ],
        **executor,
    }
    return {"type": "LAUNCH_GROUP", "launch_group": {"executor": info, "task_group": {"tasks": list(tasks)}}}


def test_a_group_is_launched_as_a_whole(world, framework, agent, task):
    offer = world.offer(framework, agent)
    framework.accept(offer, operations=[group(framework, task("a", offer), task("b", offer))])
    (run,) = agent.take(RunTaskGroup)
    assert [info.task_id.value for info in run.tasks] == ["a", "b"]
    assert run.launch_executor
    assert [info.executor.executor_id.value for info in run.tasks] == ["e", "e"]


def test_one_bad_task_refuses_the_whole_group(world, framework, agent, task):
    offer = world.offer(framework, agent)
    framework.accept(offer, operations=[group(framework, task("a", offer), task("b", offer, cpus=100))])
    said = framework.take_statuses()
    assert [(one["task_id"]["value"], one["reason"]) for one in said] == [
        ("a", "REASON_TASK_GROUP_INVALID"),
        ("b", "REASON_TASK_GROUP_INVALID"),
    ]
    assert said[0]["message"] == said[1]["message"]
    assert not agent.take(RunTaskGroup)


def test_equal_ids_in_one_group_are_refused(world, framework, agent, task):
    offer = world.offer(framework, agent)
    framework.accept(offer, operations=[group(framework, task("a", offer), task("a", offer))])
    assert {one["message"] for one in framework.take_statuses()} == {"Task 'a' is invalid: Task has duplicate ID: a"}


def test_an_executor_of_a_group_needs_disk(world, framework, agent, task, amount):
    offer = world.offer(framework, agent)
    framework.accept(
        offer, operations=[group(framework, task("a", offer), resources=[amount("cpus", 1), amount("mem", 32)])]
    )
    assert status(framework)["message"] == "Executor 'e' uses no disk"


def test_a_launch_cannot_have_an_operation_id(world, framework, agent, task):
    offer = world.offer(framework, agent)
    framework.accept(
        offer, operations=[{"type": "LAUNCH", "id": {"value": "o"}, "launch": {"task_infos": [task("t", offer)]}}]
    )
    assert status(framework)["message"] == "The `id` field cannot be set on LAUNCH operations"


def test_what_is_reserved_can_be_used_in_the_same_accept(world, framework, agent, task, amount):
    offer = world.offer(framework, agent, "cpus:2;mem:64")
    reserved = amount("cpus", 1, **DYNAMIC)
    info = {**task("t", offer), "resources": [reserved, amount("mem", 32)]}
    framework.accept(
        offer,
        operations=[
            {"type": "RESERVE", "reserve": {"resources": [reserved]}},
            {"type": "LAUNCH", "launch": {"task_infos": [info]}},
        ],
        refuse=9,
    )
    assert framework.take() == []
    (apply,) = agent.take(ApplyOperation)
    assert apply.framework_id == framework.id
    ((args, _),) = world.allocator.named("update_allocation")
    assert (str(args[3]), [(str(c.consumed), str(c.converted)) for c in args[4]]) == (
        "cpus:2; mem:64",
        [("cpus:1", "cpus(reservations: [(DYNAMIC,web)]):1")],
    )
    assert recovered(world) == [("cpus:1; mem:32", 9)]


def test_what_is_reserved_and_not_used_comes_back_without_a_filter(world, framework, agent, amount):
    offer = world.offer(framework, agent, "cpus:2")
    framework.accept(
        offer, operations=[{"type": "RESERVE", "reserve": {"resources": [amount("cpus", 1, **DYNAMIC)]}}], refuse=9
    )
    assert recovered(world) == [("cpus(reservations: [(DYNAMIC,web)]):1", None), ("cpus:1", 9)]
    assert str(world.state.agents[agent.id].checkpointed_resources) == "cpus(reservations: [(DYNAMIC,web)]):1"


def test_frameworks_cannot_reserve_from_a_source(world, framework, agent, amount):
    offer = world.offer(framework, agent, "cpus:2")
    reserve = {"resources": [amount("cpus", 1, **DYNAMIC)], "source": [amount("cpus", 1)]}
    framework.accept(offer, operations=[{"type": "RESERVE", "id": {"value": "o"}, "reserve": reserve}])
    (event,) = framework.take()
    assert event["update_operation_status"]["status"] == {
        "operation_id": {"value": "o"},
        "state": "OPERATION_ERROR",
        "message": (
            "Operation attempted with invalid resources: Reservation updates are not yet implemented for the scheduler API."
        ),
    }


def test_an_operation_without_an_id_fails_in_silence(world, framework, agent, amount):
    offer = world.offer(framework, agent, "cpus:2")
    framework.accept(
        offer, operations=[{"type": "RESERVE", "reserve": {"resources": [amount("cpus", 100, **DYNAMIC)]}}]
    )
    assert framework.take() == []
    assert not agent.take(ApplyOperation)


def test_feedback_needs_an_agent_that_can_give_it(world, framework, amount):
    agent = world.agent(port=5052, capabilities=["RESOURCE_PROVIDER"])
    offer = world.offer(framework, agent, "cpus:2")
    framework.accept(
        offer,
        operations=[
            {"type": "RESERVE", "id": {"value": "o"}, "reserve": {"resources": [amount("cpus", 1, **DYNAMIC)]}}
        ],
    )
    (event,) = framework.take()
    assert event["update_operation_status"]["status"]["message"] == (
        f"Operation on agent default resources requested feedback, but agent {agent.id} does not have the required "
        "AGENT_OPERATION_FEEDBACK and RESOURCE_PROVIDER capabilities"
    )


def test_a_grown_volume_is_seen_in_the_next_offer_only(world, framework, agent, amount, task):
    volume = {"disk": {"persistence": {"id": "v"}, "volume": {"container_path": "p", "mode": "RW"}}}
    disk, vol = amount("disk", 64, **DYNAMIC), amount("disk", 64, **DYNAMIC, **volume)
    offer = world.offer(framework, agent, "disk:100")
    grown = amount("disk", 96, **DYNAMIC, **volume)
    framework.accept(
        offer,
        operations=[
            {"type": "RESERVE", "reserve": {"resources": [amount("disk", 96, **DYNAMIC)]}},
            {"type": "CREATE", "create": {"volumes": [vol]}},
            {"type": "GROW_VOLUME", "grow_volume": {"volume": vol, "addition": amount("disk", 32, **DYNAMIC)}},
            {"type": "LAUNCH", "launch": {"task_infos": [{**task("t", offer), "resources": [grown]}]}},
        ],
        refuse=9,
    )
    assert disk["name"] == "disk"
    assert "is more than available" in status(framework)["message"]
    assert ("disk(reservations: [(DYNAMIC,web)])[v:p]:96", None) in recovered(world)


def test_decline_gives_back_with_filters_and_ignores_unknown_ids(world, framework, agent):
    offer = world.offer(framework, agent, "cpus:2")
    payload = {"offer_ids": [offer["id"], {"value": "x"}], "filters": {"refuse_seconds": 3}}
    assert framework.call("DECLINE", payload).status == 202
    assert recovered(world) == [("cpus:2", 3)]


def test_offers_time_out(make_world):
    world = make_world(offer_timeout="5secs")
    framework, agent = world.framework(), world.agent()
    offer = world.offer(framework, agent, "cpus:2")
    world.advance(4.9)
    assert framework.take() == []
    world.advance(0.2)
    assert framework.take() == [{"type": "RESCIND", "rescind": {"offer_id": offer["id"]}}]
    assert recovered(world) == [("cpus:2", None)]


def test_all_operations_are_looked_at_before_the_first_is_carried_out(world, framework, agent, task, amount):
    offer = world.offer(framework, agent, "cpus:1;mem:32")
    malformed = {**task("b", offer), "resources": [amount("cpus", -1)]}
    framework.accept(
        offer,
        operations=[
            {"type": "LAUNCH", "launch": {"task_infos": [task("a", offer, cpus=5)]}},
            {"type": "LAUNCH", "launch": {"task_infos": [malformed]}},
            {"type": "LAUNCH", "launch": {"task_infos": [task("c", offer)]}},
        ],
    )
    assert [one["task_id"]["value"] for one in framework.take_statuses()] == ["b", "a"]
    assert [run.task.task_id.value for run in agent.take(RunTask)] == ["c"]


SHARED = {"disk": {"persistence": {"id": "v"}, "volume": {"container_path": "p", "mode": "RW"}}, "shared": {}}


def test_tasks_of_one_accept_may_share_a_volume_of_which_one_copy_was_offered(world, agent, task, amount):
    kinds = ("MULTI_ROLE", "RESERVATION_REFINEMENT", "PARTITION_AWARE", "SHARED_RESOURCES")
    framework = world.framework(capabilities=[{"type": kind} for kind in kinds])
    disk, volume = amount("disk", 64, **DYNAMIC), amount("disk", 64, **DYNAMIC, **SHARED)
    offer = world.offer(framework, agent, "cpus:2;mem:128;disk:64")
    tasks = [{**task(name, offer), "resources": [amount("cpus", 0.1), volume]} for name in "ab"]
    framework.accept(
        offer,
        operations=[
            {"type": "RESERVE", "reserve": {"resources": [disk]}},
            {"type": "CREATE", "create": {"volumes": [volume]}},
            {"type": "LAUNCH", "launch": {"task_infos": tasks}},
            {"type": "DESTROY", "id": {"value": "o"}, "destroy": {"volumes": [volume]}},
        ],
    )
    assert [run.task.task_id.value for run in agent.take(RunTask)] == ["a", "b"]
    (event,) = framework.take()
    assert event["update_operation_status"]["status"]["message"].startswith("Persistent volumes in use; on agent")
    ((args, _),) = world.allocator.named("update_allocation")
    assert [str(each.consumed) for each in args[4]][-1] == "{}"
    assert str(args[4][-1].converted) == "disk(reservations: [(DYNAMIC,web)])[v:p]<SHARED>:64<1>"


def test_a_shared_volume_needs_the_capability(world, framework, agent, amount):
    offer = world.offer(framework, agent, "disk:64")
    framework.accept(
        offer,
        operations=[
            {"type": "RESERVE", "reserve": {"resources": [amount("disk", 64, **DYNAMIC)]}},
            {"type": "CREATE", "id": {"value": "o"}, "create": {"volumes": [amount("disk", 64, **DYNAMIC, **SHARED)]}},
        ],
    )
    (event,) = framework.take()
    message = event["update_operation_status"]["status"]["message"]
    assert f"has been attempted by framework '{framework.id}' with no SHARED_RESOURCES capability; on agent" in message
