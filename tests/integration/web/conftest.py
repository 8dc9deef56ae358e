"""A world with pages, for each test."""

from collections.abc import Iterator

import pytest

from tests.integration.web.visitor import SiteWorld
from tests.world import World


@pytest.fixture
def site(postgres_url: str, valkey_url: str, valkey_prefix: str) -> Iterator[SiteWorld]:
    """A tollbook of the test's own with its dashboard."""
    world = World(postgres_url, valkey_url, valkey_prefix)
    made = SiteWorld(world)
    yield made
    world.run(made.app.close())
    world.close()
