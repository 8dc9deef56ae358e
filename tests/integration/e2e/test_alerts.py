"""Alerts on the default install: events cross a budget, and the hook's server hears of it once."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hook_server import Receiver, receiver
from tests.integration.e2e.running import Ledger, cli, environment, running, said
from tollbook.embedded.process import is_alive

NETWORKS = {"TOLLBOOK_ALERT_PRIVATE_NETWORKS": "127.0.0.0/8"}
MODEL = "gpt-4o-mini"


@pytest.fixture
def hook_server() -> Iterator[Receiver]:
    with receiver() as built:
        yield built


def call(tenant: str) -> dict[str, object]:
    """A call of 60 cents: a million tokens out."""
    return {"tenant": tenant, "agent": "planner", "model": MODEL, "input": 0, "output": 1_000_000}


def states(ledger: Ledger, tenant: str) -> list[tuple[str, str]]:
    """Type and delivery state of a tenant's alerts, by type."""
    rows = ledger.get("/v1/alerts", tenant=tenant)["rows"]
    return sorted((row["type"], each["state"]) for row in rows for each in row["deliveries"])


def revived_drain(ledger: Ledger) -> None:
    """Kill the drain and wait until another one runs."""
    pid = ledger.role("drain")
    os.kill(pid, signal.SIGKILL)

    def revived() -> bool:
        try:
            return ledger.role("drain") != pid
        except LookupError:
            return False

    ledger.await_true(lambda: not is_alive(pid) and revived())


def test_a_crossed_budget_is_heard_of_once_whatever_dies(tmp_path: Path, hook_server: Receiver) -> None:
    """Exactly one webhook for 50 %, and what a stopped system had not delivered arrives after its start."""
    data = tmp_path / "data"
    with running(data, env=environment(**NETWORKS)) as ledger:
        hook_id, secret = said("alert", "add", hook_server.url, "--tenant", "acme", data=data).split()
        said("budget", "set", "acme", "2", data=data)
        ledger.send([call("acme")])
        ledger.await_drained()
        assert ledger.get("/v1/alerts", tenant="acme")["rows"] == []
        ledger.send([call("acme")])
        hook_server.await_count(1)
        body = hook_server.came[0].verified(secret)
        assert (body["type"], body["data"]["threshold"]) == ("budget.threshold", 50)
        assert body["data"]["spent"] == "1.200000000"
        ledger.await_true(lambda: states(ledger, "acme") == [("budget.threshold", "delivered")])
        lines = [json.loads(line) for line in (data / "drain.log").read_text().splitlines() if '"alert"' in line]
        assert [line["kind"] for line in lines if line["event"] == "alert"] == ["budget.threshold"]
        page = ledger.http.get(f"{ledger.api}/metrics", timeout=30).text
        assert 'tollbook_alerts_total{kind="budget.threshold"} 1.0' in page

        revived_drain(ledger)
        ledger.send([call("acme")])
        hook_server.await_count(2)
        assert hook_server.came[1].verified(secret)["data"]["threshold"] == 80

        hook_server.answers = [(503, {})] * 2
        ledger.send([call("acme")])
        hook_server.await_count(4)
        ledger.await_true(lambda: len(states(ledger, "acme")) == 4)
        failed = {came.alert_id for came in hook_server.came[2:4]}
        assert "in use" in said("alert", "list", data=data)
    with running(data, env=environment(**NETWORKS)) as ledger:
        ledger.await_true(lambda: {state for _, state in states(ledger, "acme")} == {"delivered"})
        assert {came.alert_id for came in hook_server.came[4:]} == failed
        tested = cli("alert", "test", hook_id, data=data, **NETWORKS)
        assert (tested.returncode, tested.stdout.strip()) == (0, f"{hook_id} answered 204 No Content")
        assert hook_server.came[-1].verified(secret)["type"] == "alert.test"
        refused = cli("alert", "test", hook_id, data=data)
        assert refused.returncode == 2
        assert "no public address" in refused.stderr
        said("alert", "remove", hook_id, data=data)
        assert cli("alert", "remove", hook_id, data=data).returncode == 2
        assert said("alert", "list", data=data) == ""
    assert len({came.alert_id for came in hook_server.came}) == 5
