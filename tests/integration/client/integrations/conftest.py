"""Fixtures of the integrations' tests: a fake provider on the loopback, and frameworks that keep to themselves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.client.integrations.standin import AsyncStandIn, StandIn
from tests.integration.client.providers.server import Provider, running_provider


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The SDKs leave it to the garbage collector to close the connections of a client that is dropped."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider of the test's own."""
    with running_provider() as running:
        yield running


@pytest.fixture
def ledger() -> StandIn:
    """A blocking client that admits everything."""
    return StandIn()


@pytest.fixture
def async_ledger() -> AsyncStandIn:
    """An asynchronous client that admits everything."""
    return AsyncStandIn()


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No framework sends traces or fetches lists while it is tested."""
    for name, value in {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LANGSMITH_TRACING": "false",
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
        "ANTHROPIC_OPEN_TELEMETRY": "false",
    }.items():
        monkeypatch.setenv(name, value)
