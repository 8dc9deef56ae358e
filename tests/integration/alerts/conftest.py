"""A world with raisers and a deliverer of its own, and a hook's server."""

from collections.abc import Iterator

import pytest

from tests.hook_server import Receiver, receiver
from tests.integration.alerts.alerting_world import Alerting
from tests.world import World


@pytest.fixture
def world(postgres_url: str, valkey_url: str, valkey_prefix: str) -> Iterator[World]:
    """A tollbook of the test's own, at rest."""
    built = World(postgres_url, valkey_url, valkey_prefix)
    yield built
    built.close()


@pytest.fixture
def alerting(world: World) -> Iterator[Alerting]:
    """What raises and delivers in that world."""
    built = Alerting(world)
    yield built
    built.close()


@pytest.fixture
def hook_server() -> Iterator[Receiver]:
    """A hook's server."""
    with receiver() as built:
        yield built
