"""Whatever is wrong with a request, or away, comes out as a problem document with a stable code."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import get

import tollbook.api
import tollbook.views
from tests.docs.tables import DOCS, table_under
from tests.servers import empty_valkey
from tests.world import World, event
from tollbook.domain.access import Role
from tollbook.domain.errors import RejectCode
from tollbook.embedded import PostgresServer, ValkeyServer

ADMIN_BODY = {"limit_usd": "1"}


def refused(response: object, status: int, code: str) -> None:
    """The answer is this problem and nothing more."""
    assert response.status_code == status, response.text  # type: ignore[attr-defined]
    assert response.headers["content-type"].startswith("application/problem+json")  # type: ignore[attr-defined]
    body = response.json()  # type: ignore[attr-defined]
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"].endswith(code)
    assert "Traceback" not in response.text  # type: ignore[attr-defined]


BAD_QUERIES = {
    "/v1/spend?by=planet": "query_invalid",
    "/v1/spend?by=agent,agent": "query_invalid",
    "/v1/spend?by=agent,": "query_invalid",
    "/v1/spend?form=2026-01-01": "query_invalid",
    "/v1/spend?from=2026-02-01&to=2026-01-01": "query_invalid",
    "/v1/spend?from=2020-01-01&to=2026-01-01": "query_invalid",
    "/v1/spend?from=yesterday": "request_invalid",
    "/v1/spend?tenant=": "field_invalid",
    "/v1/spend?tenant=a%00b": "field_invalid",
    f"/v1/spend?tenant={'x' * 257}": "field_invalid",
    "/v1/entries?limit=0": "request_invalid",
    "/v1/entries?limit=1001": "request_invalid",
    "/v1/entries?limit=many": "request_invalid",
    "/v1/entries?cursor=zzz": "query_invalid",
    "/v1/entries?cursor=%C3%A4": "query_invalid",
    "/v1/entries?cursor=f_________8AAAAAAAAAAAAAAAAAAAAA": "query_invalid",
    "/v1/runs/a%00b": "field_invalid",
    "/v1/tenants/a%0Ab/status": "field_invalid",
    "/v1/tenants/a%1Fb%00/status": "field_invalid",
}


@pytest.mark.parametrize("path", BAD_QUERIES)
def test_a_bad_question_is_a_400(world: World, path: str) -> None:
    refused(world.get(path, world.key()), 400, BAD_QUERIES[path])


BAD_BODIES: dict[str, tuple[bytes, str]] = {
    "no json": (b"{", "json_invalid"),
    "not utf-8": (b'{"limit_usd": "\xff"}', "json_invalid"),
    "empty": (b"", "request_invalid"),
    "no object": (b"[]", "request_invalid"),
    "no limit": (b"{}", "request_invalid"),
    "another field": (b'{"limit_usd": "1", "limt": 2}', "request_invalid"),
    "a fraction": (b'{"limit_usd": 0.1}', "request_invalid"),
    "no number": (b'{"limit_usd": "much"}', "field_invalid"),
    "infinite": (b'{"limit_usd": "Infinity"}', "field_invalid"),
    "huge": (b'{"limit_usd": "1e30"}', "field_out_of_range"),
    "beyond huge": (b'{"limit_usd": "1e999999"}', "field_invalid"),
    "negative": (b'{"limit_usd": "-1"}', "field_out_of_range"),
    "per week": (b'{"limit_usd": "1", "per": "week"}', "request_invalid"),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_a_400(world: World, name: str) -> None:
    body, code = BAD_BODIES[name]
    headers = {"content-type": "application/json"}
    refused(world.ask("PUT", "/v1/budget", world.key(), content=body, headers=headers), 400, code)


def test_other_bodies_are_judged_too(world: World) -> None:
    key = world.key()
    refused(world.ask("POST", "/v1/keys", key, json={"role": "emperor"}), 400, "request_invalid")
    refused(world.ask("POST", "/v1/keys", key, json={"role": "read", "note": "a\0"}), 400, "field_invalid")
    refused(world.ask("POST", "/v1/webhooks", key, json={"source": ""}), 400, "field_invalid")
    for zone in ("Mars/Olympus", "America", "../../etc/passwd", "/etc/localtime", " "):
        answer = world.ask("PUT", "/v1/tenants/acme/time-zone", key, json={"time_zone": zone})
        refused(answer, 400, "field_invalid")
    refused(world.ask("PUT", "/v1/budget", key, json={"limit_usd": "1" * 70_000}), 413, "body_too_large")


def test_an_unknown_route_and_a_wrong_method_are_problems(world: World) -> None:
    key = world.key()
    refused(world.get("/v1/nothing", key), 404, "not_found")
    refused(world.get("/", key), 404, "not_found")
    answer = world.ask("PATCH", "/v1/spend", key)
    refused(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


def test_a_route_answers_head_and_a_trailing_slash(world: World) -> None:
    key = world.key()
    head = world.ask("HEAD", "/v1/spend", key)
    assert (head.status_code, head.content) == (200, b"")
    assert world.ask("HEAD", "/v1/spend").status_code == 401
    assert world.get("/v1/spend/", key).status_code == 200


def test_no_other_site_is_let_in(world: World) -> None:
    answer = world.ask("GET", "/healthz", headers={"origin": "https://example.org"})
    assert "access-control-allow-origin" not in answer.headers


READS = (
    *("/v1/spend", "/v1/entries", "/v1/runs/r", "/v1/budget", "/v1/budgets", "/v1/tenants/acme/budget"),
    *("/v1/budgets/daily", "/v1/budgets/daily/changes"),
)
CHANGES = (
    ("PUT", "/v1/budget", ADMIN_BODY),
    ("PUT", "/v1/tenants/acme/budget", ADMIN_BODY),
    ("DELETE", "/v1/tenants/acme/budget", None),
    ("PUT", "/v1/tenants/acme/time-zone", {"time_zone": "UTC"}),
    ("PUT", "/v1/budgets/b", {"window": "month", "limit_usd": "1"}),
    ("DELETE", "/v1/budgets/b", None),
    ("POST", "/v1/keys", {"role": "admin"}),
    ("GET", "/v1/keys", None),
    ("DELETE", "/v1/keys/x", None),
    ("POST", "/v1/webhooks", {"source": "s"}),
    ("GET", "/v1/webhooks", None),
    ("DELETE", "/v1/webhooks/x", None),
)


def test_every_guarded_route_asks_for_a_key_first(world: World) -> None:
    for path in (*READS, "/v1/tenants/acme/status", "/v1/spend?by=planet"):
        answer = world.get(path)
        refused(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    for method, path, body in CHANGES:
        refused(world.ask(method, path, json=body), 401, "unauthorized")
        refused(world.ask(method, path, "tb_no_such", json=body), 401, "unauthorized")


def test_each_role_does_only_its_own(world: World) -> None:
    ingest, read = world.key(Role.INGEST), world.key(Role.READ)
    for path in READS:
        refused(world.get(path, ingest), 403, "forbidden")
    for method, path, body in CHANGES:
        # It sees and revokes the keys below it, of which there are none.
        if (method, path) not in {("GET", "/v1/keys"), ("DELETE", "/v1/keys/x")}:
            refused(world.ask(method, path, ingest, json=body), 403, "forbidden")
        refused(world.ask(method, path, read, json=body), 403, "forbidden")
    assert world.get("/v1/tenants/acme/status", ingest).status_code == 200


def test_a_bound_key_sees_its_tenant_alone(world: World) -> None:
    world.book(event(run="r"), event("globex", run="r"))
    key = world.key(tenant="acme")
    for path in (
        "/v1/spend?tenant=globex",
        "/v1/entries?tenant=globex",
        "/v1/runs/r?tenant=globex",
        "/v1/tenants/globex/status",
        "/v1/tenants/globex/budget",
        "/v1/tenants/globex/time-zone",
    ):
        refused(world.get(path, key), 403, "forbidden")
    refused(world.ask("PUT", "/v1/tenants/globex/budget", key, json=ADMIN_BODY), 403, "forbidden")
    refused(world.ask("DELETE", "/v1/tenants/globex/budget", key), 403, "forbidden")
    for path in ("/v1/spend?by=tenant", "/v1/entries", "/v1/runs/r"):
        assert {row["tenant"] for row in world.get(path, key).json()["rows"]} == {"acme"}


def test_an_unknown_webhook_is_404(world: World) -> None:
    refused(world.get("/api/v1/webhooks/nothing/requests"), 404, "not_found")


def test_before_the_keys_are_known_the_answer_is_come_back(world: World) -> None:
    world.directory.loaded = False
    for path in ("/v1/spend", "/api/v1/webhooks/x/requests"):
        answer = world.get(path, "tb_a_b")
        refused(answer, 503, "starting")
        assert answer.headers["retry-after"]
    assert world.get("/readyz").status_code == 503
    assert world.get("/readyz").json()["keys_loaded"] is False


@pytest.fixture
def without_valkey(world: World, valkey_server: ValkeyServer) -> Iterator[World]:
    """A world whose Valkey has just died."""
    valkey_server.kill()
    yield world
    empty_valkey(valkey_server)


def test_without_valkey_status_comes_from_the_ledger(without_valkey: World) -> None:
    key = without_valkey.key()
    assert without_valkey.get("/v1/tenants/acme/status", key).json()["source"] == "ledger"
    ready = without_valkey.get("/readyz")
    assert (ready.status_code, ready.json()["valkey"]) == (200, {"ok": False, "code": "journal_unavailable"})


def test_without_postgres_status_comes_from_the_counters(world: World, postgres_server: PostgresServer) -> None:
    key = world.key()
    world.follow_limits()
    world.drain()
    world.accept(event())
    postgres_server.kill()
    try:
        assert world.get("/v1/tenants/acme/status", key).json()["source"] == "counters"
        answer = world.get("/v1/spend", key)
        refused(answer, 503, "ledger_unavailable")
        assert answer.headers["retry-after"]
        assert "postgres" not in answer.json()["detail"].lower()
        assert world.get("/readyz").json()["postgres"]["ok"] is False
    finally:
        postgres_server.restart()


def test_a_defect_is_told_without_its_details(world: World) -> None:
    @get("/defect")
    async def defect() -> None:
        raise ZeroDivisionError("secret")

    world.front.api.register(defect)
    answer = world.get("/defect")
    refused(answer, 500, "internal")
    assert "secret" not in answer.text
    assert "secret" in str(world.telemetry.happened[-1])


def test_the_document_is_complete(world: World) -> None:
    document = world.get("/openapi.json").json()
    routes = {
        (method.upper(), path.removesuffix("/") or path) for path, item in document["paths"].items() for method in item
    }
    assert {("POST", "/v1/events"), ("POST", "/webhook/receive/{token}"), ("GET", "/v1/spend")} <= routes
    told = {tuple(row.split(" ", 1)) for row in table_under("api.md", "Routes")}
    assert routes | {("GET", "/openapi.json")} == told
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    assert [route for route in sorted(told) if f"`{route[0]} {route[1]}`\n" not in page] == []
    for path, item in document["paths"].items():
        for operation in item.values():
            assert operation["summary"], path
            assert operation["description"], path


def test_every_code_of_an_answer_is_documented() -> None:
    told = (
        table_under("errors.md", "Answers of the API").keys()
        | set(RejectCode)
        | table_under("errors.md", "Failures").keys()
    )
    rooms = (tollbook.api, tollbook.views)
    sources = [source for room in rooms for source in Path(room.__file__).parent.rglob("*.py")]
    code = re.compile(r'(?:Problem\(\s*\d{3},|unavailable\([^,()]*,)\s*"(\w+)"|^    \d{3}: "(\w+)",$', re.MULTILINE)
    used = {name for source in sources for pair in code.findall(source.read_text()) for name in pair if name}
    assert {"unauthorized", "not_found", "starting", "method_not_allowed"} <= used
    assert used <= told
