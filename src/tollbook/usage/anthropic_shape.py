"""Usage in the shapes of Anthropic and of Bedrock's Converse, whose input leaves the cached tokens out.

Sources: the types of anthropic 2.12 and of claude-agent-sdk 0.2; "a compaction entry's tokens are not included in
the top-level usage fields" is the SDK's own sentence.
"""

from collections.abc import Sequence
from typing import Any

from tollbook.domain.usage import Usage
from tollbook.usage.fields import count, items, part, text
from tollbook.usage.outcome import UsageRead, counted
from tollbook.usage.units import of_messages, within


def read_messages(usage: object, response: object = None) -> UsageRead:
    """Read the usage of a Message, with the entries of `iterations` that lie outside of its totals.

    Compactions are added; what an advisor used is of another model and comes as one of `others`; entries of
    the kinds `message` and `fallback_message` only break the totals down.
    """
    model = text(response, "model")
    total = _counts(usage)
    total, others = _by_model(total, items(usage, "iterations"), model)
    for entry in items(usage, "iterations"):
        kind = text(entry, "type")
        named = text(entry, "model") or model
        if kind == "compaction" and named == model:
            total = _plus(total, _counts(entry))
        elif kind in ("compaction", "advisor_message"):
            others.append(UsageRead(usage=_counts(entry), model=named, provider="anthropic"))
    speed, geo = text(usage, "speed"), text(usage, "inference_geo")
    return UsageRead(
        usage=total,
        model=model,
        provider="anthropic",
        service_tier=speed if speed == "fast" else text(usage, "service_tier"),
        call_id=text(response, "id"),
        others=tuple(others),
        units=within(total, of_messages(usage)),
        context=None if geo is None else {"inference_geo": geo},
        request_id=text(response, "_request_id", "request_id"),
    )


def _by_model(total: Usage, entries: Sequence[object], model: str | None) -> tuple[Usage, list[UsageRead]]:
    """What is left of the totals, and the hops that another model made, where the entries add up to the totals.

    The SDK does not say whether a declined hop is inside of the totals: where the sum differs, nothing is split.
    """
    hops = [entry for entry in entries if text(entry, "type") in ("message", "fallback_message")]
    foreign = [entry for entry in hops if text(entry, "model") not in (None, model)]
    if not foreign:
        return total, []
    summed = Usage(input=0, output=0)
    for entry in hops:
        summed = _plus(summed, _counts(entry))
    if (summed.input, summed.output) != (total.input, total.output):
        return total, []
    own = Usage(input=0, output=0)
    for entry in hops:
        if entry not in foreign:
            own = _plus(own, _counts(entry))
    return own, [UsageRead(usage=_counts(entry), model=text(entry, "model"), provider="anthropic") for entry in foreign]


def _counts(usage: object) -> Usage:
    read = count(usage, "cache_read_input_tokens")
    written = count(usage, "cache_creation_input_tokens")
    split = part(usage, "cache_creation")
    long = count(split, "ephemeral_1h_input_tokens")
    # A stream's later totals may outgrow the split of its start: the excess has the short life.
    short = max(written - long, count(split, "ephemeral_5m_input_tokens"))
    return counted(
        input_=count(usage, "input_tokens") + read + short + long,
        output=count(usage, "output_tokens"),
        cache_read=read,
        cache_writes=(short, long),
        reasoning=count(part(usage, "output_tokens_details"), "thinking_tokens"),
    )


def _plus(one: Usage, other: Usage) -> Usage:
    return Usage(**{name: getattr(one, name) + getattr(other, name) for name in Usage.__struct_fields__})


def merged(start: object, deltas: list[object]) -> dict[str, Any]:
    """The usage of a stream: that of `message_start`, overwritten by what each `message_delta` states.

    Deltas are cumulative, so that a later one replaces, and they leave out the split by life, the tier and the speed.
    """
    usage = _fields(start)
    for delta in deltas:
        usage.update({name: value for name, value in _fields(delta).items() if value is not None})
    return usage


def _fields(usage: object) -> dict[str, Any]:
    return {name: part(usage, name) for name in _MERGED}


_MERGED = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation",
    "output_tokens_details",
    "service_tier",
    "speed",
    "inference_geo",
    "server_tool_use",
    "iterations",
)


def read_converse(usage: object, response: object = None) -> UsageRead:
    """Read Bedrock's `inputTokens` and `outputTokens`. The answer does not name its model."""
    read = count(usage, "cacheReadInputTokens")
    written = count(usage, "cacheWriteInputTokens")
    long = sum(count(entry, "inputTokens") for entry in items(usage, "cacheDetails") if text(entry, "ttl") == "1h")
    short = max(written - long, 0)
    return UsageRead(
        usage=counted(
            input_=count(usage, "inputTokens") + read + short + long,
            output=count(usage, "outputTokens"),
            cache_read=read,
            cache_writes=(short, long),
        ),
        provider="aws",
        service_tier=text(part(response, "serviceTier"), "type"),
        call_id=text(part(response, "ResponseMetadata"), "RequestId"),
    )


def read_model_usage(usage: object) -> UsageRead:
    """Read one model's entry of the Claude Agent SDK's `model_usage`, whose input leaves the cached tokens out."""
    read = count(usage, "cacheReadInputTokens")
    written = count(usage, "cacheCreationInputTokens")
    long = count(usage, "cacheCreationEphemeral1hInputTokens")
    short = max(written - long, 0)
    return UsageRead(
        usage=counted(
            input_=count(usage, "inputTokens") + read + short + long,
            output=count(usage, "outputTokens"),
            cache_read=read,
            cache_writes=(short, long),
            reasoning=count(usage, "thinkingTokens"),
        ),
        model=text(usage, "canonicalModel"),
        provider=_PROVIDERS.get(text(usage, "provider") or "firstParty"),
    )


_PROVIDERS = {"firstParty": "anthropic", "bedrock": "aws", "vertex": "google", "foundry": "azure"}
