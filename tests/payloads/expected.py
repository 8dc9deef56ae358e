"""What each kept payload is: the counts, the units, the model and who says so."""

from typing import Any, NamedTuple

from tollbook.domain.event import Event


class Call(NamedTuple):
    """The parts of an event that the payload decides."""

    model: str
    provider: str | None
    tokens: tuple[int, int, int, int, int, int]
    """input, output, cache_read, cache_write_5m, cache_write_1h, reasoning."""
    units: dict[str, int] | None = None
    tier: str | None = None
    by: str | None = "sdk"
    agent: str = "unknown"
    cost_usd: str | None = None


def call_of(event: Event) -> Call:
    """The same parts of an event."""
    usage = event.usage
    tokens = tuple(getattr(usage, name) for name in usage.__struct_fields__)
    by = None if event.seen is None else event.seen.by.value
    return Call(
        event.model,
        event.provider,
        tokens,
        event.units,
        event.service_tier,
        by,
        event.agent,
        event.cost_usd,  # type: ignore[arg-type]
    )


_CHAT = (120, 60, 40, 12, 0, 25)
_AUDIO = {"input_audio_tokens": 20, "output_audio_tokens": 10}
_CLAUDE = (62, 30, 40, 5, 7, 11)
_GEMINI = Call(
    "gemini-3-pro",
    "google",
    (108, 35, 30, 0, 0, 15),
    {"input_audio_tokens": 25, "input_image_tokens": 15, "cache_audio_read_tokens": 10, "web_searches": 2},
    "on_demand_flex",
)
_STREAMED = Call("gpt-5.5", "openai", (30, 7, 0, 0, 0, 0))
_LITELLM = Call(
    "gpt-4o", "openai", _CHAT, _AUDIO, "priority", "gateway", agent="planner/researcher", cost_usd="0.00136"
)
_NATIVE = Call("gpt-4o", None, (9, 2, 0, 0, 0, 0), by=None, agent="planner", cost_usd="0.01")
_OPENMETER = Call("gpt-4o", None, (0, 123, 0, 0, 0, 0), by=None)

