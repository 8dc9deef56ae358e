"""GenAI semantic conventions, new names and old, as spans and events of every instrumentation that follows them.

Names: opentelemetry.io semantic-conventions-genai (development), the constants of opentelemetry-semantic-conventions
0.66b2 and what opentelemetry-util-genai 1.3b0 emits.
"""

from tollbook.domain.event import Observer
from tollbook.ingest.otel.reading import Call, count, has_any, plain, text, total, units, usd, usd_text
from tollbook.ingest.otel.signals import Attributes, Origin

DIALECT = "genai"

INPUT = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens")
OUTPUT = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens")
CACHE_READ = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.input_tokens.cached",
)
CACHE_WRITE = (
    "gen_ai.usage.cache_write.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_write_input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
)
REASONING = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.output_tokens.reasoning",
)
TOTAL = ("gen_ai.usage.total_tokens", "llm.usage.total_tokens")
MODEL = ("gen_ai.response.model", "gen_ai.request.model")
PROVIDER = ("gen_ai.provider.name", "gen_ai.system")
TIER = (
    "openai.response.service_tier",
    "gen_ai.openai.response.service_tier",
    "anthropic.response.service_tier",
    "aws.bedrock.response.service_tier",
)
REQUEST_ID = ("anthropic.request.id", "gen_ai.request.id", "aws.request_id")
_AGGREGATED = ("gen_ai.aggregated_usage.input_tokens", "gen_ai.aggregated_usage.output_tokens")
_TTL_5M = ("anthropic.usage.cache_creation.ephemeral_5m_input_tokens",)
_TTL_1H = ("anthropic.usage.cache_creation.ephemeral_1h_input_tokens",)
_COST = ("operation.cost", "gen_ai.usage.cost", "gen_ai.usage.total_cost")
_TICKS = "gen_ai.usage.cost_in_usd_ticks"
_TICK_SCALE = -10

AGENT_OPERATIONS = frozenset({"invoke_agent", "invoke_workflow"})
_WITHOUT_CALL = frozenset(
    {
        # A fetched response repeats the usage of the call that made it.
        *("fetch_response", "execute_tool", "create_agent", "retrieval", "plan"),
        *("create_memory", "search_memory", "update_memory", "delete_memory", "upsert_memory"),
    }
)

_OUTSIDE = ("anthropic", "bedrock")
"""Providers whose own `input_tokens` leaves cached tokens out, which some instrumentations passed on as it was."""

_EXCLUSIVE_SCOPES = ("opentelemetry.instrumentation.bedrock",)
"""Scopes known to pass Converse's `inputTokens` on as it is (OpenLLMetry, up to 0.62.4, read in its source)."""

_UNITS = tuple(
    (f"gen_ai.usage.{modality}.{name}", unit)
    for modality in ("audio", "image", "video")
    for name, unit in (
        ("input_tokens", f"input_{modality}_tokens"),
        ("output_tokens", f"output_{modality}_tokens"),
        ("cache_read.input_tokens", f"cache_{modality}_read_tokens"),
    )
)


_SELDOM = frozenset(
    {
        *(*CACHE_WRITE, *REASONING, *REQUEST_ID, *_TTL_5M, *_TTL_1H, *_COST, _TICKS),
        *("anthropic.usage.compaction.input_tokens", "anthropic.usage.compaction.output_tokens"),
        *(name for name, _ in _UNITS),
    }
)
"""What few calls say: a call with none of it is spared two dozen look-ups."""


def is_call(attributes: Attributes) -> bool:
    """Whether a span or record carries usage under these names."""
    return has_any(attributes, INPUT) or has_any(attributes, OUTPUT)


def call(attributes: Attributes, origin: Origin, dialect: str = DIALECT) -> Call | None:
    """The call that a span or an event reports, or None where it reports none.

    Raises `ItemRefused` where a count is broken.
    """
    operation = plain(attributes.get("gen_ai.operation.name"))
    if operation in _WITHOUT_CALL or operation.endswith("_memory"):
        return None
    if operation in AGENT_OPERATIONS or plain(attributes.get("traceloop.span.kind")) in {"agent", "workflow", "task"}:
        return _aggregate(attributes, dialect)
    model = text(attributes, *MODEL)
    if model is None or not is_call(attributes):
        return None
    return _leaf(attributes, origin, model, dialect)


