"""The provider's three calls as `tollbook up` serves them, and the brief's script on them."""

import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis
import requests

from tests.integration.e2e.running import PATIENCE_S, Ledger, environment, query

SCRIPT = Path(__file__).parents[3] / "examples" / "brief.sh"
NAME = {"name": "token-cost-ledger-per-sub-agent"}


def new(ledger: Ledger, service: str, body: Any = None, **headers: str) -> requests.Response:
    """One provisioning call."""
    data = body if isinstance(body, str) else json.dumps(NAME if body is None else body)
    sent = {"Content-Type": "application/json", **headers}
    return ledger.http.post(f"{ledger.api}/{service}/new", data=data, headers=sent, timeout=PATIENCE_S)


@pytest.mark.skipif(not shutil.which("curl") or not shutil.which("bash"), reason="the script needs bash and curl")
def test_the_briefs_script_runs_with_only_the_base_changed(ledger: Ledger, tmp_path: Path) -> None:
    env = environment(BASE=ledger.api, PYTHON=sys.executable, STATE=str(tmp_path))
    done = subprocess.run([str(SCRIPT)], env=env, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("Every step is as expected.\n")
    assert stat.S_IMODE((tmp_path / "cache.json").stat().st_mode) == 0o600


def test_replies_have_the_providers_shape(ledger: Ledger) -> None:
    """What each reply has, and that a key or the same body replays it."""
    first = new(ledger, "webhook", {**NAME, "color": "red"}, **{"Idempotency-Key": "k-1"})
    reply = first.json()
    assert first.status_code == 201
    assert reply["ok"] is True
    assert reply["receive_url"] == f"{ledger.api}/webhook/receive/{reply['token']}"
    assert (reply["name"], reply["env"], reply["ignored_fields"]) == (NAME["name"], "development", ["color"])
    assert reply["limits"] == {"requests_stored": 100}
    again = new(ledger, "webhook", {**NAME, "color": "red"}, **{"Idempotency-Key": "k-1"})
    assert (again.json(), again.headers["x-idempotent-replay"]) == (reply, "true")
    assert new(ledger, "webhook", NAME, **{"Idempotency-Key": "k-1"}).json()["error"] == "idempotency_key_conflict"
    assert ledger.http.post(reply["receive_url"], data="{}", timeout=PATIENCE_S).status_code == 422
    assert {"connection_url", "limits", "token"} <= new(ledger, "cache").json().keys()
    assert new(ledger, "db").json()["limits"] == {"connections": 2}


def test_refusals_have_the_providers_envelope(ledger: Ledger) -> None:
    """Codes to branch on; a page of a browser and a wrong bearer get nothing."""
    for body, code in (({}, "name_required"), ({"name": "-x"}, "invalid_name"), ("[", "invalid_body")):
        refused = new(ledger, "cache", body)
        assert (refused.status_code, refused.json()["error"], refused.json()["ok"]) == (400, code, False)
    assert new(ledger, "db", {**NAME, "env": "A"}).json()["error"] == "invalid_env"
    assert new(ledger, "db", **{"Idempotency-Key": "x" * 300}).json()["error"] == "invalid_idempotency_key"
    assert new(ledger, "db", Origin="http://evil.example").status_code == 403
    assert new(ledger, "db", Authorization="Bearer tb_no_such").status_code == 401
    assert new(ledger, "db", Authorization=ledger.bearer["Authorization"]).status_code == 201


def test_what_is_handed_out_reads_what_the_brief_names_and_nothing_else(ledger: Ledger, tenant: str) -> None:
    """The cache: flags and cents, read only. The database: daily_spend."""
    ledger.send({"tenant": tenant, "agent": "a", "model": "claude-opus-4-7", "input": 10_000_000, "output": 1})
    with redis.Redis.from_url(new(ledger, "cache").json()["connection_url"], decode_responses=True) as cache:
        assert cache.get(f"throttled:{tenant}")
        for refused in (
            lambda: cache.set(f"throttled:{tenant}", "0"),
            lambda: cache.delete(f"throttled:{tenant}"),
            lambda: cache.get("tollbook:{0}:epoch"),
            lambda: cache.keys("*"),
            cache.scan,
            lambda: cache.execute_command("ACL", "LIST"),
            cache.flushall,
        ):
            with pytest.raises(redis.exceptions.NoPermissionError):
                refused()
    url = new(ledger, "db").json()["connection_url"]
    ledger.await_drained()
    assert query(url, "SELECT cents FROM daily_spend WHERE tenant_id = $1", tenant)[0][0] >= 5_000
    for statement in (
        "SELECT * FROM webhook_token",
        "SELECT * FROM entry",
        "DELETE FROM daily_spend",
        "CREATE TABLE mine (a integer)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            query(url, statement)
