"""The native event on the wire: its fields, their other names, and the decoders that carry the bounds."""

from datetime import datetime
from enum import Enum
from functools import lru_cache
from types import GenericAlias
from typing import Annotated, Any, NamedTuple, TypeVar, cast

import msgspec
from msgspec import Meta

from tollbook.domain import hold
from tollbook.domain.errors import invariant
from tollbook.domain.event import Event, Observer
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.money import NANOS_PER_USD

ABSENT = msgspec.Raw(b"")
COST_CHARS_MAX = 64
NESTING_TYPED = 3
"""How deep the fields of an event can nest: an array, an event, its tags. Only unknown fields go deeper."""

AnyDirect = TypeVar("AnyDirect", bound="Direct")
Moment = datetime | int | float
TagValue = str | bool | int | float | None


class Wire(msgspec.Struct, gc=False):
    """One item as decoded. None is absent. Unknown fields are skipped; of a repeated field the last counts.

    `cost_usd` stays the JSON token itself, so that its digits never pass through a float.
    """

    tenant: str | None = None
    agent: str | None = None
    model: str | None = None
    input: int | None = None
    output: int | None = None
    id: str | None = None
    source: str | None = None
    ts: Moment | None = None
    run: str | None = None
    provider: str | None = None
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None
    service_tier: str | None = None
    tags: dict[str, TagValue] | None = None
    call_id: str | None = None
    cost_usd: msgspec.Raw = ABSENT
    hold: str | None = None
    units: dict[str, int] | None = None
    context: dict[str, str] | None = None
    observed: Observer | None = None
    response_id: str | None = None
    request_id: str | None = None
    group: str | None = None
    estimated: bool | None = None
    tenant_id: str | None = None
    agent_id: str | None = None
    input_tokens: int | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    completion_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_write_5m_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    event_id: str | None = None
    timestamp: Moment | None = None
    run_id: str | None = None
    model_name: str | None = None


ALIASES: dict[str, tuple[str, ...]] = {
    "tenant": ("tenant_id",),
    "model": ("model_name",),
    "input": ("input_tokens", "prompt_tokens"),
    "output": ("output_tokens", "completion_tokens"),
    "id": ("event_id",),
    "ts": ("timestamp",),
    "run": ("run_id",),
    "cache_read": ("cache_read_tokens",),
    "cache_write_5m": ("cache_write_5m_tokens",),
    "cache_write_1h": ("cache_write_1h_tokens",),
    "reasoning": ("reasoning_tokens",),
}
"""Other names of a field. `agent_id` is not among them: it only stands in where `agent` is missing, because
senders that have both mean different things by them."""


EXCLUSIVE = ("cache_read_input_tokens", "cache_creation_input_tokens")
"""Names of a source that leaves cached tokens out of its input (Anthropic's usage object): taken as ours they would
be billed too low without a sign, so they are refused."""


class Kind(Enum):
    """What a field holds; its bounds follow from it."""

    NAME = "name"
    ID = "id"
    COUNT = "count"
    MOMENT = "moment"
    TAGS = "tags"
    COST = "cost"
    HOLD = "hold"
    UNITS = "units"
    CONTEXT = "context"
    OBSERVER = "observer"
    FLAG = "flag"


def _kind_of(field: str) -> Kind:
    match field:
        case "id" | "event_id" | "call_id" | "response_id" | "request_id" | "group":
            return Kind.ID
        case "ts" | "timestamp":
            return Kind.MOMENT
        case "tags":
            return Kind.TAGS
        case "cost_usd":
            return Kind.COST
        case "hold":
            return Kind.HOLD
        case "units":
            return Kind.UNITS
        case "context":
            return Kind.CONTEXT
        case "observed":
            return Kind.OBSERVER
        case "estimated":
            return Kind.FLAG
        case "input" | "output" | "cache_read" | "cache_write_5m" | "cache_write_1h" | "reasoning":
            return Kind.COUNT
        case _ if field.endswith("_tokens"):
            return Kind.COUNT
        case _:
            return Kind.NAME


KINDS: dict[str, Kind] = {field: _kind_of(field) for field in Wire.__struct_fields__}
COUNTS: tuple[str, ...] = tuple(field for field, kind in KINDS.items() if kind is Kind.COUNT)


class Direct(Event, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """An event straight from the decoder: names, types and bounds were judged while its bytes were read.

    Building an `Event` from a `Wire` costs more than decoding either, so whoever writes every field under its
    own name and in its plainest form pays for one object only. Equal to the `Event` of the same values.
    """

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in Event.__struct_fields__)

    def __hash__(self) -> int:
        return hash(Event(**{name: getattr(self, name) for name in Event.__struct_fields__}))


