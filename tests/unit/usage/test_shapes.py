"""Any provider's usage is read into inclusive parents."""

from typing import Any

import pytest

from tollbook.domain.usage import Usage
from tollbook.usage import UsageRead, read


def usage_of(answer: object) -> Usage:
    """The usage alone."""
    found = read(answer)
    assert found is not None
    return found.usage


OPENAI_CHAT = {
    "id": "chatcmpl-1",
    "model": "gpt-5.5-2026-04-01",
    "service_tier": "flex",
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 30,
        "total_tokens": 130,
        "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 20, "rejected_prediction_tokens": 3},
    },
}

RESPONSES = {
    "id": "resp_1",
    "object": "response",
    "model": "gpt-5.5",
    "service_tier": "priority",
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

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "model": "claude-opus-4-7",
    "usage": {
        "input_tokens": 10,
        "cache_read_input_tokens": 40,
        "cache_creation_input_tokens": 12,
        "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 7},
        "output_tokens": 30,
        "output_tokens_details": {"thinking_tokens": 20},
        "service_tier": "priority",
        "speed": "standard",
    },
}

GEMINI = {
    "modelVersion": "gemini-3.8-flash",
    "responseId": "gem-1",
    "usageMetadata": {
        "promptTokenCount": 100,
        "toolUsePromptTokenCount": 8,
        "cachedContentTokenCount": 40,
        "candidatesTokenCount": 30,
        "thoughtsTokenCount": 20,
        "totalTokenCount": 158,
        "trafficType": "ON_DEMAND_PRIORITY",
    },
}

