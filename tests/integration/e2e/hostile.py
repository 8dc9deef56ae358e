"""Requests that a careless or hostile sender makes, as Hypothesis draws them."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from uuid import uuid4

from hypothesis import strategies as st

UNIQUE = "unique-0000"
"""Stands for an id of its own in a drawn body; sending puts a fresh one in its place."""
TENANTS = ("mallory", "trent", "org/team", "Ünïcode ☃")
VICTIM = "victim"
"""Named by nobody but the holders of keys that are bound to `BOUND`: no entry may ever be this tenant's."""
BOUND = "peggy"

_COUNTS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "reasoning", "input_tokens")
_NAMES = ("tenant", "agent", "model", "provider", "source", "run", "service_tier", "agent_id", "model_name")
_FIELDS = (*_COUNTS, *_NAMES, "id", "event_id", "call_id", "ts", "timestamp", "tags", "cost_usd", "unknown")
_NUMBERS = st.sampled_from(
    [0, 1, 12.0, 12.5, -1, -0.0, 2_000_000_000, 2_000_000_001, 2**31, 2**63, 10**30, 1e308, float("nan"), float("inf")]
)
_TEXTS = st.sampled_from(
    ["", " ", "x", "a:b", "a{b}", "a/b#1", "/", "#", "a//b", "\x00", "\n", "\ud800", "\u202e", "💸", "x" * 300, "1e400"]
) | st.text(max_size=8)
_MOMENTS = st.sampled_from(
    [
        "2026-02-30T00:00:00Z",
        "2026-01-01",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        0,
        -1e18,
        1e300,
        4e12,
    ]
)
_VALUES = st.one_of(
    _NUMBERS,
    _TEXTS,
    _MOMENTS,
    st.none() | st.booleans(),
    st.sampled_from(
        [[], {}, [[]], {"a": {"b": 1}}, {"k": "v" * 300}, {"": 1}, {"k": None}, {str(n): n for n in range(33)}]
    ),
)


def _mostly(good: str, bad: Sequence[str]) -> st.SearchStrategy[str]:
    """Four times in five what is good: a request gone wrong in one place only reaches the next."""
    return st.sampled_from([good] * 4 * len(bad) + list(bad))


@st.composite
def events(draw: st.DrawFn, tenants: tuple[str, ...]) -> Any:
    """An event with up to three fields gone wrong, or something that is none."""
    if draw(st.sampled_from([False] * 19 + [True])):
        return draw(_VALUES)
    event: dict[str, Any] = {
        "tenant": draw(st.sampled_from(tenants)),
        "agent": draw(st.sampled_from(["planner", "planner/researcher#7/fetcher"])),
        "model": draw(st.sampled_from(["claude-opus-4-7", "gpt-4o", "no-such-model"])),
        "input": draw(st.integers(0, 5_000)),
        "output": draw(st.integers(0, 900)),
    }
    if draw(st.booleans()):
        event["id"] = UNIQUE
    wrong = draw(st.sampled_from([0, 0, 0, 1, 1, 2, 3]))
    for field in draw(st.lists(st.sampled_from(_FIELDS), min_size=wrong, max_size=wrong)):
        value = draw(_VALUES)
        if field in {"id", "event_id"} and isinstance(value, str) and value.strip():
            value = UNIQUE
        if field == "tenant" and isinstance(value, str) and tenants[0] != TENANTS[0]:
            value = draw(st.sampled_from(tenants))
        event[field] = value
        if draw(st.sampled_from([False] * 3 + [True])):
            del event[field]
    return event


def _text(value: object, ascii_only: bool) -> bytes:
    # Without the escapes a lone surrogate leaves as the bytes that no UTF-8 has.
    return json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


@st.composite
def bodies(draw: st.DrawFn, tenants: tuple[str, ...]) -> bytes:
    """A body: an object, an array, lines, or one of these damaged, or no JSON at all."""
    kind = draw(st.sampled_from([*["one", "array", "lines"] * 4, "deep", "bytes", "twice"]))
    ascii_only = draw(st.booleans())
    if kind == "bytes":
        return draw(st.binary(max_size=64))
    if kind == "deep":
        opening = draw(st.sampled_from([b"[", b'{"a":', b'[{"tags":', b'{"tenant":"mallory","x":[']))
        return opening * draw(st.sampled_from([3, 17, 500, 100_000]))
    if kind == "one":
        body = _text(draw(events(tenants)), ascii_only)
    elif kind == "twice":
        body = _text(draw(events(tenants)), ascii_only).replace(b'"model"', b'"input": 1, "input": 2, "model"', 1)
    else:
        items = [_text(item, ascii_only) for item in draw(st.lists(events(tenants), max_size=5))]
        ends = draw(st.sampled_from([b"\n", b"\r\n", b"\n\n \n"]))
        body = ends.join(items) if kind == "lines" else b"[" + b",".join(items) + b"]"
    return draw(_damaged(body)) if draw(st.sampled_from([False] * 6 + [True])) else body


