"""Whatever the bytes: every item is taken or refused, none is lost, and what is taken keeps every bound."""

import contextlib
import gzip
import json
import math
import unicodedata
from datetime import UTC
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tollbook.domain.errors import RejectCode, RequestError
from tollbook.domain.event import Event
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.body import inflate
from tollbook.ingest.native import Decoded, decode
from tollbook.ingest.wire import KINDS

LIMITS = IntakeLimits()
MEDIA = st.sampled_from([None, "application/json", "application/x-ndjson", "text/plain"])
quick = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-5, 50),
    st.sampled_from([10**9, 2 * 10**9, 2 * 10**9 + 1, 10**11, 2**63, 2**64, 10**40, -1]),
    st.floats(),
    st.sampled_from([12.0, 0.5, 1e11, 1e300]),
    st.text(max_size=20),
    st.sampled_from(["", " ", "a", "a/b#1", "a:b", "a\x00b", "\ud800", "x" * 257, "x" * 513, "é", "0.5", "1e-3"]),
    st.sampled_from(["2026-07-01T12:00:00Z", "2026-07-01T12:00:00", "0001-01-01T00:00:00+14:00"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=70), inner, max_size=4)),
    max_leaves=8,
)
good_items = st.fixed_dictionaries(
    {
        "tenant": st.sampled_from(["acme", "zeta"]),
        "agent": st.sampled_from(["a", "p/r#7"]),
        "model": st.just("m"),
        "input": st.integers(0, 2000),
        "output": st.integers(0, 2000),
    },
    optional={
        "id": st.uuids().map(str),
        "ts": st.integers(0, 10**12),
        "tags": st.dictionaries(st.sampled_from("abc"), st.booleans() | st.integers(0, 9) | st.just("x")),
        "cost_usd": st.decimals(0, 10, places=6).map(str) | st.floats(0, 10),
        "cache_read": st.integers(0, 100),
        "reasoning": st.integers(0, 100),
        "units": st.dictionaries(st.sampled_from(["web_searches", "input_audio_tokens"]), st.integers(0, 9)),
        "observed": st.sampled_from(["gateway", "sdk", "leaf", "aggregate", "metric"]),
        "response_id": st.just("msg_1"),
        "estimated": st.booleans(),
    },
)
mutated_items = st.tuples(good_items, st.dictionaries(st.sampled_from(sorted(KINDS)), values, max_size=3)).map(
    lambda pair: pair[0] | pair[1]
)
items = st.one_of(good_items, mutated_items, values)


def seen_texts(event: Event) -> list[str | None]:
    seen = event.seen
    return [] if seen is None else [seen.response_id, seen.request_id, seen.group]


def assert_bounded(event: Event) -> None:
    assert all(0 <= count <= LIMITS.tokens_max for count in (event.units or {}).values())
    names = [
        event.tenant,
        event.agent,
        event.model,
        event.source,
        event.run,
        event.provider,
        event.service_tier,
    ]
    for text, chars_max in [(name, LIMITS.name_chars_max) for name in names] + [
        (event.id, LIMITS.id_chars_max),
        (event.call_id, LIMITS.id_chars_max),
        *((text, LIMITS.id_chars_max) for text in seen_texts(event)),
    ]:
        if text is not None:
            assert 1 <= len(text) <= chars_max
            assert text.strip()
            assert_clean(text)
    assert event.tenant == event.tenant.strip()
    assert not set(event.tenant) & set(":{}")
    assert all(segment.partition("#")[0] for segment in event.agent.split("/"))
    counts = [
        event.input,
        event.output,
        event.cache_read,
        event.cache_write_5m,
        event.cache_write_1h,
        event.reasoning,
    ]
    assert all(type(count) is int and 0 <= count <= LIMITS.tokens_max for count in counts)
    assert event.cache_read + event.cache_write_5m + event.cache_write_1h <= event.input
    assert event.reasoning <= event.output
    assert event.ts is None or event.ts.tzinfo is UTC
    if event.cost_usd is not None:
        assert 0 <= Decimal(event.cost_usd) <= Decimal(LIMITS.cost_nanos_max) / 10**9
        assert "e" not in event.cost_usd.lower()
    if event.tags is not None:
        assert len(event.tags) <= LIMITS.tags_max
        for key, value in event.tags.items():
            assert 1 <= len(key) <= LIMITS.tag_key_chars_max
            assert type(value) is str
            assert len(value) <= LIMITS.tag_value_chars_max
            assert_clean(key + value)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=Event) == event


def assert_clean(text: str) -> None:
    assert not {unicodedata.category(char) for char in text} & {"Cc", "Cs"}


