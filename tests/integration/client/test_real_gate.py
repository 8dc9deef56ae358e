"""The SDK against the gate of `tollbook up`: what is held is settled by its event, and nothing passes a limit."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import tollbook
from tests.integration.e2e.running import Ledger, running
from tollbook.client.client import Client

MODEL = "gpt-4o-mini"
INPUT_NANOS, OUTPUT_NANOS = 150, 600
CALL = {"input_tokens": 1_000, "max_output_tokens": 1_000}
COST = 1_000 * INPUT_NANOS + 1_000 * OUTPUT_NANOS


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger that runs."""
    with running(tmp_path_factory.mktemp("gate") / "data") as up:
        yield up


@pytest.fixture
def tenant(ledger: Ledger) -> str:
    """A tenant that ten of the calls below fit a day of."""
    name = f"t-{secrets.token_hex(6)}"
    body = {"scope": "tenant", "match": "*", "window": "day", "limit_usd": f"0.{COST * 10:09d}", "mode": "strict"}
    ledger.http.put(
        f"{ledger.api}/v1/budgets/daily", params={"tenant": name}, json=body, headers=ledger.bearer, timeout=30
    ).raise_for_status()
    return name


def client_of(ledger: Ledger, spool: Path, tenant: str, **settings: object) -> Client:
    return Client(ledger.api, ledger.access["admin_key"], tenant=tenant, spool_path=str(spool / "o.db"), **settings)


def open_holds(ledger: Ledger, tenant: str) -> int:
    return len(ledger.get("/v1/holds", tenant=tenant)["rows"])


def booked_nanos(ledger: Ledger, tenant: str) -> int:
    ledger.await_drained()
    return int(ledger.get("/v1/spend", tenant=tenant)["total"]["cost_usd"].replace(".", ""))


def one_call(client: Client, output: int = 1_000) -> bool:
    """Make a call if it may be made."""
    try:
        with client.call(MODEL, **CALL) as call:
            call.record({"input": 1_000, "output": output})
    except tollbook.BudgetExceeded:
        return False
    return True


def test_a_recorded_call_settles_its_hold(ledger: Ledger, tmp_path: Path, tenant: str) -> None:
    with client_of(ledger, tmp_path, tenant) as client:
        with client.call(MODEL, **CALL) as call:
            assert open_holds(ledger, tenant) == 1
            call.record({"input": 1_000, "output": 500})
        assert client.flush(60) == 0
    ledger.await_true(lambda: open_holds(ledger, tenant) == 0)
    assert booked_nanos(ledger, tenant) == 1_000 * INPUT_NANOS + 500 * OUTPUT_NANOS


def test_threads_do_not_pass_the_limit_and_the_last_one_is_told_what_is_spent(
    ledger: Ledger, tmp_path: Path, tenant: str
) -> None:
    with client_of(ledger, tmp_path, tenant, wait_s=20) as client, ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: one_call(client), range(30)))
        assert client.flush(60) == 0
        assert sum(made) == 10
        with pytest.raises(tollbook.BudgetExceeded) as refused, client.call(MODEL, **CALL):
            pass
    decision = refused.value.decision
    assert decision is not None
    assert decision.budget is not None
    assert (decision.verdict, decision.budget.id) == ("spent", "daily")
    assert booked_nanos(ledger, tenant) == 10 * COST


def test_a_lease_hands_out_holds_and_what_it_did_not_use_returns(ledger: Ledger, tmp_path: Path, tenant: str) -> None:
    with client_of(ledger, tmp_path, tenant, gate="lease", wait_s=20) as client:
        made = sum(one_call(client, output=900) for _ in range(6))
        assert client.flush(60) == 0
    assert made == 6
    assert booked_nanos(ledger, tenant) == 6 * (1_000 * INPUT_NANOS + 900 * OUTPUT_NANOS)
    ledger.await_true(lambda: open_holds(ledger, tenant) == 0)


def test_a_lease_never_passes_the_limit(ledger: Ledger, tmp_path: Path, tenant: str) -> None:
    with client_of(ledger, tmp_path, tenant, gate="lease", wait_s=5) as client, ThreadPoolExecutor(8) as pool:
        made = sum(pool.map(lambda _: one_call(client), range(24)))
        assert client.flush(60) == 0
    assert 1 <= made <= 10
    assert booked_nanos(ledger, tenant) == made * COST


def test_the_view_that_the_server_pushes_closes_by_itself(ledger: Ledger, tmp_path: Path, tenant: str) -> None:
    with client_of(ledger, tmp_path, tenant) as client:
        client.precheck()
        ledger.send([{"tenant": tenant, "agent": "a", "model": MODEL, "input": 1_000_000, "output": 0}])

        def is_closed() -> bool:
            try:
                client.precheck()
            except tollbook.BudgetExceeded:
                return True
            return False

        ledger.await_true(is_closed)
