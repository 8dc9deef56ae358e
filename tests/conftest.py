"""Fixtures every suite may ask for. Servers start with the first test that asks, one set per test process."""

import secrets
from collections.abc import Iterator

import pytest

from tests.servers import empty_valkey, own_database, start_postgres, start_valkey
from tollbook.embedded import PostgresServer, ValkeyServer


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The test process's PostgreSQL, with the template database made."""
    with start_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """The test process's Valkey."""
    with start_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database of the test's own, copied from the template and dropped afterwards."""
    with own_database(postgres_server) as url:
        yield url


@pytest.fixture
def valkey_url(valkey_server: ValkeyServer) -> str:
    """The test process's Valkey, emptied."""
    empty_valkey(valkey_server)
    return valkey_server.url


@pytest.fixture
def valkey_prefix() -> str:
    """A prefix for keys that no other test uses."""
    return f"test:{secrets.token_hex(6)}:"
