"""20,000 damaged rows of each kind of file: each makes events within the bounds or is refused, and nothing else."""

import copy
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.transcripts.claude import Writer
from tests.transcripts.codex import session_lines
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.exports.claude_code import ClaudeCode
from tollbook.ingest.exports.codex import Codex
from tollbook.ingest.exports.found import Bounds, EventMaker, Export, Found, Row
from tollbook.ingest.exports.langfuse import Langfuse
from tollbook.ingest.exports.mapping import Mapped
from tollbook.ingest.exports.openmeter import OpenMeter
from tollbook.ingest.exports.spend_logs import SpendLogs
from tollbook.ingest.mapping import Reading, mapping_of
from tollbook.ingest.refusal import ItemRefused
from tollbook.usage.anthropic_shape import read_messages

MUTATIONS = 20_000
SEED = 20_261_128
BOUNDS = Bounds(tenant="acme", source="s", agent="a")
AT = "2026-11-10T00:00:00Z"
JUNK: tuple[Any, ...] = (
    *(None, "", "x", "\x00", "\ud800", " ", "{", "{}", "nan", "1e400", "-1", "12.0", "12.5", "9" * 30),
    *(-1, 0, 1, 2**40, 1.5, float("nan"), float("inf"), True, [], {}, [1], {"a": 1}, {"usage": {"input_tokens": -3}}),
)

SPEND = {
    "request_id": "chatcmpl-1",
    "spend": 0.25,
    "prompt_tokens": 10,
    "completion_tokens": 2,
    "startTime": "2026-11-10 00:00:00",
    "model": "gpt-5",
    "custom_llm_provider": "openai",
    "user": "u",
    "end_user": "",
    "cache_hit": "False",
    "session_id": "s",
    "metadata": {"usage_object": {"prompt_tokens_details": {"cached_tokens": 4}, "cache_creation_input_tokens": 2}},
}
OBSERVATION = {
    "id": "o-1",
    "type": "GENERATION",
    "traceId": "t",
    "startTime": AT,
    "model": "gpt-5",
    "usageDetails": {"input": 10, "input_cached_tokens": 5, "output": 3, "output_reasoning_tokens": 1, "total": 19},
    "costDetails": {"total": 0.5},
}
METERED = {"event": {"id": "1", "source": "s", "time": AT, "data": {"tokens": 3, "type": "input", "model": "m"}}}
MAPPED = {"m": "gpt-5", "u": {"in": 3, "out": 4}, "at": AT, "c": "0.25", "t": "x"}
MAPPING = b'[fields]\nmodel = "m"\ninput = "u.in"\noutput = "u.out"\nts = "at"\ncost_usd = "c"\n[tags]\nregion = "t"\n'


def transcript(tmp_path: Path) -> list[dict[str, Any]]:
    Writer(5, datetime(2026, 11, 10, tzinfo=UTC)).write(tmp_path, sessions=2, answers=10)
    return [json.loads(line) for path in sorted(tmp_path.rglob("*.jsonl")) for line in path.read_text().splitlines()]


CASES: dict[str, tuple[Callable[[Path], list[dict[str, Any]]], Callable[[], Export]]] = {
    "claude-code": (transcript, lambda: ClaudeCode(BOUNDS, read_messages)),
    "codex": (lambda _: list(session_lines(datetime(2026, 11, 10, tzinfo=UTC))), lambda: Codex(BOUNDS)),
    "litellm": (lambda _: [SPEND], lambda: SpendLogs(BOUNDS)),
    "langfuse": (lambda _: [OBSERVATION], lambda: Langfuse(BOUNDS)),
    "openmeter": (lambda _: [METERED], lambda: OpenMeter(BOUNDS)),
    "mapping": (
        lambda _: [MAPPED],
        lambda: Mapped(BOUNDS, mapping_of(MAPPING, "m", is_json=False, reading=Reading.ROW)),
    ),
}


def mutated(row: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """A row of which one to three places are something else, or gone."""
    row = copy.deepcopy(row)
    for _ in range(draw.randrange(1, 4)):
        place: Any = row
        while True:
            keys = list(place)
            if not keys:
                break
            key = draw.choice(keys)
            if isinstance(place[key], dict) and draw.random() < 0.8:
                place = place[key]
                continue
            if draw.random() < 0.15:
                del place[key]
            else:
                place[key] = draw.choice(JUNK)
            break
    return row


@pytest.mark.parametrize("kind", CASES)
def test_a_damaged_row_is_an_event_within_bounds_or_refused(kind: str, tmp_path: Path) -> None:
    rows_of, export_of = CASES[kind]
    rows, draw, maker = rows_of(tmp_path), random.Random(SEED), EventMaker(IntakeLimits())
    limits = IntakeLimits()
    made = refused = 0
    export = export_of()

    def make(found: Found) -> None:
        nonlocal made, refused
        try:
            (event,) = maker.events(found)
        except ItemRefused:
            refused += 1
            return
        made += 1
        usage = event.usage
        assert usage.cache_read + usage.cache_write_5m + usage.cache_write_1h <= usage.input <= limits.tokens_max
        assert usage.reasoning <= usage.output <= limits.tokens_max
        assert min(getattr(usage, name) for name in usage.__struct_fields__) >= 0
        assert event.tenant == "acme"

    for number in range(MUTATIONS):
        try:
            for found in export.rows(Row(number, mutated(draw.choice(rows), draw))):
                make(found)
        except ItemRefused:
            refused += 1
        if number % 500 == 499:
            for found in export.end():
                make(found)
    assert made > 100, "the damage left nothing to look at"
    assert refused > 100, f"nothing was damaged (seed {SEED})"
