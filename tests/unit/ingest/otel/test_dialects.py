"""OpenInference, OpenLLMetry, Claude Code and Codex: what is a call, what only repeats one."""

from typing import Any

import pytest

from tests.unit.ingest.otel.seen import LIMITS, events, one, span
from tollbook.domain.event import Event, Observer
from tollbook.ingest.otel.claims import Mapping
from tollbook.ingest.otel.points import event_of_series, series_of
from tollbook.ingest.otel.records import event_of_record
from tollbook.ingest.otel.signals import LogRecord, Origin, Point

CLAUDE = "com.anthropic.claude_code.events"
LLM = {"openinference.span.kind": "LLM", "llm.model_name": "m-1", "llm.token_count.prompt": 100}


def logged(attributes: dict[str, Any], *, scope: str = "", event: str = "", **more: Any) -> Event | None:
    fields: dict[str, Any] = {"nanos": 1_790_000_000_000_000_000, "trace_id": None, "span_id": None}
    record = LogRecord(index=0, origin=Origin(scope, "", {}), event=event, attributes=attributes, **(fields | more))
    return event_of_record(record, "acme", Mapping(), LIMITS)


def measured(metric: str, points: list[tuple[dict[str, Any], float]], *, alone: bool = False, **more: Any) -> list[Any]:
    origin = Origin("s", "", {})
    made = [
        Point(
            index=index,
            origin=origin,
            metric=metric,
            value=value,
            start_nanos=1_790_000_000_000_000_000,
            nanos=1_790_000_060_000_000_000,
            attributes=attributes,
            **({"delta": True} | more),
        )
        for index, (attributes, value) in enumerate(points)
    ]
    found = [event_of_series(series, "acme", Mapping(), LIMITS, alone=alone) for series in series_of(made)]
    return [event for event in found if event is not None]


@pytest.mark.parametrize("kind", ["AGENT", "CHAIN", "TOOL", "RETRIEVER", "GUARDRAIL", "EVALUATOR", "", "new"])
def test_openinference_bills_no_span_that_repeats_its_calls(kind: str) -> None:
    assert events([span({**LLM, "openinference.span.kind": kind})]) == []


@pytest.mark.parametrize("kind", ["LLM", "EMBEDDING", "RERANKER"])
def test_openinference_bills_calls(kind: str) -> None:
    assert one({**LLM, "openinference.span.kind": kind}).input == 100


def test_openinference_reads_details_cost_and_the_id_in_the_output() -> None:
    event = one(
        {
            **LLM,
            "llm.provider": "openai",
            "llm.token_count.completion": 20,
            "llm.token_count.prompt_details.cache_read": 30,
            "llm.token_count.prompt_details.cache_write": 10,
            "llm.token_count.prompt_details.audio": 5,
            "llm.token_count.completion_details.reasoning": 7,
            "llm.cost.total": 0.25,
            "output.value": '{"id":"chatcmpl-1","choices":[{"id":"other"}]}',
        }
    )
    assert (event.cache_read, event.cache_write_5m, event.reasoning) == (30, 10, 7)
    assert (event.units, event.cost_usd, event.id) == ({"input_audio_tokens": 5}, "0.25", "chatcmpl-1")


@pytest.mark.parametrize("output", ['{"x": {"id": "chatcmpl-1"}}', '{"id": "mine"}', "chatcmpl-1", '{"id": 5}'])
def test_an_id_that_is_not_the_providers_is_none(output: str) -> None:
    event = one({**LLM, "output.value": output})
    assert event.seen is not None
    assert event.seen.response_id is None


def test_openinference_total_tells_reasoning_outside_the_output() -> None:
    event = one(
        {
            **LLM,
            "llm.token_count.completion": 20,
            "llm.token_count.completion_details.reasoning": 7,
            "llm.token_count.total": 127,
        }
    )
    assert (event.output, event.reasoning) == (27, 7)


