"""Log records: the events of Claude Code and Codex, and the GenAI event of an inference."""

from tollbook.domain.errors import RejectCode
from tollbook.domain.event import Event
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.observation import UNKNOWN_AGENT
from tollbook.ingest.otel import claude_code, codex, genai
from tollbook.ingest.otel.claims import Mapping, tenant_of
from tollbook.ingest.otel.events import Place, event_of
from tollbook.ingest.otel.paths import joined
from tollbook.ingest.otel.reading import Call, plain, text
from tollbook.ingest.otel.signals import LogRecord
from tollbook.ingest.otel.spans import tags_of
from tollbook.ingest.refusal import ItemRefused

_INFERENCE_EVENT = "gen_ai.client.inference.operation.details"


def event_of_record(record: LogRecord, tenant: str | None, mapping: Mapping, limits: IntakeLimits) -> Event | None:
    """The event of a log record, or None where it reports no call.

    `tenant` is the one that the sender's key is bound to. Raises `ItemRefused` where a count or a name is broken.
    """
    call = _call_of(record)
    if call is None:
        return None
    attributes, resource = record.attributes, record.origin.resource
    whose = tenant or tenant_of(attributes, resource, mapping)
    if whose is None:
        raise ItemRefused(RejectCode.FIELD_MISSING, "no attribute names the tenant, and the key is bound to none")
    agent = text(attributes, *mapping.agent) or text(resource, *mapping.agent) or _agent(call, record)
    run = text(attributes, *mapping.run) or text(resource, *mapping.run) or _run(call, record)
    place = Place(whose, agent, run, event_id=_id(call, record), at_micros=record.nanos // 1_000)
    place.group = call.group or (record.trace_id.hex() if record.trace_id else None)
    place.tags = tags_of(attributes, resource, mapping)
    return event_of(call, place, limits)


def _call_of(record: LogRecord) -> Call | None:
    if record.origin.scope.startswith(claude_code.SCOPE) or record.event.startswith("claude_code."):
        return claude_code.record(record.event, record.attributes)
    if codex.speaks(record.event):
        return codex.record(record.event, record.attributes)
    if record.event == _INFERENCE_EVENT:
        return genai.call(record.attributes, record.origin)
    return None


def _agent(call: Call, record: LogRecord) -> str:
    if call.dialect == claude_code.DIALECT:
        return joined(claude_code.agent(record.attributes))
    if call.dialect == codex.DIALECT:
        return joined(codex.agent(record.attributes))
    name = text(record.attributes, "gen_ai.agent.name", "agent.name")
    return UNKNOWN_AGENT if name is None else joined((name,))


def _run(call: Call, record: LogRecord) -> str | None:
    conversation = call.group or text(record.attributes, "gen_ai.conversation.id", "session.id")
    if conversation is not None:
        return conversation
    return record.trace_id.hex() if record.trace_id else None


def _id(call: Call, record: LogRecord) -> str:
    """Response id, request id, span, or the session's own number of the event; last what the record says of itself."""
    known = call.response_id or call.request_id
    if known is not None:
        return known
    if record.trace_id is not None and record.span_id is not None and call.dialect == genai.DIALECT:
        return f"{record.trace_id.hex()}:{record.span_id.hex()}"
    attributes = record.attributes
    number = attributes.get("event.sequence")
    stamp = number if number is not None else plain(attributes.get("event.timestamp")) or record.nanos
    return f"{call.dialect}:{call.group or ''}:{stamp}:{call.input}:{call.output}"
