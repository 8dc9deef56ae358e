"""Servers that only the contract suites need: Redis beside Valkey, an older PostgreSQL, a tenant's narrow ACL."""

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
from redis.asyncio import Redis

from tests.contract.journal_case import JournalCase, Offer
from tests.servers import empty_valkey, own_database, start_postgres
from tollbook.domain.errors import ConfigError
from tollbook.embedded import PostgresServer, ValkeyServer
from tollbook.embedded.binaries import find_postgres, valkey_at

REDIS = Path("/usr/bin/redis-server")
TENANT = "usr_pool-1234"
TENANT_PREFIX = "pool-1234:"

# What a hosted store grants: neither @connection nor @transaction, and only its own keys.
TENANT_CATEGORIES = (
    *("+@read", "+@write", "+@string", "+@hash", "+@list", "+@set", "+@sortedset", "+@stream", "+@hyperloglog"),
    *("+@geo", "+@pubsub", "+@scripting", "-@admin", "-@dangerous"),
)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """The oldest store that is supported, as Debian packages it."""
    if not REDIS.exists():
        pytest.skip("no redis-server of the system here")
    directory = tmp_path_factory.mktemp("redis")
    with ValkeyServer.start(directory, fsync="no", memory_bytes=256 << 20, installation=valkey_at(REDIS)) as server:
        yield server


@pytest.fixture(scope="session")
def old_postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The oldest PostgreSQL that is supported."""
    try:
        installation = find_postgres(15)
    except ConfigError:
        pytest.skip("no PostgreSQL 15 of the system here")
    with start_postgres(tmp_path_factory.mktemp("postgres15"), installation) as server:
        yield server


OFFERS = (
    Offer("valkey_server", narrow=False),
    Offer("valkey_server", narrow=True),
    Offer("redis_server", narrow=False),
    Offer("redis_server", narrow=True),
)


@pytest.fixture(params=OFFERS, ids=lambda offer: f"{offer.server.partition('_')[0]}{'-acl' * offer.narrow}")
async def case(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[JournalCase]:
    """A journal on an emptied server, whole or as a tenant with narrow rights."""
    offer: Offer = request.param
    server: ValkeyServer = request.getfixturevalue(offer.server)
    empty_valkey(server)
    url, prefix = server.url, ""
    if offer.narrow:
        password = secrets.token_hex(16)
        with redis.Redis.from_url(server.url) as admin:
            rights = ["reset", "on", f">{password}", f"~{TENANT_PREFIX}*", *TENANT_CATEGORIES]
            admin.execute_command("ACL", "SETUSER", TENANT, *rights)
        url = f"redis://{TENANT}:{password}@127.0.0.1:{server.address.port}/0"
        prefix = TENANT_PREFIX
    store, admin_store = Redis.from_url(url), Redis.from_url(server.url)
    try:
        yield JournalCase(store, admin_store, prefix)
    finally:
        await store.aclose()
        await admin_store.aclose()


@pytest.fixture(params=["postgres_server", "old_postgres_server"], ids=["postgres18", "postgres15"])
def ledger_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated database of the test's own, on the newest and on the oldest server."""
    with own_database(request.getfixturevalue(request.param)) as url:
        yield url
