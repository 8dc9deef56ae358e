"""What an exporter is told: in its own encoding, in words of the protocol, and 503 only where it should come back."""

import gzip
import json
import re
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from redis.asyncio import Redis

from tests.world import World
from tollbook.domain.access import Role
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.otel.claims import Mapping
from tollbook.ledger.pool import connect_pool
from tollbook.ledger.spans import PostgresSpans
from tollbook.pipeline.traces import Traces, TraceSettings

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
TRACE = "0123456789abcdef0123456789abcdef"


def attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = {str: "stringValue", int: "intValue", float: "doubleValue"}
    return [{"key": key, "value": {kinds[type(value)]: value}} for key, value in values.items()]


def chat(number: int = 1, **more: Any) -> dict[str, Any]:
    """A span of a call of 100 + 50 tokens."""
    fields = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m-1",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 50,
    }
    return {"traceId": TRACE, "spanId": f"{number:016x}", "name": "chat", "attributes": attributes(fields | more)}


def agent(number: int, name: str, **more: Any) -> dict[str, Any]:
    fields = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name, **more}
    return {"traceId": TRACE, "spanId": f"{number:016x}", "name": "invoke_agent", "attributes": attributes(fields)}


def request(world: World, *spans: dict[str, Any], tenant: str | None = "acme") -> dict[str, Any]:
    """An export of spans that ended now."""
    nanos = str(int(world.clock.now().timestamp() * 1e9))
    timed = [{"startTimeUnixNano": nanos, "endTimeUnixNano": nanos, **span} for span in spans]
    resource = {"attributes": attributes({"tollbook.tenant": tenant} if tenant else {})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "t"}, "spans": timed}]}]}


def export(world: World, key: str, *spans: dict[str, Any], tenant: str | None = "acme") -> httpx2.Response:
    body = json.dumps(request(world, *spans, tenant=tenant))
    return world.ask("POST", "/v1/traces", key, content=body, headers=JSON)


def entries(world: World, key: str) -> list[dict[str, Any]]:
    world.drain()
    return list(world.get("/v1/entries?limit=100", key).json()["rows"])


def without_postgres(world: World) -> Traces:
    pool = world.run(connect_pool("postgresql://127.0.0.1:1/none", world.queries, connections_max=1, timeout_s=2))
    return Traces(PostgresSpans(pool, world.queries), world.clock, world.telemetry, IntakeLimits(), TraceSettings())


def test_a_span_is_booked_once_however_often_it_comes(world: World) -> None:
    key = world.key()
    for _ in range(3):
        answer = export(world, key, chat())
        assert (answer.status_code, answer.content) == (200, b"{}")
        assert answer.headers["content-type"] == "application/json"
    (row,) = entries(world, key)
    assert (row["tenant"], row["input"], row["output"], row["source"], row["run"]) == ("acme", 100, 50, "otel", TRACE)


def test_spans_that_come_with_known_ones_are_kept_beside_them(world: World) -> None:
    key = world.key()
    export(world, key, chat(1))
    export(world, key, chat(2), chat(1), chat(3))
    kept = world.get(f"/v1/traces/{TRACE}", key).json()["spans"]
    assert len(kept) == 3
    assert len(entries(world, key)) == 3


def test_gzip_is_taken_and_protobuf_is_answered_in_protobuf(world: World) -> None:
    key = world.key()
    body = gzip.compress(json.dumps(request(world, chat())).encode())
    zipped = {**JSON, "content-encoding": "gzip"}
    assert world.ask("POST", "/v1/traces", key, content=body, headers=zipped).status_code == 200
    empty = world.ask("POST", "/v1/traces", key, content=b"", headers=PROTOBUF)
    assert (empty.status_code, empty.content, empty.headers["content-type"]) == (200, b"", "application/x-protobuf")
    assert len(entries(world, key)) == 1


def test_a_broken_item_is_told_of_and_costs_its_neighbours_nothing(world: World) -> None:
    key = world.key()
    broken = chat(2, **{"gen_ai.usage.input_tokens": -5})
    nameless = {**chat(3), "spanId": "00"}
    typed = {**chat(4), "traceId": 7}
    answer = export(world, key, chat(), broken, nameless, typed)
    assert answer.status_code == 200
    partial = answer.json()["partialSuccess"]
    assert partial["rejectedSpans"] == "3"
    assert partial["errorMessage"].startswith("item 1: field_out_of_range")
    assert [row["input"] for row in entries(world, key)] == [100]


