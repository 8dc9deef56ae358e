"""A world of its own for every test of the protocol."""

from collections.abc import AsyncIterator

import pytest

from tests.core_world import World, open_world


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def world(postgres_url: str, valkey_url: str, valkey_prefix: str, anyio_backend: str) -> AsyncIterator[World]:
    async with open_world(postgres_url, valkey_url, valkey_prefix) as opened:
        yield opened
