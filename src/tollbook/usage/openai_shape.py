"""Usage in the shapes of OpenAI: Chat Completions and all that imitate them, Responses, embeddings, realtime.

Sources: the types of openai 3.54, the answers of compatible servers as their documentation and the extractors of
genai-prices describe them. Input includes what was read from the cache; output includes reasoning, except at xAI.
"""

from decimal import Decimal

from tollbook.domain.usage import Usage
from tollbook.usage.fields import count, decimal, decimal_text, has, part, text
from tollbook.usage.outcome import UsageRead, counted
from tollbook.usage.units import of_details, of_tools, seconds, within

_USD_PER_TICK = Decimal("1e-10")


def read_chat(usage: object, response: object = None) -> UsageRead:
    """Read `prompt_tokens` and `completion_tokens`: Chat Completions, legacy completions, embeddings.

    DeepSeek names its cache hits beside; xAI leaves reasoning out of the completion, which its total betrays.
    """
    details_in = part(usage, "prompt_tokens_details")
    details_out = part(usage, "completion_tokens_details")
    tokens_in = count(usage, "prompt_tokens")
    tokens_out = count(usage, "completion_tokens")
    reasoning = count(details_out, "reasoning_tokens")
    if reasoning > tokens_out or (reasoning and count(usage, "total_tokens") == tokens_in + tokens_out + reasoning):
        tokens_out += reasoning
    cached = count(details_in, "cached_tokens") or count(usage, "prompt_cache_hit_tokens")
    used = counted(
        input_=tokens_in,
        output=tokens_out,
        cache_read=cached,
        cache_writes=_writes(details_in),
        reasoning=reasoning,
    )
    return UsageRead(
        usage=used,
        units=within(used, {**of_details(details_in, details_out), **of_tools(usage, response)}),
        model=text(response, "model"),
        service_tier=text(response, "service_tier"),
        call_id=text(response, "id"),
        cost_usd=decimal_text(_reported(usage)),
    )


def read_responses(usage: object, response: object = None) -> UsageRead:
    """Read `input_tokens` and `output_tokens` with details: Responses, images, realtime, the Agents SDK's sums."""
    details_in = _first(part(usage, "input_tokens_details", "input_token_details"))
    details_out = _first(part(usage, "output_tokens_details", "output_token_details"))
    used = counted(
        input_=count(usage, "input_tokens"),
        output=count(usage, "output_tokens"),
        cache_read=count(details_in, "cached_tokens"),
        cache_writes=_writes(details_in),
        reasoning=count(details_out, "reasoning_tokens"),
    )
    units = {**of_details(details_in, details_out), **of_tools(usage, response)}
    if details_out is None and has(response, "created") and has(response, "data"):
        # An answer of pictures need not split what it generated: all of it is pictures.
        units["output_image_tokens"] = used.output
    return UsageRead(
        usage=used,
        units=within(used, units),
        model=text(response, "model"),
        service_tier=text(response, "service_tier"),
        call_id=text(response, "id", "response_id"),
        cost_usd=decimal_text(_reported(usage)),
    )


def read_codex(usage: object) -> UsageRead:
    """Read a `turn.completed` of `codex exec --json`, which names neither model nor id."""
    return UsageRead(
        usage=counted(
            input_=count(usage, "input_tokens"),
            output=count(usage, "output_tokens"),
            cache_read=count(usage, "cached_input_tokens"),
            cache_writes=(count(usage, "cache_write_input_tokens"), 0),
            reasoning=count(usage, "reasoning_output_tokens"),
        )
    )


def read_langchain(usage: object, response: object = None) -> UsageRead:
    """Read the `usage_metadata` of a LangChain message, whose parents are inclusive for every provider.

    With Anthropic's lives split, `cache_creation` is 0 and the split holds the writes. At OpenAI's other
    service tiers the details' names bear the tier in front (`flex_cache_read`).
    """
    details_in, details_out = part(usage, "input_token_details"), part(usage, "output_token_details")
    tier, prefix = None, ""
    for name in ("flex", "priority"):
        if has(details_in, name, f"{name}_cache_read") or has(details_out, name, f"{name}_reasoning"):
            tier, prefix = name, f"{name}_"
    long = count(details_in, "ephemeral_1h_input_tokens")
    short = count(details_in, "ephemeral_5m_input_tokens")
    unsplit = count(details_in, f"{prefix}cache_creation", "cache_creation")
    metadata = part(response, "response_metadata")
    used = counted(
        input_=count(usage, "input_tokens"),
        output=count(usage, "output_tokens"),
        cache_read=count(details_in, f"{prefix}cache_read", "cache_read"),
        cache_writes=(short or (0 if long else unsplit), long),
        reasoning=count(details_out, f"{prefix}reasoning", "reasoning"),
    )
    units = {f"input_{name}_tokens": count(details_in, name) for name in ("audio", "image", "video")}
    units |= {f"output_{name}_tokens": count(details_out, name) for name in ("audio", "image", "video")}
    return UsageRead(
        usage=used,
        units=within(used, units),
        model=text(metadata, "model_name", "model"),
        provider=text(metadata, "model_provider"),
        service_tier=text(metadata, "service_tier") or tier,
        call_id=text(metadata, "id") or _message_id(response),
    )


