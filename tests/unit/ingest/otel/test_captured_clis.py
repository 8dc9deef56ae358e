"""Claude Code and Codex as they ran: each signal says what the provider counted, and the log events bill it."""

import pytest

from tests.unit.ingest.otel.seen import CLIS, LIMITS, as_json, bodies, events, served, spans
from tollbook.domain.event import Event, Observer
from tollbook.ingest.otel import json_form, protobuf
from tollbook.ingest.otel.claims import Mapping
from tollbook.ingest.otel.points import event_of_series, series_of
from tollbook.ingest.otel.records import event_of_record
from tollbook.ingest.otel.signals import LogRecord, Point


def logged(cli: str) -> list[Event]:
    records = [each for body in bodies(cli, "logs") for each in protobuf.records(body) if isinstance(each, LogRecord)]
    found = [event_of_record(record, None, Mapping(), LIMITS) for record in records]
    return [event for event in found if event is not None]


def measured(cli: str) -> list[Event]:
    points = [each for body in bodies(cli, "metrics") for each in protobuf.points(body) if isinstance(each, Point)]
    found = [event_of_series(series, None, Mapping(), LIMITS, alone=True) for series in series_of(points)]
    return [event for event in found if event is not None]


@pytest.mark.parametrize("cli", CLIS)
def test_each_log_event_is_a_call_of_the_provider(cli: str) -> None:
    expected = {(call["usage"]["input"], call["usage"]["output"]) for call in served(cli)}
    found = logged(cli)
    assert len(found) == len(served(cli))
    assert {(event.input, event.output) for event in found} == expected
    assert {event.tenant for event in found} == {"acme"}
    assert len({event.id for event in found}) == len(found)
    assert {event.seen.by for event in found if event.seen} == {Observer.LEAF}


@pytest.mark.parametrize("cli", CLIS)
def test_spans_and_metrics_repeat_the_events_of_their_group(cli: str) -> None:
    groups = {event.seen.group for event in logged(cli) if event.seen}
    tokens = sum(event.input for event in logged(cli))
    for repeats, by in ((events(spans(cli)), Observer.AGGREGATE), (measured(cli), Observer.METRIC)):
        assert sum(event.input for event in repeats) == tokens
        assert {event.seen.by for event in repeats if event.seen} == {by}
        # Codex's metrics do not say of which conversation, and so count only where asked to.
        assert {event.seen.group for event in repeats if event.seen} in (groups, {None})


def test_claude_code_tells_how_long_a_cache_write_lives() -> None:
    usage = {call["usage"]["input"]: call["usage"] for call in served("claude-code-agents")}
    for event in logged("claude-code-agents"):
        of_provider = usage[event.input]
        assert event.cache_read == of_provider["cache_read"]
        assert (event.cache_write_5m, event.cache_write_1h) == (
            of_provider["cache_write_5m"], of_provider["cache_write_1h"],
        )  # fmt: skip
        assert event.cost_usd is not None


def test_claude_codes_sub_agent_is_below_it() -> None:
    agents = sorted(event.agent.partition("#")[0] for event in logged("claude-code-agents"))
    assert agents == ["claude-code", "claude-code", "claude-code", "claude-code/general-purpose"]
    by_spans = sorted(event.agent.partition("#")[0] for event in events(spans("claude-code-agents")))
    assert by_spans == ["claude-code", "claude-code", "claude-code", "claude-code/subagent"]


@pytest.mark.parametrize("cli", CLIS)
def test_json_says_what_protobuf_says(cli: str) -> None:
    for body in bodies(cli, "logs"):
        assert list(json_form.records(as_json(body, "logs"), LIMITS)) == list(protobuf.records(body))
    for body in bodies(cli, "metrics"):
        assert list(json_form.points(as_json(body, "metrics"), LIMITS)) == list(protobuf.points(body))
