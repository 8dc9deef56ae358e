"""CloudEvents 1.0 over HTTP: structured, batched and binary. Source and id together are the event's identity.

Source: the CloudEvents specification 1.0.2 with its HTTP binding and JSON format. `data` is a native event; where
`type` or `dataschema` ends in `usage.<provider>`, `usage/<provider>` or `litellm` it is what that dialect takes.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated
from urllib.parse import unquote

import msgspec

from tollbook.domain.errors import RejectCode
from tollbook.domain.event import Event
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest import litellm, raw
from tollbook.ingest.decoded import Decoded
from tollbook.ingest.fields import check_text, instant
from tollbook.ingest.foreign import Fields, collect, items_of, value_of, whole_or_items
from tollbook.ingest.item import reader_for
from tollbook.ingest.observed import agent_of
from tollbook.ingest.origin import Origin
from tollbook.ingest.refusal import ItemRefused

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
_BINARY = "ce-"
_DIALECT = re.compile(r"(?:\A|[./:])(?:usage[./:]([A-Za-z0-9_-]{1,64})|(litellm))\Z")
_VERSION = "1.0"
_AWARE = Annotated[datetime, msgspec.Meta(tz=True)]

ToEvent = Callable[["Envelope", IntakeLimits, Origin], list[Event]]


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One CloudEvent's attributes, and its data as decoded and as text."""

    id: str
    source: str
    type: str
    subject: str | None = None
    time: str | None = None
    dataschema: str | None = None
    data: object = None


def is_binary(headers: Mapping[str, str]) -> bool:
    """Whether the attributes of an event stand in the headers."""
    return "ce-specversion" in headers


def is_structured(media_type: str | None) -> bool:
    """Whether a content type announces one event or a batch."""
    return media_type is not None and media_type.partition(";")[0].strip().lower() in (STRUCTURED, BATCHED)


def decode(
    body: bytes,
    media_type: str | None,
    limits: IntakeLimits,
    *,
    origin: Origin,
    to_events: "ToEvent | None" = None,
) -> Decoded:
    """The events of one CloudEvent, or of a batch. Raises `RequestError` where the whole body is refused.

    `to_events` makes the events of an envelope; tollbook's own reading of `data` where it is None.
    """
    make = to_events or data_events
    if is_binary(origin.attributes):
        return whole_or_items(
            collect([{}], lambda _, _index: make(_of_headers(origin.attributes, body), limits, origin))
        )
    if media_type is not None and media_type.partition(";")[0].strip().lower() == BATCHED and body.strip() == b"[]":
        # An empty batch is a batch.
        return Decoded(events=[], indexes=[], rejections=[], items=0)
    found = items_of(body, media_type, limits)
    return whole_or_items(collect(found, lambda item, _: make(envelope_of(item), limits, origin)))


def envelope_of(item: Fields) -> Envelope:
    """The envelope of a structured event. Raises `ItemRefused`."""
    data = item.get("data")
    encoded = item.get("data_base64")
    if data is None and isinstance(encoded, str):
        try:
            data = value_of(b64decode(encoded, validate=True))
        except (binascii.Error, ValueError) as error:
            raise ItemRefused(RejectCode.FIELD_INVALID, "`data_base64` is no base64") from error
    elif isinstance(data, str):
        # JSON in a string, which a `datacontenttype` of another kind than JSON makes of it.
        data = value_of(data.encode("utf-8", "surrogatepass"))
    return _checked({**item, "data": data})


def _of_headers(headers: Mapping[str, str], body: bytes) -> Envelope:
    attributes = {
        name.removeprefix(_BINARY): unquote(value) for name, value in headers.items() if name.startswith(_BINARY)
    }
    return _checked({**attributes, "data": value_of(body.strip()) if body.strip() else None})


def _checked(item: Fields) -> Envelope:
    if item.get("specversion") != _VERSION:
        raise ItemRefused(RejectCode.FIELD_INVALID, "`specversion` of a CloudEvent is 1.0")
    named: dict[str, str | None] = {}
    for name in ("id", "source", "type", "subject", "time", "dataschema"):
        value = item.get(name)
        if value is not None and not isinstance(value, str):
            raise ItemRefused(RejectCode.FIELD_INVALID, f"`{name}` of a CloudEvent is text")
        named[name] = value
        if not value and name in ("id", "source", "type"):
            raise ItemRefused(RejectCode.FIELD_MISSING, f"a CloudEvent has an `{name}`")
    return Envelope(**named, data=item.get("data"))  # type: ignore[arg-type]


def data_events(envelope: Envelope, limits: IntakeLimits, origin: Origin) -> list[Event]:
    """The events of an envelope's data. Its id and source are the identity, whatever the data says of either."""
    dialect = _DIALECT.search(envelope.dataschema or "") or _DIALECT.search(envelope.type)
    if dialect is None:
        return [_native(envelope, limits, origin)]
    text = msgspec.json.encode(envelope.data)
    if dialect[2]:
        made = litellm.decode(text, None, limits, origin=origin)
    else:
        made = raw.decode(text, None, limits, provider=dialect[1].lower(), origin=origin)
    if made.rejections:
        raise ItemRefused(RejectCode(made.rejections[0].code), made.rejections[0].detail)
    return [identified(event, envelope, limits, place) for place, event in enumerate(made.events)]


def identified(event: Event, envelope: Envelope, limits: IntakeLimits, place: int) -> Event:
    """The event under the envelope's identity, at the envelope's time where it has none. Raises `ItemRefused`."""
    event_id = envelope.id + (f"#{place}" if place else "")
    for name, value, chars_max in (
        ("id", event_id, limits.id_chars_max),
        ("source", envelope.source, limits.name_chars_max),
    ):
        if len(value) > chars_max:
            raise ItemRefused(RejectCode.FIELD_OUT_OF_RANGE, f"`{name}` must be text of 1 to {chars_max} characters")
        check_text(value, name)
    return msgspec.structs.replace(event, id=event_id, source=envelope.source, ts=event.ts or _time(envelope))


def _native(envelope: Envelope, limits: IntakeLimits, origin: Origin) -> Event:
    data = envelope.data
    if not isinstance(data, dict):
        raise ItemRefused(RejectCode.ITEM_NOT_OBJECT, "`data` of a CloudEvent is an event: a JSON object")
    drafted = {name: value for name, value in data.items() if name not in ("id", "event_id")}
    drafted |= {"id": envelope.id, "source": envelope.source}
    if not any(drafted.get(name) for name in ("tenant", "tenant_id")):
        drafted["tenant"] = origin.tenant
    if not any(drafted.get(name) for name in ("agent", "agent_id")):
        drafted["agent"] = origin.agent or agent_of(envelope.subject)
    if drafted.get("run") is None and drafted.get("run_id") is None:
        drafted["run"] = origin.run
    if drafted.get("ts") is None and drafted.get("timestamp") is None:
        drafted["ts"] = envelope.time
    return reader_for(limits, False).element(msgspec.Raw(msgspec.json.encode(drafted)))


def _time(envelope: Envelope) -> datetime | None:
    if envelope.time is None:
        return None
    try:
        return instant(msgspec.convert(envelope.time, _AWARE), "time")
    except msgspec.ValidationError as error:
        raise ItemRefused(RejectCode.FIELD_INVALID, "`time` of a CloudEvent is RFC 3339 with an offset") from error