@pytest.mark.parametrize("kind", ["workflow", "task", "agent"])
def test_openllmetrys_workflows_and_tasks_are_sums(kind: str) -> None:
    event = one({"traceloop.span.kind": kind, "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 3})
    assert event.seen is not None
    assert event.seen.by is Observer.AGGREGATE


def test_openllmetrys_old_names_are_read() -> None:
    event = one(
        {
            "llm.request.type": "chat",
            "gen_ai.system": "Anthropic",
            "gen_ai.request.model": "claude-3",
            "gen_ai.usage.prompt_tokens": 10,
            "gen_ai.usage.completion_tokens": 4,
            "gen_ai.usage.cache_read_input_tokens": 90,
            "llm.usage.total_tokens": 104,
        }
    )
    assert (event.input, event.cache_read, event.output) == (100, 90, 4)
    assert event.tags is not None
    assert event.tags["otel.dialect"] == "openllmetry"


REQUEST = {
    "event.name": "api_request",
    "model": "claude-opus-4-7",
    "input_tokens": 10,
    "output_tokens": 20,
    "cache_read_tokens": 300,
    "cache_creation_tokens": 50,
    "cache_creation_1h_tokens": 30,
    "cache_creation_5m_tokens": 20,
    "cost_usd": 0.5,
    "cost_usd_micros": 1_234,
    "request_id": "req_9",
    "session.id": "s-1",
    "event.sequence": 4,
}


def test_claude_codes_request_is_a_call() -> None:
    event = logged(REQUEST, scope=CLAUDE, event="api_request")
    assert event is not None
    assert (event.input, event.cache_read, event.cache_write_5m, event.cache_write_1h) == (360, 300, 20, 30)
    assert (event.output, event.cost_usd, event.id, event.run) == (20, "0.001234", "req_9", "s-1")
    assert (event.agent, event.provider) == ("claude-code", "anthropic")
    assert event.seen is not None
    assert (event.seen.group, event.seen.request_id) == ("s-1", "req_9")


@pytest.mark.parametrize("name", ["subagent_completed", "api_error", "tool_result", "user_prompt"])
def test_claude_codes_other_events_are_none(name: str) -> None:
    assert logged({**REQUEST, "event.name": name}, scope=CLAUDE, event=name) is None


def test_claude_codes_span_counts_only_where_its_session_has_no_event() -> None:
    """Behind a gateway there is no request id: then nothing but the session tells that the two are one call."""
    attributes = {
        "model": "claude-opus-4-7",
        "input_tokens": 10,
        "output_tokens": 20,
        "cache_read_tokens": 300,
        "session.id": "s-1",
        "speed": "fast",
    }
    by_span = one(attributes, scope="com.anthropic.claude_code.tracing", name="claude_code.llm_request", kind=1)
    by_log = logged(REQUEST, scope=CLAUDE, event="api_request")
    assert by_log is not None
    assert by_span.seen is not None
    assert by_log.seen is not None
    assert (by_span.seen.by, by_log.seen.by) == (Observer.AGGREGATE, Observer.LEAF)
    assert by_span.seen.group == by_log.seen.group == "s-1"
    assert (by_span.input, by_span.service_tier, by_span.run) == (310, "fast", "s-1")


def test_claude_codes_gen_ai_response_id_is_the_requests() -> None:
    attributes = {"model": "m", "input_tokens": 1, "gen_ai.response.id": "req_9", "session.id": "s-1"}
    event = one(attributes, scope="com.anthropic.claude_code.tracing", name="claude_code.llm_request")
    assert event.seen is not None
    assert (event.seen.response_id, event.seen.request_id, event.id) == (None, "req_9", "req_9")


@pytest.mark.parametrize("name", ["claude_code.interaction", "claude_code.tool", "claude_code.subagent.spawn"])
def test_claude_codes_other_spans_are_no_calls(name: str) -> None:
    attributes = {"model": "m", "input_tokens": 10, "gen_ai.operation.name": "invoke_agent"}
    assert events([span(attributes, scope="com.anthropic.claude_code.tracing", name=name)]) == []


@pytest.mark.parametrize(
    ("more", "agent"),
    [
        ({}, "claude-code"),
        ({"agent_id": "a1", "agent.name": "reviewer"}, "claude-code/reviewer#a1"),
        ({"agent_id": "a1", "query_source": "agent:builtin:general-purpose"}, "claude-code/general-purpose#a1"),
        (
            {"agent_id": "a2", "agent.name": "reviewer", "parent_agent_id": "a1"},
            "claude-code/subagent#a1/reviewer#a2",
        ),
    ],
)
def test_claude_codes_sub_agents_are_named(more: dict[str, str], agent: str) -> None:
    event = logged({**REQUEST, **more}, scope=CLAUDE, event="api_request")
    assert event is not None
    assert event.agent == agent


def test_an_event_without_a_request_id_is_named_by_session_and_sequence() -> None:
    bare = {name: value for name, value in REQUEST.items() if name != "request_id"}
    first, again = (logged(bare, scope=CLAUDE, event="api_request") for _ in range(2))
    other = logged({**bare, "event.sequence": 5}, scope=CLAUDE, event="api_request")
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.id == again.id != other.id


def test_claude_codes_metrics_are_one_sum_of_the_session() -> None:
    base = {"model": "claude-opus-4-7", "session.id": "s-1"}
    counts = {"input": 10, "output": 20, "cacheRead": 300, "cacheCreation": 50}
    (event,) = measured("claude_code.token.usage", [({**base, "type": kind}, n) for kind, n in counts.items()])
    assert (event.input, event.output, event.cache_read, event.cache_write_5m) == (360, 20, 300, 50)
    assert (event.seen.by, event.seen.group) == (Observer.METRIC, "s-1")
    (again,) = measured("claude_code.token.usage", [({**base, "type": kind}, n) for kind, n in counts.items()])
    assert again.id == event.id


def test_metrics_without_a_session_count_only_where_asked() -> None:
    points = [({"model": "m", "type": "input"}, 10.0)]
    assert measured("claude_code.token.usage", points) == []
    assert [event.input for event in measured("claude_code.token.usage", points, alone=True)] == [10]


def test_a_cumulative_metric_counts_nothing() -> None:
    points = [({"model": "m", "type": "input", "session.id": "s"}, 10.0)]
    assert measured("claude_code.token.usage", points, delta=False) == []


def test_genais_metrics_are_sums_whose_parts_are_subsets() -> None:
    base = {"gen_ai.response.model": "m", "gen_ai.conversation.id": "c"}
    (old,) = measured(
        "gen_ai.client.token.usage",
        [({**base, "gen_ai.token.type": "input"}, 10.0), ({**base, "gen_ai.token.type": "output"}, 4.0)],
    )
    assert (old.input, old.output, old.seen.by) == (10, 4, Observer.METRIC)
    (new,) = measured("gen_ai.client.inference.usage.input_tokens", [(base, 10), (base, 5)])
    assert new.input == 15


RESPONSE = {
    "event.name": "codex.sse_event",
    "event.kind": "response.completed",
    "model": "gpt-5.6-sol",
    "conversation.id": "c-1",
    "input_token_count": "1000",
    "cached_token_count": "600",
    "output_token_count": "50",
    "reasoning_token_count": "40",
    "tool_token_count": "1050",
    "event.timestamp": "2026-11-23T10:00:00.123Z",
}


def test_codexs_completed_response_is_a_call_with_numbers_in_text() -> None:
    event = logged(RESPONSE, event="codex.sse_event")
    assert event is not None
    assert (event.input, event.cache_read, event.output, event.reasoning) == (1_000, 600, 50, 40)
    assert (event.agent, event.run, event.provider) == ("codex", "c-1", "openai")
    assert event.seen is not None
    assert (event.seen.group, event.seen.by) == ("c-1", Observer.LEAF)
    other = logged({**RESPONSE, "event.timestamp": "2026-11-23T10:00:01.123Z"}, event="codex.sse_event")
    assert other is not None
    assert other.id != event.id


@pytest.mark.parametrize("kind", ["response.created", "response.output_item.done", ""])
def test_codexs_other_events_are_none(kind: str) -> None:
    assert logged({**RESPONSE, "event.kind": kind}, event="codex.sse_event") is None


def test_codexs_spans_bill_no_call() -> None:
    resource = {"service.name": "codex_cli_rs"}
    attributes = {"gen_ai.usage.input_tokens": "1000", "gen_ai.usage.output_tokens": "50"}
    assert events([span(attributes, name="handle_responses", resource=resource)]) == []


def test_codexs_turn_is_a_sum_of_its_conversation() -> None:
    attributes = {
        "model": "gpt-5.6-sol",
        "conversation.id": "c-1",
        "codex.turn.token_usage.input_tokens": "1000",
        "codex.turn.token_usage.output_tokens": "50",
    }
    event = one(attributes, name="session_task.turn", resource={"service.name": "codex_cli_rs"})
    assert event.seen is not None
    assert (event.seen.by, event.seen.group, event.input) == (Observer.AGGREGATE, "c-1", 1_000)
    nameless = {name: value for name, value in attributes.items() if name != "conversation.id"}
    assert events([span(nameless, name="session_task.turn", resource={"service.name": "codex_cli_rs"})]) == []


def test_codexs_metric_adds_no_type_to_another() -> None:
    base = {"model": "gpt-5.6-sol", "conversation.id": "c-1"}
    counts = {"input": 10, "cached_input": 6, "output": 5, "reasoning_output": 4, "total": 15}
    (event,) = measured("codex.turn.token_usage", [({**base, "token_type": kind}, n) for kind, n in counts.items()])
    assert (event.input, event.cache_read, event.output, event.reasoning) == (10, 6, 5, 4)


def test_the_genai_event_and_its_span_are_one_call() -> None:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 10,
    }
    by_span = one(attributes, number=7)
    by_log = logged(
        attributes,
        event="gen_ai.client.inference.operation.details",
        trace_id=b"t" * 16,
        span_id=(7).to_bytes(8, "big"),
    )
    assert by_log is not None
    assert by_log.id == by_span.id
