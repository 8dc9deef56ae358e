"""Providers' answers as they came: the traps of their usage objects and of their streams."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.integration.sources import answers
from tests.payloads import LIMITS
from tollbook.domain.event import Event, Observer
from tollbook.ingest.decoded import Decoded
from tollbook.ingest.origin import Origin
from tollbook.ingest.raw import decode

ID = "chatcmpl-Bq7Wn3vZkT9xLrY2"


def taken(body: Any, provider: str = "openai", *, media_type: str | None = None, **said: Any) -> Decoded:
    """What a body holds."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    origin = Origin(**{"tenant": "acme", "agent": "a", **said})
    return decode(text, media_type, LIMITS, provider=provider, origin=origin)


def one(body: Any, provider: str = "openai", **said: Any) -> Event:
    """The one event of a body."""
    decoded = taken(body, provider, **said)
    assert decoded.rejections == []
    (event,) = decoded.events
    return event


def chat(usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": ID, "model": "m", "choices": [], "usage": usage, **more}


def sse(events: list[dict[str, Any]]) -> bytes:
    """Server-sent events, as Anthropic and OpenAI write them."""
    frames = [f"event: {event['type']}\r\n" if "type" in event else "" for event in events]
    return "".join(
        f"{head}data: {json.dumps(event)}\r\n\r\n" for head, event in zip(frames, events, strict=True)
    ).encode()


def counts(event: Event) -> tuple[int, ...]:
    return (event.input, event.output, event.cache_read, event.cache_write_5m, event.cache_write_1h, event.reasoning)


def test_the_tier_is_that_of_the_answer() -> None:
    """A request for `fast` is answered, and billed, as `priority`."""
    request = {"service_tier": "fast"}
    envelope = {"request": request, "response": chat({"prompt_tokens": 1}, service_tier="priority")}
    assert one(envelope).service_tier == "priority"
    assert one({"request": request, "response": chat({"prompt_tokens": 1})}).service_tier == "fast"


def test_rejected_predictions_lie_inside_the_completion() -> None:
    details = {"reasoning_tokens": 1, "rejected_prediction_tokens": 7}
    event = one(chat({"prompt_tokens": 1, "completion_tokens": 10, "completion_tokens_details": details}))
    assert (event.output, event.reasoning) == (10, 1)


@pytest.mark.parametrize("total", [{"total_tokens": 140}, {}])
def test_xai_leaves_reasoning_out_of_the_completion_of_a_chat(total: dict[str, int]) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "completion_tokens_details": {"reasoning_tokens": 30}}
    assert one(chat(usage | total), "xai").output == 40


def test_reasoning_of_xai_responses_lies_inside() -> None:
    usage = {"input_tokens": 100, "output_tokens": 40, "output_tokens_details": {"reasoning_tokens": 30}}
    assert one({"id": "r", "model": "grok-4.7", "usage": usage}, "xai").output == 40


def test_xai_states_its_cost_in_ticks() -> None:
    event = one(chat({"prompt_tokens": 1, "completion_tokens": 1, "cost_in_usd_ticks": 3}), "xai")
    assert event.cost_usd == "0.0000000003"


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (b'{"prompt_tokens": 1, "cost": 0.1234567890123456789}', "0.1234567890123456789"),
        (b'{"prompt_tokens": 1, "cost": 1e-7}', "0.0000001"),
        (b'{"prompt_tokens": 1, "cost": 0.1, "is_byok": false, "cost_details": {"upstream_inference_cost": 9}}', "0.1"),
        (b'{"prompt_tokens": 1, "cost": 0.1, "is_byok": true, "cost_details": {"upstream_inference_cost": 9}}', "9.1"),
        (b'{"prompt_tokens": 1, "cost": 1e999999}', None),
        (b'{"prompt_tokens": 1, "cost": -1}', None),
    ],
)
def test_a_reported_cost_keeps_its_digits(usage: bytes, cost: str | None) -> None:
    assert one(b'{"id": "x", "model": "m", "usage": %b}' % usage, "openrouter").cost_usd == cost


def test_thinking_is_approximate_and_never_more_than_the_output() -> None:
    usage = {
        "input_tokens": 1,
        "output_tokens": 5,
        "output_tokens_details": {"thinking_tokens": 6},
        "cache_creation": None,
    }
    assert one({"type": "message", "model": "m", "usage": usage}, "anthropic").reasoning == 5


def test_cache_writes_beyond_the_split_have_the_short_life() -> None:
    split = {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 7}
    usage = {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 20, "cache_creation": split}
    assert counts(one({"type": "message", "model": "m", "usage": usage}, "anthropic"))[3:5] == (13, 7)