EXPECTED: dict[str, list[Call]] = {
    "anthropic": [
        Call("claude-opus-4-7", "anthropic", _CLAUDE, {"web_searches": 3, "web_fetches": 2}, "standard"),
    ],
    # The last delta's cache writes outgrew the split: what is more has the short life.
    "anthropic_events": [
        Call("claude-opus-4-7", "anthropic", (65, 30, 40, 8, 7, 11), {"web_searches": 4}, "standard"),
    ],
    # The compaction lies outside of the totals, the advisor is of another model, the message only breaks them down.
    "anthropic_iterations": [
        Call("claude-opus-4-7", "anthropic", (180_001, 3_502, 0, 0, 0, 0), tier="standard"),
        Call("claude-haiku-4-5", "anthropic", (500, 60, 0, 0, 0, 0), tier="standard"),
    ],
    "bedrock": [Call("anthropic.claude-opus-4-7-v1:0", "aws", (62, 30, 40, 5, 7, 0), tier="flex")],
    "cloudevents_batch": [_NATIVE, _NATIVE],
    "cloudevents_binary": [_NATIVE],
    "cloudevents_openai": [Call("gpt-5.5-2026-04-24", "openai", _CHAT, _AUDIO, "priority")],
    "cloudevents_structured": [_NATIVE],
    # Billed units, not `tokens`.
    "cohere": [Call("command-r", "cohere", (7, 18, 2, 0, 0, 0), {"rerank_searches": 1})],
    "deepseek": [Call("deepseek-v4", "deepseek", (100, 40, 64, 0, 0, 30))],
    "gemini": [_GEMINI],
    "gemini_chunks": [_GEMINI],
    "gemini_interaction": [
        Call("gemini-3-pro", "google", (95, 32, 10, 0, 0, 12), {"input_image_tokens": 30, "web_searches": 2}),
    ],
    "gemini_snake": [_GEMINI],
    "groq": [Call("llama-4-70b", "groq", (20, 5, 0, 0, 0, 0))],
    "langchain_anthropic": [Call("claude-opus-4-7", "anthropic", _CLAUDE)],
    # A sum over calls of one model.
    "langchain_by_model": [Call("gpt-5.5-2026-04-24", None, _CHAT, _AUDIO, "flex", "aggregate")],
    # The details' names bear the tier: `flex_cache_read`.
    "langchain_openai": [Call("gpt-5.5-2026-04-24", "openai", _CHAT, _AUDIO, "flex")],
    "langchain_serialised": [Call("claude-opus-4-7", "anthropic", _CLAUDE)],
    "litellm_json_array": [_LITELLM, _LITELLM],
    "litellm_ndjson": [_LITELLM, _LITELLM],
    "litellm_single": [_LITELLM],
    "mistral": [Call("mistral-large-latest", "mistral", (50, 9, 20, 0, 0, 0), {"audio_seconds": 3})],
    "mistral_ocr": [Call("mistral-ocr-latest", "mistral", (0, 0, 0, 0, 0, 0), {"input_document_pages": 3})],
    "ollama": [Call("llama4:8b", "ollama", (26, 298, 0, 0, 0, 0))],
    "openai_chat": [Call("gpt-5.5-2026-04-24", "openai", _CHAT, _AUDIO, "priority")],
    "openai_chat_chunks": [_STREAMED],
    "openai_chat_sse": [_STREAMED],
    "openai_embeddings": [Call("text-embedding-3-small", "openai", (8, 0, 0, 0, 0, 0))],
    "openai_images": [
        Call("gpt-image-1", "openai", (50, 400, 0, 0, 0, 0), {"input_image_tokens": 40, "output_image_tokens": 400}),
    ],
    "openai_realtime": [
        Call(
            "gpt-realtime",
            "openai",
            (200, 100, 64, 0, 0, 0),
            {"input_audio_tokens": 80, "cache_audio_read_tokens": 24, "output_audio_tokens": 70},
        ),
    ],
    # Tools are counted from the output: opening a found page is free, two calls in one container are one.
    "openai_responses": [
        Call(
            "gpt-5.5",
            "openai",
            (100, 30, 40, 12, 0, 20),
            {
                "web_searches": 2,
                "file_searches": 1,
                "code_executions": 1,
                "cache_write_30m_tokens": 5,
                "cache_write_12h_tokens": 7,
            },
            "flex",
        ),
    ],
    # A begun second counts.
    "openai_transcription": [Call("whisper-1", "openai", (0, 0, 0, 0, 0, 0), {"audio_seconds": 13})],
    "openai_transcription_tokens": [
        Call("gpt-4o-transcribe", "openai", (14, 45, 0, 0, 0, 0), {"input_audio_tokens": 12}),
    ],
    "openmeter": [_OPENMETER],
    "openmeter_batch": [_OPENMETER, Call("gpt-4o", None, (50, 0, 50, 0, 0, 0), by=None)],
    # With a key of the caller's own, `cost` is the fee and the provider's comes on top.
    "openrouter": [
        Call("anthropic/claude-opus-4.7", "openrouter", (100, 10, 20, 5, 0, 0), cost_usd="0.0012415"),
    ],
    "pydantic_ai_messages": [
        Call("gpt-5.5-2026-04-24", "openai", _CHAT, _AUDIO, "priority", cost_usd="0.00555"),
    ],
    "pydantic_ai_request": [Call("gpt-5.5", None, (62, 30, 40, 5, 7, 0))],
    "pydantic_ai_run": [
        Call(
            "gpt-5.5",
            None,
            (240, 120, 80, 24, 0, 50),
            {"input_audio_tokens": 40, "output_audio_tokens": 20},
            by="aggregate",
            cost_usd="0.01110",
        ),
    ],
    # Reasoning lies outside of the completion, which the total tells; 1 tick is 1e-10 USD.
    "xai": [Call("grok-4.7", "x-ai", (100, 40, 20, 0, 0, 30), cost_usd="0.0012345678")],
}


def described(name: str) -> Any:
    """What a payload should be, for the test that has the real package's."""
    return EXPECTED[name]