def _message_id(message: object) -> str | None:
    """The provider's id where the message has it; LangChain makes one up for streams whose provider sends none."""
    name = text(message, "id")
    return None if name is None or name.startswith(("run-", "lc_")) else name


def read_pydantic_ai(usage: object) -> UsageRead:
    """Read the `RequestUsage` of Pydantic AI, whose buckets nest: writes of one hour lie inside the writes."""
    long = count(usage, "cache_write_1h_tokens")
    used = counted(
        input_=count(usage, "input_tokens"),
        output=count(usage, "output_tokens"),
        cache_read=count(usage, "cache_read_tokens"),
        cache_writes=(max(count(usage, "cache_write_tokens") - long, 0), long),
        reasoning=count(usage, "output_reasoning_tokens") or count(part(usage, "details"), "reasoning_tokens"),
    )
    units = {
        "input_audio_tokens": count(usage, "input_audio_tokens"),
        "cache_audio_read_tokens": count(usage, "cache_audio_read_tokens"),
        "output_audio_tokens": count(usage, "output_audio_tokens"),
        "audio_seconds": seconds(usage, "audio_seconds"),
        "web_searches": count(part(usage, "details"), "web_search_requests"),
    }
    return UsageRead(
        usage=used,
        units=within(used, units),
        cost_usd=decimal_text(decimal(usage, "cost")),
    )


def read_duration(usage: object, response: object = None) -> UsageRead:
    """Read a transcription that is sold by the second."""
    used = Usage(input=0, output=0)
    return UsageRead(usage=used, units=within(used, of_tools(usage, response)), model=text(response, "model"))


def read_pages(response: object) -> UsageRead:
    """Read Mistral's OCR, sold by the page; an annotated page costs more and is a page too."""
    pages = count(part(response, "usage_info"), "pages_processed")
    units = {"input_document_pages": pages}
    if text(response, "document_annotation") is not None:
        units["input_annotated_document_pages"] = pages
    used = Usage(input=0, output=0)
    return UsageRead(usage=used, units=within(used, units), model=text(response, "model"), provider="mistral")


def read_ollama(response: object) -> UsageRead:
    """Read the last object of Ollama's own API. Some versions leave the prompt's count out where it was cached."""
    usage = Usage(input=count(response, "prompt_eval_count"), output=count(response, "eval_count"))
    known = has(response, "prompt_eval_count")
    return UsageRead(usage=usage, model=text(response, "model"), provider="ollama", estimated=not known)


def read_cohere(usage: object, response: object = None) -> UsageRead:
    """Read Cohere's billed units, which are what the invoice counts; its `tokens` count more."""
    billed = part(usage, "billed_units")
    used = counted(
        input_=count(billed, "input_tokens") + count(billed, "image_tokens"),
        output=count(billed, "output_tokens"),
        cache_read=count(usage, "cached_tokens"),
    )
    units = {
        "rerank_searches": count(billed, "search_units"),
        "input_image_tokens": count(billed, "image_tokens"),
    }
    return UsageRead(
        usage=used,
        units=within(used, units),
        provider="cohere",
        call_id=text(response, "id"),
    )


def _writes(details: object) -> tuple[int, int]:
    """Writes to the cache: of a life of the provider's own (`units` name 30 minutes and 12 hours), and of one hour."""
    split = part(details, "cache_write_tokens_details")
    total = count(details, "cache_write_tokens") or count(split, "ttl_30m_tokens") + count(split, "ttl_12h_tokens")
    long = 0
    if not total:
        # LiteLLM's own shape of Anthropic's writes.
        split = part(details, "cache_creation_token_details")
        long = count(split, "ephemeral_1h_input_tokens")
        total = count(details, "cache_creation_tokens") or long + count(split, "ephemeral_5m_input_tokens")
    return max(total - long, 0), long


def _first(details: object) -> object:
    """The details themselves: the Agents SDK may hold them as a list of one."""
    return details[0] if isinstance(details, list) and details else details


def _reported(usage: object) -> Decimal | None:
    """The cost that OpenRouter or xAI state, in US dollars.

    With a key of the caller's own (`is_byok`) OpenRouter's `cost` is only its fee: the provider's comes on top.
    """
    ticks = decimal(usage, "cost_in_usd_ticks")
    if ticks is not None:
        return ticks * _USD_PER_TICK
    cost = decimal(usage, "cost")
    upstream = decimal(part(usage, "cost_details"), "upstream_inference_cost")
    if cost is not None and upstream is not None and part(usage, "is_byok") is True:
        return cost + upstream
    return cost
