"""The wire format of OpenAI: chat completions, responses, embeddings; whole and streamed."""

from collections.abc import Iterator
from typing import Any

from tests.integration.client.providers.served import Turn
from tollbook.domain.usage import Usage

PIECE_CHARS = 6


def pieces(text: str) -> list[str]:
    """The text as a stream delivers it."""
    return [text[start : start + PIECE_CHARS] for start in range(0, len(text), PIECE_CHARS)]


def chat_usage(usage: Usage) -> dict[str, Any]:
    """`usage` of a chat completion."""
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": 0},
    }


def chat(id_: str, model: str, turn: Turn, usage: Usage) -> dict[str, Any]:
    """A whole chat completion."""
    message: dict[str, Any] = {"role": "assistant", "content": turn.text, "refusal": None}
    if turn.tool is not None:
        name, arguments = turn.tool
        message["content"] = None
        message["tool_calls"] = [
            {"id": f"call_{id_}", "type": "function", "function": {"name": name, "arguments": arguments}}
        ]
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": "tool_calls" if turn.tool else "stop",
        "logprobs": None,
    }
    head = {"id": id_, "object": "chat.completion", "created": 1, "model": model, "service_tier": "default"}
    return {**head, "choices": [choice], "usage": chat_usage(usage)}


def chat_events(id_: str, model: str, turn: Turn, usage: Usage, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The chunks of a streamed chat completion; the usage only where the request asks for it."""
    head = {"id": id_, "object": "chat.completion.chunk", "created": 1, "model": model, "service_tier": "default"}
    wanted = bool((body.get("stream_options") or {}).get("include_usage")) and not turn.silent_usage
    silent = {"usage": None} if wanted else {}

    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **silent}

    yield chunk({"role": "assistant", "content": ""})
    if turn.tool is not None:
        name, arguments = turn.tool
        tool = {"index": 0, "id": f"call_{id_}", "type": "function"}
        yield chunk({"tool_calls": [{**tool, "function": {"name": name, "arguments": arguments}}]})
    else:
        for piece in pieces(turn.text):
            yield chunk({"content": piece})
    yield chunk({}, "tool_calls" if turn.tool else "stop")
    if wanted:
        yield {**head, "choices": [], "usage": chat_usage(usage)}


def responses_usage(usage: Usage) -> dict[str, Any]:
    """`usage` of a response."""
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def response(id_: str, model: str, turn: Turn, usage: Usage, *, status: str = "completed") -> dict[str, Any]:
    """A whole response."""
    if turn.tool is not None:
        name, arguments = turn.tool
        item: dict[str, Any] = {"type": "function_call", "id": f"fc_{id_}", "call_id": f"call_{id_}", "name": name}
        item |= {"arguments": arguments, "status": "completed"}
    else:
        content = [{"type": "output_text", "text": turn.text, "annotations": []}]
        item = {"type": "message", "id": f"msg_{id_}", "role": "assistant", "status": "completed", "content": content}
    return {
        "id": id_,
        "object": "response",
        "created_at": 1,
        "status": status,
        "model": model,
        "output": [item] if status == "completed" else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "service_tier": "default",
        "usage": responses_usage(usage) if status == "completed" else None,
        **turn.extra,
    }


def response_events(id_: str, model: str, turn: Turn, usage: Usage) -> Iterator[dict[str, Any]]:
    """The events of a streamed response."""
    whole = response(id_, model, turn, usage)
    begun = response(id_, model, turn, usage, status="in_progress")
    item = whole["output"][0]
    yield {"type": "response.created", "sequence_number": 0, "response": begun}
    started = {**item, "status": "in_progress", **({"content": []} if "content" in item else {"arguments": ""})}
    yield {"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": started}
    where = {"item_id": item["id"], "output_index": 0}
    if turn.tool is None:
        part = {"type": "output_text", "text": "", "annotations": []}
        yield {"type": "response.content_part.added", "sequence_number": 2, **where, "content_index": 0, "part": part}
        for number, piece in enumerate(pieces(turn.text), 3):
            delta = {"type": "response.output_text.delta", "sequence_number": number, "delta": piece}
            yield {**delta, **where, "content_index": 0, "logprobs": []}
    yield {"type": "response.output_item.done", "sequence_number": 90, "output_index": 0, "item": item}
    yield {"type": "response.completed", "sequence_number": 91, "response": whole}


def embeddings(model: str, usage: Usage) -> dict[str, Any]:
    """An embedding, as the SDK asks for it: base64 of one float."""
    data = [{"object": "embedding", "index": 0, "embedding": "AACAPw=="}]
    counts = {"prompt_tokens": usage.input, "total_tokens": usage.input}
    return {"object": "list", "data": data, "model": model, "usage": counts}


def error(status: int) -> dict[str, Any]:
    """The body of a refusal."""
    kind = {401: "invalid_request_error", 429: "rate_limit_error"}.get(status, "server_error")
    return {"error": {"message": f"refused with {status}", "type": kind, "code": None, "param": None}}
