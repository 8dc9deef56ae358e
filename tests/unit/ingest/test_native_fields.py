"""One rule of one field at a time, and the same answer alone, in an array and on a line."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tollbook.domain.errors import RequestError
from tollbook.domain.event import Event, Observer, Rejection, Seen
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.native import decode
from tollbook.ingest.wire import KINDS, Kind, Observed

LIMITS = IntakeLimits()
GOOD = '{"tenant":"acme","agent":"a","input":10,"output":5,"model":"m"}'
FIELDS: dict[str, str] = {
    "tenant": '"acme"',
    "agent": '"planner/fetcher#2"',
    "input": "10",
    "output": "5",
    "model": '"m-1"',
}


def written(**tokens: str | None) -> str:
    fields = {name: token for name, token in (FIELDS | tokens).items() if token is not None}
    return "{" + ",".join(f'"{name}":{token}' for name, token in fields.items()) + "}"


def outcome(item: str) -> Event | Rejection:
    """What becomes of the item, the same on every path through the decoder."""
    bodies = {
        "alone": item,
        "array": f"[{GOOD},{item},{GOOD}]",
        "array with unknown field": f'[{GOOD},{item},{GOOD[:-1]},"extra":[{{}}]}}]',
        "array with wrong type": f'[{GOOD},{item},{{"input":"x"}}]',
        "array that is not plain": f'[{GOOD},{item},{GOOD[:-1]},"run":"löwe"}}]',
        "lines": f"{GOOD}\n{item}\n{GOOD}",
    }
    outcomes: dict[str, Event | Rejection] = {}
    for name, body in bodies.items():
        decoded = decode(body.encode(), "application/json", LIMITS)
        index = 0 if name == "alone" else 1
        assert decoded.items == (1 if name == "alone" else 3)
        positions = decoded.indexes if decoded.indexes is not None else list(range(decoded.items))
        found: list[Event | Rejection] = [r for r in decoded.rejections if r.index == index]
        found += [e for e, at in zip(decoded.events, positions, strict=True) if at == index]
        assert len(found) == 1
        outcomes[name] = found[0]
    first = outcomes["alone"]
    if isinstance(first, Rejection):
        verdicts = {n: (o.code, o.detail) if isinstance(o, Rejection) else o for n, o in outcomes.items()}
        assert set(verdicts.values()) == {(first.code, first.detail)}
    else:
        assert all(o == first for o in outcomes.values()), outcomes
    return first


def event(**tokens: str | None) -> Event:
    taken = outcome(written(**tokens))
    assert isinstance(taken, Event), taken
    return taken


def refusal(**tokens: str | None) -> tuple[str, str]:
    refused = outcome(written(**tokens))
    assert isinstance(refused, Rejection), refused
    return refused.code, refused.detail


def test_the_brief_s_five_fields_make_an_event() -> None:
    assert outcome(GOOD) == Event(tenant="acme", agent="a", input=10, output=5, model="m")


def test_every_field_arrives() -> None:
    item = {
        "tenant": "acme",
        "agent": "p/r#7",
        "input": 100,
        "output": 50,
        "model": "m",
        "id": "i",
        "source": "s",
        "ts": "2026-07-01T12:00:00Z",
        "run": "r",
        "provider": "p",
        "cache_read": 10,
        "cache_write_5m": 20,
        "cache_write_1h": 30,
        "reasoning": 40,
        "service_tier": "flex",
        "tags": {"team": "x"},
        "call_id": "c",
        "cost_usd": "0.5",
        "hold": "01890a5d-ac96-774b-bcce-b302099a8057.3",
        "units": {"web_searches": 2},
        "context": {"inference_geo": "us"},
    }
    observed = {"response_id": "msg_1", "request_id": "req_1", "group": "g", "estimated": True}
    # What dialects alone know is no field of the native payload.
    assert set(item) | {"seen"} == set(Event.__struct_fields__)
    moment = datetime(2026, 7, 1, 12, tzinfo=UTC)
    taken = outcome(json.dumps(item | observed | {"observed": "leaf"}))
    assert taken == Event(**(item | {"ts": moment, "seen": Seen(by=Observer.LEAF, **observed)}))
    assert hash(decode(GOOD.encode(), None, LIMITS).events[0]) == hash(outcome(GOOD))


@pytest.mark.parametrize("name", ["tenant", "agent", "input", "output", "model"])
@pytest.mark.parametrize("token", [None, "null"])
def test_a_missing_or_null_required_field_is_named(name: str, token: str | None) -> None:
    assert refusal(**{name: token}) == ("field_missing", f"missing: `{name}`")


@pytest.mark.parametrize("name", [n for n in Observed.__struct_fields__ if n not in FIELDS])
def test_a_null_optional_field_is_absent(name: str) -> None:
    assert event(**{name: "null"}) == event()


@pytest.mark.parametrize("observer", Observer)
def test_an_observer_says_who_saw_the_call(observer: Observer) -> None:
    assert event(observed=f'"{observer.value}"').seen == Seen(by=observer)


def test_who_names_no_observer_was_handed_the_answer() -> None:
    assert event(response_id='"msg_1"').seen == Seen(by=Observer.SDK, response_id="msg_1")
    assert event(estimated="true").seen == Seen(by=Observer.SDK, estimated=True)
    assert event(estimated="false").seen is None


@pytest.mark.parametrize(
    ("field", "token"),
    [
        ("observed", '"nobody"'), ("observed", "3"), ("estimated", '"yes"'), ("estimated", "1"), ("units", "[]"),
        ("units", '{"web_searches":-1}'), ("units", '{"web_searches":2000000001}'), ("units", '{"Web":1}'),
        ("units", "{" + ",".join(f'"u{number}":1' for number in range(33)) + "}"), ("units", '{"web_searches":1.5}'),
        ("response_id", "7"), ("context", "[]"), ("context", '{"inference_geo":7}'), ("context", '{"Geo":"us"}'),
        ("context", '{"inference_geo":""}'), ("context", '{"inference_geo":"' + "x" * 257 + '"}'),
        ("context", "{" + ",".join(f'"c{number}":"x"' for number in range(33)) + "}"),
    ],
)  # fmt: skip
def test_what_is_no_observation_is_refused(field: str, token: str) -> None:
    code, detail = refusal(**{field: token})
    assert code == "field_invalid"
    assert f"`{field}`" in detail


@pytest.mark.parametrize(
    ("alias", "field", "token"),
    [
        ("tenant_id", "tenant", '"zeta"'),
        ("agent_id", "agent", '"zeta"'),
        ("input_tokens", "input", "7"),
        ("prompt_tokens", "input", "7"),
        ("output_tokens", "output", "7"),
        ("completion_tokens", "output", "7"),
        ("cache_read_tokens", "cache_read", "7"),
        ("cache_write_5m_tokens", "cache_write_5m", "7"),
        ("cache_write_1h_tokens", "cache_write_1h", "7"),
        ("reasoning_tokens", "reasoning", "3"),
        ("event_id", "id", '"e-1"'),
        ("timestamp", "ts", '"2026-07-01T12:00:00Z"'),
        ("run_id", "run", '"r-1"'),
        ("model_name", "model", '"zeta"'),
    ],
)
def test_an_alias_means_its_field(alias: str, field: str, token: str) -> None:
    other = '"2027-07-01T12:00:00Z"' if field == "ts" else token.replace("7", "8").replace("3", "4")
    other = other.replace("zeta", "eta").replace("-1", "-2") if field != "ts" else other
    by_name = event(**{field: token})
    assert event(**{field: None, alias: token}) == by_name
    assert event(**{field: token, alias: token}) == by_name
    assert event(**{field: "null", alias: token}) == by_name
    assert event(**{field: token, alias: "null"}) == by_name
    if alias == "agent_id":
        assert event(agent=token, agent_id=other) == by_name
    else:
        assert refusal(**{field: token, alias: other})[0] == "alias_conflict"


def test_two_aliases_of_one_field_must_agree() -> None:
    assert event(input=None, input_tokens="10", prompt_tokens="10").input == 10
    assert refusal(input=None, input_tokens="10", prompt_tokens="11")[0] == "alias_conflict"
    assert event(ts="1767225600", timestamp='"2026-01-01T01:00:00+01:00"').ts == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("token", ["0", "12", "12.0", "1e3", "-0", "2000000000", "2e9", "0.0", "-0.0"])
def test_whole_numbers_are_counts(token: str) -> None:
    taken = event(input=token, input_tokens=token)
    assert taken.input == float(token)
    assert type(taken.input) is int


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("1.5", "field_invalid"),
        ("true", "field_invalid"),
        ('"12"', "field_invalid"),
        ("[]", "field_invalid"),
        ("{}", "field_invalid"),
        ("-1", "field_out_of_range"),
        ("-1.5", "field_out_of_range"),
        ("2000000001", "field_out_of_range"),
        ("2000000000.5", "field_out_of_range"),
        ("1e30", "field_out_of_range"),
        ("1e400", "field_out_of_range"),
        ("9" * 30, "field_out_of_range"),
        ("9" * 5000, "field_out_of_range"),
    ],
)
@pytest.mark.parametrize("field", ["input", "output", "cache_read", "cache_write_5m", "reasoning", "prompt_tokens"])
def test_other_values_are_no_counts(field: str, token: str, code: str) -> None:
    got, detail = refusal(**{field: token})
    assert got == code
    assert f"`{field}`" in detail
    assert len(detail) < 200


@pytest.mark.parametrize(
    ("tokens", "word"),
    [
        ({"cache_read": "11"}, "input"),
        ({"cache_read": "5", "cache_write_5m": "3", "cache_write_1h": "3"}, "input"),
        ({"reasoning": "6"}, "output"),
    ],
)
def test_parts_never_exceed_their_parent(tokens: dict[str, str], word: str) -> None:
    code, detail = refusal(**tokens)
    assert code == "tokens_inconsistent"
    assert f"`{word}` holds all" in detail
    assert event(cache_read="5", cache_write_5m="3", cache_write_1h="2", reasoning="5").reasoning == 5


@pytest.mark.parametrize(
    ("token", "moment"),
    [
        ('"2026-07-01T12:00:00Z"', datetime(2026, 7, 1, 12, tzinfo=UTC)),
        ('"2026-07-01T14:00:00+02:00"', datetime(2026, 7, 1, 12, tzinfo=UTC)),
        ('"2026-07-01T12:00:00.123456Z"', datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=UTC)),
        ("1782907200", datetime(2026, 7, 1, 12, tzinfo=UTC)),
        ("1782907200.5", datetime(2026, 7, 1, 12, 0, 0, 500000, tzinfo=UTC)),
        ("1782907200500", datetime(2026, 7, 1, 12, 0, 0, 500000, tzinfo=UTC)),
        ("1782907200500.25", datetime(2026, 7, 1, 12, 0, 0, 500250, tzinfo=UTC)),
        ("99999999999", datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)),
        ("100000000000", datetime(1973, 3, 3, 9, 46, 40, tzinfo=UTC)),
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("-1", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_moments_are_utc(token: str, moment: datetime) -> None:
    ts = event(ts=token).ts
    assert ts == moment
    assert ts is not None
    assert ts.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("token", "code", "word"),
    [
        ('"2026-07-01T12:00:00"', "field_invalid", "offset"),
        ('"2026-07-01"', "field_invalid", "RFC 3339"),
        ('"now"', "field_invalid", "RFC 3339"),
        ('"1782907200"', "field_invalid", "RFC 3339"),
        ('"2026-13-01T12:00:00Z"', "field_invalid", "RFC 3339"),
        ("true", "field_invalid", "RFC 3339"),
        ("[]", "field_invalid", "RFC 3339"),
        ("1e400", "field_invalid", "RFC 3339"),
        ("9" * 5000, "field_invalid", "RFC 3339"),
        ("9" * 400, "field_out_of_range", "years"),
        ("1e300", "field_out_of_range", "years"),
        ("1782907200500000000", "field_out_of_range", "years"),
        ('"0001-01-01T00:00:00+14:00"', "field_out_of_range", "years"),
        ('"9999-12-31T23:59:59-14:00"', "field_out_of_range", "years"),
    ],
)
def test_what_is_no_moment_is_refused(token: str, code: str, word: str) -> None:
    got, detail = refusal(ts=token)
    assert (got, word in detail) == (code, True), detail


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("0.1", "0.1"),
        ('"0.1"', "0.1"),
        ("0", "0"),
        ("1.50", "1.50"),
        ("1e-7", "0.0000001"),
        ('"1.5E+2"', "150"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ("1000000", "1000000"),
        ('"1000000.000"', "1000000.000"),
        ('"999999.999999999"', "999999.999999999"),
    ],
)
def test_a_cost_keeps_every_digit(token: str, text: str) -> None:
    assert event(cost_usd=token).cost_usd == text


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("1000000.000000001", "field_out_of_range"),
        ('"1000000.0000000000001"', "field_out_of_range"),
        ("-0.1", "field_out_of_range"),
        ("1e400", "field_out_of_range"),
        ("1e-99999999999999999999", "field_out_of_range"),
        ("9" * 65, "field_out_of_range"),
        ("0." + "1" * 63, "field_out_of_range"),
        ('"0.' + "1" * 63 + '"', "field_out_of_range"),
        ("9" * 5000, "field_out_of_range"),
        ("0." + "1" * 29 + "e99", "field_out_of_range"),
        ("1000000.0000000000000000000000000000000000000000000000000001", "field_out_of_range"),
        ('"-0.1"', "field_invalid"),
        ('"NaN"', "field_invalid"),
        ('"Infinity"', "field_invalid"),
        ('" 1"', "field_invalid"),
        ('"1\\n"', "field_invalid"),
        ('"1_0"', "field_invalid"),
        ('"\u0661"', "field_invalid"),
        ('""', "field_invalid"),
        ('"$1"', "field_invalid"),
        ("true", "field_invalid"),
        ("[1]", "field_invalid"),
    ],
)
def test_what_is_no_cost_is_refused(token: str, code: str) -> None:
    got, detail = refusal(cost_usd=token)
    assert got == code
    assert "`cost_usd`" in detail


@pytest.mark.parametrize(
    "field",
    [
        "tenant",
        "agent",
        "model",
        "provider",
        "source",
        "run",
        "service_tier",
        "id",
        "call_id",
        "response_id",
        "request_id",
        "group",
    ],
)
def test_text_rules(field: str) -> None:
    chars_max = LIMITS.id_chars_max if KINDS[field] is Kind.ID else LIMITS.name_chars_max
    longest = "x" * chars_max
    assert getattr(event(**{field: f'"{longest}"'}), field) == longest
    assert refusal(**{field: f'"{longest}x"'})[0] == "field_out_of_range"
    for blank in ('""', '" "', '"\u3000"', '"\\u2003 "'):
        assert refusal(**{field: blank})[0] == "text_invalid", blank
    for bad in (
        "\\u0000",
        "\\n",
        "\\u001f",
        "\x7f",
        "\\u0085",
        "\u0085",
        "\\ud800",
        "\\udfff",
        "\\uDBFF\\u0041",
    ):
        assert refusal(**{field: f'"a{bad}b"'})[0] == "text_invalid", bad
    for wrong in ("5", "true", "[]", '{"a":1}'):
        assert refusal(**{field: wrong})[0] == "field_invalid", wrong
    for fine in ("löwe", "\\ud83d\\ude00", "a\u200bb", "a b", 'say \\"hi\\"', "\\\\ud800", "a\u2028b"):
        assert getattr(event(**{field: f'"{fine}"'}), field) == json.loads(f'"{fine}"')


@pytest.mark.parametrize("field", ["tenant", "agent"])
@pytest.mark.parametrize("name", [" a", "a ", "\u3000a", "a\u00a0"])
def test_names_neither_begin_nor_end_with_space(field: str, name: str) -> None:
    assert refusal(**{field: json.dumps(name)})[0] == "text_invalid"


@pytest.mark.parametrize("name", ["a:2026-01-01", "{a}", "a}"])
def test_a_tenant_cannot_reach_into_another_s_keys(name: str) -> None:
    assert refusal(tenant=json.dumps(name))[0] == "text_invalid"
    assert event(tenant='"org/team@x.io"').tenant == "org/team@x.io"


@pytest.mark.parametrize("agent", ["/a", "a/", "a//b", "#1", "a/#1", "a#", "a#/b", "/", "/".join("a" * 17)])
def test_agents_are_paths(agent: str) -> None:
    assert refusal(agent=json.dumps(agent))[0] == "text_invalid"


def test_a_good_path_is_kept() -> None:
    for agent in ("a", "planner/researcher#7/fetcher#2", "a#1#2", "/".join("a" * 16)):
        assert event(agent=json.dumps(agent)).agent == agent


def test_tags_become_text() -> None:
    tags = '{"s":"x","i":7,"f":1.5,"t":true,"n":false,"z":null,"e":""}'
    assert event(tags=tags).tags == {"s": "x", "i": "7", "f": "1.5", "t": "true", "n": "false", "e": ""}
    assert event(tags='{"s":"x"}').tags == {"s": "x"}
    assert event(tags="{}").tags == {}


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("[]", "field_invalid"),
        ('"a"', "field_invalid"),
        ('{"a":[]}', "field_invalid"),
        ('{"a":{"b":{}}}', "field_invalid"),
        ('{"a":1e400}', "field_invalid"),
        ('{"":1}', "field_out_of_range"),
        ('{"' + "k" * 65 + '":1}', "field_out_of_range"),
        ('{"a":"' + "v" * 257 + '"}', "field_out_of_range"),
        ('{"a":' + "9" * 257 + "}", "field_out_of_range"),
        (json.dumps({str(n): n for n in range(33)}), "field_out_of_range"),
        ('{"a\\n":"b"}', "text_invalid"),
        ('{" ":"b"}', "text_invalid"),
        ('{"a":"b\\u0000"}', "text_invalid"),
        ('{"a":"\\n"}', "text_invalid"),
        ('{"\\ud800":"b"}', "text_invalid"),
    ],
)
def test_tag_rules(token: str, code: str) -> None:
    got, detail = refusal(tags=token)
    assert got == code
    assert "`tags`" in detail


def test_a_refusal_never_repeats_the_input() -> None:
    for field in ("tenant", "input", "ts", "tags", "cost_usd", "prompt_tokens"):
        for token in ('"SECRET' + "S" * 600 + '"', '{"SECRET":["SECRET"]}', '["SECRET"]'):
            refused = outcome(written(**{field: token}))
            assert isinstance(refused, Rejection)
            assert "SECRET" not in refused.detail


def test_a_repeated_field_counts_last_or_is_refused() -> None:
    assert event(input="10").input == 10
    taken = outcome(written()[:-1] + ',"input":11}')
    assert isinstance(taken, Event)
    assert taken.input == 11
    refused = outcome(written(input='"x"')[:-1] + ',"input":11}')
    assert isinstance(refused, Rejection)


@pytest.mark.parametrize("item", ["5", "null", '"x"', "[]", "true", "[[{}]]"])
def test_only_objects_are_events(item: str) -> None:
    decoded = decode(f"[{GOOD},{item}]".encode(), None, LIMITS)
    assert [(r.index, r.code) for r in decoded.rejections] == [(1, "item_not_object")]
    if not item.startswith("["):
        assert decode(item.encode(), None, LIMITS).rejections[0].code == "item_not_object"


def test_bounds_follow_the_limits() -> None:
    tight = IntakeLimits(name_chars_max=4, tokens_max=10, tags_max=1, cost_nanos_max=1_000_000_000)
    for tokens, code in [
        ({"tenant": '"abcde"'}, "field_out_of_range"),
        ({"agent": '"abc"', "input": "11"}, "field_out_of_range"),
        ({"agent": '"abc"', "tags": '{"a":1,"b":2}'}, "field_out_of_range"),
        ({"agent": '"abc"', "cost_usd": '"1.1"'}, "field_out_of_range"),
    ]:
        assert decode(written(**tokens).encode(), None, tight).rejections[0].code == code
    assert decode(written(agent='"abc"', cost_usd='"1.0"').encode(), None, tight).events[0].cost_usd == "1.0"


def test_unknown_fields_are_ignored() -> None:
    assert event(usage='{"a":[1,{"b":2}]}', notes='"\\ud800"', big="1e999") == event()


def test_no_item_of_a_request_changes_the_status_of_its_neighbours() -> None:
    bad = [written(input='"x"'), written(tenant='"a:b"'), "5", written(agent=None), written(run='"\\ud800"')]
    body = "[" + ",".join(part for item in bad for part in (GOOD, item)) + "]"
    decoded = decode(body.encode(), None, LIMITS)
    assert decoded.indexes == [0, 2, 4, 6, 8]
    assert [r.index for r in decoded.rejections] == [1, 3, 5, 7, 9]
    assert decoded.items == 10


def test_request_errors_are_not_items() -> None:
    with pytest.raises(RequestError):
        decode(b"[" + GOOD.encode(), None, LIMITS)
