"""OpenMeter's `/api/v1/events`, so that its clients need another base address and nothing else.

CloudEvents with `type`, `subject` and `data`. Who the subject is and which fields of the data count tokens is told by
the mapping named `openmeter` where there is one; else the subject is the tenant, and `data` has either OpenMeter's
`tokens` of a `type` (`input`, `output`, ...) or counts under the names of native events.
"""

import msgspec

from tollbook.domain.errors import RejectCode
from tollbook.domain.event import Event
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.observation import UNKNOWN_AGENT
from tollbook.ingest import cloudevents
from tollbook.ingest.cloudevents import Envelope
from tollbook.ingest.decoded import Decoded
from tollbook.ingest.foreign import Fields
from tollbook.ingest.item import reader_for
from tollbook.ingest.mapping import Mapping
from tollbook.ingest.observed import agent_of
from tollbook.ingest.origin import Origin
from tollbook.ingest.refusal import ItemRefused
from tollbook.ingest.wire import KINDS
from tollbook.usage.fields import count, text

MAPPING = "openmeter"

_KINDS_OF_TOKENS: dict[str, tuple[str, ...]] = {
    "input": ("input",),
    "prompt": ("input",),
    "system": ("input",),
    "user": ("input",),
    "cached": ("input", "cache_read"),
    "cached_input": ("input", "cache_read"),
    "cache_read": ("input", "cache_read"),
    "output": ("output",),
    "completion": ("output",),
    "assistant": ("output",),
    "reasoning": ("output", "reasoning"),
}
"""What OpenMeter's examples and collectors call the kinds of tokens -> the counts that they raise."""

_OWN = frozenset(KINDS) - {"id", "event_id", "source", "agent_id", "tenant_id"}


def decode(
    body: bytes, media_type: str | None, limits: IntakeLimits, *, origin: Origin, mapping: Mapping | None
) -> Decoded:
    """The events of a CloudEvent or a batch of them. Raises `RequestError`."""

    def events(envelope: Envelope, limits: IntakeLimits, origin: Origin) -> list[Event]:
        if mapping is not None:
            item = {**msgspec.structs.asdict(envelope), "specversion": "1.0"}
            made = mapping.events(item, limits, origin, index=0)
            return [cloudevents.identified(event, envelope, limits, place) for place, event in enumerate(made)]
        return [_event(envelope, limits, origin)]

    return cloudevents.decode(body, media_type, limits, origin=origin, to_events=events)


def _event(envelope: Envelope, limits: IntakeLimits, origin: Origin) -> Event:
    data = envelope.data
    if not isinstance(data, dict):
        raise ItemRefused(RejectCode.ITEM_NOT_OBJECT, "`data` is a JSON object")
    drafted: Fields = {name: value for name, value in data.items() if name in _OWN}
    if "tokens" in data:
        drafted |= _tokens(data)
    drafted |= {
        "tenant": drafted.get("tenant") or origin.tenant or envelope.subject,
        "agent": drafted.get("agent") or origin.agent or agent_of(text(data, "agent_id")) or UNKNOWN_AGENT,
        "run": drafted.get("run") or drafted.get("run_id") or origin.run,
        "id": envelope.id,
        "source": envelope.source,
        "ts": envelope.time,
        "model": drafted.get("model") or origin.model,
        "provider": drafted.get("provider") or origin.provider,
    }
    drafted.pop("run_id", None)
    drafted.pop("timestamp", None)
    for name in ("input", "output"):
        drafted.setdefault(name, None)
    if _lacks(drafted, "input", "input_tokens", "prompt_tokens") and not _lacks(
        drafted, "output", "output_tokens", "completion_tokens"
    ):
        drafted["input"] = 0
    elif _lacks(drafted, "output", "output_tokens", "completion_tokens") and not _lacks(
        drafted, "input", "input_tokens", "prompt_tokens"
    ):
        drafted["output"] = 0
    return reader_for(limits, False).element(msgspec.Raw(msgspec.json.encode(drafted)))


def _lacks(drafted: Fields, *names: str) -> bool:
    return all(drafted.get(name) is None for name in names)


def _tokens(data: Fields) -> Fields:
    """The counts of OpenMeter's way to send one kind of tokens an event; its numbers may be text."""
    kind = (text(data, "type") or "input").lower()
    counts = _KINDS_OF_TOKENS.get(kind)
    stated = data["tokens"]
    if isinstance(stated, str) and stated.isascii() and stated.isdigit() and len(stated) <= _DIGITS_MAX:
        stated = int(stated)
    tokens = count({"tokens": stated}, "tokens")
    if counts is None:
        raise ItemRefused(RejectCode.FIELD_INVALID, f"`type` of tokens is one of {', '.join(sorted(_KINDS_OF_TOKENS))}")
    if tokens == 0 and stated != 0:
        raise ItemRefused(RejectCode.FIELD_INVALID, "`tokens` must be a whole number")
    return {"input": 0, "output": 0, **dict.fromkeys(counts, tokens)}


_DIGITS_MAX = 18