CASES: list[tuple[str, dict[str, Any], Usage]] = [
    ("openai chat", OPENAI_CHAT, Usage(input=100, output=30, cache_read=40, cache_write_5m=5, reasoning=20)),
    (
        "openai responses",
        RESPONSES,
        Usage(input=100, output=30, cache_read=40, cache_write_5m=12, reasoning=20),
    ),
    ("openai embeddings", {"model": "e", "usage": {"prompt_tokens": 9, "total_tokens": 9}}, Usage(input=9, output=0)),
    (
        "openai realtime",
        {
            "usage": {
                "input_tokens": 9,
                "input_token_details": {"cached_tokens": 4, "text_tokens": 9},
                "output_tokens": 2,
            }
        },
        Usage(input=9, output=2, cache_read=4),
    ),
    (
        "deepseek",
        {
            "usage": {
                "prompt_tokens": 9,
                "prompt_cache_hit_tokens": 4,
                "prompt_cache_miss_tokens": 5,
                "completion_tokens": 2,
            }
        },
        Usage(input=9, output=2, cache_read=4),
    ),
    (
        "anthropic",
        MESSAGE,
        Usage(input=62, output=30, cache_read=40, cache_write_5m=5, cache_write_1h=7, reasoning=20),
    ),
    (
        "anthropic, writes without their lives",
        {"usage": {"input_tokens": 1, "cache_creation_input_tokens": 5, "output_tokens": 2}},
        Usage(input=6, output=2, cache_write_5m=5),
    ),
    ("gemini", GEMINI, Usage(input=108, output=50, cache_read=40, reasoning=20)),
    (
        "gemini in the SDK's names",
        {"usage_metadata": {"prompt_token_count": 9, "candidates_token_count": 2, "thoughts_token_count": 1}},
        Usage(input=9, output=3, reasoning=1),
    ),
    (
        "gemini interactions",
        {
            "usage": {
                "total_input_tokens": 9,
                "total_tool_use_tokens": 1,
                "total_output_tokens": 2,
                "total_thought_tokens": 3,
            }
        },
        Usage(input=10, output=5, reasoning=3),
    ),
    (
        "bedrock converse",
        {
            "usage": {
                "inputTokens": 1,
                "outputTokens": 2,
                "cacheReadInputTokens": 4,
                "cacheWriteInputTokens": 12,
                "cacheDetails": [{"ttl": "5m", "inputTokens": 5}, {"ttl": "1h", "inputTokens": 7}],
            }
        },
        Usage(input=17, output=2, cache_read=4, cache_write_5m=5, cache_write_1h=7),
    ),
    ("ollama", {"done": True, "prompt_eval_count": 9, "eval_count": 2}, Usage(input=9, output=2)),
    (
        "cohere",
        {"usage": {"billed_units": {"input_tokens": 9.0, "output_tokens": 2.0}, "tokens": {"input_tokens": 99.0}}},
        Usage(input=9, output=2),
    ),
    (
        "codex",
        {
            "type": "turn.completed",
            "usage": {
                "input_tokens": 9,
                "cached_input_tokens": 4,
                "cache_write_input_tokens": 1,
                "output_tokens": 3,
                "reasoning_output_tokens": 2,
            },
        },
        Usage(input=9, output=3, cache_read=4, cache_write_5m=1, reasoning=2),
    ),
    (
        "langchain, anthropic's lives",
        {
            "usage_metadata": {
                "input_tokens": 62,
                "output_tokens": 30,
                "total_tokens": 92,
                "input_token_details": {
                    "cache_read": 40,
                    "cache_creation": 0,
                    "ephemeral_5m_input_tokens": 5,
                    "ephemeral_1h_input_tokens": 7,
                },
            }
        },
        Usage(input=62, output=30, cache_read=40, cache_write_5m=5, cache_write_1h=7),
    ),
    (
        "langchain, openai's flex",
        {
            "usage_metadata": {
                "input_tokens": 9,
                "output_tokens": 3,
                "input_token_details": {"flex_cache_read": 4, "flex": 5},
                "output_token_details": {"flex_reasoning": 2, "flex": 1},
            }
        },
        Usage(input=9, output=3, cache_read=4, reasoning=2),
    ),
    (
        "pydantic ai",
        {
            "input_tokens": 62,
            "cache_write_tokens": 12,
            "cache_write_1h_tokens": 7,
            "cache_read_tokens": 40,
            "output_tokens": 3,
        },
        Usage(input=62, output=3, cache_read=40, cache_write_5m=5, cache_write_1h=7),
    ),
    (
        "litellm",
        {
            "prompt_tokens": 62,
            "completion_tokens": 3,
            "prompt_tokens_details": {
                "cached_tokens": 40,
                "cache_creation_tokens": 12,
                "cache_creation_token_details": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 7},
            },
        },
        Usage(input=62, output=3, cache_read=40, cache_write_5m=5, cache_write_1h=7),
    ),
    ("our own", {"input": 9, "output": 3, "cache_read": 4}, Usage(input=9, output=3, cache_read=4)),
]


