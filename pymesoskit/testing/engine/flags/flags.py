"""The flags of mesos-master and mesos-agent 1.11: names, values, defaults.

All flags that real ones take are accepted and shown in ``/flags``; docs/fidelity.md tells what each does here.
Values are typed: durations in seconds, sizes in bytes. Their text syntax lives in ``kinds.py``.
Source: docs/reference/agent-executor.md 1 and 14, allocator.md 10, and what real ones answer to GET_FLAGS.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

import attrs
from attrs import frozen

from pymesoskit.testing.engine.flags import kinds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymesoskit.resources import Quantities
    from pymesoskit.testing.engine.authorization.acls import Acls
    from pymesoskit.testing.engine.flags.kinds import AnyKind, Kind
    from pymesoskit.testing.runtime.units import Rate
    from pymesoskit.wire.v1 import mesos

T = TypeVar("T")


#: How much of a value an error text shows, in characters.
_SHOWN = 100


class FlagError(ValueError):
    """A flag does not exist, or cannot have its value. The text names both and says what is expected."""


def _given(kind: Kind[T], default: str, *aliases: str) -> T:
    """A flag with a default (as text), and its older names."""
    return cast("T", _field(kind, kind.parse(default), aliases))


def _unset(kind: Kind[T], *aliases: str) -> T | None:
    """A flag that is not set by default."""
    return cast("T | None", _field(kind, None, aliases))


def _field(kind: AnyKind, default: Any, aliases: tuple[str, ...]) -> Any:
    allowed = kind.check

    def check(flags: Flags, attribute: attrs.Attribute[Any], value: Any) -> None:
        if value is None and default is None:
            return
        if not kind.is_value(value):
            raise flags.wrong_type(attribute.name, value, kind)
        if allowed is not None and not allowed(value):
            raise flags.bad_value(attribute.name, kind.print(value), kind)

    return attrs.field(default=default, validator=check, metadata={"kind": kind, "aliases": aliases})


@frozen(kw_only=True)
class Flags:
    """What flags of both kinds of process have in common: reading, showing."""

    PROGRAM: ClassVar[str] = ""

    advertise_ip: str | None = _unset(kinds.TEXT)
    advertise_port: int | None = _unset(kinds.PORT)
    acls: Acls | None = _unset(kinds.ACLS)  # noqa: RUF009 (attrs fields)
    authenticate_http_readonly: bool = _given(kinds.BOOL, "false")
    authenticate_http_readwrite: bool = _given(kinds.BOOL, "false")
    domain: mesos.DomainInfo | None = _unset(kinds.DOMAIN)  # noqa: RUF009 (attrs fields)
    external_log_file: str | None = _unset(kinds.PATH)
    firewall_rules: str | None = _unset(kinds.TEXT)
    help: bool = _given(kinds.BOOL, "false")
    hooks: tuple[str, ...] | None = _unset(kinds.LIST)
    hostname: str | None = _unset(kinds.TEXT)
    hostname_lookup: bool = _given(kinds.BOOL, "true")
    initialize_driver_logging: bool = _given(kinds.BOOL, "true")
    ip: str | None = _unset(kinds.TEXT)
    ip_discovery_command: str | None = _unset(kinds.TEXT)
    ip6: str | None = _unset(kinds.TEXT)
    ip6_discovery_command: str | None = _unset(kinds.TEXT)
    log_dir: str | None = _unset(kinds.PATH)
    logbufsecs: int = _given(kinds.INTEGER, "0")
    logging_level: str = _given(kinds.LOGGING_LEVEL, "INFO")
    master_detector: str | None = _unset(kinds.TEXT)
    memory_profiling: bool = _given(kinds.BOOL, "false")
    modules: str | None = _unset(kinds.TEXT)
    modules_dir: str | None = _unset(kinds.PATH)
    port: int | None = _unset(kinds.PORT)
    quiet: bool = _given(kinds.BOOL, "false")
    version: bool = _given(kinds.BOOL, "false")
    work_dir: str | None = _unset(kinds.PATH)
    zk_session_timeout: float = _given(kinds.DURATION, "10secs")

    @classmethod
    def of(cls, given: Flags | Mapping[str, str] | None) -> Self:
        """Returns the flags that somebody gave as such, as texts by name, or not at all. Raises ``FlagError``."""
        if given is None:
            return cls()
        if isinstance(given, cls):
            return given
        if isinstance(given, Mapping):
            return cls.from_texts(given)
        raise FlagError(
            f"flags of {cls.PROGRAM} must be {cls.__name__} or a mapping of names to texts such as "
            f'{{"hostname": "localhost"}}, not {_shown(given)}'
        )

    @classmethod
    def parse(cls, settings: Iterable[str]) -> Self:
        """Reads ``NAME=VALUE`` texts. Raises ``FlagError`` for the first that is wrong."""
        values: dict[str, str] = {}
        for setting in settings:
            name, equals, value = setting.partition("=")
            if not equals:
                raise FlagError(f"flag '{setting}' of {cls.PROGRAM}: expected NAME=VALUE")
            if name in values:
                raise FlagError(f"flag '{name}' of {cls.PROGRAM} is given twice")
            values[name] = value
        return cls.from_texts(values)

    @classmethod
    def from_texts(cls, values: Mapping[str, str]) -> Self:
        """Reads values by name (older names too). Raises ``FlagError`` for the first that is wrong."""
        fields = _fields(cls)
        parsed: dict[str, Any] = {}
        for name, text in values.items():
            field = fields.get(name)
            if field is None:
                raise cls._unknown(name, fields)
            if not isinstance(text, str):
                raise cls.not_text(name, text, field.metadata["kind"])
            if field.name in parsed:
                raise FlagError(f"flag '{name}' of {cls.PROGRAM} is given twice, as '{field.name}' too")
            kind = field.metadata["kind"]
            try:
                value = kind.parse(text)
            except kinds.BadValue as error:
                raise cls.bad_value(name, text, kind, str(error)) from None
            except (ValueError, ArithmeticError):
                raise cls.bad_value(name, text, kind) from None
            if kind.check is not None and not kind.check(value):
                raise cls.bad_value(name, text, kind)
            parsed[field.name] = value
        return cls(**parsed)

    def as_text(self) -> dict[str, str]:
        """All flags that have a value, by name in alphabetical order, each in Mesos's syntax: what ``/flags`` shows."""
        values = ((field, getattr(self, field.name)) for field in attrs.fields(type(self)))
        shown = {field.name: str(field.metadata["kind"].print(value)) for field, value in values if value is not None}
        return dict(sorted(shown.items()))

    @classmethod
    def names(cls) -> list[str]:
        """The names of all flags, in alphabetical order, without older names."""
        return sorted(field.name for field in attrs.fields(cls))

    @classmethod
    def bad_value(cls, name: str, text: str, kind: AnyKind, reason: str | None = None) -> FlagError:
        """Returns the error for a value that the flag cannot have; ``reason`` says what is wrong with it."""
        detail = f" ({_cut(reason, 5 * _SHOWN)})" if reason else ""
        return FlagError(f"flag {name} of {cls.PROGRAM}: bad value '{_cut(text)}'{detail}, expected {kind.expects}")

    @classmethod
    def not_text(cls, name: str, value: object, kind: AnyKind) -> FlagError:
        """Returns the error for a value that should have been text in Mesos's syntax."""
        return FlagError(
            f"flag {name} of {cls.PROGRAM}: the value must be text as on the command line ({kind.expects}), "
            f"not {_shown(value)}"
        )

    @classmethod
    def wrong_type(cls, name: str, value: object, kind: AnyKind) -> FlagError:
        """Returns the error for an argument of a type that the flag does not have."""
        types = kind.holds if isinstance(kind.holds, tuple) else (kind.holds,)
        return FlagError(
            f"flag {name} of {cls.PROGRAM}: the argument must be of type {' or '.join(one.__name__ for one in types)}, "
            f"not {_shown(value)}; {cls.__name__}.from_texts reads text as on the command line"
        )

    @classmethod
    def _unknown(cls, name: object, fields: Mapping[str, attrs.Attribute[Any]]) -> FlagError:
        for other in Flags.__subclasses__():
            if other is not cls and name in _fields(other):
                return FlagError(f"'{name}' is a flag of {other.PROGRAM}, not of {cls.PROGRAM}")
        text = _cut(str(name))
        close = difflib.get_close_matches(text, fields, n=1)
        if close:
            return FlagError(f"unknown flag '{text}' of {cls.PROGRAM}, did you mean '{close[0]}'?")
        return FlagError(f"unknown flag '{text}' of {cls.PROGRAM}; its flags are: {', '.join(cls.names())}")