def test_partial_success_in_protobuf(world: World) -> None:
    from tests.unit.ingest.otel.seen import bodies

    (body,) = bodies("genai-anthropic", "traces")
    # The same request for a tenant that no store key could hold.
    answer = world.ask("POST", "/v1/traces", world.key(), content=body.replace(b"acme", b"a:me"), headers=PROTOBUF)
    response = ExportTraceServiceResponse.FromString(answer.content)
    assert answer.status_code == 200
    assert response.partial_success.rejected_spans == 2
    assert "text_invalid" in response.partial_success.error_message


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"\xff\xff\xff", PROTOBUF, 400, "protobuf_invalid"),
        (b"{", JSON, 400, "json_invalid"),
        (b"[]", JSON, 400, "json_invalid"),
        (b"", JSON, 400, "body_empty"),
        (b"[" * 100, JSON, 400, "too_deep"),
        (b"{}", {"content-type": "text/plain"}, 415, "media_type_unsupported"),
        (b"no gzip", {**JSON, "content-encoding": "gzip"}, 400, "encoding_invalid"),
        (b"{}", {**JSON, "content-encoding": "zstd"}, 415, "encoding_unsupported"),
        (b"x" * (4 * 1024 * 1024 + 1), PROTOBUF, 413, "body_too_large"),
    ],
)
def test_a_broken_body_is_refused_for_good(
    world: World, path: str, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = world.ask("POST", path, world.key(), content=body, headers=headers)
    assert answer.status_code == status
    if headers["content-type"] == "application/json":
        assert answer.json()["message"].startswith(code)
    else:
        assert Status.FromString(answer.content).message.startswith(code)


def test_more_items_than_a_request_may_have_are_refused(world: World) -> None:
    world.services.limits = IntakeLimits(batch_events_max=2)
    answer = export(world, world.key(), chat(1), chat(2), chat(3))
    assert (answer.status_code, answer.json()["code"]) == (413, 8)


def test_whose_money_it_is(world: World) -> None:
    bound = world.key(Role.INGEST, "globex")
    assert export(world, bound, chat(), tenant="acme").json() == {}
    admin = world.key()
    refused = export(world, admin, chat(2), tenant=None).json()["partialSuccess"]
    assert refused["errorMessage"].startswith("item 0: field_missing")
    # A span that is no call needs no tenant: it is nobody's.
    assert export(world, admin, {**chat(3), "attributes": []}, tenant=None).json() == {}
    assert [row["tenant"] for row in entries(world, admin)] == ["globex"]
    assert world.ask("POST", "/v1/traces", content=b"", headers=PROTOBUF).status_code == 401
    assert world.ask("POST", "/v1/traces", world.key(Role.READ), content=b"", headers=PROTOBUF).status_code == 403
    encoded = {**PROTOBUF, "authorization": f"Bearer%20{admin}"}
    assert world.ask("POST", "/v1/traces", content=b"", headers=encoded).status_code == 200
    assert world.ask("PUT", "/v1/traces", admin, content=b"", headers=PROTOBUF).status_code == 405


def test_the_tenants_attribute_is_a_setting(world: World) -> None:
    settings = TraceSettings(mapping=Mapping(tenant=("customer.name",)))
    world.services.traces = Traces(world.spans, world.clock, world.telemetry, IntakeLimits(), settings)
    key = world.key()
    assert export(world, key, chat(1, **{"customer.name": "initech"}), tenant=None).json() == {}
    assert [row["tenant"] for row in entries(world, key)] == ["initech"]


def test_with_both_stores_away_the_exporter_comes_back(world: World) -> None:
    key = world.key()
    pool = world.run(connect_pool("postgresql://127.0.0.1:1/none", world.queries, connections_max=1, timeout_s=2))
    store, world.journal._store = world.journal._store, Redis.from_url("redis://127.0.0.1:1/0")
    real, world.ledger._pool = world.ledger._pool, pool
    answer = export(world, key, chat())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    world.journal._store, world.ledger._pool = store, real
    while world.intake._probing is not None:
        world.run(world.clock.pause(0))
    assert export(world, key, chat()).status_code == 200
    assert len(entries(world, key)) == 1


def test_without_a_place_for_spans_calls_are_counted_once_all_the_same(world: World) -> None:
    key = world.key()
    real = world.services.traces
    world.services.traces = without_postgres(world)
    child = {**chat(2), "parentSpanId": f"{1:016x}"}
    assert export(world, key, agent(1, "planner"), child).json() == {}
    world.services.traces = real
    assert export(world, key, agent(1, "planner"), child).json() == {}
    (row,) = entries(world, key)
    assert (row["agent"], row["input"]) == ("planner", 100)


def test_without_a_place_for_spans_sums_are_asked_for_again(world: World) -> None:
    """Whether a sum holds those of its parts cannot be told then: counting it could count them twice."""
    key = world.key()
    real = world.services.traces
    world.services.traces = without_postgres(world)
    usage = {"gen_ai.request.model": "m-1", "gen_ai.usage.input_tokens": 70}
    answer = export(world, key, agent(1, "planner", **usage))
    assert (answer.status_code, answer.json()["code"]) == (503, 14)
    assert entries(world, key) == []
    world.services.traces = real
    assert export(world, key, agent(1, "planner", **usage)).status_code == 200
    assert [row["input"] for row in entries(world, key)] == [70]


def test_without_a_place_for_spans_the_parts_of_a_sum_are_counted_and_it_is_not(world: World) -> None:
    """They are kept although their request is refused; the sum, asked for again, only repeats them."""
    key = world.key()
    real = world.services.traces
    world.services.traces = without_postgres(world)
    usage = {"gen_ai.request.model": "m-1", "gen_ai.usage.input_tokens": 70}
    assert export(world, key, agent(1, "planner", **usage), chat(2)).status_code == 503
    world.services.traces = real
    assert export(world, key, agent(1, "planner", **usage)).status_code == 200
    assert [row["input"] for row in entries(world, key)] == [100]


def test_what_was_said_is_not_kept_and_what_is_long_is_cut(world: World) -> None:
    key = world.key()
    said = {
        "gen_ai.input.messages": "secret words",
        "output.value": "more",
        "url.full": "https://u:p@x",
        "note": "n" * 999,
    }
    export(world, key, chat(1, **said))
    answer = world.get(f"/v1/traces/{TRACE}", key)
    (span,) = answer.json()["spans"]
    assert "secret" not in answer.text
    assert span["attributes"].keys() == {
        "gen_ai.operation.name",
        "gen_ai.request.model",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "note",
    }
    assert len(span["attributes"]["note"]) == 257
    kept = TraceSettings(content=True)
    world.services.traces = Traces(world.spans, world.clock, world.telemetry, IntakeLimits(), kept)
    export(world, key, chat(2, **said))
    assert "secret words" in world.get(f"/v1/traces/{TRACE}", key).text


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "\\u0000", "é" * 400])
def test_any_text_in_a_span_is_kept_or_refused_but_never_trouble(world: World, text: str) -> None:
    key = world.key()
    odd = {**chat(1, note=text, **{"gen_ai.agent.name": text}), "name": text}
    answer = export(world, key, odd)
    assert answer.status_code in {200, 400}
    if answer.status_code == 200:
        assert world.get(f"/v1/traces/{TRACE}", key).status_code == 200
        assert len(entries(world, key)) == 1


