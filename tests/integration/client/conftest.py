"""Clients against a server at the other end of the network."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.client.gate_double import Gate, serving
from tollbook.client.client import Client

NewClient = Callable[..., Client]


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOLLBOOK_URL", "TOLLBOOK_API_KEY", "TOLLBOOK_TENANT", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def served() -> Iterator[tuple[str, Gate]]:
    """The double's address and its gate."""
    with serving() as found:
        yield found


@pytest.fixture
def gate(served: tuple[str, Gate]) -> Gate:
    """What the double knows."""
    return served[1]


@pytest.fixture
def new_client(served: tuple[str, Gate], tmp_path: Path) -> Iterator[NewClient]:
    """Makes clients of the double, closed at the end; each has an outbox of its own unless told otherwise."""
    made: list[Client] = []

    def make(**settings: Any) -> Client:
        given = {"url": served[0], "tenant": "acme", "spool_path": str(tmp_path / f"{len(made)}.db"), **settings}
        client = Client(api_key="tb_test", **given)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(new_client: NewClient) -> Client:
    """A client with default settings."""
    return new_client()
