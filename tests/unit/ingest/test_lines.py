"""Lines read together say what each says alone."""

import json
from itertools import pairwise
from random import Random

import pytest

from tollbook.domain.event import Event
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.item import reader_for
from tollbook.ingest.lines import events_of
from tollbook.ingest.refusal import ItemRefused
from tollbook.ingest.text import is_plain

LIMITS = IntakeLimits()
GOOD = {"tenant": "acme", "agent": "a", "input": 10, "output": 2, "model": "m"}
ROWS: list[bytes] = [
    json.dumps(row).encode()
    for row in (
        GOOD,
        GOOD | {"ts": 1_790_000_000_000, "id": "e-1"},
        GOOD | {"ts": "2026-11-28T10:00:00+02:00"},
        GOOD | {"tags": {"team": "search"}, "units": {"web_searches": 2}},
        GOOD | {"observed": "gateway", "response_id": "resp_0123456789abcdef"},
        GOOD | {"unknown": {"deep": [[]]}},
        GOOD | {"input": -1},
        GOOD | {"input": 12.0},
        GOOD | {"cache_read": 99},
        GOOD | {"model": "möbius"},
        GOOD | {"model": " "},
        {"tenant": "acme"},
        [],
        GOOD | {"deep": json.loads("[" * 40 + "]" * 40)},
    )
] + [b"{", b'{"tenant":', b"null", b'{"tenant":"a"} {"tenant":"b"}', b'{"tenant":"a"}{"tenant":"b"}', b"\xff"]


GOOD_ROWS = [*ROWS[:6], json.dumps(GOOD | {"model": "möbius", "run": "\ud800"}, ensure_ascii=True).encode(), ROWS[9]]


def alone(line: bytes) -> tuple[str, object]:
    try:
        return "event", reader_for(LIMITS, is_plain(line)).text(line)
    except ItemRefused as refused:
        return "refused", (refused.code, refused.detail)


def together(lines: list[bytes]) -> list[tuple[str, object]]:
    return [
        ("event", found) if isinstance(found, Event) else ("refused", (found.code, found.detail))
        for found in events_of(lines, LIMITS)
    ]


@pytest.mark.parametrize("seed", range(60))
def test_lines_together_say_what_each_says_alone(seed: int) -> None:
    draw = Random(seed)
    # Mostly good ones, so that runs are read at once as well as one by one.
    lines = [draw.choice(ROWS if draw.random() < seed / 120 else GOOD_ROWS) for _ in range(draw.randrange(1, 12))]
    assert together(lines) == [alone(line) for line in lines]


def test_every_pair_of_lines_stays_two() -> None:
    for pair in pairwise([row for one in ROWS for other in ROWS for row in (one, other)]):
        assert together(list(pair)) == [alone(line) for line in pair]
