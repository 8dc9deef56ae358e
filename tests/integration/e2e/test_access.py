"""Who may do what, from outside: a role does its part and nothing else, and a bound key sees one tenant alone."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
import requests

from tests.integration.e2e.running import PATIENCE_S, Ledger

EVENT = {"agent": "planner", "input": 1200, "output": 340, "model": "claude-opus-4-7"}


@dataclass(frozen=True)
class Caller:
    """Somebody with a key."""

    ledger: Ledger
    key_id: str
    key: str

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        """The answer to a request with the key."""
        headers = {"Authorization": f"Bearer {self.key}"}
        url = f"{self.ledger.api}{path}"
        return self.ledger.http.request(method, url, headers=headers, timeout=PATIENCE_S, **options)

    def send(self, tenant: str, **more: object) -> requests.Response:
        """The answer to one event."""
        return self("POST", "/v1/events", json={**EVENT, "tenant": tenant, **more})


Make = Callable[..., Caller]


@pytest.fixture
def caller(ledger: Ledger) -> Make:
    """Makes callers by their role."""

    def make(role: str, tenant: str | None = None) -> Caller:
        body = {"role": role, "tenant": tenant}
        made = ledger.http.post(f"{ledger.api}/v1/keys", json=body, headers=ledger.bearer, timeout=PATIENCE_S)
        assert made.status_code == 201, made.text
        return Caller(ledger, made.json()["key_id"], made.json()["key"])

    return make


def code(answer: requests.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_a_reader_cannot_send_and_a_sender_cannot_read(caller: Make, tenant: str) -> None:
    """Each role does what it is for; only an admin makes keys and moves limits."""
    reader, sender = caller("read"), caller("ingest")
    assert code(reader.send(tenant)) == (403, "forbidden")
    assert sender.send(tenant).status_code == 202
    for path in ("/v1/spend", "/v1/entries", "/v1/runs/r", "/v1/budgets", f"/v1/tenants/{tenant}/budget"):
        assert code(sender("GET", path)) == (403, "forbidden"), path
    assert reader("GET", "/v1/spend", params={"tenant": tenant}).json()["total"]["calls"] in {0, 1}
    for somebody in (reader, sender):
        for method, path, body in (
            ("POST", "/v1/keys", {"role": "admin"}),
            ("DELETE", "/v1/budgets/daily", None),
            ("POST", "/v1/webhooks", {"source": "x"}),
            ("PUT", "/v1/budget", {"limit_usd": "1000"}),
            ("PUT", f"/v1/tenants/{tenant}/budget", {"limit_usd": "1000"}),
            ("DELETE", f"/v1/tenants/{tenant}/budget", None),
            ("PUT", f"/v1/tenants/{tenant}/time-zone", {"time_zone": "Asia/Kolkata"}),
        ):
            assert code(somebody(method, path, json=body)) == (403, "forbidden"), (method, path)


def test_a_revoked_key_is_refused_at_once(ledger: Ledger, caller: Make, tenant: str) -> None:
    """When the revocation is answered the key is worth nothing, on a connection that is open too."""
    sender = caller("ingest")
    assert sender.send(tenant).status_code == 202
    gone = ledger.http.delete(f"{ledger.api}/v1/keys/{sender.key_id}", headers=ledger.bearer, timeout=PATIENCE_S)
    assert gone.status_code == 204
    assert code(sender.send(tenant)) == (401, "unauthorized")
    for key in ("", "tb", "tb__", f"tb_{sender.key_id}_", sender.key[:-1], sender.key + "x", "ÿ"):
        assert code(Caller(ledger, "", key).send(tenant)) == (401, "unauthorized"), key


def test_an_unknown_webhook_is_not_there(ledger: Ledger) -> None:
    """An address that nobody made, one cut short, and one with more behind it: 404 for sending and for listing."""
    token = ledger.webhook.rpartition("/")[2]
    for unknown in (str(uuid4()), token[:-1], f"{token}/v1/traces", token.upper(), "", "%00", "../events"):
        sent = ledger.http.post(
            f"{ledger.api}/webhook/receive/{unknown}", json={**EVENT, "tenant": "x"}, timeout=PATIENCE_S
        )
        assert code(sent) in {(404, "not_found"), (405, "method_not_allowed")}, unknown
        listed = ledger.http.get(f"{ledger.api}/api/v1/webhooks/{quote(unknown, safe='')}/requests", timeout=PATIENCE_S)
        assert code(listed) == (404, "not_found"), unknown


def test_a_bound_key_spends_for_its_tenant_alone(ledger: Ledger, caller: Make, tenant: str) -> None:
    """Another tenant's name in the body, alone or among good ones, is refused item by item and never booked."""
    mine, theirs = f"{tenant}-mine", f"{tenant}-theirs"
    sender = caller("ingest", mine)
    assert code(sender.send(theirs)) == (403, "tenant_forbidden")
    assert code(sender.send(mine, tenant_id=theirs)) == (422, "alias_conflict")
    mixed = [{**EVENT, "tenant": name} for name in (mine, theirs, mine)]
    answer = sender("POST", "/v1/events", json=mixed)
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 2
    assert [(item["index"], item["code"]) for item in answer.json()["rejected"]] == [(1, "tenant_forbidden")]
    assert code(sender("GET", f"/v1/tenants/{theirs}/status")) == (403, "forbidden")
    assert sender("GET", f"/v1/tenants/{mine}/status").json()["tenant"] == mine
    ledger.await_drained()
    assert ledger.rows("SELECT tenant, count(*) FROM entry WHERE tenant = ANY($1) GROUP BY 1", [mine, theirs]) == [
        (mine, 2)
    ]


