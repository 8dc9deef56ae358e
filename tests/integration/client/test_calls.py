"""A call from its question to its event, over the network."""

import asyncio
import threading
from pathlib import Path

import pytest

import tollbook
from tests.integration.client.conftest import NewClient
from tests.integration.client.gate_double import OUTPUT_NANOS, Gate, serving
from tollbook.client.client import AsyncClient, Client
from tollbook.domain.decision import Verdict


def test_a_call_holds_then_its_event_settles_the_hold(client: Client, gate: Gate) -> None:
    researcher = client.agent("researcher", instance=7)
    with (
        client.agent("planner", run="r1"),
        researcher,
        client.call("m", input_tokens=10, max_output_tokens=100) as call,
    ):
        assert gate.held == 10 * 1_000 + 100 * OUTPUT_NANOS
        event_id = call.record({"input": 10, "output": 40, "call_id": "resp-1"})
    assert client.flush(10) == 0
    event = gate.events[event_id]
    assert (event["agent"], event["run"], event["hold"]) == ("planner/researcher#7", "r1", "hold-1")
    assert (event["tenant"], event["model"], event["call_id"]) == ("acme", "m", "resp-1")
    assert (gate.held, gate.spent) == (0, 10 * 1_000 + 40 * OUTPUT_NANOS)