@st.composite
def _damaged(draw: st.DrawFn, body: bytes) -> bytes:
    how = draw(st.sampled_from(["cut", "flip", "insert", "mark", "spaces"]))
    at = draw(st.integers(0, max(0, len(body) - 1)))
    if how == "cut":
        return body[:at]
    if how == "mark":
        return b"\xef\xbb\xbf" + body
    if how == "spaces":
        return b" \n\t" * 200 + body + b"\n" * 200
    other = draw(st.binary(min_size=1, max_size=3))
    return body[:at] + other + body[at + (1 if how == "flip" else 0) :]


@dataclass(frozen=True)
class Sent:
    """One request as drawn: `key` names who sends it, `route` where to."""

    method: str
    route: str
    key: str
    body: bytes
    encoding: str
    headers: tuple[tuple[str, str], ...]
    ack: str
    chunked: bool
    again: bool

    @property
    def bound(self) -> bool:
        """Whether the sender is bound to one tenant."""
        return self.route == "bound" or (self.route == "events" and self.key == "bound")

    def with_ids(self) -> bytes:
        """The body with a fresh id wherever it asks for one, encoded as its headers say or pretend."""
        first, *rest = self.body.split(UNIQUE.encode())
        plain = first + b"".join(uuid4().hex.encode() + part for part in rest)
        return _encoded(plain, self.encoding)


def _encoded(plain: bytes, encoding: str) -> bytes:
    packed = gzip.compress(plain, compresslevel=1)
    match encoding:
        case "gzip" | "x-gzip" | "GZIP ":
            return packed
        case "gzip cut":
            return packed[:-5]
        case "gzip and more":
            return packed + b"more"
        case "gzip in parts":
            halves = [0, len(plain) // 2, len(plain)]
            return b"".join(gzip.compress(plain[a:b]) for a, b in pairwise(halves))
        case "gzip bomb":
            return gzip.compress(bytes(17 << 20), compresslevel=1)
        case _:
            return plain


ENCODING_HEADERS = {
    "gzip cut": "gzip",
    "gzip and more": "gzip",
    "gzip in parts": "gzip",
    "gzip bomb": "gzip",
    "gzip of nothing": "gzip",
}
_ENCODINGS = ["gzip", "gzip", "x-gzip", "GZIP ", *ENCODING_HEADERS, "deflate", "br", "gzip, gzip", "\xfe", "identity"]
_TYPES = [
    *("", "application/x-ndjson", "application/json; charset=latin-1", "text/plain", "image/png", "application/"),
    *("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "APPLICATION/JSON", ";;=", "\xff/\xff"),
]
_KEYS = ["read", "revoked", "none", "garbage", "basic", "bound"]
_METHODS = ["PUT", "GET", "DELETE", "PATCH", "OPTIONS"]
_REQUEST_IDS = ["", "", "", "{id}", '"{id}"', "{id} ä ÿ", "{id}\t{id}", "{id}#0", "\xa0", '""', " ", "{id}" + "x" * 300]


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    """One request: mostly a POST with a good key, so that bodies are reached; the rest goes wrong elsewhere."""
    route = draw(
        st.sampled_from(["events", "events", "events", "webhook", "webhook", "bound"]) | _mostly("bound", ["unknown"])
    )
    key = draw(st.sampled_from(["admin", "ingest", "bound"]) | _mostly("ingest", _KEYS))
    bound = route == "bound" or (route == "events" and key == "bound")
    headers = [("Content-Type", draw(_mostly("application/json", _TYPES)))]
    request_id = draw(st.sampled_from(_REQUEST_IDS))
    if request_id:
        name = draw(st.sampled_from(["Idempotency-Key", "webhook-id", "X-Idempotency-Key"]))
        headers.append((name, request_id))
    # A webhook takes any method, and the answer to a HEAD could not say how much it took.
    methods = [*_METHODS, "HEAD"] if route == "events" else _METHODS
    return Sent(
        method=draw(_mostly("POST", methods)),
        route=route,
        key=key,
        body=draw(bodies((BOUND, BOUND, VICTIM) if bound else TENANTS)),
        encoding=draw(_mostly("", _ENCODINGS)),
        headers=tuple(headers),
        ack=draw(_mostly("", ["ledger", "journal", "none", "%ff&ack=", "ledger&x=1"])),
        chunked=draw(st.booleans()),
        again="{id}" in request_id and draw(st.booleans()),
    )