class Observed(Direct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """As `Direct`, with what the payload says of the observation, from which `seen` is made.

    A type of its own, so that events without these fields pay nothing for them.
    """

    observed: Observer | None = None
    response_id: str | None = None
    request_id: str | None = None
    group: str | None = None
    estimated: bool = False


class Codec(NamedTuple):
    """The decoders of one set of limits, from the narrowest and fastest to the widest."""

    direct_one: msgspec.json.Decoder[Direct]
    direct_many: msgspec.json.Decoder[list[Direct]]
    observed_one: msgspec.json.Decoder[Observed]
    observed_many: msgspec.json.Decoder[list[Observed]]
    one: msgspec.json.Decoder[Wire]
    many: msgspec.json.Decoder[list[Wire]]
    loose: msgspec.json.Decoder[Wire]
    """As `one`, and counts may be written 12.0."""
    kinds: dict[Kind, msgspec.json.Decoder[Any]]
    """Decoders of a single field's value, to find the one that is wrong."""


@lru_cache(maxsize=16)
def codec_for(limits: IntakeLimits) -> Codec:
    """Compile the bounds of `limits` into decoders. Pure, hence cached; a process has one set of limits."""
    invariant(limits.nesting_max >= NESTING_TYPED, "an array of events with tags must not be too deep")
    exact = _kind_types(limits, _count(int, limits))
    loose = _kind_types(limits, _count(int, limits) | _count(float, limits))
    direct, observed, wire = _direct(exact, limits, Direct), _direct(exact, limits, Observed), _bounded(exact)
    return Codec(
        direct_one=msgspec.json.Decoder(direct),
        direct_many=msgspec.json.Decoder(GenericAlias(list, (direct,))),
        observed_one=msgspec.json.Decoder(observed),
        observed_many=msgspec.json.Decoder(GenericAlias(list, (observed,))),
        one=msgspec.json.Decoder(wire),
        many=msgspec.json.Decoder(GenericAlias(list, (wire,))),
        loose=msgspec.json.Decoder(_bounded(loose)),
        kinds={kind: msgspec.json.Decoder(type_) for kind, type_ in loose.items()},
    )


def _count(number: type[int] | type[float], limits: IntakeLimits) -> Any:
    return Annotated[number, Meta(ge=0, le=limits.tokens_max)]


def _tags(value: Any, limits: IntakeLimits) -> Any:
    key = Annotated[str, Meta(min_length=1, max_length=limits.tag_key_chars_max)]
    return Annotated[dict[key, value], Meta(max_length=limits.tags_max)]


def _units(limits: IntakeLimits) -> Any:
    name = Annotated[str, Meta(pattern=rf"\A[a-z][a-z0-9_]{{0,{limits.unit_chars_max - 1}}}\Z")]
    return Annotated[GenericAlias(dict, (name, _count(int, limits))), Meta(max_length=limits.units_max)]


def _context(limits: IntakeLimits) -> Any:
    name = Annotated[str, Meta(pattern=rf"\A[a-z][a-z0-9_]{{0,{limits.unit_chars_max - 1}}}\Z")]
    value = Annotated[str, Meta(min_length=1, max_length=limits.name_chars_max)]
    return Annotated[GenericAlias(dict, (name, value)), Meta(max_length=limits.units_max)]


def _kind_types(limits: IntakeLimits, count: Any) -> dict[Kind, Any]:
    value = Annotated[str, Meta(max_length=limits.tag_value_chars_max)]
    return {
        Kind.NAME: Annotated[str, Meta(min_length=1, max_length=limits.name_chars_max)],
        Kind.ID: Annotated[str, Meta(min_length=1, max_length=limits.id_chars_max)],
        Kind.COUNT: count,
        Kind.MOMENT: Annotated[datetime, Meta(tz=True)] | int | float,
        Kind.TAGS: _tags(value | bool | int | float | None, limits),
        Kind.COST: msgspec.Raw,
        Kind.HOLD: Annotated[str, Meta(pattern=rf"\A{hold.PATTERN}\Z")],
        Kind.UNITS: _units(limits),
        Kind.CONTEXT: _context(limits),
        Kind.OBSERVER: Observer,
        Kind.FLAG: bool,
    }


def _bounded(types: dict[Kind, Any]) -> type[Wire]:
    fields = [
        (field, types[kind], ABSENT) if kind is Kind.COST else (field, types[kind] | None, None)
        for field, kind in KINDS.items()
    ]
    return cast("type[Wire]", msgspec.defstruct("BoundedWire", fields, bases=(Wire,), gc=False))


def _direct(types: dict[Kind, Any], limits: IntakeLimits, base: type[AnyDirect]) -> type[AnyDirect]:
    # Any whole dollars of fewer digits than the bound has are below it, whatever follows the point.
    digits_max = max(1, len(str(limits.cost_nanos_max // NANOS_PER_USD)) - 1)
    is_coarse = limits.cost_nanos_max < 10 * NANOS_PER_USD
    cost = Annotated[str, Meta(max_length=COST_CHARS_MAX, pattern=rf"\A[0-9]{{1,{digits_max}}}(\.[0-9]+)?\Z")]
    text = Annotated[str, Meta(max_length=limits.tag_value_chars_max)]
    types = types | {
        Kind.MOMENT: Annotated[datetime, Meta(tz=True)],
        Kind.TAGS: _tags(text, limits),
        Kind.COST: None if is_coarse else cost,
    }
    fields: list[Any] = []
    for field in msgspec.structs.fields(base):
        if field.name not in KINDS:
            # No field of the native payload: set by dialects alone.
            fields.append((field.name, None, None))
            continue
        type_ = types[KINDS[field.name]]
        if field.default is msgspec.NODEFAULT:
            fields.append((field.name, type_))
        else:
            nullable = field.default is None and type_ is not None
            fields.append((field.name, type_ | None if nullable else type_, field.default))
    struct = msgspec.defstruct("Event", fields, bases=(base,), frozen=True, kw_only=True, gc=False)
    return cast("type[AnyDirect]", struct)
