"""A mapping: what it finds, what it refuses, and what an expression may cost."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.payloads import LIMITS
from tollbook.domain.errors import ConfigError
from tollbook.domain.event import Event
from tollbook.ingest.decoded import Decoded
from tollbook.ingest.exports.found import Bounds, EventMaker, Row
from tollbook.ingest.exports.mapping import Mapped
from tollbook.ingest.mapping import MappingBook, Reading, mapping_of
from tollbook.ingest.origin import Origin
from tollbook.ingest.refusal import ItemRefused

FIELDS = {"model": "m", "input": "i", "output": "o"}


def taken(item: Any, **written: Any) -> Decoded:
    """What a mapping of these parts makes of an item."""
    text = json.dumps({"fields": FIELDS, **written}).encode()
    origin = Origin(tenant="acme", agent="bot")
    return mapping_of(text, "x", is_json=True).decode(json.dumps(item).encode(), None, LIMITS, origin=origin)


def one(item: Any, **written: Any) -> Event:
    """The one event of an item."""
    decoded = taken(item, **written)
    assert decoded.rejections == []
    (event,) = decoded.events
    return event


CALL = {"m": "m-1", "i": 9, "o": "2", "usd": 0.1, "at": "2026-11-28T00:00:00Z", "n": {"deep": ["a", "b"]}}


def test_fields_constants_tags_and_units_are_found() -> None:
    event = one(
        CALL,
        fields={**FIELDS, "cost_usd": "usd", "ts": "at", "agent": "join('/', n.deep)"},
        constants={"provider": "openai", "cache_read": 3},
        tags={"first": "n.deep[0]", "none": "missing"},
        units={"web_searches": "length(n.deep)"},
    )
    assert (event.input, event.output, event.cache_read, event.cost_usd) == (9, 2, 3, "0.1")
    assert (event.agent, event.provider, event.tags) == ("a/b", "openai", {"first": "a"})
    assert event.units == {"web_searches": 2}
    assert event.ts is not None


def test_an_amount_keeps_its_digits() -> None:
    body = b'{"m": "m-1", "i": 1, "o": 1, "usd": 0.1234567890123456789012}'
    text = json.dumps({"fields": {**FIELDS, "cost_usd": "usd"}, "constants": {"tenant": "t"}}).encode()
    (event,) = mapping_of(text, "x", is_json=True).decode(body, None, LIMITS, origin=Origin()).events
    assert event.cost_usd == "0.1234567890123456789012"


def test_a_providers_usage_within_is_read_by_its_shape() -> None:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 40, "output_tokens": 3}
    event = one({"m": "m-1", "answer": {"usage": usage}}, usage="answer", fields={"model": "m"})
    assert (event.input, event.output, event.cache_read) == (50, 3, 40)


def test_items_and_when_choose_the_calls() -> None:
    decoded = taken({"calls": [CALL, {**CALL, "skip": True}, {**CALL, "m": "m-2"}]}, items="calls[]", when="!skip")
    assert [event.model for event in decoded.events] == ["m-1", "m-2"]
    assert taken({"calls": []}, items="calls[]").ignored == 1


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"m": "m-1", "i": 9}, "usage_missing"),
        ({"m": "m-1", "i": "many", "o": 1}, "field_invalid"),
        ({"m": "m-1", "i": 0.5, "o": 1}, "field_invalid"),
        ({"m": "m-1", "i": True, "o": 1}, "field_invalid"),
        ({"m": "m-1", "i": -1, "o": 1}, "field_out_of_range"),
        ({"m": ["m-1"], "i": 1, "o": 1}, "field_invalid"),
        ({"i": 1, "o": 1}, "field_missing"),
        (7, "item_not_object"),
    ],
)
def test_what_does_not_fit_is_refused_and_its_neighbours_stay(item: Any, code: str) -> None:
    decoded = taken([CALL, item, CALL])
    assert [(refused.index, refused.code) for refused in decoded.rejections] == [(1, code)]
    assert len(decoded.events) == 2


@pytest.mark.parametrize(
    "expression",
    [
        "|".join(["[@,@][]"] * 60),
        "|".join(["map(&[@,@], @)[]"] * 40),
        "|".join(["join('', [@, @])"] * 50),
    ],
)
def test_an_expression_that_multiplies_its_input_is_stopped(expression: str) -> None:
    begun = time.process_time()
    decoded = taken({**CALL, "m": "x" * 64}, fields={**FIELDS, "model": f"m|{expression}"})
    assert decoded.rejections[0].code in ("field_out_of_range", "field_invalid")
    assert time.process_time() - begun < 5


def test_an_expression_that_does_not_fit_the_payload_tells_none_of_it() -> None:
    (refused,) = taken({**CALL, "m": "secret"}, fields={**FIELDS, "model": "sum(m)"}).rejections
    assert refused.code == "field_invalid"
    assert "secret" not in refused.detail


@pytest.mark.parametrize(
    "written",
    [
        {"fields": {"modle": "m", "input": "i", "output": "o"}},
        {"fields": {"model": "m"}},
        {"fields": {**FIELDS, "agent": "]"}},
        {"fields": {**FIELDS, "agent": "a" * 1001}},
        {"field": FIELDS},
        {"fields": {**FIELDS, "agent": 7}},
    ],
)
def test_a_mapping_that_is_none_is_told_before_it_is_used(written: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="mapping x"):
        mapping_of(json.dumps(written).encode(), "x", is_json=True)


def test_two_mappings_never_answer_to_one_name_or_source() -> None:
    same = [mapping_of(json.dumps({"fields": FIELDS, "source": "s"}).encode(), name, is_json=True) for name in "ab"]
    with pytest.raises(ConfigError, match="bound to the source s"):
        MappingBook.of(same)
    with pytest.raises(ConfigError, match="named a"):
        MappingBook.of([same[0], same[0]])


def test_toml_and_json_say_the_same() -> None:
    toml = b'[fields]\nmodel = "m"\ninput = "i"\noutput = "o"\n'
    body = json.dumps(CALL).encode()
    origin = Origin(tenant="acme")
    found = [
        mapping_of(text, "x", is_json=is_json).decode(body, None, LIMITS, origin=origin).events
        for text, is_json in ((toml, False), (json.dumps({"fields": FIELDS}).encode(), True))
    ]
    assert found[0] == found[1]


def rows(mapping: str, *found: dict[str, Any], reading: Reading = Reading.ROW) -> list[Event]:
    """What an import makes of rows."""
    export = Mapped(
        Bounds(tenant=None, source="s", agent="importer"),
        mapping_of(mapping.encode(), "x", is_json=False, reading=reading),
    )
    maker = EventMaker(LIMITS)
    return [
        event
        for number, row in enumerate(found)
        for each in export.rows(Row(number, row))
        for event in maker.events(each)
    ]


TABLE = '[fields]\ntenant = "Team Name"\nmodel = "m"\ninput = "i"\noutput = "o"\nts = "at"\ncost_usd = "usd"\n'


def test_a_table_is_read_by_the_names_of_its_columns() -> None:
    cells = {"Team Name": "acme", "m": "m-1", "i": "9", "o": "2.0", "at": "2026-11-01 10:00:00", "usd": "0.25"}
    at = datetime(2026, 11, 1, 10)  # noqa: DTZ001 - as tables give them
    gaps = {"Team Name": "acme", "m": "m-1", "i": 9.0, "o": 2, "at": at, "usd": float("nan")}
    said, silent = rows(TABLE, cells, gaps, reading=Reading.TABLE)
    assert (said.tenant, said.agent, said.source) == ("acme", "importer", "s")
    assert (said.input, said.output, said.cost_usd) == (9, 2, "0.25")
    assert said.ts == silent.ts == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert (silent.output, silent.cost_usd) == (2, None)


def test_a_time_that_is_none_refuses_a_row_and_is_left_out_of_a_payload() -> None:
    assert one({**CALL, "at": "soon"}, fields={**FIELDS, "ts": "at"}).ts is None
    assert one({**CALL, "at": "1790000000"}, fields={**FIELDS, "ts": "at"}).ts is not None
    with pytest.raises(ItemRefused, match="no time"):
        rows(TABLE, {"Team Name": "acme", "m": "m", "i": 1, "o": 1, "at": "soon"}, reading=Reading.TABLE)


def test_a_row_may_hold_several_calls_and_says_what_a_payload_says() -> None:
    text = 'items = "calls[]"\n[fields]\nmodel = "m"\ninput = "i"\noutput = "o"\n[constants]\ntenant = "acme"\n'
    payload = {"calls": [CALL, {**CALL, "m": "m-2"}]}
    found = rows(text, payload)
    assert [event.model for event in found] == ["m-1", "m-2"]
    decoded = mapping_of(text.encode(), "x", is_json=False).decode(
        json.dumps(payload).encode(), None, LIMITS, origin=Origin(agent="importer", source="s")
    )
    assert decoded.events == found