def test_the_tree_of_a_run_with_its_costs(world: World) -> None:
    key = world.key()
    conversation = {"gen_ai.conversation.id": "task/9"}
    export(world, key, {**chat(3), "parentSpanId": f"{2:016x}"})
    export(world, key, agent(1, "planner", **conversation), {**agent(2, "reader"), "parentSpanId": f"{1:016x}"})
    world.drain()
    tree = world.get("/v1/runs/task%2F9/spans?tenant=acme", key).json()
    assert [(span["depth"], span["kind"], span["agent"]) for span in tree["spans"]] == [
        (0, "agent", "planner"),
        (1, "agent", "planner/reader#00000000"),
        (2, "inference", "planner/reader#00000000"),
    ]
    assert (tree["spans"][2]["cost_usd"], tree["spans"][2]["input"], tree["cut"]) == ("0.000150000", 100, False)
    assert world.get(f"/v1/traces/{TRACE}", key).json() == tree


def test_nobody_sees_anothers_spans(world: World) -> None:
    export(world, world.key(), chat())
    other = world.key(Role.READ, "globex")
    assert world.get(f"/v1/traces/{TRACE}", other).status_code == 404
    assert world.get(f"/v1/runs/{TRACE}/spans", other).status_code == 404
    assert world.get(f"/v1/traces/{TRACE}?tenant=acme", other).status_code == 403
    assert world.get(f"/v1/traces/{TRACE}", world.key(Role.READ, "acme")).status_code == 200
    assert world.get("/v1/traces/xyz", other).status_code == 400


def test_spans_behind_the_retention_go_and_old_ones_are_not_kept(world: World) -> None:
    key = world.key()
    export(world, key, chat(1))
    old = str(int((world.clock.now() - timedelta(days=31)).timestamp() * 1e9))
    assert export(world, key, {**chat(2), "startTimeUnixNano": old, "endTimeUnixNano": old}).json() == {}
    assert len(world.get(f"/v1/traces/{TRACE}", key).json()["spans"]) == 1
    assert len(entries(world, key)) == 2
    world.clock.ahead = timedelta(days=50)
    assert world.run(world.spans.make_span_room(world.clock.now(), 30)) > 0
    assert world.get(f"/v1/traces/{TRACE}", key).status_code == 404


@pytest.mark.parametrize(
    ("query", "arguments", "index"),
    [
        ("span_relatives", (["a"], [b"t"], [b"s"], ["a"], [b"t"], [b"s"], None, None, 10, 7), "parent"),
        ("span_shared", (["a"], [b"t"], None, None, 7), "pkey"),
        ("span_kept", (["a"], [b"t"], [b"s"]), "pkey"),
        ("span_trace_of_tenant", (b"t", 10, "a"), "pkey"),
        ("span_run_of_tenant", ("r", 10, "a"), "run"),
    ],
)
def test_spans_are_found_by_their_indexes(world: World, query: str, arguments: tuple[object, ...], index: str) -> None:
    instants = iter([world.clock.now(), world.clock.now() + timedelta(days=1)])
    given = [next(instants) if argument is None else argument for argument in arguments]
    plan = world.plan(query, *given)
    assert index in plan
    assert "Seq Scan on span" not in plan
    # A look-up whose cost grows with all that is kept would show as one of these.
    assert not re.search("Hash Join|Merge Join|Bitmap", plan) or query.startswith(("span_trace", "span_run"))
