"""Single questions over ``requests``; ``responses`` stands in for the network."""

from __future__ import annotations

import pytest
import requests
import responses

from pymesoskit.errors import (
    BadCall,
    ConnectFailed,
    InvalidCall,
    NotLeader,
    ProtocolError,
    ReplyTimeout,
    Unauthorized,
    Unavailable,
)
from pymesoskit.operator import get_json, leading_master, operator_call
from pymesoskit.transport import JSON, PROTOBUF, Address, Basic
from pymesoskit.wire.v1 import agent, master


@pytest.fixture
def network():
    with responses.RequestsMock() as mock:
        yield mock


def test_the_leader_is_who_the_redirect_names(network):
    network.get("http://one:5050/redirect", status=307, headers={"Location": "//two:5051"})
    assert leading_master("one") == Address("two", 5051)


def test_masters_that_do_not_answer_are_passed_over(network):
    network.get("http://one:5050/redirect", body=requests.ConnectionError("refused"))
    network.get("http://two:5050/redirect", status=307, headers={"Location": "//two:5050"})
    assert leading_master(["one", Address("two")]) == Address("two")


def test_no_leader(network):
    network.get("http://one:5050/redirect", status=503, body="No leader elected")
    with pytest.raises(Unavailable, match="503 No leader elected"):
        leading_master("one")


def test_nobody_answers(network):
    network.get("http://one:5050/redirect", body=requests.ConnectionError("refused"))
    network.get("http://two:5050/redirect", body=requests.ConnectTimeout())
    with pytest.raises(ConnectFailed, match="two:5050"):
        leading_master("one,two")


def test_a_redirect_to_nowhere(network):
    network.get("http://one:5050/redirect", status=307, headers={"Location": "ftp://x"})
    with pytest.raises(ProtocolError, match="Location"):
        leading_master("one")


@pytest.mark.parametrize("codec", [PROTOBUF, JSON])
def test_a_call_and_its_answer(network, codec):
    answer = master.Response(type="GET_VERSION", get_version={"version_info": {"version": "1.11.0"}})
    network.post("http://one:5050/api/v1", body=codec.encode(answer), content_type=codec.content_type)
    call = master.Call(type=master.Call.GET_VERSION)
    got = operator_call("one", call, content_type=codec, credentials=Basic("p", "s"))
    assert got == answer
    [sent] = [recorded.request for recorded in network.calls]
    assert codec.decode(sent.body, master.Call) == call
    assert sent.headers["Accept"] == sent.headers["Content-Type"] == codec.content_type
    assert sent.headers["Authorization"].startswith("Basic ")


def test_an_agents_call_has_an_agents_answer(network):
    answer = agent.Response(type="GET_HEALTH", get_health={"healthy": True})
    network.post("http://a:5051/api/v1", body=PROTOBUF.encode(answer))
    assert operator_call("a:5051", agent.Call(type=agent.Call.GET_HEALTH)) == answer


def test_an_empty_answer_is_an_empty_response(network):
    network.post("http://one:5050/api/v1", status=202)
    assert operator_call("one", master.Call(type=master.Call.GET_HEALTH)) == master.Response()


def test_another_master_leads(network):
    network.post("http://one:5050/api/v1", status=307, headers={"Location": "//two:5050/api/v1"})
    answer = master.Response(type="GET_HEALTH", get_health={"healthy": True})
    network.post("http://two:5050/api/v1", body=PROTOBUF.encode(answer))
    assert operator_call("one", master.Call(type=master.Call.GET_HEALTH)) == answer


def test_masters_that_point_at_each_other(network):
    for here, there in (("one", "two"), ("two", "one")):
        network.post(f"http://{here}:5050/api/v1", status=307, headers={"Location": f"//{there}:5050/api/v1"})
    with pytest.raises(NotLeader):
        operator_call("one", master.Call(type=master.Call.GET_HEALTH))


@pytest.mark.parametrize(("status", "kind"), [(400, BadCall), (401, Unauthorized), (503, Unavailable)])
def test_a_refusal_is_the_error_of_the_status(network, status, kind):
    network.post("http://one:5050/api/v1", status=status, body="text")
    with pytest.raises(kind, match=f"GET_HEALTH.*{status} text"):
        operator_call("one", master.Call(type=master.Call.GET_HEALTH))