@pytest.mark.parametrize(("answer", "usage"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_usage_has_inclusive_parents(answer: dict[str, Any], usage: Usage) -> None:
    assert usage_of(answer) == usage


@pytest.mark.parametrize(("answer", "usage"), [case[1:] for case in CASES if "usage" in case[1]], ids=str)
def test_the_usage_object_alone_reads_the_same(answer: dict[str, Any], usage: Usage) -> None:
    assert usage_of(answer["usage"]) == usage


def test_an_answer_says_what_it_is() -> None:
    chat, message, gemini = read(OPENAI_CHAT), read(MESSAGE), read(GEMINI)
    assert chat is not None
    assert message is not None
    assert gemini is not None
    assert (chat.model, chat.call_id, chat.service_tier) == ("gpt-5.5-2026-04-01", "chatcmpl-1", "flex")
    assert (message.provider, message.call_id, message.service_tier) == ("anthropic", "msg_1", "priority")
    assert (gemini.provider, gemini.model, gemini.service_tier) == ("google", "gemini-3.8-flash", "on_demand_priority")


def test_a_fast_message_has_the_tier_of_its_speed() -> None:
    found = read({"type": "message", "usage": {"input_tokens": 1, "output_tokens": 1, "speed": "fast"}})
    assert found is not None
    assert found.service_tier == "fast"


def test_what_xai_reasons_is_outside_of_its_completion() -> None:
    details = {"reasoning_tokens": 7}
    outside = {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 24, "completion_tokens_details": details}
    inside = {**outside, "total_tokens": 17}
    assert usage_of(outside) == Usage(input=9, output=15, reasoning=7)
    assert usage_of(inside) == Usage(input=9, output=8, reasoning=7)


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost_in_usd_ticks": 123_456_789}, "0.0123456789"),
        ({"cost": 0.1}, "0.1"),
        ({"cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.02}}, "0.021"),
        ({"cost": 1e-7, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.02}}, "0.0000001"),
        ({"cost": float("nan")}, None),
        ({"cost": -1}, None),
    ],
)
def test_a_stated_cost_is_dollars_as_exact_text(usage: dict[str, Any], cost: str | None) -> None:
    found = read({"prompt_tokens": 1, "completion_tokens": 1, **usage})
    assert found is not None
    assert found.cost_usd == cost


def test_a_compaction_is_added_and_an_advisor_stands_beside() -> None:
    iterations = [
        {"type": "message", "input_tokens": 10, "output_tokens": 5},
        {"type": "compaction", "input_tokens": 180_000, "output_tokens": 900, "cache_read_input_tokens": 50},
        {"type": "advisor_message", "model": "claude-fable-5", "input_tokens": 70, "output_tokens": 8},
        {"type": "fallback_message", "model": "claude-sonnet-5", "input_tokens": 10, "output_tokens": 5},
    ]
    top = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 0, "iterations": iterations}
    found = read({"type": "message", "model": "claude-opus-4-7", "usage": top})
    assert found is not None
    assert found.usage == Usage(input=180_060, output=905, cache_read=50)
    assert found.others == (UsageRead(usage=Usage(input=70, output=8), model="claude-fable-5", provider="anthropic"),)


def test_a_batch_line_is_read_through_its_wrappings() -> None:
    line = {"custom_id": "a", "response": {"status_code": 200, "body": OPENAI_CHAT}}
    assert usage_of(line) == usage_of(OPENAI_CHAT)


def test_parts_that_outgrow_their_parent_are_cut_to_it() -> None:
    odd = {
        "prompt_tokens": 5,
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 9, "cache_write_tokens": 4},
    }
    assert usage_of(odd) == Usage(input=5, output=2, cache_read=5)


@pytest.mark.parametrize("answer", [None, {}, [], "text", 7, object(), {"usage": None}, {"usage": {}}, {"usage": "x"}])
def test_what_states_no_usage_reads_as_none(answer: object) -> None:
    assert read(answer) is None


@pytest.mark.parametrize("wrong", [-1, True, "12", 1.5, None, [], {}])
def test_a_count_that_is_none_counts_as_zero(wrong: object) -> None:
    assert usage_of({"prompt_tokens": wrong, "completion_tokens": 3}) == Usage(input=0, output=3)


def test_a_result_of_claude_code_sums_each_model() -> None:
    result = {
        "modelUsage": {
            "claude-opus-4-7": {"inputTokens": 1, "outputTokens": 2, "cacheReadInputTokens": 3, "costUSD": 0.1},
            "claude-haiku-4-5": {"inputTokens": 4, "outputTokens": 5, "cacheCreationInputTokens": 6, "costUSD": 0.1},
        }
    }
    found = read(result)
    assert found is not None
    assert (found.model, found.usage) == ("claude-opus-4-7", Usage(input=4, output=2, cache_read=3))
    assert [(one.model, one.usage) for one in found.others] == [
        ("claude-haiku-4-5", Usage(input=10, output=5, cache_write_5m=6))
    ]
