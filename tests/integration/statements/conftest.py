"""A world for each test."""

from collections.abc import Iterator

import pytest

from tests.world import World


@pytest.fixture
def world(postgres_url: str, valkey_url: str, valkey_prefix: str) -> Iterator[World]:
    """A tollbook of the test's own, at rest."""
    built = World(postgres_url, valkey_url, valkey_prefix)
    yield built
    built.close()
