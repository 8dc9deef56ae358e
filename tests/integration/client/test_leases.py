"""Calls from a lease: no question to the server for most of them, and never a token beyond the budget."""

import threading
from typing import Any

import pytest

import tollbook
from tests.integration.client.conftest import NewClient
from tests.integration.client.gate_double import OUTPUT_NANOS, Gate
from tollbook.client.client import Client
from tollbook.embedded.process import wait_until


def leased(client: Client, gate: Gate, **options: Any) -> None:
    """Call until a lease is there: the second call asks for it behind the scenes."""
    for _ in range(2):
        with client.call("m", max_output_tokens=10, **options) as call:
            call.record({"input": 0, "output": 10})
    gate.await_request("POST", "/v1/leases")
    assert wait_until(lambda: client.engine.book.ready, deadline_seconds=30, every_seconds=0.01)


def holds_asked(gate: Gate) -> int:
    return sum(1 for method, path, _ in gate.requests if (method, path) == ("POST", "/v1/holds"))


def test_most_calls_ask_nothing(new_client: NewClient, gate: Gate) -> None:
    client = new_client(gate="lease", lease_calls=64)
    leased(client, gate)
    asked = holds_asked(gate)
    parts = set()
    for _ in range(40):
        with client.call("m", max_output_tokens=10) as call:
            assert call.hold_id is not None
            parts.add(call.hold_id)
            call.record({"input": 0, "output": 3})
    assert holds_asked(gate) == asked
    assert len(parts) == 40
    assert client.flush(20) == 0
    assert {event["hold"] for event in gate.events.values()} >= parts


def test_what_was_not_used_comes_back_when_the_client_closes(new_client: NewClient, gate: Gate) -> None:
    client = new_client(gate="lease")
    leased(client, gate)
    with client.call("m", max_output_tokens=10) as call:
        call.record({"input": 0, "output": 4})
    client.close()
    assert gate.held == 0
    assert gate.spent == sum(event["output"] for event in gate.events.values()) * OUTPUT_NANOS


def test_an_open_part_stays_held_when_the_client_closes(new_client: NewClient, gate: Gate) -> None:
    client = new_client(gate="lease")
    leased(client, gate)
    with client.call("m", max_output_tokens=10):
        client.close()
        assert gate.held == 10 * OUTPUT_NANOS


def test_a_lease_that_runs_dry_is_renewed_behind_the_calls(new_client: NewClient, gate: Gate) -> None:
    client = new_client(gate="lease", lease_calls=4)
    leased(client, gate)
    for _ in range(30):
        with client.call("m", max_output_tokens=10) as call:
            call.record({"input": 0, "output": 10})
    assert len(gate.await_request("POST", "/v1/leases", 2)) >= 2


def test_many_threads_on_one_lease_never_pass_the_limit(new_client: NewClient, gate: Gate) -> None:
    gate.limit = 400 * 10 * OUTPUT_NANOS
    client = new_client(gate="lease", lease_calls=50, wait_s=0.0, hold_mode="strict")
    leased(client, gate)
    made = []

    def work() -> None:
        for _ in range(100):
            try:
                with client.call("m", max_output_tokens=10) as call:
                    call.record({"input": 0, "output": 10})
                    made.append(1)
            except tollbook.BudgetExceeded:
                return

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    assert gate.highest <= gate.limit
    assert gate.spent == (len(made) + 2) * 10 * OUTPUT_NANOS
    assert len(made) > 100


def test_a_lease_that_the_server_forgot_stops_its_open_calls(new_client: NewClient, gate: Gate) -> None:
    client = new_client(gate="lease", lease_ttl_ms=1_500)
    leased(client, gate)
    told = threading.Event()
    with pytest.raises(tollbook.HoldLost), client.call("m", max_output_tokens=10) as call:
        assert call.hold_id is not None
        call.on_lost(lambda _: told.set())
        gate.gone.add(call.hold_id.partition(".")[0])
        assert told.wait(20)
        call.raise_if_lost()


def test_a_call_before_the_provider_gives_its_part_back(new_client: NewClient, gate: Gate) -> None:
    client = new_client(gate="lease")
    leased(client, gate)
    with pytest.raises(ZeroDivisionError), client.call("m", max_output_tokens=10) as call:
        call.provider_reached(False)
        raise ZeroDivisionError
    client.close()
    assert gate.held == 0
