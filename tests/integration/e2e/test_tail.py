"""`tollbook tail`: every entry once, whatever happens to the server meanwhile."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.e2e.running import COMMAND, PATIENCE_S, Ledger, environment
from tollbook.embedded.process import wait_until

EVENT = {"agent": "planner", "input": 12, "output": 3, "model": "gpt-4o-mini"}


@contextmanager
def following(ledger: Ledger, printed: Path, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A `tollbook tail` that prints into a file, ended at the end."""
    with printed.open("ab") as out:
        process = subprocess.Popen(
            [*COMMAND, "tail", "--data", str(ledger.data), *arguments],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def ids(printed: Path) -> list[str]:
    """The ids of the events in the whole lines of a file."""
    whole, _, _ = printed.read_text(encoding="utf-8").rpartition("\n")
    return [json.loads(line)["id"] for line in whole.splitlines()]


def send(ledger: Ledger, tenant: str, *names: str) -> None:
    """Book events; a server that starts anew is waited for. Their ids make it safe to send again."""
    body = [{**EVENT, "tenant": tenant, "id": name} for name in names]

    def taken() -> bool:
        try:
            answer = ledger.http.post(f"{ledger.api}/v1/events?ack=ledger", json=body, headers=ledger.bearer, timeout=5)
        except OSError:
            return False
        return answer.status_code == 202

    assert wait_until(taken, deadline_seconds=PATIENCE_S, every_seconds=0.05)


def test_every_entry_is_printed_once_across_a_server_that_dies(ledger: Ledger, tenant: str, tmp_path: Path) -> None:
    printed = tmp_path / "printed"
    before = [f"before-{number}" for number in range(5)]
    send(ledger, tenant, *before)
    with following(ledger, printed, "--tenant", tenant, "--json", "-n", "3") as process:
        assert wait_until(lambda: len(ids(printed)) == 3, deadline_seconds=PATIENCE_S)
        live = [f"live-{number}" for number in range(20)]
        send(ledger, tenant, *live[:10])
        os.kill(ledger.role("serve"), signal.SIGKILL)
        for name in live[10:]:
            send(ledger, tenant, name)
        assert wait_until(lambda: len(ids(printed)) >= 23, deadline_seconds=PATIENCE_S), ids(printed)
        assert sorted(ids(printed)[3:]) == sorted(live)
        assert set(ids(printed)[:3]) < set(before)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130


def test_a_cursor_file_goes_on_where_the_last_one_ended(ledger: Ledger, tenant: str, tmp_path: Path) -> None:
    """Run after run, no entry is missed and none comes twice; a filter applies to all of them."""
    printed, cursor = tmp_path / "printed", tmp_path / "cursor"

    def run_once() -> None:
        with following(
            ledger, printed, "--tenant", tenant, "--json", "-n", "0", "-F", "--cursor-file", str(cursor)
        ) as process:
            assert process.wait(PATIENCE_S) == 0

    run_once()
    assert ids(printed) == []
    for names in (["a", "b"], [], ["c", "d", "e", "f"]):
        if names:
            send(ledger, tenant, *names)
            send(ledger, f"{tenant}-other", *names)
        run_once()
    assert sorted(ids(printed)) == ["a", "b", "c", "d", "e", "f"]
