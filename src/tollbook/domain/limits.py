"""Bounds at the door. Each one keeps something downstream exact or bounded; the reason stands beside it."""

import msgspec


class IntakeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver takes in one request and one event."""

    body_bytes_max: int = 4 * 1024 * 1024
    """As received. Memory of a receiver is bounded by this times its open connections."""
    inflated_bytes_max: int = 16 * 1024 * 1024
    """After decompression; inflation stops there, so a gzip bomb costs this much and no more."""
    batch_events_max: int = 10_000
    """Events in one request: one journal record stays far below Valkey's 512 MB and one COPY stays short."""
    nesting_max: int = 16
    """Depth of arrays and objects; an event itself needs two."""
    name_chars_max: int = 256
    """tenant, agent, model, provider, source, run, service_tier."""
    id_chars_max: int = 512
    """id and call_id."""
    tags_max: int = 32
    tag_key_chars_max: int = 64
    tag_value_chars_max: int = 256
    units_max: int = 32
    unit_chars_max: int = 64
    tokens_max: int = 2_000_000_000
    """Per count and event: fits a 4-byte integer column, a thousand times the largest context sold."""
    cost_nanos_max: int = 1_000_000_000_000_000
    """$1M an event: 9,000 such events still fit the 8-byte sum of a meter."""
    reported_differs_percent: int = 10
    """A sender's own cost may differ from the computed one by so much of the greater before the entry is flagged."""
    future_ms_max: int = 5 * 60 * 1000
    """DESIGN 3: more than five minutes in the future is refused."""
    past_days_max: int = 35
    """The dedupe window: an older event could no longer be told from its repeat."""


LIMIT_NANOS_MAX = 1_000_000_000_000_000_000
"""$1bn a day: fits an 8-byte integer with room for what is spent beyond it."""
