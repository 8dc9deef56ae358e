"""OpenInference: only spans of LLM, EMBEDDING and RERANKER are calls; AGENT, CHAIN and the rest repeat them.

Seen with openinference-instrumentation-openai 0.1.66 and -anthropic 3.1.0; names of semantic conventions 0.1.42. There
is no attribute for the response's id: it stands in the recorded output, where that is the provider's own JSON.
"""

import re

from tollbook.domain.event import Observer
from tollbook.ingest.otel import genai
from tollbook.ingest.otel.reading import Call, count, has_any, plain, text, total, units, usd
from tollbook.ingest.otel.signals import Attributes

DIALECT = "openinference"
KIND = "openinference.span.kind"
_CALLS = frozenset({"LLM", "EMBEDDING", "RERANKER"})
_COUNT = "llm.token_count"
_INPUT = (f"{_COUNT}.prompt", *genai.INPUT)
_OUTPUT = (f"{_COUNT}.completion", *genai.OUTPUT)
_MODEL = (
    "llm.response.model_name",
    "llm.model_name",
    "embedding.model_name",
    "reranker.model_name",
    *genai.MODEL,
    "llm.request.model_name",
)
# Anchored at the start: an `id` deeper inside would be that of something else.
_RESPONSE_ID = re.compile(r'\s*\{\s*"id"\s*:\s*"((?:chatcmpl|resp|msg|cmpl|gen|msg_bdrk)[-_][A-Za-z0-9_.-]{1,128})"')


def call(attributes: Attributes) -> Call | None:
    """The call of a span, or None where it is none. Raises `ItemRefused` where a count is broken."""
    if plain(attributes.get(KIND)).upper() not in _CALLS:
        return None
    model = text(attributes, *_MODEL)
    if model is None or not (has_any(attributes, _INPUT) or has_any(attributes, _OUTPUT)):
        return None
    read = total(attributes, f"{_COUNT}.prompt_details.cache_read", f"{_COUNT}.prompt_details.cache_input")
    write = total(attributes, f"{_COUNT}.prompt_details.cache_write")
    tokens_in, tokens_out = total(attributes, *_INPUT), total(attributes, *_OUTPUT)
    reasoning = total(attributes, f"{_COUNT}.completion_details.reasoning")
    rule = "inclusive"
    if tokens_in < read + write:
        tokens_in, rule = tokens_in + read + write, "exclusive by sums"
    if reasoning > tokens_out or _is_outside(attributes, tokens_in, tokens_out, reasoning):
        tokens_out, rule = tokens_out + reasoning, f"{rule}, reasoning outside"
    return Call(
        dialect=DIALECT,
        model=model,
        provider=text(attributes, "llm.provider", "llm.system", *genai.PROVIDER),
        input=tokens_in,
        output=tokens_out,
        cache_read=read,
        cache_write_5m=write,
        reasoning=reasoning,
        units=units(
            (
                ("input_audio_tokens", total(attributes, f"{_COUNT}.prompt_details.audio")),
                ("output_audio_tokens", total(attributes, f"{_COUNT}.completion_details.audio")),
            )
        ),
        by=Observer.LEAF,
        response_id=text(attributes, "gen_ai.response.id") or _response_id(attributes),
        service_tier=text(attributes, *genai.TIER),
        cost_usd=usd(attributes, "llm.cost.total"),
        rule=rule,
    )


def _is_outside(attributes: Attributes, tokens_in: int, tokens_out: int, reasoning: int) -> bool:
    """Whether the total counts reasoning beside the output."""
    return bool(reasoning) and count(attributes, f"{_COUNT}.total") == tokens_in + tokens_out + reasoning


def _response_id(attributes: Attributes) -> str | None:
    output = attributes.get("output.value")
    found = _RESPONSE_ID.match(output) if isinstance(output, str) else None
    return found[1] if found else None
