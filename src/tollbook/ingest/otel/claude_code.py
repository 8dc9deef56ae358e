"""Claude Code's own telemetry: log events first, spans where there are none, metrics where there is neither.

Seen with Claude Code 2.1.330. All three report the same tokens, and where the provider's answer had no request id, as
behind some gateways, nothing but the session tells a log from the span of the same request. So a session's log events
are its calls; its spans count as sums do, where the session has no event, and its metrics where it has neither.
Counts are Anthropic's own: input leaves cached tokens out. Sums of a sub-agent (`subagent_completed`) are no call.
"""

from tollbook.domain.event import Observer
from tollbook.ingest.otel.reading import Call, plain, text, total, usd, usd_text
from tollbook.ingest.otel.signals import Attributes

DIALECT = "claude-code"
SCOPE = "com.anthropic.claude_code"
ROOT = "claude-code"
_REQUEST_EVENTS = frozenset({"api_request", "claude_code.api_request"})
_REQUEST_SPAN = "claude_code.llm_request"
_MICROS_SCALE = -6
TOKENS_METRIC = "claude_code.token.usage"
COST_METRIC = "claude_code.cost.usage"


def record(event: str, attributes: Attributes) -> Call | None:
    """The call of an `api_request` event; every other event is none."""
    if event not in _REQUEST_EVENTS:
        return None
    return _call(attributes, text(attributes, "request_id", "client_request_id"), Observer.LEAF)


def span(name: str, attributes: Attributes) -> Call | None:
    """The call of an `llm_request` span, whose `gen_ai.response.id` is the request's id."""
    if name != _REQUEST_SPAN:
        return None
    return _call(
        attributes, text(attributes, "request_id", "gen_ai.response.id", "client_request_id"), Observer.AGGREGATE
    )


def _call(attributes: Attributes, request_id: str | None, by: Observer) -> Call | None:
    model = text(attributes, "model", "gen_ai.response.model", "gen_ai.request.model")
    if model is None or not ("input_tokens" in attributes or "output_tokens" in attributes):
        return None
    read, write = total(attributes, "cache_read_tokens"), total(attributes, "cache_creation_tokens")
    for_an_hour = total(attributes, "cache_creation_1h_tokens")
    write = max(write, for_an_hour + total(attributes, "cache_creation_5m_tokens"))
    micros = attributes.get("cost_usd_micros")
    return Call(
        dialect=DIALECT,
        model=model,
        provider=text(attributes, "gen_ai.system") or "anthropic",
        input=total(attributes, "input_tokens") + read + write,
        output=total(attributes, "output_tokens"),
        cache_read=read,
        cache_write_5m=write - for_an_hour,
        cache_write_1h=for_an_hour,
        service_tier="fast" if plain(attributes.get("speed")) == "fast" else None,
        request_id=request_id,
        group=session(attributes),
        cost_usd=usd(attributes, "cost_usd") if micros is None else usd_text(micros, scale=_MICROS_SCALE),
        rule="exclusive by format",
        by=by,
    )


def session(attributes: Attributes) -> str | None:
    """The session that all signals of one Claude Code share."""
    return text(attributes, "session.id")


def agent(attributes: Attributes) -> tuple[str, ...]:
    """The segments of the agent that made a request: the main one, or the sub-agent by its name and id.

    A nested sub-agent names its parent by id alone.
    """
    instance = text(attributes, "agent_id")
    if instance is None:
        return (ROOT,)
    name = text(attributes, "agent.name") or plain(attributes.get("query_source")).rpartition(":")[2] or "subagent"
    parent = text(attributes, "parent_agent_id")
    above = () if parent is None else (f"subagent#{parent}",)
    return (ROOT, *above, f"{name}#{instance}")


def metric_call(counts: dict[str, int], attributes: Attributes, cost_usd: str | None) -> Call | None:
    """The sum of a session's calls over one interval, from the points of `claude_code.token.usage` by their `type`."""
    model = text(attributes, "model")
    group = session(attributes)
    if model is None:
        return None
    read, write = counts.get("cacheRead", 0), counts.get("cacheCreation", 0)
    return Call(
        dialect=DIALECT,
        model=model,
        provider="anthropic",
        input=counts.get("input", 0) + read + write,
        output=counts.get("output", 0),
        cache_read=read,
        cache_write_5m=write,
        by=Observer.METRIC,
        group=group,
        cost_usd=cost_usd,
        rule="exclusive by format",
    )
