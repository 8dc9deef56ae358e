"""What a stand-in for the providers answers, with every part that is billed; the real clients read it."""

from typing import Any

CREATED = 1_795_824_000
_TEXT = "It is done."


def _chat(model: str, usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": _TEXT}, "finish_reason": "stop", "logprobs": None}
    head = {"id": "chatcmpl-Bq7Wn3vZkT9xLrY2", "object": "chat.completion", "created": CREATED, "model": model}
    return {**head, "choices": [choice], "usage": usage, **more}


OPENAI_CHAT = _chat(
    "gpt-5.5-2026-04-24",
    {
        "prompt_tokens": 120,
        "completion_tokens": 60,
        "total_tokens": 180,
        "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 12, "audio_tokens": 20},
        "completion_tokens_details": {
            "reasoning_tokens": 25,
            "audio_tokens": 10,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 5,
        },
    },
    service_tier="priority",
)
OPENAI_CHUNKS = [
    {
        "id": "chatcmpl-Cr8Xo4waLU0yMsZ3",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": "gpt-5.5",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": _TEXT}, "finish_reason": None}],
        "usage": None,
    },
    {
        "id": "chatcmpl-Cr8Xo4waLU0yMsZ3",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": "gpt-5.5",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "usage": None,
    },
    {
        "id": "chatcmpl-Cr8Xo4waLU0yMsZ3",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": "gpt-5.5",
        "choices": [],
        "usage": {"prompt_tokens": 30, "completion_tokens": 7, "total_tokens": 37},
    },
]
OPENAI_RESPONSE = {
    "id": "resp_68a1c9d4e7b3f2a50617",
    "object": "response",
    "created_at": CREATED,
    "status": "completed",
    "model": "gpt-5.5",
    "service_tier": "flex",
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "output": [
        {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "a"}},
        {"id": "ws_2", "type": "web_search_call", "status": "completed", "action": {"type": "open_page", "url": "u"}},
        {"id": "ws_3", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "b"}},
        {"id": "fs_1", "type": "file_search_call", "status": "completed", "queries": ["c"], "results": None},
        {"id": "ci_1", "type": "code_interpreter_call", "status": "completed", "code": "1", "container_id": "cntr_1"},
        {"id": "ci_2", "type": "code_interpreter_call", "status": "completed", "code": "2", "container_id": "cntr_1"},
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": _TEXT, "annotations": []}],
        },
    ],
    "usage": {
        "input_tokens": 100,
        "input_tokens_details": {
            "cached_tokens": 40,
            "cache_write_tokens": 12,
            "cache_write_tokens_details": {"ttl_30m_tokens": 5, "ttl_12h_tokens": 7},
        },
        "output_tokens": 30,
        "output_tokens_details": {"reasoning_tokens": 20},
        "total_tokens": 130,
    },
}
OPENAI_EMBEDDINGS = {
    "object": "list",
    "model": "text-embedding-3-small",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.1, -0.2]}],
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
}
OPENAI_IMAGES = {
    "created": CREATED,
    "data": [{"b64_json": "AA=="}],
    "usage": {
        "input_tokens": 50,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
        "output_tokens": 400,
        "total_tokens": 450,
    },
}
OPENAI_TRANSCRIPTION = {"text": _TEXT, "usage": {"type": "duration", "seconds": 12.4}}
OPENAI_TRANSCRIPTION_TOKENS = {
    "text": _TEXT,
    "usage": {
        "type": "tokens",
        "input_tokens": 14,
        "input_token_details": {"text_tokens": 2, "audio_tokens": 12},
        "output_tokens": 45,
        "total_tokens": 59,
    },
}
OPENAI_REALTIME = {
    "type": "response.done",
    "event_id": "event_1",
    "response": {
        "id": "resp_BYq2Lm8sTf4Kd0Wc",
        "object": "realtime.response",
        "status": "completed",
        "output": [],
        "usage": {
            "total_tokens": 300,
            "input_tokens": 200,
            "output_tokens": 100,
            "input_token_details": {
                "text_tokens": 120,
                "audio_tokens": 80,
                "image_tokens": 0,
                "cached_tokens": 64,
                "cached_tokens_details": {"text_tokens": 40, "audio_tokens": 24, "image_tokens": 0},
            },
            "output_token_details": {"text_tokens": 30, "audio_tokens": 70},
        },
    },
}
ANTHROPIC = {
    "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-4-7",
    "content": [{"type": "text", "text": _TEXT}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 10,
        "cache_read_input_tokens": 40,
        "cache_creation_input_tokens": 12,
        "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 7},
        "output_tokens": 30,
        "output_tokens_details": {"thinking_tokens": 11},
        "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 2},
        "service_tier": "standard",
        "inference_geo": "us",
    },
}
ANTHROPIC_ITERATIONS = {
    **ANTHROPIC,
    "id": "msg_01AbCdEfGhIjKlMnOpQrStUv",
    "usage": {
        "input_tokens": 1,
        "output_tokens": 2,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 0,
        "service_tier": "standard",
        "iterations": [
            {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500,
             "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0, "cache_creation": None},
            {"type": "message", "input_tokens": 1, "output_tokens": 2,
             "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0, "cache_creation": None},
            {"type": "advisor_message", "model": "claude-haiku-4-5", "input_tokens": 500, "output_tokens": 60,
             "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0, "cache_creation": None},
        ],
    },
}  # fmt: skip
ANTHROPIC_EVENTS = [
    {"type": "message_start", "message": {**ANTHROPIC, "content": [], "stop_reason": None,
        "usage": {**ANTHROPIC["usage"], "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": _TEXT}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 20}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
     "usage": {"output_tokens": 30, "cache_creation_input_tokens": 15,
               "server_tool_use": {"web_search_requests": 4, "web_fetch_requests": 0}}},
    {"type": "message_stop"},
]  # fmt: skip
GEMINI = {
    "candidates": [
        {
            "content": {"role": "model", "parts": [{"text": _TEXT}]},
            "finishReason": "STOP",
            "index": 0,
            "groundingMetadata": {"webSearchQueries": ["a", "b"]},
        }
    ],
    "modelVersion": "gemini-3-pro",
    "responseId": "mAIpaYqBLuKAqtsP5Zf2",
    "usageMetadata": {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 30,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 15,
        "toolUsePromptTokenCount": 8,
        "totalTokenCount": 143,
        "trafficType": "ON_DEMAND_FLEX",
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 60},
            {"modality": "AUDIO", "tokenCount": 25},
            {"modality": "DOCUMENT", "tokenCount": 15},
        ],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 10}, {"modality": "TEXT", "tokenCount": 20}],
        "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 20}],
    },
}
GEMINI_CHUNKS = [
    {
        **GEMINI,
        "candidates": [{"content": {"role": "model", "parts": [{"text": "It "}]}, "index": 0}],
        "usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 2, "totalTokenCount": 102},
    },
    GEMINI,
]
GEMINI_INTERACTION = {
    "id": "v1_ChdXS0l4YWZXTk9xbk0",
    "object": "interaction",
    "model": "gemini-3-pro",
    "status": "completed",
    "created": "2026-11-28T00:00:00Z",
    "updated": "2026-11-28T00:00:02Z",
    "usage": {
        "total_input_tokens": 90,
        "total_cached_tokens": 10,
        "total_output_tokens": 20,
        "total_thought_tokens": 12,
        "total_tool_use_tokens": 5,
        "total_tokens": 127,
        "input_tokens_by_modality": [{"modality": "image", "tokens": 30}],
        "grounding_tool_count": [{"type": "google_search", "count": 2}],
    },
}
BEDROCK = {
    "output": {"message": {"role": "assistant", "content": [{"text": _TEXT}]}},
    "stopReason": "end_turn",
    "usage": {
        "inputTokens": 10,
        "outputTokens": 30,
        "totalTokens": 92,
        "cacheReadInputTokens": 40,
        "cacheWriteInputTokens": 12,
        "cacheDetails": [{"ttl": "5m", "inputTokens": 5}, {"ttl": "1h", "inputTokens": 7}],
    },
    "metrics": {"latencyMs": 10},
    "serviceTier": {"type": "flex"},
}
MISTRAL = {
    **_chat(
        "mistral-large-latest",
        {
            "prompt_tokens": 50,
            "completion_tokens": 9,
            "total_tokens": 59,
            "prompt_tokens_details": {"cached_tokens": 20},
            "prompt_audio_seconds": 3,
        },
    ),
    "id": "cmpl-e5cc70bb28c444948073e77776eb30ef",
}
MISTRAL_OCR = {
    "pages": [{"index": 0, "markdown": "#", "images": [], "dimensions": {"dpi": 72, "height": 1, "width": 1}}],
    "model": "mistral-ocr-latest",
    "usage_info": {"pages_processed": 3, "doc_size_bytes": 9},
}
DEEPSEEK = _chat(
    "deepseek-v4",
    {
        "prompt_tokens": 100,
        "completion_tokens": 40,
        "total_tokens": 140,
        "prompt_cache_hit_tokens": 64,
        "prompt_cache_miss_tokens": 36,
        "completion_tokens_details": {"reasoning_tokens": 30},
    },
)
XAI = _chat(
    "grok-4.7",
    {
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "total_tokens": 140,
        "prompt_tokens_details": {"cached_tokens": 20, "text_tokens": 100, "audio_tokens": 0, "image_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 30},
        "num_sources_used": 0,
        "cost_in_usd_ticks": 12_345_678,
    },
)
OPENROUTER = _chat(
    "anthropic/claude-opus-4.7",
    {
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "total_tokens": 110,
        "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 5},
        "cost": 0.0000115,
        "is_byok": True,
        "cost_details": {"upstream_inference_cost": 0.00123},
    },
    id="gen-1795824000-aBcDeFgHiJkLmNoP",
    provider="Anthropic",
)
GROQ = _chat(
    "llama-4-70b",
    {
        "queue_time": 0.01,
        "prompt_tokens": 20,
        "prompt_time": 0.002,
        "completion_tokens": 5,
        "completion_time": 0.03,
        "total_tokens": 25,
        "total_time": 0.032,
    },
    x_groq={"id": "req_01jbd6g2qdfw2adyrt2az8hz4w"},
)
COHERE = {
    "id": "c14c80c3-18eb-4519-9460-6c92edd8cfb4",
    "finish_reason": "COMPLETE",
    "message": {"role": "assistant", "content": [{"type": "text", "text": _TEXT}]},
    "usage": {
        "billed_units": {"input_tokens": 7.0, "output_tokens": 18.0, "search_units": 1.0},
        "tokens": {"input_tokens": 507.0, "output_tokens": 20.0},
        "cached_tokens": 2.0,
    },
}
OLLAMA = {
    "model": "llama4:8b",
    "created_at": "2026-11-28T00:00:01.385406455Z",
    "message": {"role": "assistant", "content": _TEXT},
    "done": True,
    "done_reason": "stop",
    "total_duration": 5_000_000_000,
    "prompt_eval_count": 26,
    "eval_count": 298,
}
