"""From a call and its place to an event, held to the bounds at the door."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from tollbook.domain.errors import RejectCode
from tollbook.domain.event import Event, Seen
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.fields import check_agent, check_tenant, check_text
from tollbook.ingest.otel.reading import Call
from tollbook.ingest.refusal import ItemRefused

SOURCE = "otel"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAMES_CACHED_MAX = 4_096
_MICROS_MAX = 253_402_300_799_000_000


class Place:
    """Where a call counts: whose, which agent, which run, under which identity, and how well that is known."""

    __slots__ = ("agent", "at_micros", "group", "id", "revision", "run", "tags", "tenant")

    def __init__(self, tenant: str, agent: str, run: str | None, *, event_id: str | None, at_micros: int) -> None:
        self.tenant = tenant
        self.agent = agent
        self.run = run
        self.id = event_id
        self.at_micros = at_micros
        self.group: str | None = None
        self.revision = 0
        self.tags: dict[str, str] | None = None


def event_of(call: Call, place: Place, limits: IntakeLimits) -> Event:
    """The event of a call at a place. Raises `ItemRefused` where a bound is broken."""
    # Parts lie within these two, which is what the next two conditions say.
    counts_max = max(call.input, call.output)
    if counts_max > limits.tokens_max or (call.units and max(call.units.values()) > limits.tokens_max):
        raise ItemRefused(RejectCode.FIELD_OUT_OF_RANGE, f"a count is above {limits.tokens_max} tokens")
    if call.cache_read + call.cache_write_5m + call.cache_write_1h > call.input:
        raise ItemRefused(RejectCode.TOKENS_INCONSISTENT, "cached tokens are more than the input they are part of")
    if call.reasoning > call.output:
        raise ItemRefused(RejectCode.TOKENS_INCONSISTENT, "reasoning tokens are more than the output they are part of")
    check_tenant(place.tenant)
    check_agent(place.agent)
    _require_names(call, place, limits)
    return Event(
        tenant=place.tenant,
        agent=place.agent,
        model=call.model,
        input=call.input,
        output=call.output,
        id=place.id,
        source=SOURCE,
        ts=instant_of(place.at_micros),
        run=place.run,
        provider=call.provider,
        cache_read=call.cache_read,
        cache_write_5m=call.cache_write_5m,
        cache_write_1h=call.cache_write_1h,
        reasoning=call.reasoning,
        service_tier=call.service_tier,
        tags={**(place.tags or {}), "otel.dialect": call.dialect, "otel.counts": call.rule},
        cost_usd=call.cost_usd,
        units=call.units,
        seen=Seen(
            by=call.by,
            response_id=call.response_id,
            request_id=call.request_id,
            group=place.group or call.group,
            revision=call.rank + place.revision,
        ),
    )


def instant_of(micros: int) -> datetime | None:
    """Unix microseconds as an instant; None for 0, which is the protocol's way to say nothing."""
    if micros == 0:
        return None
    if not 0 < micros < _MICROS_MAX:
        raise ItemRefused(RejectCode.FIELD_OUT_OF_RANGE, "an instant lies outside the years 1970 to 9999")
    return _EPOCH + timedelta(microseconds=micros)


def _require_names(call: Call, place: Place, limits: IntakeLimits) -> None:
    names_max, ids_max = limits.name_chars_max, limits.id_chars_max
    _require_known(place.tenant, call.model, call.provider, call.service_tier, names_max)
    if place.run is not None:
        _require_text("run", place.run, names_max)
    if call.response_id is not None:
        _require_text("response id", call.response_id, ids_max)
    if call.request_id is not None:
        _require_text("request id", call.request_id, ids_max)
    if place.id is not None and place.id is not call.response_id:
        _require_text("id", place.id, ids_max)
    if call.group is not None:
        _require_text("group", call.group, ids_max)


@lru_cache(maxsize=_NAMES_CACHED_MAX)
def _require_known(tenant: str, model: str, provider: str | None, tier: str | None, chars_max: int) -> None:
    # A fleet's calls repeat few of these; refusals are not kept.
    for field, name in (("tenant", tenant), ("model", model), ("provider", provider), ("service_tier", tier)):
        if name is not None:
            _require_text(field, name, chars_max)


def _require_text(field: str, name: str, chars_max: int) -> None:
    if len(name) > chars_max:
        raise ItemRefused(RejectCode.FIELD_OUT_OF_RANGE, f"`{field}` is longer than {chars_max} characters")
    if not name.isprintable() or name.isspace() or not name:
        check_text(name, field)