def _hop(kind: str, model: str | None, tokens: int) -> dict[str, Any]:
    named = {} if model is None else {"model": model}
    return {"type": kind, **named, "input_tokens": tokens, "output_tokens": 1, "cache_read_input_tokens": 0}


def test_a_hop_to_another_model_is_priced_as_that_model_where_the_sums_agree() -> None:
    hops = [_hop("message", None, 10), _hop("fallback_message", "claude-haiku-4-5", 20)]
    usage = {"input_tokens": 30, "output_tokens": 2, "cache_read_input_tokens": 0, "iterations": hops}
    body = {"id": "msg_01XFDUDYJgAACzvnptvVoYEL", "type": "message", "model": "opus", "usage": usage}
    own, hop = taken(body, "anthropic").events
    assert [(own.model, own.input, own.output), (hop.model, hop.input)] == [("opus", 10, 1), ("claude-haiku-4-5", 20)]
    # Whether a declined hop lies inside the totals is not said: then nothing is split.
    usage["input_tokens"] = 31
    assert one(body, "anthropic").input == 31


def test_geography_and_speed_are_told() -> None:
    usage = {**answers.ANTHROPIC["usage"], "speed": "fast"}  # type: ignore[dict-item]
    event = one({**answers.ANTHROPIC, "usage": usage}, "anthropic")
    assert (event.service_tier, event.context) == ("fast", {"inference_geo": "us"})


def test_a_live_session_of_gemini_counts_its_response() -> None:
    usage = {"promptTokenCount": 9, "responseTokenCount": 4, "thoughtsTokenCount": 2, "totalTokenCount": 15}
    assert counts(one({"usageMetadata": usage}, "gemini", model="gemini-live"))[:2] == (9, 6)


def test_bedrock_names_no_model_so_the_request_must() -> None:
    assert one(answers.BEDROCK, "bedrock", model="m").model == "m"
    assert one({"request": {"modelId": "m2"}, "response": answers.BEDROCK}, "bedrock").model == "m2"
    assert [refused.code for refused in taken(answers.BEDROCK, "bedrock").rejections] == ["field_missing"]


def test_ollama_may_leave_out_the_prompt_that_it_had_cached() -> None:
    event = one({"model": "llama", "done": True, "eval_count": 7}, "ollama")
    assert event.seen is not None
    assert (event.output, event.seen.estimated) == (7, True)


def test_a_line_of_a_batch_is_sold_at_the_price_of_a_batch() -> None:
    line = {"id": "batch_req_1", "custom_id": "c", "response": {"status_code": 200, "request_id": "r", "body": chat(
        {"prompt_tokens": 3, "completion_tokens": 1}, service_tier="default")}, "error": None}  # fmt: skip
    event = one(line)
    assert (event.service_tier, event.input) == ("batch", 3)


def test_an_id_that_counts_up_names_no_call() -> None:
    """Two servers that both began at 1 would make two calls one."""
    assert one(chat({"prompt_tokens": 1}, id="chatcmpl-1")).id is None
    assert one(chat({"prompt_tokens": 1})).id == ID


def test_an_answer_without_usage_is_refused_and_says_what_to_ask_for() -> None:
    (refused,) = taken({"id": ID, "model": "m", "choices": []}).rejections
    assert refused.code == "usage_missing"
    assert "include_usage" in refused.detail


def test_the_request_says_who_where_the_envelope_does_not() -> None:
    said = {"run": "r", "hold": "01890a5d-ac96-774b-bcce-b302099a8057", "ts": "2026-11-28T00:00:00Z", "call": "c"}
    event = one(chat({"prompt_tokens": 1}), **said)
    assert (event.run, event.hold, event.id) == ("r", said["hold"], "c")
    assert event.ts is not None
    first, second = taken([chat({"prompt_tokens": 1}), chat({"prompt_tokens": 2})], **said).events
    assert (first.id, second.id) == ("c#0", "c#1")


def test_a_request_id_is_kept_with_the_answer() -> None:
    event = one(chat({"prompt_tokens": 1}), attributes={"x-request-id": "req_123"})
    assert event.seen is not None
    assert (event.seen.by, event.seen.response_id, event.seen.request_id) == (Observer.SDK, ID, "req_123")


def test_a_stream_without_usage_is_an_estimate() -> None:
    (event,) = taken(sse(answers.OPENAI_CHUNKS[:2])).events
    assert event.seen is not None
    assert event.seen.estimated
    assert event.output > 0


def test_an_incomplete_response_is_billed() -> None:
    event = {"type": "response.incomplete", "response": {**answers.OPENAI_RESPONSE, "status": "incomplete"}}
    assert one(sse([{"type": "response.created", "response": {"id": "resp_68a1c9d4e7b3f2a50617"}}, event])).input == 100


