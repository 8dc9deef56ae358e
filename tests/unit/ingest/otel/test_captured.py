"""What real instrumentations emitted is read as the provider counted it."""

import pytest

from tests.unit.ingest.otel.seen import FLEETS, as_json, bodies, events, one, served, span, spans
from tollbook.domain.event import Event, Observer
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.otel import json_form, protobuf
from tollbook.ingest.otel.signals import Span

# Read in the packages: OpenLLMetry's Anthropic adds the stream's placeholder of 1 to the output.
ONE_OUTPUT_MORE = {("traceloop-anthropic", "msg_2")}
# Its OpenAI tells nothing of cache writes, its Anthropic nothing of reasoning; neither tells reasoning of a stream.
SAYS_NO_WRITES = {"traceloop-openai"}


def by_model_and_input(found: list[Event]) -> dict[tuple[str, int], list[Event]]:
    grouped: dict[tuple[str, int], list[Event]] = {}
    for event in found:
        grouped.setdefault((event.model, event.input), []).append(event)
    return grouped


@pytest.mark.parametrize("fleet", FLEETS)
def test_each_call_is_read_as_the_provider_counted_it(fleet: str) -> None:
    found = by_model_and_input(events(spans(fleet)))
    expected = served(fleet)
    assert found.keys() == {(call["model"], call["usage"]["input"]) for call in expected}
    for call in expected:
        usage = call["usage"]
        for event in found[call["model"], usage["input"]]:
            more = 1 if (fleet, call["id"]) in ONE_OUTPUT_MORE else 0
            assert event.output == usage["output"] + more
            assert event.cache_read == usage["cache_read"]
            writes = usage["cache_write_5m"] + usage["cache_write_1h"]
            assert event.cache_write_5m + event.cache_write_1h == (0 if fleet in SAYS_NO_WRITES else writes)
            assert event.reasoning in {usage["reasoning"], 0}
            assert event.seen is not None
            assert event.seen.by is Observer.LEAF
            assert event.ts is not None


@pytest.mark.parametrize("fleet", FLEETS)
def test_a_call_has_one_identity_whoever_saw_it(fleet: str) -> None:
    found = events(spans(fleet))
    assert len({event.id for event in found}) == len(served(fleet))
    seen_twice = len(found) - len(served(fleet))
    assert seen_twice == (len(served(fleet)) if "twice" in fleet else 0)


@pytest.mark.parametrize("fleet", [fleet for fleet in FLEETS if fleet.startswith(("genai", "anthropic-own"))])
def test_the_providers_id_is_kept(fleet: str) -> None:
    ids = {call["id"] for call in served(fleet) if call["route"] != "embeddings"}
    assert {event.seen.response_id for event in events(spans(fleet)) if event.seen} - {None} == ids


def test_only_anthropics_own_spans_tell_how_long_a_cache_write_lives() -> None:
    (own, _) = sorted(events(spans("anthropic-own")), key=lambda event: event.input)
    assert (own.cache_write_5m, own.cache_write_1h) == (51, 31)
    (other, _) = sorted(events(spans("genai-anthropic")), key=lambda event: event.input)
    assert (other.cache_write_5m, other.cache_write_1h) == (82, 0)
    assert own.seen is not None
    assert other.seen is not None
    assert own.seen.revision > other.seen.revision


def test_agents_are_the_nesting_of_their_spans() -> None:
    found = {event.seen.response_id: event for event in events(spans("genai-openai-agents")) if event.seen}
    sub = found["resp_2"].agent
    assert found["resp_1"].agent == found["resp_3"].agent == "planner"
    assert sub.startswith("planner/researcher#")
    assert len({event.run for event in found.values()}) == 1
    assert {call["id"]: call["agent"] for call in served("genai-openai-agents")} == {
        "resp_1": "planner",
        "resp_2": "researcher",
        "resp_3": "planner",
    }


@pytest.mark.parametrize("fleet", FLEETS)
def test_json_says_what_protobuf_says(fleet: str) -> None:
    for body in bodies(fleet, "traces"):
        assert list(json_form.spans(as_json(body, "traces"), IntakeLimits())) == list(protobuf.spans(body))
    for body in bodies(fleet, "metrics"):
        assert list(json_form.points(as_json(body, "metrics"), IntakeLimits())) == list(protobuf.points(body))


def test_an_embedding_is_an_input_without_output() -> None:
    for fleet in ("genai-openai", "openinference-openai", "traceloop-openai"):
        (event,) = [found for found in events(spans(fleet)) if found.model == "text-embedding-3-small"]
        assert (event.input, event.output) == (1_028, 0)


def test_a_span_without_usage_is_no_event() -> None:
    assert events([span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"})]) == []
    assert isinstance(span({}), Span)
    assert one({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 0})
