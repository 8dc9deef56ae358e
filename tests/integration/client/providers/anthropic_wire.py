"""The wire format of Anthropic's Messages, whole and streamed."""

from collections.abc import Iterator
from typing import Any

from tests.integration.client.providers.openai_wire import pieces
from tests.integration.client.providers.served import Turn
from tollbook.domain.usage import Usage


def input_usage(usage: Usage) -> dict[str, Any]:
    """The input side of `usage`, which leaves cached tokens out of `input_tokens`."""
    written = usage.cache_write_5m + usage.cache_write_1h
    return {
        "input_tokens": usage.input - usage.cache_read - written,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation_input_tokens": written,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "service_tier": "standard",
        "inference_geo": "not_available",
    }


def _output_usage(usage: Usage) -> dict[str, Any]:
    return {"output_tokens": usage.output, "output_tokens_details": {"thinking_tokens": usage.reasoning}}


def message(id_: str, model: str, turn: Turn, usage: Usage) -> dict[str, Any]:
    """A whole message."""
    return {
        "id": id_,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [_block(id_, turn)],
        "stop_reason": "tool_use" if turn.tool else "end_turn",
        "stop_sequence": None,
        "usage": {**input_usage(usage), **_output_usage(usage), **turn.extra},
    }


def _block(id_: str, turn: Turn) -> dict[str, Any]:
    if turn.tool is None:
        return {"type": "text", "text": turn.text}
    return {"type": "tool_use", "id": f"toolu_{id_}", "name": turn.tool[0], "input": {}}


def events(id_: str, model: str, turn: Turn, usage: Usage) -> Iterator[dict[str, Any]]:
    """The events of a streamed message: input at the start with a placeholder of 1 output token, totals at the end."""
    start = {**message(id_, model, turn, usage), "content": [], "stop_reason": None}
    start["usage"] = {**input_usage(usage), "output_tokens": 1}
    yield {"type": "message_start", "message": start}
    empty = {"type": "text", "text": ""} if turn.tool is None else _block(id_, turn)
    yield {"type": "content_block_start", "index": 0, "content_block": empty}
    yield {"type": "ping"}
    if turn.tool is None:
        for piece in pieces(turn.text):
            yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
    else:
        delta = {"type": "input_json_delta", "partial_json": turn.tool[1]}
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    final = {
        "input_tokens": input_usage(usage)["input_tokens"],
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        **_output_usage(usage),
        **turn.extra,
    }
    reason = "tool_use" if turn.tool else "end_turn"
    yield {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": final}
    yield {"type": "message_stop"}


def error(status: int) -> dict[str, Any]:
    """The body of a refusal."""
    kind = {401: "authentication_error", 429: "rate_limit_error"}.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": f"refused with {status}"}}