def test_a_bound_reader_sees_its_tenant_alone(ledger: Ledger, caller: Make, tenant: str) -> None:
    """By query, by path, by run and by another's cursor: nothing of the other tenant comes out."""
    mine, theirs = f"{tenant}-mine", f"{tenant}-theirs"
    run = f"run of {tenant}"
    ledger.send([{**EVENT, "tenant": name, "run": run} for name in (mine, theirs) for _ in range(5)])
    ledger.await_drained()
    reader = caller("read", mine)
    today = datetime.now(UTC).date().isoformat()
    for path in (
        f"/v1/spend?tenant={theirs}",
        f"/v1/entries?tenant={theirs}",
        f"/v1/runs/{run}?tenant={theirs}",
        f"/v1/tenants/{theirs}/status",
        f"/v1/tenants/{theirs}/budget",
        f"/v1/tenants/{theirs}/time-zone",
    ):
        assert code(reader("GET", path)) == (403, "forbidden"), path
    assert code(reader("GET", f"/v1/spend?tenant={mine}&tenant={theirs}"))[0] in {400, 403}
    assert code(reader("GET", f"/v1/spend?Tenant={theirs}")) == (400, "query_invalid")
    for path in ("/v1/spend?by=tenant", f"/v1/spend?by=tenant,agent,model,hour&from={today}", f"/v1/runs/{run}"):
        rows = reader("GET", path).json()["rows"]
        assert {row["tenant"] for row in rows} == {mine}, path
    their_page = ledger.get("/v1/entries", tenant=theirs, limit="2")
    assert their_page["next"]
    page = reader("GET", "/v1/entries", params={"cursor": their_page["next"]}).json()
    assert {row["tenant"] for row in page["rows"]} <= {mine}
    seen, cursor = 0, None
    while True:
        page = reader("GET", "/v1/entries", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        assert {row["tenant"] for row in page["rows"]} <= {mine}
        seen, cursor = seen + len(page["rows"]), page["next"]
        if cursor is None:
            break
    assert seen == 5


def test_a_bound_admin_rules_its_tenant_alone(ledger: Ledger, caller: Make, tenant: str) -> None:
    """Keys and webhooks it makes are bound as it is; everyone's limit and other tenants' are out of its reach."""
    mine, theirs = f"{tenant}-mine", f"{tenant}-theirs"
    admin, other = caller("admin", mine), caller("ingest", theirs)
    made = admin("POST", "/v1/keys", json={"role": "ingest"})
    assert (made.status_code, made.json()["tenant"]) == (201, mine)
    assert code(Caller(ledger, "", made.json()["key"]).send(theirs)) == (403, "tenant_forbidden")
    hook = admin("POST", "/v1/webhooks", json={"source": "ci"})
    assert (hook.status_code, hook.json()["tenant"]) == (201, mine)
    sent = ledger.http.post(
        f"{ledger.api}{hook.json()['receive_path']}", json={**EVENT, "tenant": theirs}, timeout=PATIENCE_S
    )
    assert code(sent) == (403, "tenant_forbidden")
    for method, path, body in (
        ("POST", "/v1/keys", {"role": "read", "tenant": theirs}),
        ("POST", "/v1/webhooks", {"source": "x", "tenant": theirs}),
        ("PUT", "/v1/budget", {"limit_usd": "1000"}),
        ("PUT", f"/v1/tenants/{theirs}/budget", {"limit_usd": "1000"}),
        ("PUT", f"/v1/tenants/{theirs}/time-zone", {"time_zone": "UTC"}),
    ):
        assert code(admin(method, path, json=body)) == (403, "forbidden"), (method, path)
    assert code(admin("DELETE", f"/v1/keys/{other.key_id}")) == (404, "not_found")
    assert other.send(theirs).status_code == 202
    assert {row["tenant"] for row in admin("GET", "/v1/keys").json()["rows"]} == {mine}
