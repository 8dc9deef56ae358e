"""GenAI conventions: every name, new and old, and the traps of what instrumentations made of them."""

from typing import Any

import pytest

from tests.unit.ingest.otel.seen import events, one, span
from tollbook.domain.errors import RejectCode
from tollbook.domain.event import Observer
from tollbook.ingest.otel.claims import Speaker
from tollbook.ingest.otel.spans import call_of
from tollbook.ingest.refusal import ItemRefused

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m-1", "gen_ai.provider.name": "openai"}
NAMES = {
    "input": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens"),
    "output": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens"),
    "cache_read": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.input_tokens.cached",
    ),
    "cache_write_5m": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
    ),
    "reasoning": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.output_tokens.reasoning",
    ),
}


@pytest.mark.parametrize(("field", "name"), [(field, name) for field, names in NAMES.items() for name in names])
def test_a_count_is_read_under_each_of_its_names(field: str, name: str) -> None:
    counts: dict[str, Any] = {"gen_ai.usage.input_tokens": 900, "gen_ai.usage.output_tokens": 800}
    counts = {key: value for key, value in counts.items() if key not in NAMES[field]}
    event = one({**CHAT, **counts, name: 77})
    assert getattr(event, field) == 77


@pytest.mark.parametrize("value", [120, "120", 120.0])
def test_a_count_is_a_number_in_any_form(value: object) -> None:
    assert one({**CHAT, "gen_ai.usage.input_tokens": value}).input == 120


@pytest.mark.parametrize("value", [-1, 1.5, "12x", True, ["1"], "", float("nan"), "9" * 30, 10**20, "9" * 20])
def test_a_broken_count_is_refused_and_not_counted_in_part(value: object) -> None:
    with pytest.raises(ItemRefused) as refused:
        call_of(span({**CHAT, "gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": value}), Speaker.ANY)
    assert refused.value.code in {RejectCode.FIELD_INVALID, RejectCode.FIELD_OUT_OF_RANGE}


def test_the_response_says_the_model() -> None:
    event = one({**CHAT, "gen_ai.response.model": "m-1-2026", "gen_ai.usage.input_tokens": 1})
    assert event.model == "m-1-2026"


@pytest.mark.parametrize(
    "operation", ["fetch_response", "execute_tool", "create_agent", "retrieval", "plan", "search_memory"]
)
def test_what_repeats_a_call_is_none(operation: str) -> None:
    assert events([span({**CHAT, "gen_ai.operation.name": operation, "gen_ai.usage.input_tokens": 1})]) == []


@pytest.mark.parametrize("operation", ["chat", "generate_content", "text_completion", "embeddings", "something_new"])
def test_what_is_a_call_counts(operation: str) -> None:
    assert one({**CHAT, "gen_ai.operation.name": operation, "gen_ai.usage.input_tokens": 1}).input == 1


@pytest.mark.parametrize(
    ("provider", "scope", "counts", "expected", "rule"),
    [
        ("anthropic", "x", {"input_tokens": 10, "cache_read.input_tokens": 90}, 100, "exclusive by sums"),
        ("anthropic", "x", {"input_tokens": 100, "cache_read.input_tokens": 90}, 100, "inclusive"),
        (
            "anthropic",
            "x",
            {"input_tokens": 100, "cache_read.input_tokens": 90, "output_tokens": 7, "total_tokens": 197},
            190,
            "exclusive by total",
        ),
        (
            "aws.bedrock",
            "opentelemetry.instrumentation.bedrock",
            {"input_tokens": 100, "cache_read.input_tokens": 90},
            190,
            "exclusive by scope",
        ),
        ("openai", "x", {"input_tokens": 100, "cache_read.input_tokens": 90}, 100, "inclusive"),
    ],
)
def test_input_becomes_inclusive_and_says_how(
    provider: str, scope: str, counts: dict[str, int], expected: int, rule: str
) -> None:
    named = {f"gen_ai.usage.{name}": value for name, value in counts.items()}
    event = one({**CHAT, "gen_ai.provider.name": provider, **named}, scope=scope)
    assert event.input == expected
    assert event.tags is not None
    assert event.tags["otel.counts"] == rule


def test_reasoning_beside_the_output_is_added_to_it() -> None:
    event = one({**CHAT, "gen_ai.usage.output_tokens": 5, "gen_ai.usage.reasoning.output_tokens": 20})
    assert (event.output, event.reasoning) == (25, 20)


def test_modalities_are_units() -> None:
    event = one(
        {
            **CHAT,
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.audio.input_tokens": 40,
            "gen_ai.usage.audio.cache_read.input_tokens": 3,
            "gen_ai.usage.image.output_tokens": 0,
            "gen_ai.usage.text.input_tokens": 60,
        }
    )
    assert event.units == {"input_audio_tokens": 40, "cache_audio_read_tokens": 3}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("operation.cost", 0.0038, "0.0038"),
        ("gen_ai.usage.cost", "1.5e-3", "0.0015"),
        ("gen_ai.usage.total_cost", 2, "2"),
        ("gen_ai.usage.cost_in_usd_ticks", 37_756_000, "0.0037756000"),
        ("gen_ai.usage.cost", float("nan"), None),
        ("gen_ai.usage.cost", -1.0, None),
        ("gen_ai.usage.cost", "1e400", None),
        ("gen_ai.usage.cost", 1e25, None),
        ("gen_ai.usage.cost", True, None),
    ],
)
def test_a_cost_is_kept_to_the_digit_and_nonsense_is_none(name: str, value: object, expected: str | None) -> None:
    assert one({**CHAT, "gen_ai.usage.input_tokens": 1, name: value}).cost_usd == expected


def test_anthropics_own_spans_split_writes_by_life_and_add_compaction() -> None:
    event = one(
        {
            **CHAT,
            "gen_ai.usage.input_tokens": 1_000,
            "gen_ai.usage.output_tokens": 50,
            "gen_ai.usage.cache_write.input_tokens": 100,
            "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 20,
            "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 30,
            "anthropic.usage.compaction.input_tokens": 180_000,
            "anthropic.usage.compaction.output_tokens": 4_000,
            "anthropic.request.id": "req_1",
        },
        scope="com.anthropic.sdk.python",
    )
    assert (event.input, event.output) == (181_000, 4_050)
    # What is written beyond the split lives five minutes.
    assert (event.cache_write_5m, event.cache_write_1h) == (70, 30)
    assert event.seen is not None
    assert event.seen.request_id == "req_1"
    assert event.id == "req_1"


def test_an_agents_sum_is_an_aggregate() -> None:
    event = one(
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "planner",
            "gen_ai.request.model": "m-1",
            "gen_ai.aggregated_usage.input_tokens": 10,
            "gen_ai.aggregated_usage.output_tokens": 2,
        },
        kind=1,
    )
    assert event.seen is not None
    assert (event.seen.by, event.seen.group) == (Observer.AGGREGATE, (b"t" * 16).hex())
    assert (event.input, event.agent) == (10, "planner")


def test_without_a_providers_id_the_span_is_the_identity() -> None:
    event = one({**CHAT, "gen_ai.usage.input_tokens": 1}, number=5)
    assert event.id == f"{(b't' * 16).hex()}:{5:016x}"


@pytest.mark.parametrize("name", ["gen_ai.system", "gen_ai.provider.name"])
def test_a_provider_is_read_under_both_names(name: str) -> None:
    attributes = {key: value for key, value in CHAT.items() if key != "gen_ai.provider.name"}
    assert one({**attributes, name: "gcp.gemini", "gen_ai.usage.input_tokens": 1}).provider == "gcp.gemini"