def judged(body: bytes, media_type: str | None) -> Decoded | RequestError:
    decoded: Decoded | RequestError
    try:
        decoded = decode(body, media_type, LIMITS)
    except RequestError as error:
        decoded = error
    if isinstance(decoded, RequestError):
        assert decoded.status in {400, 413, 415}
        assert len(decoded.detail) < 300
        return decoded
    assert decoded.items == len(decoded.events) + len(decoded.rejections)
    indexes = list(range(decoded.items)) if decoded.indexes is None else decoded.indexes
    assert len(indexes) == len(decoded.events)
    assert sorted(indexes + [r.index for r in decoded.rejections]) == list(range(decoded.items))
    for event in decoded.events:
        assert_bounded(event)
    for rejection in decoded.rejections:
        assert rejection.code in set(RejectCode)
        assert len(rejection.detail) < 300
    return decoded


def is_json(value: Any) -> bool:
    """Whether Python writes the value as JSON: it writes NaN and infinities, which are none."""
    if isinstance(value, dict):
        return all(is_json(inner) for inner in value.values())
    if isinstance(value, list):
        return all(is_json(inner) for inner in value)
    return not isinstance(value, float) or math.isfinite(value)


@quick
@given(st.lists(items, max_size=6), MEDIA, st.booleans())
def test_an_array_loses_no_item(batch: list[Any], media_type: str | None, ascii_only: bool) -> None:
    if not ascii_only:
        batch = json.loads(json.dumps(batch).replace("\\ud800", "?")) if "\\ud800" in json.dumps(batch) else batch
    text = json.dumps(batch, ensure_ascii=ascii_only)
    body = text.encode("utf-8", "surrogatepass")
    decoded = judged(body, media_type)
    if is_json(batch) and isinstance(decoded, Decoded):
        assert decoded.items == len(batch) or media_type == "application/x-ndjson"


@quick
@given(st.lists(st.one_of(items.map(json.dumps), st.text(max_size=30)), min_size=2, max_size=6))
def test_lines_lose_no_item(lines: list[str]) -> None:
    lines = ["".join(line.encode("utf-8", "replace").decode().split("\n")) for line in lines]
    body = "\n".join(["{}", *lines]).encode()
    decoded = judged(body, "application/x-ndjson")
    assert isinstance(decoded, Decoded)
    assert decoded.items == 1 + sum(bool(line.encode().strip()) for line in lines)


@quick
@given(st.lists(good_items, min_size=1, max_size=4), st.data())
def test_good_items_are_taken_whatever_their_neighbours(batch: list[Any], data: st.DataObject) -> None:
    def is_consistent(item: dict[str, Any]) -> bool:
        return item.get("cache_read", 0) <= item["input"] and item.get("reasoning", 0) <= item["output"]

    bad = data.draw(values.filter(is_json))
    good = [item for item in batch if is_consistent(item)]
    body = json.dumps([*good, bad, *good]).encode()
    decoded = judged(body, None)
    if isinstance(decoded, Decoded):
        kept = {*range(len(good)), *range(len(good) + 1, 2 * len(good) + 1)}
        indexes = range(decoded.items) if decoded.indexes is None else decoded.indexes
        assert kept <= set(indexes)
    else:
        assert decoded.reject is RejectCode.TOO_DEEP


@quick
@given(st.lists(items, max_size=3).map(lambda batch: json.dumps(batch).encode()), st.data())
def test_mutated_bodies_are_answered(body: bytes, data: st.DataObject) -> None:
    mutated = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutated)))
        junk = data.draw(
            st.one_of(
                st.binary(max_size=4),
                st.sampled_from([b"NaN", b"\xff", b"[" * 40, b'"', b"\\", b"\\ud800", b"\n", b"{}", b",", b"1e999"]),
            )
        )
        mutated[at : at + data.draw(st.integers(0, 3))] = junk
    judged(bytes(mutated), data.draw(MEDIA))


@quick
@given(st.binary(max_size=200), MEDIA)
def test_any_bytes_are_answered(body: bytes, media_type: str | None) -> None:
    judged(body, media_type)
    judged(b"[" + body, media_type)
    judged(b'{"tenant":' + body, media_type)


@quick
@given(st.lists(st.tuples(st.sampled_from(sorted(KINDS)), values.filter(is_json)), max_size=8), good_items)
def test_repeated_fields_are_answered(pairs: list[tuple[str, Any]], good: dict[str, Any]) -> None:
    fields = [f"{json.dumps(name)}:{json.dumps(value)}" for name, value in [*pairs, *good.items(), *pairs[:2]]]
    judged(("{" + ",".join(fields) + "}").encode(), None)


@quick
@given(st.lists(items, max_size=3), st.integers(0, 400), st.sampled_from(["gzip", None, "br"]))
def test_the_door_answers_any_encoding(batch: list[Any], cut: int, encoding: str | None) -> None:
    packed = gzip.compress(json.dumps(batch).encode())
    with contextlib.suppress(RequestError):
        judged(inflate(packed[:cut] if cut < 300 else packed, encoding, LIMITS), None)