def _aggregate(attributes: Attributes, dialect: str) -> Call | None:
    model = text(attributes, *MODEL)
    if model is None:
        return None
    tokens_in = count(attributes, _AGGREGATED[0], *INPUT)
    tokens_out = count(attributes, _AGGREGATED[1], *OUTPUT)
    if not (tokens_in or tokens_out):
        return None
    read = total(attributes, *CACHE_READ)
    write = total(attributes, *CACHE_WRITE)
    return Call(
        dialect=dialect,
        model=model,
        provider=text(attributes, *PROVIDER),
        input=max(tokens_in or 0, read + write),
        output=tokens_out or 0,
        cache_read=read,
        cache_write_5m=write,
        reasoning=min(total(attributes, *REASONING), tokens_out or 0),
        by=Observer.AGGREGATE,
    )


def _leaf(attributes: Attributes, origin: Origin, model: str, dialect: str) -> Call:
    provider = text(attributes, *PROVIDER)
    if _SELDOM.isdisjoint(attributes):
        return _plain_leaf(attributes, origin, model, dialect, provider)
    read, write = total(attributes, *CACHE_READ), total(attributes, *CACHE_WRITE)
    for_an_hour, five_minutes = total(attributes, *_TTL_1H), total(attributes, *_TTL_5M)
    # What is written beyond the split by time to live lives as short as can be.
    write = max(write, for_an_hour + five_minutes)
    tokens_in, tokens_out = total(attributes, *INPUT), total(attributes, *OUTPUT)
    reasoning = total(attributes, *REASONING)
    rule = _rule(attributes, origin, provider, (tokens_in, read + write, tokens_out))
    if rule != "inclusive":
        tokens_in += read + write
    if reasoning > tokens_out:
        tokens_out += reasoning
        rule = f"{rule}, reasoning outside"
    return Call(
        dialect=dialect,
        model=model,
        provider=provider,
        # Compaction is billed beside the totals.
        input=tokens_in + total(attributes, "anthropic.usage.compaction.input_tokens"),
        output=tokens_out + total(attributes, "anthropic.usage.compaction.output_tokens"),
        cache_read=read,
        cache_write_5m=write - for_an_hour,
        cache_write_1h=for_an_hour,
        reasoning=reasoning,
        units=_units(attributes),
        response_id=text(attributes, "gen_ai.response.id"),
        request_id=text(attributes, *REQUEST_ID),
        service_tier=text(attributes, *TIER),
        cost_usd=usd(attributes, *_COST) or _ticks(attributes),
        rule=rule,
    )


def _plain_leaf(attributes: Attributes, origin: Origin, model: str, dialect: str, provider: str | None) -> Call:
    """What `_leaf` makes of a call that says nothing of `_SELDOM`."""
    read, tokens_in, tokens_out = total(attributes, *CACHE_READ), total(attributes, *INPUT), total(attributes, *OUTPUT)
    rule = _rule(attributes, origin, provider, (tokens_in, read, tokens_out))
    return Call(
        dialect=dialect,
        model=model,
        provider=provider,
        input=tokens_in if rule == "inclusive" else tokens_in + read,
        output=tokens_out,
        cache_read=read,
        response_id=text(attributes, "gen_ai.response.id"),
        service_tier=text(attributes, *TIER),
        rule=rule,
    )


def _ticks(attributes: Attributes) -> str | None:
    ticks = attributes.get(_TICKS)
    return None if ticks is None or isinstance(ticks, bool) else usd_text(ticks, scale=_TICK_SCALE)


def _rule(attributes: Attributes, origin: Origin, provider: str | None, counts: tuple[int, int, int]) -> str:
    """How the input was judged: what is certain first, then what the total says, then whose instrumentation it is."""
    tokens_in, cached, tokens_out = counts
    if not cached:
        return "inclusive"
    if tokens_in < cached:
        return "exclusive by sums"
    if provider is None or not any(name in provider for name in _OUTSIDE):
        return "inclusive"
    if count(attributes, *TOTAL) == tokens_in + cached + tokens_out:
        return "exclusive by total"
    return "exclusive by scope" if origin.scope in _EXCLUSIVE_SCOPES else "inclusive"


def _units(attributes: Attributes) -> dict[str, int] | None:
    found = [(unit, total(attributes, name)) for name, unit in _UNITS if name in attributes]
    return units(found) if found else None
