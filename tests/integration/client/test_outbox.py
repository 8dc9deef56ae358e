"""What was recorded reaches the ledger once, whatever dies or is away in between."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import tollbook
from tests.integration.client.conftest import NewClient
from tests.integration.client.gate_double import Gate
from tests.integration.e2e.running import environment
from tollbook.client.client import Client

NOWHERE = "http://127.0.0.1:9"
ROOT = Path(__file__).parents[3]


@contextmanager
def dying(spool: Path, url: str, prefix: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.integration.client.dying", str(spool), url, prefix]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: "subprocess.Popen[str]", count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


def the_rest(process: "subprocess.Popen[str]") -> list[str]:
    """What was printed whole before the process was killed."""
    assert process.stdout is not None
    return [line.strip() for line in process.stdout if line.endswith("\n")]


def test_what_was_recorded_survives_kill_9(gate: Gate, new_client: NewClient, tmp_path: Path) -> None:
    spool = tmp_path / "shared.db"
    with dying(spool, NOWHERE, "a") as process:
        recorded = lines(process, 300)
        process.kill()
        recorded += the_rest(process)
    assert new_client(spool_path=str(spool)).flush(30) == 0
    assert set(recorded) <= gate.events.keys()
    assert len(gate.events) <= len(recorded) + 1


def test_two_processes_share_a_spool_and_one_is_killed(gate: Gate, served: tuple[str, Gate], tmp_path: Path) -> None:
    spool = tmp_path / "shared.db"
    with dying(spool, served[0], "a") as one, dying(spool, served[0], "b") as other:
        recorded = lines(one, 200)
        other_recorded = lines(other, 200)
        one.kill()
        recorded += the_rest(one)
        other_recorded += lines(other, 200)
        other.kill()
        other_recorded += the_rest(other)
    with Client(served[0], tenant="acme", spool_path=str(spool)) as client:
        assert client.flush(30) == 0
    assert set(recorded) | set(other_recorded) <= gate.events.keys()


def test_days_offline_then_one_flush(gate: Gate, served: tuple[str, Gate], tmp_path: Path) -> None:
    spool = str(tmp_path / "o.db")
    with Client(NOWHERE, tenant="acme", spool_path=spool, gate="off", outbox_flush_s=0.0) as client:
        for number in range(2_000):
            with client.call("m") as call:
                call.record({"input": number, "output": 1})
        assert client.outbox_status().spool.waiting == 2_000
    with Client(served[0], tenant="acme", spool_path=spool) as client:
        assert client.flush(60) == 0
    assert sorted(event["input"] for event in gate.events.values()) == list(range(2_000))


def test_a_lost_answer_is_sent_again_under_the_same_id(client: Client, gate: Gate) -> None:
    gate.answers += [(0, None), (503, {"code": "journal_unavailable"})]
    with client.call("m", gate="off") as call:
        event_id = call.record({"input": 1, "output": 1})
    gate.await_events(1)
    assert list(gate.events) == [event_id]
    assert len(gate.await_request("POST", "/v1/events", 3)) == 3


def test_a_refused_event_lies_among_the_dead_with_its_reason(client: Client, gate: Gate) -> None:
    for model in ("m", "bad", "m"):
        with client.call(model, gate="off") as call:
            call.record({"input": 1, "output": 1}, durable=False)
    assert client.flush(20) == 0
    assert len(gate.events) == 2
    status = client.outbox_status().spool
    assert (status.waiting, status.dead) == (0, 1)


def test_a_batch_refused_whole_is_split_down_to_the_event_at_fault(client: Client, gate: Gate) -> None:
    gate.answers += [(413, {"code": "body_too_large", "detail": "too large"})]
    for number in range(8):
        with client.call("m", gate="off") as call:
            call.record({"input": number, "output": 1}, durable=False)
    assert client.flush(20) == 0
    assert len(gate.events) == 8


def test_a_full_spool_tells_the_caller_and_can_be_worked_off(
    gate: Gate, served: tuple[str, Gate], tmp_path: Path
) -> None:
    spool = str(tmp_path / "o.db")
    taken = 0
    offline = Client(NOWHERE, tenant="acme", spool_path=spool, gate="off", spool_bytes_max=200_000, outbox_flush_s=0.0)
    with offline as client, pytest.raises(tollbook.SpoolFull):
        while True:
            with client.call("m", tags={"note": "x" * 200}) as call:
                call.record({"input": taken, "output": 1})
                taken += 1
    assert taken > 100
    with Client(served[0], tenant="acme", spool_path=spool, spool_bytes_max=200_000) as client:
        assert client.flush(30) == 0
        assert len(gate.events) == taken
        with client.call("m", gate="off") as call:
            call.record({"input": 1, "output": 1})


def test_what_waits_in_memory_for_a_full_spool_is_written_once_there_is_room(gate: Gate, new_client: NewClient) -> None:
    client = new_client(spool_bytes_max=200_000, gate="off")
    gate.answers += [(503, {"code": "journal_unavailable"})] * 3
    recorded = []
    for number in range(1_000):
        with client.call("m", tags={"note": "x" * 200}) as call:
            recorded.append(call.record({"input": number, "output": 1}, durable=False))
    client.flush(20)
    gate.await_events(1_000)
    assert gate.events.keys() == set(recorded)


def test_many_threads_record_in_groups(client: Client, gate: Gate) -> None:
    def record() -> None:
        for number in range(50):
            with client.call("m", gate="off") as call:
                call.record({"input": number, "output": 1})

    threads = [threading.Thread(target=record) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush(30) == 0
    assert len(gate.events) == 400


def test_the_end_of_the_interpreter_flushes(gate: Gate, served: tuple[str, Gate], tmp_path: Path) -> None:
    script = (
        "import sys, tollbook\n"
        "client = tollbook.Client(sys.argv[1], tenant='acme', spool_path=sys.argv[2], gate='off')\n"
        "with client.call('m') as call: call.record({'input': 1, 'output': 1}, durable=False)\n"
    )
    command = [sys.executable, "-c", script, served[0], str(tmp_path / "o.db")]
    subprocess.run(command, env=environment(), check=True, timeout=60)
    assert len(gate.events) == 1


def test_a_child_process_has_an_outbox_of_its_own(gate: Gate, served: tuple[str, Gate], tmp_path: Path) -> None:
    script = (
        "import os, sys, tollbook\n"
        "client = tollbook.Client(sys.argv[1], tenant='acme', spool_path=sys.argv[2], gate='off')\n"
        "def one(n):\n"
        "    with client.call('m') as call: call.record({'input': n, 'output': 1})\n"
        "one(1)\n"
        "child = os.fork()\n"
        "one(2 if child else 3)\n"
        "assert client.flush(20) == 0\n"
        "if child: os.waitpid(child, 0)\n"
        "else: os._exit(0)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, served[0], str(tmp_path / "o.db")]
    subprocess.run(command, env=environment(), check=True, timeout=60)
    assert sorted(event["input"] for event in gate.events.values()) == [1, 2, 3]