def test_an_event_says_who_saw_the_answer_and_under_which_id(client: Client, gate: Gate) -> None:
    """The provider's id, so that a gateway's or a span's word of it is of the same call; never an id of the caller."""
    answer = {"id": "chatcmpl-B9MBs8", "object": "chat.completion", "model": "gpt-5.5", "choices": []}
    with client.call("m", max_output_tokens=1) as call:
        read = call.record(answer | {"usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}})
    with client.call("m", max_output_tokens=1) as call:
        own = call.record({"input": 1, "output": 1, "call_id": "mine", "estimated": True})
    assert client.flush(10) == 0
    assert (gate.events[read]["observed"], gate.events[read]["response_id"]) == ("sdk", "chatcmpl-B9MBs8")
    assert "estimated" not in gate.events[read]
    assert (gate.events[own]["observed"], gate.events[own]["estimated"]) == ("sdk", True)
    assert "response_id" not in gate.events[own]


def test_a_spent_budget_raises_with_the_decision(client: Client, gate: Gate) -> None:
    gate.spent = gate.limit
    with pytest.raises(tollbook.BudgetExceeded) as caught, client.call("m", max_output_tokens=1):
        pytest.fail("the call must not be made")
    assert caught.value.decision is not None
    assert caught.value.decision.verdict is Verdict.SPENT
    assert caught.value.decision.budget is not None
    assert caught.value.decision.budget.limit == gate.limit


def test_busy_is_waited_out(client: Client, gate: Gate) -> None:
    gate.holds["another's"] = gate.limit
    entered = threading.Event()

    def give_room() -> None:
        gate.await_request("POST", "/v1/holds", 2)
        with gate.lock:
            gate.holds.clear()

    room = threading.Thread(target=give_room)
    room.start()
    with client.call("m", max_output_tokens=10) as call:
        entered.set()
        call.record({"input": 1, "output": 1})
    room.join()
    asked = [body["id"] for _, path, body in gate.requests if path == "/v1/holds"]
    assert len(asked) >= 3
    assert len(set(asked)) == 1


def test_busy_for_too_long_raises_with_when_to_retry(new_client: NewClient, gate: Gate) -> None:
    gate.holds["another's"] = gate.limit
    with pytest.raises(tollbook.BudgetBusy) as caught, new_client(wait_s=0.0).call("m", max_output_tokens=10):
        pytest.fail("the call must not be made")
    assert caught.value.retry_ms == 20
    assert caught.value.retryable


def test_a_smaller_answer_that_fits_is_granted(client: Client, gate: Gate) -> None:
    gate.spent = gate.limit - 50 * OUTPUT_NANOS
    with client.call("m", max_output_tokens=100, min_output_tokens=20) as call:
        assert call.decision.verdict is Verdict.ALLOW_DEGRADED
        assert call.granted_max_output_tokens == 50
        call.record({"input": 0, "output": 50})


def test_without_a_bound_the_hold_grows_in_steps(client: Client, gate: Gate) -> None:
    with client.call("m") as call:
        assert call.granted_max_output_tokens == 1_024
        assert call.extend(1_000) == 1_024
        assert call.extend(2_048) == 2_048
        assert gate.held == 2_048 * OUTPUT_NANOS
        call.record({"input": 0, "output": 2_000})


def test_an_error_before_the_provider_releases_the_hold(client: Client, gate: Gate) -> None:
    with pytest.raises(ZeroDivisionError), client.call("m", max_output_tokens=10) as call:
        call.provider_reached(False)
        raise ZeroDivisionError
    gate.await_request("DELETE", "/v1/holds/hold-1")


def test_a_refused_connection_releases_the_hold(client: Client, gate: Gate) -> None:
    with pytest.raises(RuntimeError), client.call("m", max_output_tokens=10):
        try:
            raise ConnectionRefusedError
        except ConnectionRefusedError as refused:
            raise RuntimeError("the provider's SDK wraps it") from refused
    gate.await_request("DELETE", "/v1/holds/hold-1")


def test_an_error_after_the_provider_keeps_the_hold(client: Client, gate: Gate) -> None:
    with pytest.raises(ZeroDivisionError), client.call("m", max_output_tokens=10) as call:
        call.provider_reached()
        raise ZeroDivisionError
    client.close()
    assert not [one for one in gate.requests if one[0] == "DELETE"]
    assert gate.held


def test_who_reported_never_releases(client: Client, gate: Gate) -> None:
    with pytest.raises(ZeroDivisionError), client.call("m", max_output_tokens=10) as call:
        call.record({"input": 1, "output": 1})
        call.provider_reached(False)
        call.release()
        raise ZeroDivisionError
    client.close()
    assert not [one for one in gate.requests if one[0] == "DELETE"]


def test_a_stream_that_ends_early_records_its_estimate(client: Client, gate: Gate) -> None:
    with pytest.raises(ZeroDivisionError), client.call("m", max_output_tokens=10, input_tokens=5) as call:
        call.estimate(output_tokens=7)
        raise ZeroDivisionError
    client.flush(10)
    (event,) = gate.events.values()
    assert (event["input"], event["output"], event["tags"]) == (5, 7, {"estimated": "true"})


def test_a_hold_that_cannot_be_kept_stops_the_call(new_client: NewClient, gate: Gate) -> None:
    client = new_client(hold_ttl_ms=1_000)
    told = threading.Event()
    with pytest.raises(tollbook.HoldLost), client.call("m", max_output_tokens=10) as call:
        call.on_lost(lambda _: told.set())
        gate.gone.add("hold-1")
        assert told.wait(20)
        call.raise_if_lost()


def test_an_open_hold_is_extended(new_client: NewClient, gate: Gate) -> None:
    with new_client(hold_ttl_ms=1_000).call("m", max_output_tokens=10) as call:
        gate.await_request("PATCH", "/v1/holds/hold-1", 2)
        call.record({"input": 1, "output": 1})


def test_a_server_away_is_open_unless_strict(tmp_path: Path) -> None:
    with Client("http://127.0.0.1:9", tenant="acme", spool_path=str(tmp_path / "o.db"), outbox_flush_s=0.0) as client:
        with client.call("m", max_output_tokens=10) as call:
            assert (call.decision.verdict, call.decision.fail) == (Verdict.UNSURE, "open")
            call.record({"input": 1, "output": 1})
        with pytest.raises(tollbook.BudgetExceeded) as caught, client.call("m", max_output_tokens=10, mode="strict"):
            pytest.fail("the call must not be made")
        assert caught.value.decision is not None
        assert caught.value.decision.fail == "closed"


def test_a_cut_connection_is_asked_again_under_the_same_id_by_the_caller(client: Client, gate: Gate) -> None:
    gate.answers.append((503, {"code": "budget_unsure", "decision": "unsure", "fail": "open", "detail": "away"}))
    with client.call("m", max_output_tokens=10) as call:
        assert call.decision.verdict is Verdict.UNSURE
        call.record({"input": 1, "output": 1})


def test_a_refused_key_is_no_decision(client: Client, gate: Gate) -> None:
    gate.answers.append((401, {"code": "unauthorized", "detail": "no such key"}))
    with pytest.raises(tollbook.GateRefused) as caught, client.call("m", max_output_tokens=10):
        pytest.fail("the call must not be made")
    assert (caught.value.status, caught.value.reason) == (401, "unauthorized")


def test_check_reserves_nothing(client: Client, gate: Gate) -> None:
    with client.call("m", max_output_tokens=10, gate="check") as call:
        assert gate.held == 0
        call.record({"input": 1, "output": 1})


def test_guard_wraps_a_function_into_a_call(client: Client, gate: Gate) -> None:
    @client.guard(model="m", max_output_tokens=10)
    def ask(question: str, call: tollbook.Call) -> dict[str, int]:
        assert call.hold_id == "hold-1"
        return {"input": len(question), "output": 2}

    assert ask("why") == {"input": 3, "output": 2}
    client.flush(10)
    assert [event["input"] for event in gate.events.values()] == [3]


def test_the_asynchronous_client_does_the_same(served: tuple[str, Gate], tmp_path: Path) -> None:
    url, gate = served

    async def main() -> None:
        async with AsyncClient(url, tenant="acme", spool_path=str(tmp_path / "o.db")) as client:
            with client.agent("planner"):

                @client.guard(model="m", max_output_tokens=10)
                async def ask(number: int) -> dict[str, int]:
                    return {"input": number, "output": 2}

                await asyncio.gather(*(ask(number) for number in range(20)))
            assert await client.flush(10) == 0

    asyncio.run(main())
    assert sorted(event["input"] for event in gate.events.values()) == list(range(20))
    assert gate.held == 0


def test_a_lost_hold_cancels_the_asynchronous_block(served: tuple[str, Gate], tmp_path: Path) -> None:
    url, gate = served

    async def main() -> None:
        client = AsyncClient(url, tenant="acme", spool_path=str(tmp_path / "o.db"), hold_ttl_ms=1_000)
        async with client, client.call("m", max_output_tokens=10):
            gate.gone.add("hold-1")
            await asyncio.get_running_loop().create_future()

    with pytest.raises(tollbook.HoldLost):
        asyncio.run(main())


def test_five_hundred_calls_at_once_never_pass_the_limit(tmp_path: Path) -> None:
    with serving("0.004") as (url, gate):

        async def main() -> list[object]:
            async with AsyncClient(url, tenant="acme", spool_path=str(tmp_path / "o.db"), wait_s=0.0) as client:

                async def one() -> None:
                    async with client.call("m", max_output_tokens=10, mode="strict") as call:
                        call.record({"input": 0, "output": 10})

                return await asyncio.gather(*(one() for _ in range(500)), return_exceptions=True)

        outcomes = asyncio.run(main())
        assert gate.highest <= gate.limit
        assert gate.spent == outcomes.count(None) * 10 * OUTPUT_NANOS
        assert all(one is None or isinstance(one, tollbook.BudgetExceeded) for one in outcomes)
