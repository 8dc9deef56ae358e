"""Metrics: sums that have lost which call they were of. They count only where nothing else saw the session."""

from hashlib import blake2b

import msgspec

from tollbook.domain.errors import RejectCode
from tollbook.domain.event import Event, Observer
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.observation import UNKNOWN_AGENT
from tollbook.ingest.otel import claude_code, codex
from tollbook.ingest.otel.claims import Mapping, tenant_of
from tollbook.ingest.otel.events import Place, event_of
from tollbook.ingest.otel.genai import MODEL, PROVIDER
from tollbook.ingest.otel.paths import joined
from tollbook.ingest.otel.reading import Call, plain, text, usd_text
from tollbook.ingest.otel.signals import Point
from tollbook.ingest.refusal import ItemRefused

_GENAI_METRIC = "gen_ai.client.token.usage"
_NEW_GENAI = "gen_ai.client.inference.usage."
_NO_COUNT = -(2**40)
_TYPES = ("type", "token_type", "gen_ai.token.type", "gen_ai.token.modality")


class Series(msgspec.Struct, kw_only=True):
    """The points of one interval that differ in the kind of token alone; `indexes` are theirs in the request."""

    first: Point
    indexes: list[int]
    counts: dict[str, int]
    cost_usd: str | None = None


def series_of(points: list[Point]) -> list[Series]:
    """Points of known token metrics, those of one interval put together. Raises nothing: see `event_of_series`.

    A cumulative point repeats all that came before it, so only delta points are taken.
    """
    found: dict[tuple[object, ...], Series] = {}
    for point in points:
        kind = _kind(point)
        if kind is None or not point.delta:
            continue
        family, part = kind
        key = (family, point.start_nanos, point.nanos, id(point.origin), _identity(point))
        series = found.get(key)
        if series is None:
            series = found[key] = Series(first=point, indexes=[], counts={})
        series.indexes.append(point.index)
        if part == "cost":
            series.cost_usd = usd_text(point.value)
        else:
            series.counts[part] = series.counts.get(part, 0) + _tokens(point.value)
    return [series for series in found.values() if any(series.counts.values())]


def event_of_series(
    series: Series, tenant: str | None, mapping: Mapping, limits: IntakeLimits, *, alone: bool
) -> Event | None:
    """The event of a series, or None where it belongs to no session and may not stand `alone`."""
    point = series.first
    call = _call_of(series)
    if call is None or (call.group is None and not alone):
        return None
    if min(series.counts.values()) < 0:
        raise ItemRefused(RejectCode.FIELD_OUT_OF_RANGE, "a metric has a sum that is no count of tokens")
    attributes, resource = point.attributes, point.origin.resource
    whose = tenant or tenant_of(attributes, resource, mapping)
    if whose is None:
        raise ItemRefused(RejectCode.FIELD_MISSING, "no attribute names the tenant, and the key is bound to none")
    agent = text(attributes, *mapping.agent) or text(resource, *mapping.agent) or _agent(call, point)
    run = text(attributes, *mapping.run) or text(resource, *mapping.run) or call.group
    place = Place(whose, agent, run, event_id=_id(series, call), at_micros=point.nanos // 1_000)
    return event_of(call, place, limits)


def _kind(point: Point) -> tuple[str, str] | None:
    if point.metric == claude_code.TOKENS_METRIC:
        return claude_code.DIALECT, plain(point.attributes.get("type"))
    if point.metric == claude_code.COST_METRIC:
        return claude_code.DIALECT, "cost"
    if point.metric == codex.TOKENS_METRIC:
        return codex.DIALECT, plain(point.attributes.get("token_type"))
    if point.metric == _GENAI_METRIC:
        return "genai", plain(point.attributes.get("gen_ai.token.type"))
    if point.metric.startswith(_NEW_GENAI):
        return "genai", point.metric.removeprefix(_NEW_GENAI)
    return None


def _tokens(value: int | float) -> int:
    """A sum as a count; for what is none a number that no other sum lifts above zero, and that is refused."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else _NO_COUNT
    return value


def _identity(point: Point) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, str(value)) for name, value in point.attributes.items() if name not in _TYPES))


def _call_of(series: Series) -> Call | None:
    point, counts = series.first, series.counts
    if point.metric in {claude_code.TOKENS_METRIC, claude_code.COST_METRIC}:
        return claude_code.metric_call(counts, {**point.origin.resource, **point.attributes}, series.cost_usd)
    if point.metric == codex.TOKENS_METRIC:
        return codex.metric_call(counts, {**point.origin.resource, **point.attributes})
    model = text(point.attributes, *MODEL)
    if model is None:
        return None
    read, write = counts.get("cache_read.input_tokens", 0), counts.get("cache_write.input_tokens", 0)
    return Call(
        dialect="genai",
        model=model,
        provider=text(point.attributes, *PROVIDER),
        input=max(counts.get("input_tokens", counts.get("input", 0)), read + write),
        output=counts.get("output_tokens", counts.get("output", 0)),
        cache_read=read,
        cache_write_5m=write,
        reasoning=counts.get("reasoning.output_tokens", 0),
        by=Observer.METRIC,
        group=text(point.attributes, "gen_ai.conversation.id", "session.id"),
    )


def _agent(call: Call, point: Point) -> str:
    if call.dialect == claude_code.DIALECT:
        name = text(point.attributes, "agent.name")
        return joined((claude_code.ROOT, name) if name else (claude_code.ROOT,))
    if call.dialect == codex.DIALECT:
        return joined(codex.agent(point.attributes))
    return UNKNOWN_AGENT


def _id(series: Series, call: Call) -> str:
    """The same interval of the same series is the same event, so that an exporter's retry counts once."""
    point = series.first
    process = sorted((name, str(value)) for name, value in point.origin.resource.items())
    said = repr((call.dialect, point.origin.scope, process, _identity(point), point.start_nanos, point.nanos))
    return f"metric:{blake2b(said.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"
