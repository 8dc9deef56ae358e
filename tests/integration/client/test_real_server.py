"""The SDK against `tollbook up`: what it records is booked once."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.e2e.running import Ledger, cli, running
from tollbook.client.client import Client


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger that runs."""
    with running(tmp_path_factory.mktemp("ledger") / "data") as up:
        yield up


def client_of(ledger: Ledger, spool: Path, **settings: object) -> Client:
    given = {"gate": "off", "tenant": "acme", **settings}
    return Client(ledger.api, ledger.access["admin_key"], spool_path=str(spool), **given)


def test_recorded_calls_are_booked_with_who_made_them(ledger: Ledger, tmp_path: Path) -> None:
    with client_of(ledger, tmp_path / "o.db") as client, client.agent("planner", run="task-1"):
        with client.agent("researcher", instance=7), client.call("gpt-4o-mini", provider="openai") as call:
            event_id = call.record({"input": 1_200, "output": 340, "cache_read": 200, "call_id": "resp-1"})
        assert client.flush(60) == 0
    (row,) = [row for row in ledger.get("/v1/entries", tenant="acme")["rows"] if row["id"] == event_id]
    assert (row["agent"], row["run"], row["source"], row["call_id"]) == (
        "planner/researcher#7", "task-1", "sdk", "resp-1",
    )  # fmt: skip
    assert (row["input"], row["output"], row["cache_read"], row["provider"]) == (1_200, 340, 200, "openai")


def test_what_a_killed_process_recorded_is_booked_once(ledger: Ledger, tmp_path: Path) -> None:
    spool = tmp_path / "o.db"
    script = (
        "import os, signal, sys, tollbook\n"
        "client = tollbook.Client(sys.argv[1], sys.argv[2], tenant='killed', spool_path=sys.argv[3], gate='off')\n"
        "for number in range(500):\n"
        "    with client.call('gpt-4o-mini') as call: call.record({'input': 1, 'output': number})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", script, ledger.api, ledger.access["admin_key"], str(spool)]
    assert subprocess.run(command, env={**os.environ, "NO_PROXY": "*"}, check=False, timeout=60).returncode == -9
    with client_of(ledger, spool, tenant="killed") as client:
        assert client.flush(60) == 0
    total = ledger.get("/v1/spend", tenant="killed")["total"]
    assert (total["calls"], total["output"]) == (500, sum(range(500)))


def test_a_refused_event_is_dead_with_the_servers_reason(ledger: Ledger, tmp_path: Path) -> None:
    spool = tmp_path / "o.db"
    with client_of(ledger, spool) as client:
        with client.call("a\x00b") as call:
            call.record({"input": 1, "output": 1})
        assert client.flush(60) == 0
    shown = cli("outbox", "status", "--spool", str(spool))
    assert shown.returncode == 0, shown
    assert "dead     1" in shown.stdout
    assert "text_invalid" in shown.stdout


def test_the_command_sends_what_waits(ledger: Ledger, tmp_path: Path) -> None:
    spool = tmp_path / "o.db"
    given = {"tenant": "cli", "spool_path": str(spool), "gate": "off", "outbox_flush_s": 0.0}
    with Client("http://127.0.0.1:9", **given) as client, client.call("gpt-4o-mini") as call:
        call.record({"input": 1, "output": 1})
    settings = {"TOLLBOOK_URL": ledger.api, "TOLLBOOK_API_KEY": ledger.access["admin_key"], "TOLLBOOK_TENANT": "cli"}
    assert "waiting  1" in cli("outbox", "status", "--spool", str(spool), **settings).stdout
    nowhere = {**settings, "TOLLBOOK_URL": "http://[::1]:9"}
    away = cli("outbox", "flush", "--spool", str(spool), "--timeout", "5", **nowhere)
    assert away.returncode == 1, away
    sent = cli("outbox", "flush", "--spool", str(spool), **settings)
    assert (sent.returncode, sent.stdout) == (0, "everything is sent\n"), sent
    assert ledger.get("/v1/spend", tenant="cli")["total"]["calls"] == 1