def _cut(text: str, limit: int = _SHOWN) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"


def _shown(value: object) -> str:
    """How an error calls a value of a wrong type."""
    return f"{_cut(repr(value))} ({type(value).__name__})"


def _fields(cls: type[Flags]) -> dict[str, attrs.Attribute[Any]]:
    """The fields by all their names."""
    return {name: field for field in attrs.fields(cls) for name in (field.name, *field.metadata["aliases"])}


@frozen(kw_only=True)
class MasterFlags(Flags):
    """The flags of mesos-master 1.11, with its defaults."""

    PROGRAM: ClassVar[str] = "mesos-master"

    agent_ping_timeout: float = _given(
        kinds.DURATION.limited("a duration from 1secs to 15mins", lambda value: 1 <= value <= 900),
        "15secs",
        "slave_ping_timeout",
    )
    agent_removal_rate_limit: Rate | None = _unset(kinds.RATE, "slave_removal_rate_limit")  # noqa: RUF009
    agent_reregister_timeout: float = _given(
        kinds.DURATION.limited("a duration of at least 10mins", lambda value: value >= 600),
        "10mins",
        "slave_reregister_timeout",
    )
    allocation_interval: float = _given(kinds.POSITIVE_DURATION, "1secs")
    allocator: str = _given(kinds.TEXT, "hierarchical")
    allocator_agent_recovery_factor: float = _given(kinds.FRACTION, "0.8")
    allocator_recovery_timeout: float = _given(kinds.DURATION, "10mins")
    authenticate_agents: bool = _given(kinds.BOOL, "false", "authenticate_slaves")
    authenticate_frameworks: bool = _given(kinds.BOOL, "false", "authenticate")
    authenticate_http_frameworks: bool = _given(kinds.BOOL, "false")
    authentication_v0_timeout: float = _given(kinds.DURATION, "15secs")
    authenticators: str = _given(kinds.TEXT, "crammd5")
    authorizers: str = _given(kinds.TEXT, "local")
    cluster: str | None = _unset(kinds.TEXT)
    credentials: str | None = _unset(kinds.PATH)
    fair_sharing_excluded_resource_names: tuple[str, ...] | None = _unset(kinds.LIST)
    filter_gpu_resources: bool = _given(kinds.BOOL, "true")
    framework_sorter: str = _given(kinds.SORTER, "drf")
    http_authenticators: str = _given(kinds.TEXT, "basic")
    http_framework_authenticators: str | None = _unset(kinds.TEXT)
    log_auto_initialize: bool = _given(kinds.BOOL, "true")
    master_contender: str | None = _unset(kinds.TEXT)
    max_agent_ping_timeouts: int = _given(kinds.POSITIVE, "5", "max_slave_ping_timeouts")
    max_completed_frameworks: int = _given(kinds.INTEGER, "50")
    max_completed_tasks_per_framework: int = _given(kinds.INTEGER, "1000")
    max_executors_per_agent: int | None = _unset(kinds.INTEGER, "max_executors_per_slave")
    max_operator_event_stream_subscribers: int = _given(kinds.POSITIVE, "1000")
    max_unreachable_tasks_per_framework: int = _given(kinds.INTEGER, "1000")
    min_allocatable_resources: tuple[Quantities, ...] = _given(kinds.QUANTITY_SETS, "cpus:0.01|mem:32")
    offer_constraints_re2_max_mem: int = _given(kinds.SIZE, "4KB")
    offer_constraints_re2_max_program_size: int = _given(kinds.INTEGER, "100")
    offer_timeout: float | None = _unset(kinds.POSITIVE_DURATION)
    publish_per_framework_metrics: bool = _given(kinds.BOOL, "true")
    quorum: int | None = _unset(kinds.POSITIVE)
    rate_limits: str | None = _unset(kinds.TEXT)
    recovery_agent_removal_limit: float = _given(kinds.PERCENTAGE, "100%", "recovery_slave_removal_limit")
    registry: str = _given(kinds.REGISTRY, "replicated_log")
    registry_fetch_timeout: float = _given(kinds.DURATION, "1mins")
    registry_gc_interval: float = _given(kinds.POSITIVE_DURATION, "15mins")
    registry_max_agent_age: float = _given(kinds.DURATION, "2weeks")
    registry_max_agent_count: int = _given(kinds.INTEGER, "102400")
    registry_store_timeout: float = _given(kinds.DURATION, "20secs")
    registry_strict: bool = _given(kinds.BOOL, "false")
    require_agent_domain: bool = _given(kinds.BOOL, "false")
    role_sorter: str = _given(kinds.SORTER, "drf", "user_sorter")
    roles: tuple[str, ...] | None = _unset(kinds.LIST)
    root_submissions: bool = _given(kinds.BOOL, "true")
    webui_dir: str = _given(kinds.PATH, "/usr/share/mesos/webui")
    weights: tuple[tuple[str, float], ...] | None = _unset(kinds.WEIGHTS)
    whitelist: str | None = _unset(kinds.PATH)
    zk: str | None = _unset(kinds.TEXT)


