"""Flags of mesos-master and mesos-agent: names, syntax, defaults, errors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymesoskit.testing import Cluster
from pymesoskit.testing.engine.flags.flags import AgentFlags, FlagError, MasterFlags
from pymesoskit.testing.runtime.units import Rate, parse_duration, parse_size, print_duration, print_size

SNAPSHOTS = Path(__file__).parents[1] / "conformance" / "recorded" / "snapshots"


def recorded_master_flags() -> dict[str, str]:
    answer = json.loads((SNAPSHOTS / "master.GET_FLAGS.json").read_text())
    return {flag["name"]: flag["value"] for flag in answer["get_flags"]["flags"]}


def recorded_agent_flags() -> dict[str, str]:
    return json.loads((SNAPSHOTS / "agent.flags.json").read_text())["flags"]


@pytest.mark.parametrize(
    ("kind", "recorded"), [(MasterFlags, recorded_master_flags()), (AgentFlags, recorded_agent_flags())]
)
def test_what_real_ones_show_is_read_and_shown_the_same(kind, recorded: dict[str, str]) -> None:
    assert kind.from_texts(recorded).as_text() == recorded


@pytest.mark.parametrize(
    ("kind", "recorded", "given_"),
    [
        (
            MasterFlags,
            recorded_master_flags(),
            {"advertise_ip", "allocation_interval", "hostname", "ip", "port", "registry", "work_dir"},
        ),
        (
            AgentFlags,
            recorded_agent_flags(),
            {
                "advertise_ip", "attributes", "containerizers", "fetcher_cache_dir", "hostname", "hostname_lookup", "ip", "isolation",
                "launcher", "master", "port", "resources", "runtime_dir", "systemd_enable_support", "work_dir",
            },
        ),
    ],
)  # fmt: skip
def test_defaults_are_those_of_mesos(kind, recorded: dict[str, str], given_: set[str]) -> None:
    shown = kind().as_text()
    assert {name for name, value in recorded.items() if shown.get(name) != value} <= given_
    assert set(shown) <= set(recorded)


@pytest.mark.parametrize(
    ("text", "seconds", "printed"),
    [
        ("500ms", 0.5, "500ms"),
        ("0ns", 0, "0ns"),
        ("0secs", 0, "0ns"),
        ("1secs", 1, "1secs"),
        ("1.5secs", 1.5, "1500ms"),
        ("90secs", 90, "90secs"),
        ("60secs", 60, "1mins"),
        ("1.5hrs", 5400, "90mins"),
        ("10days", 864000, "10days"),
        ("2weeks", 1209600, "2weeks"),
        ("250us", 0.00025, "250us"),
    ],
)
def test_durations(text: str, seconds: float, printed: str) -> None:
    assert parse_duration(text) == seconds
    assert print_duration(seconds) == printed


@pytest.mark.parametrize("text", ["", "5", "5 secs", "secs", "5seconds", "1h", "five secs", "5SECS", "1e3secs"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(FlagError, match="flag agent_ping_timeout of mesos-master: bad value"):
        MasterFlags.from_texts({"agent_ping_timeout": text})


@given(st.integers(0, 10**15))
def test_printed_durations_are_read_again(microseconds: int) -> None:
    seconds = microseconds / 1e6
    assert parse_duration(print_duration(seconds)) == pytest.approx(seconds, abs=1e-9, rel=1e-12)


@given(st.integers(0, 1 << 60))
def test_printed_sizes_are_read_again(size: int) -> None:
    assert parse_size(print_size(size)) == size


def test_values_have_types() -> None:
    flags = MasterFlags.parse(
        [
            "agent_removal_rate_limit=1/10mins",
            "roles=web,ads",
            "weights=ads=3,web=0.5",
            "recovery_agent_removal_limit=50%",
            "root_submissions=false",
            "offer_constraints_re2_max_mem=8KB",
            "credentials=file:///etc/credentials",
        ]
    )
    assert flags.agent_removal_rate_limit == Rate(1, 600)
    assert flags.roles == ("web", "ads")
    assert flags.weights == (("ads", 3), ("web", 0.5))
    assert flags.recovery_agent_removal_limit == 0.5
    assert flags.root_submissions is False
    assert flags.offer_constraints_re2_max_mem == 8192
    assert flags.credentials == "/etc/credentials"
    assert flags.as_text()["weights"] == "ads=3,web=0.5"
    assert flags.as_text()["agent_removal_rate_limit"] == "1/10mins"


def test_a_domain_is_given_in_json_or_a_file(tmp_path: Path) -> None:
    text = '{"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "eu-1"}}}'
    (tmp_path / "domain").write_text(text)
    for value in (text, str(tmp_path / "domain"), f"file://{tmp_path / 'domain'}"):
        domain = AgentFlags.from_texts({"domain": value}).domain
        assert domain is not None
        assert domain.fault_domain.zone.name == "eu-1"


def test_older_names_are_known() -> None:
    assert MasterFlags.parse(["slave_ping_timeout=2secs"]).agent_ping_timeout == 2
    with pytest.raises(FlagError, match="given twice, as 'agent_ping_timeout' too"):
        MasterFlags.parse(["agent_ping_timeout=2secs", "slave_ping_timeout=2secs"])


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("agent_ping_timeout=10ms", "bad value '10ms', expected a duration from 1secs to 15mins"),
        ("agent_reregister_timeout=1mins", "bad value '1mins', expected a duration of at least 10mins"),
        ("offer_timeout=0secs", "bad value '0secs', expected a duration of more than 0"),
        ("max_agent_ping_timeouts=0", "bad value '0', expected a whole number of at least 1"),
        ("root_submissions=yes", "bad value 'yes', expected true or false"),
        ("recovery_agent_removal_limit=101%", "expected a percentage from 0% to 100%"),
        ("agent_removal_rate_limit=0/1secs", r"expected a rate COUNT/DURATION such as 1/10mins"),
        ("role_sorter=fair", "expected one of drf, random"),
        ("weights=ads", "expected role=weight,role=weight"),
        ("weights=ads=-1", "expected role=weight,role=weight"),
        ("min_allocatable_resources=cpus", "expected sets of quantities such as"),
        ("domain={", "expected a DomainInfo in JSON"),
        ("domain=/nowhere", r"cannot read /nowhere: No such file or directory"),
        ("agent_removal_rate_limit=x/1secs", r"bad value 'x/1secs', expected a rate COUNT/DURATION such as 1/10mins$"),
        ("agent_removal_rate_limit=1_0/1secs", r"bad value '1_0/1secs', expected a rate"),
        ("max_completed_frameworks=٣", r"bad value '٣', expected a whole number$"),
        ("max_completed_frameworks=" + "9" * 5000, r"bad value '9{100}…', expected a whole number$"),
        ("allocation_interval=" + "9" * 400 + "secs", r"bad value '9{100}…', expected a duration"),
        ("offer_constraints_re2_max_mem=99999999TB", r"bad value '99999999TB', expected a size"),
        ("allocator_agent_recovery_factor=0_1", r"bad value '0_1', expected a number from 0 to 1$"),
        ("allocator_agent_recovery_factor=nan", r"bad value 'nan', expected a number from 0 to 1$"),
        ("weights=a=x", r"bad value 'a=x', expected role=weight"),
        ("acls={", r"bad value '{' \(it is not JSON: .*\), expected ACLs in JSON"),
        ("acls=/a\0b", r"cannot read '/a\\x00b': the path or the file's content is not valid text"),
        ("nonsense?", "flag 'nonsense\\?' of mesos-master: expected NAME=VALUE"),
        ("nonsense=1", r"unknown flag 'nonsense' of mesos-master; its flags are: acls, advertise_ip,"),
        ("isolation=posix/cpu", r"^'isolation' is a flag of mesos-agent, not of mesos-master$"),
        ("slave_subsystems=x", r"^'slave_subsystems' is a flag of mesos-agent, not of mesos-master$"),
        ("nonsense", "flag 'nonsense' of mesos-master: expected NAME=VALUE"),
        (
            "allocation_intervall=1secs",
            r"unknown flag 'allocation_intervall' of mesos-master, did you mean 'allocation_interval'\?$",
        ),
    ],
)
def test_errors_name_the_flag_the_value_and_what_is_expected(setting: str, said: str) -> None:
    with pytest.raises(FlagError, match=said) as raised:
        MasterFlags.parse([setting])
    assert "mesos-master" in str(raised.value)


def test_values_given_by_type_are_checked_too() -> None:
    with pytest.raises(FlagError, match="flag agent_ping_timeout of mesos-master: bad value '100ms'"):
        MasterFlags(agent_ping_timeout=0.1)


def test_a_flag_is_given_once() -> None:
    with pytest.raises(FlagError, match="flag 'roles' of mesos-master is given twice"):
        MasterFlags.parse(["roles=a", "roles=b"])


def test_a_flag_of_the_master_is_named_when_an_agent_gets_it() -> None:
    with pytest.raises(FlagError, match=r"^'allocation_interval' is a flag of mesos-master, not of mesos-agent$"):
        AgentFlags.from_texts({"allocation_interval": "1secs"})


#: What Python says of values that it cannot convert; people are told what is expected instead.
PYTHON = re.compile(
    "invalid literal|could not convert|object at|object has|Traceback|base 10|null byte|codec|Exceeds the limit|Invalid control|<class"
)


@pytest.mark.parametrize("kind", [MasterFlags, AgentFlags])
def test_no_text_of_any_flag_ends_in_a_message_of_python(kind: type[MasterFlags | AgentFlags]) -> None:
    odd = [
        "",
        " ",
        "x",
        "-1",
        "1e999",
        "nan",
        "∞",
        "٣",
        "\0",
        "/\0",
        "/nowhere",
        "/",
        "/dev/null",
        "[",
        "{",
        '{"a": 1}',
        "{}",
        "null",
    ]
    odd += [
        "1/",
        "/1secs",
        "1secs",
        "-1secs",
        "1.secs",
        "x=1",
        "=",
        ",",
        "a=1,b",
        "cpus:",
        "cpus:x",
        "1:2:3",
        "9" * 30,
        "100%",
        "x%",
    ]
    for name in kind.names():
        for text in [*odd, "[" * 100_000, "\ud800"]:
            try:
                flags = kind.from_texts({name: text})
            except FlagError as error:
                assert f"flag {name} of {kind.PROGRAM}: bad value" in str(error)  # noqa: PT017
                assert not PYTHON.search(str(error)), str(error)  # noqa: PT017
                assert len(str(error)) < 1000  # noqa: PT017
            else:
                assert isinstance(flags.as_text(), dict)


@given(st.sampled_from(MasterFlags.names()), st.text(max_size=20))
def test_any_text_of_any_flag_is_read_or_refused(name: str, text: str) -> None:
    try:
        shown = MasterFlags.from_texts({name: text}).as_text().get(name)
    except FlagError as error:
        assert not PYTHON.search(str(error).replace(text, "").replace("JSON object", ""))  # noqa: PT017
    else:
        assert shown is not None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"quorum": 1}, r"flag quorum of mesos-master: the value must be text as on the command line \(a whole number of at least 1\), not 1 \(int\)"),
        ({"roles": ["a"]}, r"the value must be text as on the command line \(a comma-separated list\), not \['a'\] \(list\)"),
        ({"cluster": None}, r"not None \(NoneType\)"),
        ({"x": 1}, "unknown flag 'x' of mesos-master"),
        ({1: "x"}, "unknown flag '1' of mesos-master"),
        (["quorum=1"], r"flags of mesos-master must be MasterFlags or a mapping of names to texts such as .*, not \['quorum=1'\] \(list\)"),
        ("quorum=1", r"not 'quorum=1' \(str\)"),
        (AgentFlags(), r"flags of mesos-master must be MasterFlags or .* \(AgentFlags\)"),
        (7, r"not 7 \(int\)"),
    ],
)  # fmt: skip
def test_flags_that_are_no_texts_are_errors_when_the_cluster_is_made(flags: Any, said: str) -> None:
    with pytest.raises(FlagError, match=said):
        Cluster(0, master_flags=flags)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"quorum": "1"}, r"flag quorum of mesos-master: the argument must be of type int, not '1' \(str\); MasterFlags.from_texts reads text"),
        ({"roles": "web"}, r"must be of type tuple, not 'web' \(str\)"),
        ({"allocation_interval": "1secs"}, r"must be of type int or float, not '1secs' \(str\)"),
        ({"quorum": True}, r"must be of type int, not True \(bool\)"),
        ({"root_submissions": "false"}, r"must be of type bool, not 'false' \(str\)"),
        ({"allocation_interval": None}, r"must be of type int or float, not None"),
        ({"quorum": 0}, "bad value '0', expected a whole number of at least 1"),
    ],
)  # fmt: skip
def test_arguments_of_flags_have_their_types(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(FlagError, match=said):
        MasterFlags(**arguments)
