"""A world with a fake provider beside it."""

from collections.abc import Iterator

import pytest

from tests.instanode import Instanode, instanode
from tests.world import World


@pytest.fixture
def world(postgres_url: str, valkey_url: str, valkey_prefix: str) -> Iterator[World]:
    """Real stores and use cases."""
    opened = World(postgres_url, valkey_url, valkey_prefix)
    yield opened
    opened.close()


@pytest.fixture
def fake() -> Iterator[Instanode]:
    """The provider."""
    with instanode() as started:
        yield started