@frozen(kw_only=True)
class AgentFlags(Flags):
    """The flags of mesos-agent 1.11, with its defaults."""

    PROGRAM: ClassVar[str] = "mesos-agent"

    agent_features: str | None = _unset(kinds.TEXT)
    agent_subsystems: str | None = _unset(kinds.TEXT, "slave_subsystems")
    allowed_devices: str | None = _unset(kinds.TEXT)
    appc_simple_discovery_uri_prefix: str = _given(kinds.TEXT, "http://")
    appc_store_dir: str = _given(kinds.TEXT, "/tmp/mesos/store/appc")  # noqa: S108 (Mesos's default; unused)
    attributes: str | None = _unset(kinds.ATTRIBUTES)
    authenticate_http_executors: bool = _given(kinds.BOOL, "false")
    authenticatee: str = _given(kinds.TEXT, "crammd5")
    authentication_backoff_factor: float = _given(kinds.DURATION, "1secs")
    authentication_timeout_max: float = _given(kinds.DURATION, "1mins")
    authentication_timeout_min: float = _given(kinds.DURATION, "5secs")
    authorizer: str = _given(kinds.TEXT, "local")
    bounding_capabilities: str | None = _unset(kinds.TEXT)
    cgroups_cpu_enable_pids_and_tids_count: bool = _given(kinds.BOOL, "false")
    cgroups_destroy_timeout: float = _given(kinds.DURATION, "1mins")
    cgroups_enable_cfs: bool = _given(kinds.BOOL, "false")
    cgroups_hierarchy: str = _given(kinds.PATH, "/sys/fs/cgroup")
    cgroups_limit_swap: bool = _given(kinds.BOOL, "false")
    cgroups_net_cls_primary_handle: str | None = _unset(kinds.TEXT)
    cgroups_net_cls_secondary_handles: str | None = _unset(kinds.TEXT)
    cgroups_root: str = _given(kinds.TEXT, "mesos")
    check_agent_port_range_only: bool | None = _unset(kinds.BOOL)
    container_disk_watch_interval: float = _given(kinds.POSITIVE_DURATION, "15secs")
    container_logger: str | None = _unset(kinds.TEXT)
    container_ports_isolated_range: str | None = _unset(kinds.TEXT)
    container_ports_watch_interval: float | None = _unset(kinds.POSITIVE_DURATION)
    # Mesos's default is only "mesos"; here an engine that answers is used without being named.
    containerizers: str = _given(kinds.TEXT, "docker,mesos")
    credential: str | None = _unset(kinds.PATH)
    csi_plugin_config_dir: str | None = _unset(kinds.PATH)
    default_container_dns: str | None = _unset(kinds.TEXT)
    default_container_info: str | None = _unset(kinds.TEXT)
    default_role: str = _given(kinds.TEXT, "*")
    default_shm_size: int | None = _unset(kinds.SIZE)
    disallow_sharing_agent_ipc_namespace: bool = _given(kinds.BOOL, "false")
    disallow_sharing_agent_pid_namespace: bool = _given(kinds.BOOL, "false")
    disk_profile_adaptor: str | None = _unset(kinds.TEXT)
    disk_watch_interval: float = _given(kinds.POSITIVE_DURATION, "1mins")
    docker: str = _given(kinds.TEXT, "docker")
    docker_config: str | None = _unset(kinds.TEXT)
    docker_ignore_runtime: bool = _given(kinds.BOOL, "false")
    docker_kill_orphans: bool = _given(kinds.BOOL, "true")
    docker_mesos_image: str | None = _unset(kinds.TEXT)
    docker_registry: str = _given(kinds.TEXT, "https://registry-1.docker.io")
    docker_remove_delay: float = _given(kinds.DURATION, "6hrs")
    docker_socket: str = _given(kinds.PATH, "/var/run/docker.sock")
    docker_stop_timeout: float = _given(kinds.DURATION, "0ns")
    docker_store_dir: str = _given(kinds.TEXT, "/tmp/mesos/store/docker")  # noqa: S108 (Mesos's default; unused)
    docker_volume_checkpoint_dir: str = _given(kinds.PATH, "/var/run/mesos/isolators/docker/volume")
    docker_volume_chown: bool = _given(kinds.BOOL, "false")
    domain_socket_location: str | None = _unset(kinds.PATH)
    dvdcli: str | None = _unset(kinds.TEXT)
    effective_capabilities: str | None = _unset(kinds.TEXT, "allowed_capabilities")
    egress_flow_classifier_parent: str | None = _unset(kinds.TEXT)
    egress_rate_limit_per_container: int | None = _unset(kinds.SIZE)
    egress_unique_flow_per_container: bool | None = _unset(kinds.BOOL)
    enforce_container_disk_quota: bool = _given(kinds.BOOL, "false")
    enforce_container_ports: bool | None = _unset(kinds.BOOL)
    ephemeral_ports_per_container: int | None = _unset(kinds.POSITIVE)
    eth0_name: str | None = _unset(kinds.TEXT)
    executor_environment_variables: tuple[tuple[str, str], ...] | None = _unset(kinds.VARIABLES)
    executor_registration_timeout: float = _given(kinds.DURATION, "1mins")
    executor_reregistration_retry_interval: float | None = _unset(kinds.DURATION)
    executor_reregistration_timeout: float = _given(
        kinds.DURATION.limited("a duration of at most 15secs", lambda value: 0 <= value <= 15), "2secs"
    )
    executor_secret_key: str | None = _unset(kinds.PATH)
    executor_shutdown_grace_period: float = _given(kinds.DURATION, "5secs")
    fetcher_cache_dir: str = _given(kinds.TEXT, "/tmp/mesos/fetch")  # noqa: S108 (Mesos's default)
    fetcher_cache_size: int = _given(kinds.SIZE, "2GB")
    fetcher_stall_timeout: float = _given(kinds.DURATION, "1mins")
    frameworks_home: str = _given(kinds.TEXT, "")
    gc_delay: float = _given(kinds.DURATION, "1weeks")
    gc_disk_headroom: float = _given(kinds.FRACTION, "0.1")
    gc_non_executor_container_sandboxes: bool = _given(kinds.BOOL, "false")
    hadoop_home: str | None = _unset(kinds.TEXT)
    host_path_volume_force_creation: str | None = _unset(kinds.TEXT)
    http_authenticators: str | None = _unset(kinds.TEXT)
    http_command_executor: bool = _given(kinds.BOOL, "false")
    http_credentials: str | None = _unset(kinds.PATH)
    http_executor_authenticators: str | None = _unset(kinds.TEXT)
    http_executor_domain_sockets: bool = _given(kinds.BOOL, "false")
    http_heartbeat_interval: float = _given(kinds.POSITIVE_DURATION, "30secs")
    image_gc_config: str | None = _unset(kinds.TEXT)
    image_providers: tuple[str, ...] | None = _unset(kinds.LIST)
    image_provisioner_backend: str | None = _unset(kinds.TEXT)
    isolation: str = _given(kinds.TEXT, "posix/cpu,posix/mem")
    jwt_secret_key: str | None = _unset(kinds.PATH)
    launcher: str = _given(kinds.TEXT, "posix")
    launcher_dir: str = _given(kinds.PATH, "/usr/libexec/mesos")
    lo_name: str | None = _unset(kinds.TEXT)
    master: str | None = _unset(kinds.TEXT)
    max_completed_executors_per_framework: int = _given(kinds.INTEGER, "150")
    network_cni_config_dir: str | None = _unset(kinds.PATH)
    network_cni_metrics: bool = _given(kinds.BOOL, "true")
    network_cni_plugins_dir: str | None = _unset(kinds.TEXT)
    network_cni_root_dir_persist: bool = _given(kinds.BOOL, "false")
    network_enable_snmp_statistics: bool | None = _unset(kinds.BOOL)
    network_enable_socket_statistics_details: bool | None = _unset(kinds.BOOL)
    network_enable_socket_statistics_summary: bool | None = _unset(kinds.BOOL)
    nvidia_gpu_devices: str | None = _unset(kinds.TEXT)
    oversubscribed_resources_interval: float = _given(kinds.POSITIVE_DURATION, "15secs")
    perf_duration: float = _given(kinds.DURATION, "10secs")
    perf_events: str | None = _unset(kinds.TEXT)
    perf_interval: float = _given(kinds.DURATION, "1mins")
    qos_controller: str | None = _unset(kinds.TEXT)
    qos_correction_interval_min: float = _given(kinds.DURATION, "0ns")
    reconfiguration_policy: str = _given(kinds.RECONFIGURATION, "equal")
    recover: str = _given(kinds.RECOVER, "reconnect")
    recovery_timeout: float = _given(kinds.DURATION, "15mins")
    registration_backoff_factor: float = _given(kinds.DURATION, "1secs")
    resource_estimator: str | None = _unset(kinds.TEXT)
    resource_provider_config_dir: str | None = _unset(kinds.PATH)
    resources: str | None = _unset(kinds.RESOURCES)
    revocable_cpu_low_priority: bool = _given(kinds.BOOL, "true")
    runtime_dir: str | None = _unset(kinds.PATH)
    sandbox_directory: str = _given(kinds.PATH, "/mnt/mesos/sandbox")
    seccomp_config_dir: str | None = _unset(kinds.PATH)
    seccomp_profile_name: str | None = _unset(kinds.TEXT)
    secret_resolver: str | None = _unset(kinds.TEXT)
    strict: bool = _given(kinds.BOOL, "true")
    switch_user: bool = _given(kinds.BOOL, "true")
    systemd_enable_support: bool = _given(kinds.BOOL, "false")
    systemd_runtime_directory: str = _given(kinds.PATH, "/run/systemd/system")
    volume_gid_range: str | None = _unset(kinds.TEXT)
    xfs_kill_containers: bool | None = _unset(kinds.BOOL)
    xfs_project_range: str | None = _unset(kinds.TEXT)

    @property
    def isolators(self) -> frozenset[str]:
        """The names in ``isolation``."""
        return frozenset(name.strip() for name in self.isolation.split(","))
