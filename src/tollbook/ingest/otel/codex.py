"""Codex's own telemetry: the `codex.sse_event` of each completed response is the call; spans and metrics repeat it.

Seen with Codex 0.169. Every number comes as text. The event has neither a response's id nor a span. The span
`handle_responses` has counts but no model, so nothing is billed from it; `session_task.turn` sums a turn and counts
only where its conversation has no event. `tool_token_count` is the total under a wrong name and is left alone.
"""

from tollbook.domain.event import Observer
from tollbook.ingest.otel.reading import Call, plain, text, total
from tollbook.ingest.otel.signals import Attributes

DIALECT = "codex"
ROOT = "codex"
_TURN_SPAN = "session_task.turn"
_TURN = "codex.turn.token_usage"
TOKENS_METRIC = _TURN


def speaks(event: str) -> bool:
    """Whether a log record is Codex's."""
    return event.startswith("codex.")


def record(event: str, attributes: Attributes) -> Call | None:
    """The call of a completed response; every other event is none."""
    if event != "codex.sse_event" or plain(attributes.get("event.kind")) != "response.completed":
        return None
    model = text(attributes, "model", "slug")
    if model is None or "input_token_count" not in attributes:
        return None
    tokens_out = total(attributes, "output_token_count")
    return Call(
        dialect=DIALECT,
        model=model,
        provider="openai",
        input=total(attributes, "input_token_count"),
        output=tokens_out,
        cache_read=total(attributes, "cached_token_count"),
        cache_write_5m=total(attributes, "cache_write_token_count"),
        reasoning=total(attributes, "reasoning_token_count"),
        group=conversation(attributes),
    )


def span(name: str, attributes: Attributes) -> Call | None:
    """The sum of a turn, where it says of which conversation."""
    group = conversation(attributes)
    model = text(attributes, "model")
    if name != _TURN_SPAN or group is None or model is None:
        return None
    names = {part: f"{_TURN}.{part}_tokens" for part in ("input", "cached_input", "cache_write_input", "output")}
    if not total(attributes, names["input"]):
        return None
    return Call(
        dialect=DIALECT,
        model=model,
        provider="openai",
        input=total(attributes, names["input"]),
        output=total(attributes, names["output"]),
        cache_read=total(attributes, names["cached_input"]),
        cache_write_5m=total(attributes, names["cache_write_input"]),
        reasoning=total(attributes, f"{_TURN}.reasoning_output_tokens"),
        by=Observer.AGGREGATE,
        group=group,
    )


def conversation(attributes: Attributes) -> str | None:
    """The conversation, which Codex also calls thread and session."""
    return text(attributes, "conversation.id", "gen_ai.conversation.id", "thread.id", "thread_id", "session_id")


def agent(attributes: Attributes) -> tuple[str, ...]:
    """The segments of the agent: the path of the turn's metadata begins at `root`, which is Codex itself."""
    path = plain(attributes.get("agent_name")) or plain(attributes.get("codex.agent_name"))
    segments = [segment for segment in path.split("/") if segment]
    return (ROOT, *(segments[1:] if segments[:1] == ["root"] else segments))


def metric_call(counts: dict[str, int], attributes: Attributes) -> Call | None:
    """The sum of turns over one interval; its types overlap, and `total` repeats two of them."""
    model = text(attributes, "model")
    if model is None:
        return None
    return Call(
        dialect=DIALECT,
        model=model,
        provider="openai",
        input=counts.get("input", 0),
        output=counts.get("output", 0),
        cache_read=counts.get("cached_input", 0),
        cache_write_5m=counts.get("cache_write_input", 0),
        reasoning=counts.get("reasoning_output", 0),
        by=Observer.METRIC,
        group=conversation(attributes),
    )
