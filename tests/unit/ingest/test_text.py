"""The scans that run beside the decoder, against slow and simple models of them."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tollbook.domain.agent import ancestors, fault, roles
from tollbook.ingest.text import is_deeper, is_plain, readable
from tollbook.ingest.wire import ALIASES, KINDS, Kind

nested = st.recursive(
    st.text(alphabet='[]{}"\\ a', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[{"\\', max_size=3), inner, max_size=3),
    max_leaves=20,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@settings(max_examples=300, deadline=None)
@given(nested, st.integers(0, 6))
def test_depth_is_exact(value: Any, depth_max: int) -> None:
    assert is_deeper(json.dumps(value).encode(), depth_max) == (depth(value) > depth_max)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from('\ud83d\ude00\udfff\\u"nd8x\x00')))
def test_only_lone_surrogates_are_replaced(text: str) -> None:
    sent = json.dumps(text)
    expected = "".join("\x00" if "\ud800" <= char <= "\udfff" else char for char in json.loads(sent))
    assert json.loads(readable(sent.encode())) == expected


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5)), st.booleans())
def test_plain_is_never_claimed_wrongly(texts: dict[str, str], ascii_only: bool) -> None:
    body = json.dumps(texts, ensure_ascii=ascii_only).encode("utf-8", "replace")
    if is_plain(body.replace(b'": ', b'":')):
        for text in [*texts, *texts.values()]:
            assert text.isascii()
            assert text.isprintable()
            assert not text.isspace()


def test_every_alias_is_a_field_of_the_same_kind() -> None:
    for field, aliases in ALIASES.items():
        for alias in aliases:
            assert KINDS[alias] is KINDS[field]
    assert {field for field, kind in KINDS.items() if kind is Kind.COUNT} == {
        field for field in KINDS if field in {"input", "output", "reasoning"} or field.startswith("cache_")
    } | {field for field in KINDS if field.endswith("_tokens")}


@settings(max_examples=300, deadline=None)
@given(st.text("a#/\n", max_size=8) | st.lists(st.sampled_from(["a", "b#1", "#", ""]), max_size=18).map("/".join))
def test_a_path_is_judged_as_its_segments_are(agent: str) -> None:
    segments = [segment.partition("#") for segment in agent.split("/")]
    is_path = len(segments) <= 16 and all(role and bool(mark) == bool(part) for role, mark, part in segments)
    assert (fault(agent) is None) == is_path
    if is_path:
        path = roles(agent)
        assert path.count("/") == agent.count("/")
        assert len(ancestors(path)) == path.count("/")
        assert all(path.startswith(above + "/") for above in ancestors(path))
