"""Checks that ask nobody: by the view that the server pushes, and by Valkey alone."""

import asyncio
import threading
from pathlib import Path

import pytest
import redis

import tollbook
from tests.integration.client.gate_double import Gate
from tollbook.client.client import AsyncClient, Client
from tollbook.client.engine import Engine
from tollbook.domain.decision import Verdict

RESET = "2099-01-01T00:00:00Z"


def spent(scope: str, match: str) -> dict[str, object]:
    return {
        "id": f"{scope}-{match}", "scope": scope, "match": match, "window": "day", "unit": "usd", "limit": "1",
        "spent": "1", "held": "0", "tenant": "acme", "reset_at": RESET, "refuses": True,
    }  # fmt: skip


def await_refusal(client: Client, refused: bool) -> None:
    """Wait until what the server pushed has arrived."""
    view = client.engine.view()
    with view.changed:
        assert view.changed.wait_for(lambda: view.refuses_any is refused, 20)


def test_a_push_closes_the_check_and_another_opens_it(client: Client, gate: Gate) -> None:
    assert client.precheck().verdict is Verdict.ALLOW
    gate.push(throttled=True)
    await_refusal(client, True)
    with pytest.raises(tollbook.BudgetExceeded) as caught:
        client.precheck()
    assert caught.value.decision is not None
    gate.push()
    await_refusal(client, False)
    client.precheck()
    assert len([one for one in gate.requests if one[1].startswith("/v1/watch")]) == 1


def test_a_spent_agent_refuses_its_subtree_only(client: Client, gate: Gate) -> None:
    client.precheck()
    gate.push(budgets=[spent("agent", "planner/researcher")])
    await_refusal(client, True)
    with client.agent("planner"):
        client.precheck()
        with client.agent("researcher", instance=3), client.agent("fetcher"), pytest.raises(tollbook.BudgetExceeded):
            client.precheck()


def test_a_call_may_be_gated_by_the_view(client: Client, gate: Gate) -> None:
    client.precheck()
    gate.push(budgets=[spent("model", "dear")])
    await_refusal(client, True)
    with pytest.raises(tollbook.BudgetExceeded), client.call("dear", gate="precheck"):
        pytest.fail("the call must not be made")
    with client.call("cheap", gate="precheck") as call:
        call.record({"input": 1, "output": 1})


def test_a_watch_that_ends_is_opened_again(client: Client, gate: Gate) -> None:
    client.precheck()
    gate.hang_up()
    gate.await_request("GET", "/v1/watch", 2)
    gate.push(throttled=True)
    await_refusal(client, True)


def test_without_a_server_the_check_is_unsure(tmp_path: Path) -> None:
    given = {"tenant": "acme", "spool_path": str(tmp_path / "o.db"), "watch_wait_s": 0.0}
    with Client("http://127.0.0.1:9", **given) as client:
        assert client.precheck().fail == "open"
    with Client("http://127.0.0.1:9", hold_mode="strict", **given) as client, pytest.raises(tollbook.BudgetExceeded):
        client.precheck()


def test_guard_checks_before_each_call(client: Client, gate: Gate) -> None:
    @client.guard
    def work(number: int) -> int:
        return number + 1

    assert work(1) == 2
    gate.push(throttled=True)
    await_refusal(client, True)
    with pytest.raises(tollbook.BudgetExceeded):
        work(1)


def test_the_asynchronous_check_does_the_same(served: tuple[str, Gate], tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncClient(served[0], tenant="acme", spool_path=str(tmp_path / "o.db")) as client:
            assert (await client.precheck()).verdict is Verdict.ALLOW

    asyncio.run(main())


def test_direct_mode_asks_valkey_alone(valkey_url: str, tmp_path: Path) -> None:
    store = redis.Redis.from_url(valkey_url)
    client = Client(tenant="acme", mode="direct", valkey_url=valkey_url, valkey_key_prefix="p:")
    with client, store:
        assert client.precheck().verdict is Verdict.ALLOW
        store.set("p:throttled:acme", "1")
        with pytest.raises(tollbook.BudgetExceeded):
            client.precheck()
        with pytest.raises(tollbook.BudgetExceeded), client.call("m"):
            pytest.fail("the call must not be made")

    async def main() -> None:
        given = {"mode": "direct", "valkey_url": valkey_url, "valkey_key_prefix": "p:"}
        with pytest.raises(tollbook.BudgetExceeded):
            await AsyncClient(tenant="acme", **given).precheck()
        assert (await AsyncClient(tenant="other", **given).precheck()).verdict is Verdict.ALLOW

    asyncio.run(main())


def test_direct_mode_with_valkey_away_is_unsure() -> None:
    with Client(tenant="acme", mode="direct", valkey_url="redis://127.0.0.1:9") as client:
        assert client.precheck().verdict is Verdict.UNSURE


def test_closing_ends_the_threads(client: Client, gate: Gate) -> None:
    client.precheck()
    with client.call("m", max_output_tokens=1) as call:
        call.record({"input": 1, "output": 1})
    assert isinstance(client.engine, Engine)
    client.close()
    left = [thread.name for thread in threading.enumerate() if thread.name in ("tollbook-outbox", "tollbook-keeper")]
    assert left == []
