"""A stream's usage is its last word; one that is cut short is an estimate and says so."""

from typing import Any

import pytest

from tollbook.domain.usage import Usage
from tollbook.usage import StreamReader, read

START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "model": "claude-opus-4-7",
        "usage": {
            "input_tokens": 10,
            "cache_read_input_tokens": 40,
            "cache_creation_input_tokens": 12,
            "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 7},
            "output_tokens": 1,
            "service_tier": "standard",
        },
    },
}


def said(text: str) -> dict[str, Any]:
    """A piece of a message."""
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


def stopped(**usage: Any) -> dict[str, Any]:
    """The end of a message."""
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}


def chunk(content: str | None = None, *, reason: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk of a chat completion."""
    delta = {} if content is None else {"content": content}
    choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
    return {"id": "chatcmpl-1", "model": "gpt-5.5", "choices": choices, "usage": None, **more}


def test_deltas_of_a_message_replace_and_keep_what_they_leave_out() -> None:
    events = [START, said("Hello"), stopped(input_tokens=10, output_tokens=7), {"type": "message_stop"}]
    found = read(events)
    assert found is not None
    assert found.usage == Usage(input=62, output=7, cache_read=40, cache_write_5m=5, cache_write_1h=7)
    assert (found.call_id, found.service_tier, found.estimated) == ("msg_1", "standard", False)


def test_writes_beyond_the_split_of_the_start_have_the_short_life() -> None:
    found = read([START, stopped(output_tokens=7, cache_creation_input_tokens=20)])
    assert found is not None
    assert (found.usage.cache_write_5m, found.usage.cache_write_1h) == (13, 7)


def test_a_compaction_in_the_last_delta_is_added() -> None:
    iterations = [{"type": "compaction", "input_tokens": 1_000, "output_tokens": 100}]
    found = read([START, stopped(output_tokens=7, iterations=iterations)])
    assert found is not None
    assert (found.usage.input, found.usage.output) == (1_062, 107)


def test_a_cut_message_keeps_its_input_and_reckons_its_output() -> None:
    found = read([START, said("12345678"), said("9")])
    assert found is not None
    assert found.estimated
    assert found.usage == Usage(input=62, output=3, cache_read=40, cache_write_5m=5, cache_write_1h=7)


def test_the_last_chunk_of_a_chat_has_the_usage() -> None:
    last = {**chunk(), "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}
    found = read([chunk(""), chunk("It is"), chunk(reason="stop"), last])
    assert found is not None
    assert (found.usage, found.estimated) == (Usage(input=9, output=2), False)


def test_a_usage_on_every_chunk_is_cumulative() -> None:
    first = chunk("It", usage={"prompt_tokens": 9, "completion_tokens": 1})
    last = chunk(" is", reason="stop", usage={"prompt_tokens": 9, "completion_tokens": 2})
    whole, cut = read([first, last]), read([first])
    assert whole is not None
    assert cut is not None
    assert (whole.usage.output, whole.estimated) == (2, False)
    assert (cut.usage, cut.estimated) == (Usage(input=9, output=1), True)


def test_a_chat_without_usage_is_an_estimate_of_text_and_tools() -> None:
    reader = StreamReader()
    call = {"index": 0, "function": {"name": "look", "arguments": '{"a":1}'}}
    tools = {**chunk(), "choices": [{"delta": {"tool_calls": [call]}}]}
    for event in (chunk("four"), tools, chunk(reason="tool_calls")):
        reader.feed(event)
    found = reader.read(input_tokens=21)
    assert found is not None
    assert found.estimated
    assert found.usage == Usage(input=21, output=4)
    assert (found.model, found.call_id) == ("gpt-5.5", "chatcmpl-1")


@pytest.mark.parametrize("end", ["completed", "incomplete", "failed"])
def test_every_end_of_a_response_is_billed(end: str) -> None:
    body = {"id": "resp_1", "model": "gpt-5.5", "usage": {"input_tokens": 9, "output_tokens": 2}}
    found = read(
        [
            {"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5.5", "usage": None}},
            {"type": "response.output_text.delta", "delta": "It is"},
            {"type": f"response.{end}", "response": body},
        ]
    )
    assert found is not None
    assert (found.usage, found.call_id, found.estimated) == (Usage(input=9, output=2), "resp_1", False)


def test_a_cut_response_is_named_by_its_beginning() -> None:
    found = read(
        [
            {"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5.5", "usage": None}},
            {"type": "response.output_text.delta", "delta": "12345"},
        ]
    )
    assert found is not None
    assert (found.usage.output, found.model, found.call_id, found.estimated) == (2, "gpt-5.5", "resp_1", True)


def test_gemini_repeats_its_usage_and_the_last_word_counts() -> None:
    def piece(output: int, reason: str | None = None) -> dict[str, Any]:
        candidate = {"content": {"parts": [{"text": "word"}]}, **({"finishReason": reason} if reason else {})}
        return {
            "candidates": [candidate],
            "modelVersion": "gemini-3.8-flash",
            "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": output},
        }

    whole, cut = read([piece(1), piece(5, "STOP")]), read([piece(3)])
    assert whole is not None
    assert cut is not None
    assert (whole.usage, whole.estimated) == (Usage(input=9, output=5), False)
    assert (cut.usage, cut.estimated) == (Usage(input=9, output=3), True)


def test_converse_tells_in_its_metadata_event() -> None:
    found = read(
        [
            {"contentBlockDelta": {"delta": {"text": "It is"}, "contentBlockIndex": 0}},
            {"metadata": {"usage": {"inputTokens": 9, "outputTokens": 2, "cacheReadInputTokens": 1}}},
        ]
    )
    assert found is not None
    assert (found.usage, found.estimated) == (Usage(input=10, output=2, cache_read=1), False)


def test_a_stream_without_any_event_reads_as_none() -> None:
    assert StreamReader().read(input_tokens=5) is None
    assert read([{"type": "ping"}]) is None


def test_text_counts_in_bytes_of_utf_8() -> None:
    reader = StreamReader()
    reader.feed(chunk("日本語"))
    assert (reader.text_bytes, reader.output_tokens) == (9, 3)
