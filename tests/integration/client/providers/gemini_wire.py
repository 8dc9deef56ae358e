"""The wire format of Gemini's generateContent, whole and streamed."""

import json
from collections.abc import Iterator
from typing import Any

from tests.integration.client.providers.openai_wire import pieces
from tests.integration.client.providers.served import Turn
from tollbook.domain.usage import Usage


def _usage(usage: Usage, *, output: int | None = None) -> dict[str, Any]:
    made = usage.output - usage.reasoning if output is None else output
    tools = 5
    return {
        "promptTokenCount": usage.input - tools,
        "toolUsePromptTokenCount": tools,
        "cachedContentTokenCount": usage.cache_read,
        "candidatesTokenCount": made,
        "thoughtsTokenCount": usage.reasoning,
        "totalTokenCount": usage.input + made + usage.reasoning,
    }


def _answer(id_: str, model: str, content: list[dict[str, Any]], reason: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": content}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "modelVersion": model, "responseId": id_}


def generated(id_: str, model: str, turn: Turn, usage: Usage) -> dict[str, Any]:
    """A whole answer."""
    parts: list[dict[str, Any]] = [{"text": turn.text}]
    if turn.tool is not None:
        parts = [{"functionCall": {"name": turn.tool[0], "args": json.loads(turn.tool[1])}}]
    return {**_answer(id_, model, parts, "STOP"), "usageMetadata": _usage(usage)}


def events(id_: str, model: str, turn: Turn, usage: Usage) -> Iterator[dict[str, Any]]:
    """The chunks of a streamed answer, each with the usage so far."""
    texts = pieces(turn.text)
    for number, piece in enumerate(texts, 1):
        last = number == len(texts)
        counts = _usage(usage, output=None if last else number)
        yield {**_answer(id_, model, [{"text": piece}], "STOP" if last else None), "usageMetadata": counts}


def error(status: int) -> dict[str, Any]:
    """The body of a refusal."""
    kind = {401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED"}.get(status, "INTERNAL")
    return {"error": {"code": status, "message": f"refused with {status}", "status": kind}}
