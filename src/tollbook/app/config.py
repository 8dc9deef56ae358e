"""Every setting, and the only place that reads the environment."""

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from tollbook.client.settings import ClientSettings
from tollbook.domain.errors import ConfigError
from tollbook.hooks.addresses import Network, networks_of
from tollbook.ingest.otel.claims import Mapping as OtelMapping

_PREFIX = "TOLLBOOK_"
_METRICS_DIR = "PROMETHEUS_MULTIPROC_DIR"

Positive = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the server roles. Each is read from `TOLLBOOK_<NAME IN CAPITALS>`; docs/settings.md explains them."""

    postgres_url: str = ""
    valkey_url: str = ""
    valkey_key_prefix: str = ""
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 8787
    workers: Positive = 1
    ack: Literal["auto", "journal", "ledger"] = "auto"
    time_zone: str = "UTC"
    postgres_connections_max: Positive = 8
    postgres_timeout_s: Seconds = 30.0
    postgres_size_warn_mb: Annotated[int, msgspec.Meta(ge=0)] = 0
    valkey_timeout_s: Seconds = 2.0
    ack_timeout_s: Seconds = 10.0
    body_bytes_max: Positive = 4 * 1024 * 1024
    batch_events_max: Positive = 10_000
    past_days_max: Annotated[int, msgspec.Meta(ge=1, le=35)] = 35
    mappings_dir: str = ""
    unpriced_input_usd_per_mtok: Decimal = Decimal(20)
    unpriced_output_usd_per_mtok: Decimal = Decimal(80)
    reported_differs_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 10
    prices_file: str = ""
    prices_factor_max: Decimal = Decimal(3)
    hold_step_tokens: Positive = 1_024
    hold_fail_unknown: Literal["open", "closed"] = "closed"
    otel_tenant_attributes: str = "tollbook.tenant,tenant.id"
    otel_agent_attributes: str = "tollbook.agent"
    otel_run_attributes: str = "tollbook.run"
    otel_tag_attributes: str = ""
    otel_metrics: Literal["sessions", "all"] = "sessions"
    span_keep_days: Annotated[int, msgspec.Meta(ge=1, le=3_650)] = 30
    span_content: Literal["drop", "keep"] = "drop"
    drain_batch_events_max: Positive = 10_000
    drain_partitions_max: Positive = 1_024
    drain_claims: Literal["session", "none"] = "session"
    alert_burn_rate_minutes: Annotated[int, msgspec.Meta(ge=0, le=10_080)] = 60
    alert_timeout_s: Annotated[float, msgspec.Meta(gt=0, le=30)] = 15.0
    alert_private_networks: str = ""
    metrics_dir: str = ""
    metrics_port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    data_dir: str = ""
    handouts_file: str = ""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "json"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Settings from the environment; raises `ConfigError` on an unknown name or a value that does not fit."""
        found = os.environ if environment is None else environment
        given = {name.removeprefix(_PREFIX).lower(): value for name, value in found.items() if name.startswith(_PREFIX)}
        # One shell may serve a role and an agent: the names of the SDK are known, and left aside.
        for name in given.keys() & set(ClientSettings.__struct_fields__) - set(cls.__struct_fields__):
            del given[name]
        unknown = sorted(given.keys() - set(cls.__struct_fields__))
        if unknown:
            raise ConfigError(f"unknown setting {_PREFIX}{unknown[0].upper()}; docs/settings.md lists them all")
        try:
            settings = msgspec.convert(given, cls, strict=False)
            ZoneInfo(settings.time_zone)
            settings.alert_networks()
        except msgspec.ValidationError as error:
            raise ConfigError(f"a {_PREFIX}* setting does not fit: {error}") from error
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ConfigError(f"{_PREFIX}TIME_ZONE is no IANA time zone: {settings.time_zone!r}") from error
        if min(settings.unpriced_input_usd_per_mtok, settings.unpriced_output_usd_per_mtok) < 0:
            raise ConfigError(f"{_PREFIX}UNPRICED_* are prices of zero or more")
        if not settings.prices_factor_max.is_finite() or settings.prices_factor_max < 1:
            raise ConfigError(f"{_PREFIX}PRICES_FACTOR_MAX is a factor of 1 or more")
        return settings

    def alert_networks(self) -> tuple[Network, ...]:
        """The private networks that hooks may lead to; raises `ConfigError` where one is none."""
        try:
            return networks_of(self.alert_private_networks)
        except ValueError as error:
            raise ConfigError(f"{_PREFIX}ALERT_PRIVATE_NETWORKS: {error}") from error

    def otel_mapping(self) -> OtelMapping:
        """Which attributes of OpenTelemetry say whose, which agent's and which run's a call is."""
        return OtelMapping(
            tenant=_names(self.otel_tenant_attributes),
            agent=_names(self.otel_agent_attributes),
            run=_names(self.otel_run_attributes),
            tags=_names(self.otel_tag_attributes),
        )

    def environment(self) -> dict[str, str]:
        """These settings, and the rest of the present environment, for a child process."""
        own = {f"{_PREFIX}{name.upper()}": str(value) for name, value in msgspec.structs.asdict(self).items()}
        # The Prometheus client reads where processes share their metrics from the environment, when it is imported.
        shared = {_METRICS_DIR: self.metrics_dir} if self.metrics_dir else {}
        return {**os.environ, **own, **shared}

    def export(self) -> None:
        """Make these settings the environment of this process, for workers that it starts."""
        os.environ.update(self.environment())

    def data_path(self) -> Path:
        """Where `tollbook up` keeps its data: `data_dir`, else below the user's data directory."""
        if self.data_dir:
            return Path(self.data_dir)
        return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "tollbook"

    def prices_path(self) -> Path | None:
        """Where prices of our own are kept; None where no file is named."""
        return Path(self.prices_file) if self.prices_file else None

    def require_stores(self) -> None:
        """Raise `ConfigError` unless both stores are named."""
        for name in ("postgres_url", "valkey_url"):
            if not getattr(self, name):
                raise ConfigError(f"set {_PREFIX}{name.upper()}, or run `tollbook up`, which brings its own stores")


def _names(listed: str) -> tuple[str, ...]:
    return tuple(name for name in (each.strip() for each in listed.split(",")) if name)


def share_metrics() -> None:
    """Tell the Prometheus client where processes share their metrics; it reads that once, when it is imported."""
    directory = os.environ.get(f"{_PREFIX}METRICS_DIR")
    if directory:
        os.environ[_METRICS_DIR] = directory