def test_a_message_cut_short_tells_its_input_and_reckons_its_output() -> None:
    event = one(sse(answers.ANTHROPIC_EVENTS[:3]), "anthropic")
    assert event.seen is not None
    assert (event.input, event.seen.estimated) == (62, True)


def test_deltas_are_cumulative_and_replace() -> None:
    assert counts(one(sse(answers.ANTHROPIC_EVENTS), "anthropic")) == (65, 30, 40, 8, 7, 11)


def test_chunks_of_gemini_are_cumulative_as_array_and_as_stream() -> None:
    assert one(answers.GEMINI_CHUNKS, "gemini").output == 35
    assert one(sse(answers.GEMINI_CHUNKS), "gemini").output == 35


def test_the_last_event_of_converse_has_the_usage() -> None:
    pieces = [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"delta": {"text": "hi"}, "contentBlockIndex": 0}},
        {"messageStop": {"stopReason": "end_turn"}},
        {"metadata": {"usage": answers.BEDROCK["usage"], "metrics": {"latencyMs": 1}}},
    ]
    assert counts(one(pieces, "bedrock", model="m")) == (62, 30, 40, 5, 7, 0)


def test_the_last_line_of_ollama_has_the_counts() -> None:
    lines = [{"model": "llama", "message": {"content": "a"}, "done": False}, answers.OLLAMA, answers.OLLAMA]
    text = "\n".join(json.dumps(line) for line in lines).encode()
    first, second = taken(text, "ollama", media_type="application/x-ndjson").events
    assert first.output == second.output == 298


def test_two_streams_in_one_body_are_two_calls() -> None:
    other = [{**chunk, "id": "chatcmpl-Zz9Yy8Xx7Ww6Vv5U"} for chunk in answers.OPENAI_CHUNKS]
    decoded = taken(sse([*answers.OPENAI_CHUNKS, *other]))
    assert [event.input for event in decoded.events] == [30, 30]
    assert decoded.items == 2


def test_a_broken_frame_costs_its_neighbours_nothing() -> None:
    body = sse(answers.OPENAI_CHUNKS) + b"data: {broken\n\n"
    decoded = taken(body)
    assert [event.input for event in decoded.events] == [30]
    assert [refused.code for refused in decoded.rejections] == ["json_invalid"]


def test_a_stream_may_stand_as_text_in_an_envelope() -> None:
    envelope = {"agent": "writer", "response": sse(answers.OPENAI_CHUNKS).decode()}
    event = one(envelope)
    assert (event.agent, event.input) == ("writer", 30)


amounts = st.one_of(st.integers(-5, 3_000), st.none(), st.booleans(), st.floats(0, 50), st.text(max_size=3))
NAMES = [
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cached_tokens",
    "cache_creation_input_tokens",
    "reasoning_tokens",
    "promptTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "cachedContentTokenCount",
    "toolUsePromptTokenCount",
    "inputTokens",
    "outputTokens",
    "cacheReadInputTokens",
    "audio_tokens",
    "cacheWriteInputTokens",
    "image_tokens",
    "total_input_tokens",
    "total_output_tokens",
    "total_thought_tokens",
    "thinking_tokens",
    "prompt_eval_count",
    "eval_count",
    "ephemeral_5m_input_tokens",
    "ephemeral_1h_input_tokens",
    "cache_write_tokens",
]
INNER = [
    "prompt_tokens_details",
    "completion_tokens_details",
    "input_tokens_details",
    "output_tokens_details",
    "cache_creation",
    "output_token_details",
    "input_token_details",
    "cached_tokens_details",
    "server_tool_use",
]
flat = st.dictionaries(st.sampled_from(NAMES), amounts, max_size=8)
nested = st.dictionaries(st.sampled_from(INNER), flat, max_size=3)
usages = st.tuples(flat, nested).map(lambda pair: pair[0] | pair[1])


@settings(max_examples=300, deadline=None)
@given(usages, st.sampled_from(["openai", "anthropic", "gemini", "bedrock", "xai", "ollama", "cohere"]))
def test_parts_never_exceed_their_wholes(usage: dict[str, Any], provider: str) -> None:
    for event in taken(chat(usage), provider).events:
        assert event.cache_read + event.cache_write_5m + event.cache_write_1h <= event.input
        assert event.reasoning <= event.output
        assert min(counts(event)) >= 0
        units = event.units or {}
        assert sum(units.get(f"input_{kind}_tokens", 0) for kind in ("audio", "image", "video")) <= event.input
        assert sum(units.get(f"output_{kind}_tokens", 0) for kind in ("audio", "image", "video")) <= event.output
        assert units.get("cache_audio_read_tokens", 0) <= min(event.cache_read, units.get("input_audio_tokens", 0))
