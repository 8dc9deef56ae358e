"""A receiver and a drain on what a hosted tier grants: a narrow user of Redis 7.0 with a prefix, two connections."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
import redis
import requests

from tests.contract.conftest import REDIS, TENANT, TENANT_CATEGORIES, TENANT_PREFIX
from tests.integration.e2e.running import PATIENCE_S, cli, query, session
from tollbook.app.config import Settings
from tollbook.app.up import Child, answers, free_port
from tollbook.embedded import PostgresServer, ValkeyServer
from tollbook.embedded.binaries import valkey_at
from tollbook.embedded.process import wait_until

pytestmark = pytest.mark.skipif(not REDIS.exists(), reason="no redis-server of the system here")
ROLE, DATABASE = "usr_small", "db_small"


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Both stores as somebody else runs them, and the settings that `tollbook provision instanode` prints."""
    password = secrets.token_hex(16)
    with (
        ValkeyServer.start(tmp_path_factory.mktemp("redis"), fsync="no", installation=valkey_at(REDIS)) as store,
        PostgresServer.start(tmp_path_factory.mktemp("postgres"), durable=False) as database,
    ):
        with redis.Redis.from_url(store.url) as admin:
            rights = ["reset", "on", f">{password}", f"~{TENANT_PREFIX}*", *TENANT_CATEGORIES]
            admin.execute_command("ACL", "SETUSER", TENANT, *rights)
        query(database.url, f"CREATE ROLE {ROLE} LOGIN PASSWORD '{password}' CONNECTION LIMIT 2")
        query(database.url, f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
        port = database.address.port
        yield Settings(
            postgres_url=f"postgres://{ROLE}:{password}@127.0.0.1:{port}/{DATABASE}?sslmode=disable",
            valkey_url=f"redis://{TENANT}:{password}@127.0.0.1:{store.address.port}/0",
            valkey_key_prefix=TENANT_PREFIX,
            postgres_connections_max=1,
            drain_claims="none",
            postgres_size_warn_mb=9,
            port=free_port("127.0.0.1"),
            log_format="text",
        )


@contextmanager
def roles(settings: Settings, folder: Path) -> Iterator[None]:
    """A drain and a receiver."""
    started = [Child(role, settings, folder / f"{role}.log") for role in ("drain", "serve")]
    for child in started:
        child.start()
    try:
        yield
    finally:
        for child in reversed(started):
            child.stop()


def test_both_roles_run_on_two_connections_under_a_narrow_user(hosted: Settings, tmp_path: Path) -> None:
    """Events are booked, the flag is under the prefix, the loss of Redis is repaired; never a third connection."""
    env = {name: value for name, value in hosted.environment().items() if name.startswith("TOLLBOOK_")}
    assert cli("migrate", **env).returncode == 0
    key = cli("key", "create", "admin", **env).stdout.strip()
    api = f"http://127.0.0.1:{hosted.port}"
    with roles(hosted, tmp_path), session() as http:
        assert wait_until(lambda: answers(f"{api}/readyz"), deadline_seconds=PATIENCE_S), _logs(tmp_path)
        http.headers["Authorization"] = f"Bearer {key}"

        def send(**more: Any) -> requests.Response:
            event = {"tenant": "acme", "agent": "a", "model": "claude-opus-4-7", "input": 100, "output": 1}
            return http.post(f"{api}/v1/events?ack=ledger", json={**event, **more}, timeout=PATIENCE_S)

        assert send(id="e-1").status_code == 202, _logs(tmp_path)
        assert send(id="e-2", input=11_000_000).status_code == 202
        assert send(id="e-2", input=11_000_000).status_code == 202
        with redis.Redis.from_url(hosted.valkey_url, decode_responses=True) as store:
            flag = f"{TENANT_PREFIX}throttled:acme"
            assert wait_until(lambda: bool(store.get(flag)), deadline_seconds=PATIENCE_S)
            # What a noisy neighbour's eviction does: the counters are gone, and the drain brings them back.
            store.delete(*store.scan_iter(match=f"{TENANT_PREFIX}*"))
            assert wait_until(lambda: bool(store.get(flag)), deadline_seconds=PATIENCE_S), _logs(tmp_path)
        status = http.get(f"{api}/v1/tenants/acme/status", timeout=PATIENCE_S).json()
        assert (status["source"], status["throttled"]) == ("counters", True)
        assert http.get(f"{api}/v1/spend?by=tenant", timeout=PATIENCE_S).status_code == 200
        assert send(id="e-3").status_code == 202
        with pytest.raises(asyncpg.TooManyConnectionsError):
            query(hosted.postgres_url, "SELECT 1")
    assert "too many connections" not in _logs(tmp_path)
    # An empty ledger takes more than the 9 MB of the smallest tier.
    assert "nearly full" in _logs(tmp_path, "drain")
    assert query(hosted.postgres_url, "SELECT count(*) FROM entry") == [(3,)]


def test_a_wrong_prefix_is_explained_at_the_start(hosted: Settings, tmp_path: Path) -> None:
    for role in ("drain", "serve"):
        wrong = msgspec.structs.replace(hosted, valkey_key_prefix="", port=free_port("127.0.0.1"))
        child = Child(role, wrong, tmp_path / f"{role}.log")
        child.start()
        try:
            said = wait_until(lambda role=role: "key_prefix" in _logs(tmp_path, role), deadline_seconds=PATIENCE_S)
            assert said, _logs(tmp_path)
        finally:
            child.stop()
        assert "TOLLBOOK_VALKEY_KEY_PREFIX" in _logs(tmp_path, role)


def _logs(folder: Path, role: str = "*") -> str:
    return "\n".join(log.read_text()[-6_000:] for log in folder.glob(f"{role}.log"))