def test_an_incomplete_call_is_not_sent(network):
    with pytest.raises(InvalidCall, match=r"mark_agent_gone\.agent_id"):
        operator_call("one", master.Call(type="MARK_AGENT_GONE", mark_agent_gone=master.Call.MarkAgentGone()))


def test_no_answer_in_time(network):
    network.post("http://one:5050/api/v1", body=requests.ReadTimeout())
    with pytest.raises(ReplyTimeout, match="within 2 s"):
        operator_call("one", master.Call(type=master.Call.GET_HEALTH), timeout=2)


def test_json_of_an_endpoint(network):
    network.get("http://one:5050/files/read?path=/a%20b%2Fc&offset=0", json={"data": "x"})
    assert get_json("one", "/files/read", {"path": "/a b/c", "offset": "0"}) == {"data": "x"}


def test_an_endpoint_that_does_not_give_json(network):
    network.get("http://one:5050/state", body="<html>")
    with pytest.raises(ProtocolError, match="not JSON"):
        get_json("one", "/state")


CALL = master.Call(type=master.Call.GET_HEALTH)


def everything(**options):
    return [
        lambda: leading_master("one", **options),
        lambda: get_json("one", "/state", **options),
        lambda: operator_call("one", CALL, **options),
    ]


@pytest.mark.parametrize("which", range(3))
def test_neither_proxies_nor_netrc_are_obeyed_unless_told(network, monkeypatch, tmp_path, which):
    (tmp_path / "netrc").write_text("machine one login stranger password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    seen = []

    def answer(request):
        seen.append((request.headers.get("Authorization"), request.req_kwargs["proxies"].get("http")))
        return (307, {"Location": "//one:5050"}, b"") if request.path_url == "/redirect" else (200, {}, b"")

    network.add_callback("GET", "http://one:5050/redirect", answer)
    network.add_callback("GET", "http://one:5050/state", answer)
    network.add_callback("POST", "http://one:5050/api/v1", answer)
    network.assert_all_requests_are_fired = False
    for options in ({}, {"trust_env": True}, {"credentials": Basic("p", "s")}):
        try:
            everything(**options)[which]()
        except ProtocolError as error:
            assert "not JSON" in str(error)  # noqa: PT017
    plain, trusting, own = seen
    assert plain == (None, None)
    assert trusting[0].startswith("Basic ")
    assert trusting[1] == "http://proxy:3128"
    assert own == (dict(Basic("p", "s").headers())["Authorization"], None)


def redirect(network, origin, location):
    network.post(f"{origin}/api/v1", status=307, headers={"Location": location})


def test_credentials_never_go_from_https_to_http(network):
    redirect(network, "https://one:5050", "http://one:5050/api/v1")
    with pytest.raises(ProtocolError, match="from https to http"):
        operator_call("https://one:5050", CALL, credentials=Basic("p", "s"))


def test_credentials_never_go_to_a_host_that_was_not_given(network):
    redirect(network, "http://one:5050", "//evil:5050/api/v1")
    with pytest.raises(ProtocolError, match="none of the given masters"):
        operator_call("one,two", CALL, credentials=Basic("p", "s"))


def test_credentials_go_to_the_leader_among_the_given_masters(network):
    redirect(network, "http://one:5050", "//two:5050/api/v1")
    network.post("http://two:5050/api/v1", status=200)
    operator_call(["one", "two"], CALL, credentials=Basic("p", "s"))
    assert all(each.request.headers["Authorization"] for each in network.calls)


def test_of_several_masters_the_first_that_can_be_reached_is_asked(network):
    network.post("http://one:5050/api/v1", body=requests.ConnectionError("refused"))
    network.post("http://two:5050/api/v1", status=200)
    assert operator_call("one,two", CALL) == master.Response()


def test_a_call_that_may_have_been_carried_out_is_not_repeated_elsewhere(network):
    network.post("http://one:5050/api/v1", body=requests.ReadTimeout())
    with pytest.raises(ReplyTimeout):
        operator_call("one,two", CALL)


def test_no_address_is_an_error():
    with pytest.raises(ValueError, match="no address"):
        get_json([], "/state")
