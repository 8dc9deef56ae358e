"""A fetched source on a running ledger: added by the command, polled by the drain, its gap heard by everybody."""

import json
from typing import Any

from tests.instanode import instanode
from tests.integration.e2e.running import Ledger, cli, said


def call(tenant: str, **more: Any) -> str:
    return json.dumps({"tenant": tenant, "agent": "a", "model": "claude-opus-4-7", "input": 10, "output": 5, **more})


def test_a_source_from_adding_to_removing(ledger: Ledger, tenant: str) -> None:
    """More than the inbox keeps was pushed before anybody looked: what is left is counted, the loss is told."""
    name = f"inbox-{tenant}"
    with instanode() as fake:
        token = fake.webhook(stored_max=20)
        fake.webhooks[token].bearer = "team-secret"
        for number in range(25):
            fake.push(token, call(tenant, input=number))
        arguments = ("instanode", "--webhook-token", token, "--base", fake.base, "--name", name, "--stored", "20")
        added = said("source", "add", *arguments, "--bearer", "team-secret", data=ledger.data)
        assert added == f"{name} is polled by the drains"

        def booked() -> list[int]:
            rows = ledger.rows("SELECT input FROM entry WHERE tenant = $1 ORDER BY input", tenant)
            return [row[0] for row in rows]

        ledger.await_true(lambda: booked() == list(range(5, 25)))
        fake.push(token, call(tenant, input=25))
        ledger.await_true(lambda: booked() == list(range(5, 26)))
        assert ledger.rows("SELECT DISTINCT source FROM entry WHERE tenant = $1", tenant) == [(name,)]
        (status,) = (row for row in said("source", "status", data=ledger.data).splitlines() if row.startswith(name))
        assert "  ok  " in status
        assert "21 requests  21 events  0 refused  1 gaps (last 20" in status
        listed = said("source", "list", data=ledger.data)
        assert token not in listed + status
        assert "team-secret" not in listed + status
        (alert,) = [row for row in ledger.get("/v1/alerts")["rows"] if name in json.dumps(row)]
        assert (alert["type"], alert["data"]["stored_max"]) == ("source.gap", 20)
        page = ledger.http.get(f"{ledger.api}/metrics", timeout=30).text
        assert f'tollbook_source_gaps_total{{source="{name}"}} 1.0' in page
        again = cli("source", "add", *arguments, data=ledger.data)
        assert again.returncode == 2
        assert "already" in again.stderr
        assert said("source", "remove", name, data=ledger.data) == f"{name} is removed"
        assert cli("source", "remove", name, data=ledger.data).returncode == 2
    logs = (ledger.data / "drain.log").read_text() + (ledger.data / "serve.log").read_text()
    assert token not in logs
    assert "team-secret" not in logs
