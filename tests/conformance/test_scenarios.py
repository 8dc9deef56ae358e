"""The scenarios, against a running tollbook and against the brief's own read-then-act."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from redis.asyncio import Redis

from tests.conformance import scenarios
from tests.conformance.enforcer import Enforcer
from tests.conformance.naive import Naive
from tests.conformance.over_http import OverHttp
from tests.conformance.scenarios import Findings
from tests.integration.e2e.running import Ledger, running

Scenario = Callable[[Enforcer, str], Awaitable[Findings]]
KEPT = [
    scenarios.overshoot,
    scenarios.leak,
    scenarios.first_call,
    scenarios.tier,
    scenarios.delegation,
    scenarios.unbounded,
]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A tollbook of this module's own: one of its scenarios empties the store."""
    with running(tmp_path_factory.mktemp("conformance") / "data") as up:
        yield up


@asynccontextmanager
async def clients(ledger: Ledger) -> AsyncIterator[tuple[httpx2.AsyncClient, "Redis"]]:
    """Clients of the API and of the store."""
    store = Redis.from_url(ledger.access["valkey_url"])
    limits = httpx2.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx2.AsyncClient(
        base_url=ledger.api, headers=ledger.bearer, limits=limits, timeout=30, trust_env=False
    ) as http:
        yield http, store
    await store.aclose()


def played(ledger: Ledger, scenario: Scenario) -> Findings:
    """What the scenario finds of tollbook."""

    async def play() -> Findings:
        async with clients(ledger) as (http, store):
            return await scenario(OverHttp(http, store), f"t-{secrets.token_hex(6)}")

    return asyncio.run(play())


@pytest.mark.parametrize("scenario", KEPT, ids=lambda scenario: scenario.__name__)
def test_tollbook_keeps_every_promise(ledger: Ledger, scenario: Scenario) -> None:
    findings = played(ledger, scenario)
    assert findings.kept, findings


def test_tollbook_keeps_its_limit_when_the_store_is_lost(ledger: Ledger) -> None:
    findings = played(ledger, scenarios.store_loss)
    assert findings.kept, findings


def test_reading_a_counter_before_the_call_overshoots(ledger: Ledger) -> None:
    async def play() -> Findings:
        async with clients(ledger) as (_, store):
            return await scenarios.overshoot(Naive(store, f"naive-{secrets.token_hex(4)}"), "acme")

    findings = asyncio.run(play())
    assert findings.overshoot > 0, findings
