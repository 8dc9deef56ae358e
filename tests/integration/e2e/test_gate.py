"""The gate on the default install: a hold, its call, and a watcher that sees both."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.integration.e2e.running import PATIENCE_S, Ledger, running
from tollbook.embedded.process import wait_until

CALL = {"agent": "planner", "model": "claude-opus-4-7", "input_tokens": 1_000, "max_output_tokens": 100}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger of its own: where others have lost the store, strict holds wait for ten minutes, as they must."""
    with running(tmp_path_factory.mktemp("gate") / "data") as up:
        yield up


def states(answer: requests.Response) -> Iterator[dict[str, Any]]:
    """The data of each `state` event."""
    name = ""
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        if line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        elif line.startswith("data:") and name == "state":
            yield json.loads(line.removeprefix("data:"))


def test_a_hold_and_its_call_are_seen_by_a_watcher(ledger: Ledger, tenant: str) -> None:
    def held() -> requests.Response:
        return ledger.http.post(
            f"{ledger.api}/v1/holds", json={"tenant": tenant, **CALL}, headers=ledger.bearer, timeout=PATIENCE_S
        )

    # A ledger that has just started has no counters yet, and says so instead of guessing.
    assert wait_until(lambda: held().status_code == 200, deadline_seconds=PATIENCE_S)
    url = f"{ledger.api}/v1/watch?tenant={tenant}"
    with requests.get(url, headers=ledger.bearer, stream=True, timeout=PATIENCE_S) as watched:
        assert watched.headers["content-type"].startswith("text/event-stream")
        told = states(watched)
        assert next(told)["throttled"] is False
        answer = held()
        hold = answer.json()["hold"]
        assert hold["amount_usd"] == "0.007500000"
        settled = ledger.http.post(
            f"{ledger.api}/v1/holds/{hold['id']}/settle?tenant={tenant}",
            json={"input": 1_000, "output": 10},
            headers=ledger.bearer,
            timeout=PATIENCE_S,
        )
        assert settled.status_code == 202
        spent = next(state for state in told if state["budgets"][0]["spent"] == "0.005250000")
        assert spent["budgets"][0]["id"] == "daily"
        assert spent["budgets"][0]["refuses"] is False
