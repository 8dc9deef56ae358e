"""Rows that real packages wrote (`tests/integration/sources/exporting.py` makes them anew) are read as they mean it."""

import json
from pathlib import Path
from typing import Any

from tollbook.domain.event import Event, Observer
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.usage import Usage
from tollbook.ingest.exports.found import Bounds, EventMaker, Export, Row
from tollbook.ingest.exports.langfuse import Langfuse
from tollbook.ingest.exports.openmeter import OpenMeter
from tollbook.ingest.exports.spend_logs import SpendLogs

ROWS = Path(__file__).parent / "rows"
BOUNDS = Bounds(tenant=None, source="s", agent="a")


def read(name: str, export: Export, **more: Any) -> list[Event]:
    maker = EventMaker(IntakeLimits())
    rows = [row | more for row in json.loads((ROWS / f"{name}.json").read_text(encoding="utf-8"))]
    return [
        event
        for number, row in enumerate(rows, 1)
        for found in export.rows(Row(number, row))
        for event in maker.events(found)
    ]


def test_litellm_keeps_what_the_provider_said_of_caches_reasoning_and_audio() -> None:
    (event,) = read("litellm", SpendLogs(BOUNDS))
    assert event.usage == Usage(input=120, output=60, cache_read=40, cache_write_5m=12, cache_write_1h=0, reasoning=25)
    assert event.units == {"input_audio_tokens": 20, "output_audio_tokens": 10}
    assert (event.tenant, event.agent, event.run, event.model) == ("acme", "planner", "s-1", "gpt-4o")
    assert (event.id, event.provider, event.cost_usd) == ("chatcmpl-Bq7Wn3vZkT9xLrY2", "openai", "0.001360")
    assert event.seen is not None
    assert (event.seen.by, event.seen.response_id) == (Observer.GATEWAY, event.id)


def test_litellm_names_anthropics_caches_in_three_ways() -> None:
    details = {"cached_tokens": 50, "cache_creation_tokens": 30}
    lives = {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}
    for usage, expected in (
        ({"cache_read_input_tokens": 50, "cache_creation_input_tokens": 30}, (50, 30, 0)),
        ({"prompt_tokens_details": details, "cache_creation_input_tokens": 30}, (50, 30, 0)),
        ({"prompt_tokens_details": {**details, "cache_creation_token_details": lives}}, (50, 10, 20)),
        ({}, (0, 0, 0)),
    ):
        (event,) = read("litellm", SpendLogs(BOUNDS), metadata=json.dumps({"usage_object": usage}))
        assert (event.cache_read, event.cache_write_5m, event.cache_write_1h) == expected
        assert event.usage.input == 120


def test_openmeter_lists_events_within_what_it_knows_of_them() -> None:
    (event,) = read("openmeter", OpenMeter(BOUNDS))
    assert (event.tenant, event.model, event.input, event.output) == ("acme", "gpt-4o", 0, 123)
    assert event.id == "my-app/om-1"
    assert event.ts is not None


def test_langfuse_counts_its_generations_and_not_what_stands_above_them() -> None:
    (event,) = read("langfuse", Langfuse(BOUNDS))
    assert event.usage == Usage(input=120, output=60, cache_read=40, cache_write_5m=0, cache_write_1h=0, reasoning=25)
    assert (event.tenant, event.run, event.model, event.id) == ("acme", "s-1", "gpt-5.5", "o-1")
    assert (event.cost_usd, event.seen and event.seen.group) == ("0.003", "trace-1")
