"""One `tollbook up` for a test process; tests keep apart by the names of their tenants."""

import secrets
from collections.abc import Iterator

import pytest

from tests.integration.e2e.mcp_clients import serving
from tests.integration.e2e.running import Ledger, running


@pytest.fixture(scope="session")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger that runs, shared by the tests of this process."""
    with running(tmp_path_factory.mktemp("ledger") / "data") as up:
        yield up


@pytest.fixture(scope="session")
def mcp_address(ledger: Ledger) -> Iterator[str]:
    """`tollbook mcp --http` beside the ledger."""
    with serving(ledger) as address:
        yield address


@pytest.fixture
def tenant() -> str:
    """The name of a tenant that no other test uses."""
    return f"tenant-{secrets.token_hex(6)}"
