"""No call is refused that could have been allowed: calls at 80 % of a budget, a third of whose callers crash.

    python -m tests.fault.soak --minutes 10

Each caller takes a strict hold, and then reports the call, or is gone without a word: what it held comes back when the
hold ends. An auditor of its own keeps what is spent, held and leaked in each minute, and judges every refusal.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from random import Random
from typing import NamedTuple
from uuid import UUID

import requests

from tests.integration.e2e.running import PATIENCE_S, Ledger, running

TENANT, MODEL = "soak", "gpt-4o-mini"
INPUT_NANOS, OUTPUT_NANOS = 150, 600
LIMIT_NANOS = 250_000_000
SHARE = 0.8
CRASHES = 1 / 3
CALLERS = 12
TTL_MS = 2_000
# The room of an expired hold returns with the next catch-up that was begun after it expired: after a second or two.
RETURNS_MS = 4_000
MINUTE_MS = 60_000


class Outcome(NamedTuple):
    """What a soak came to: answers by verdict, callers that crashed, each refusal that was not called for."""

    answers: Counter[str]
    crashed: int
    spent_nanos: int
    false: list[str]
    held_nanos: int


class Auditor:
    """What is known of each minute: costs reported, and upper bounds of what may be held. Times in ms since 1970."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spent: dict[int, int] = defaultdict(int)
        self._held: dict[int, dict[object, int]] = defaultdict(dict)
        self._leaked: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._asked: dict[object, int] = {}
        self.answers: Counter[str] = Counter()
        self.crashed = 0
        self.false: list[str] = []

    def may_ask(self, now_ms: int) -> bool:
        """Whether the minute's pace leaves room: 80 % of the budget, evenly over it."""
        minute, passed_ms = divmod(now_ms, MINUTE_MS)
        with self._lock:
            return self._spent[minute] <= LIMIT_NANOS * SHARE * passed_ms / MINUTE_MS

    def asks(self, caller: object, nanos: int) -> None:
        """A hold of so much is on its way: from now on it may be held."""
        with self._lock:
            self._asked[caller] = nanos

    def holds(self, caller: object, hold_id: str) -> int:
        """The hold was granted; the minute it counts in, which its id tells."""
        minute = (UUID(hold_id).int >> 80) // MINUTE_MS
        with self._lock:
            self._held[minute][caller] = self._asked.pop(caller)
            self.answers["allow"] += 1
        return minute

    def spends(self, caller: object, minute: int, nanos: int) -> None:
        """The call is reported."""
        with self._lock:
            del self._held[minute][caller]
            self._spent[minute] += nanos

    def crashes(self, caller: object, minute: int, now_ms: int) -> None:
        """Nothing more is heard of the caller: its hold stands until it ends."""
        with self._lock:
            self._leaked[minute].append((now_ms + TTL_MS + RETURNS_MS, self._held[minute].pop(caller)))
            self.crashed += 1

    def refused(self, caller: object, verdict: str, asked_ms: int, now_ms: int) -> None:
        """Judge a refusal: false where, at the worst, there was room in each minute the call may have counted in."""
        with self._lock:
            self.answers[verdict] += 1
            nanos = self._asked.pop(caller)
            others = sum(self._asked.values())
            counted = {
                minute: self._spent[minute]
                + sum(self._held[minute].values())
                + sum(held for until_ms, held in self._leaked[minute] if until_ms > asked_ms)
                + others
                for minute in {asked_ms // MINUTE_MS, now_ms // MINUTE_MS}
            }
            if all(known + nanos <= LIMIT_NANOS for known in counted.values()):
                self.false.append(f"{verdict}: {nanos} asked, {counted} of {LIMIT_NANOS}")

    @property
    def spent_nanos(self) -> int:
        """What was spent in all minutes."""
        return sum(self._spent.values())


class Caller(threading.Thread):
    """One caller after another, each of which may crash."""

    def __init__(self, ledger: Ledger, auditor: Auditor, seed: int, ends_at: float) -> None:
        super().__init__(name=f"caller-{seed}")
        self._ledger = ledger
        self._auditor = auditor
        self._random = Random(seed)
        self._ends_at = ends_at
        self._pause = threading.Event()
        self.trouble = ""

    def run(self) -> None:
        """Call until the time is over."""
        try:
            with requests.Session() as session:
                session.trust_env = False
                session.headers.update(self._ledger.bearer)
                while time.monotonic() < self._ends_at:
                    if self._auditor.may_ask(_now_ms()):
                        self._call(session)
                    else:
                        self._pause.wait(0.02)
        except Exception as error:
            self.trouble = repr(error)
            raise

    def _call(self, session: requests.Session) -> None:
        random, auditor, caller = self._random, self._auditor, object()
        tokens, most = random.randint(100, 1_000), random.randint(500, 2_000)
        ask = {"tenant": TENANT, "agent": "caller", "model": MODEL, "mode": "strict", "ttl_ms": TTL_MS}
        auditor.asks(caller, tokens * INPUT_NANOS + most * OUTPUT_NANOS)
        asked_ms = _now_ms()
        body = {**ask, "input_tokens": tokens, "max_output_tokens": most, "min_output_tokens": most}
        answer = session.post(f"{self._ledger.api}/v1/holds", json=body, timeout=PATIENCE_S)
        decision = answer.json()
        if decision.get("decision") != "allow":
            auditor.refused(caller, decision.get("decision") or answer.text, asked_ms, _now_ms())
            return
        minute = auditor.holds(caller, decision["hold"]["id"])
        if random.random() < CRASHES:
            auditor.crashes(caller, minute, _now_ms())
            return
        output = random.randint(0, most // 4)
        event = {"tenant": TENANT, "agent": "caller", "model": MODEL, "input": tokens, "output": output}
        session.post(
            f"{self._ledger.api}/v1/events", json={**event, "hold": decision["hold"]["id"]}, timeout=PATIENCE_S
        ).raise_for_status()
        auditor.spends(caller, minute, tokens * INPUT_NANOS + output * OUTPUT_NANOS)


def soak(directory: Path, minutes: float) -> Outcome:
    """Run for so long, wait for the last holds to end, and tell what came of it."""
    with running(directory) as ledger:
        day = {"scope": "tenant", "match": "*", "window": "day", "limit_usd": "1000"}
        minute = {"scope": "tenant", "match": "*", "window": "minute", "mode": "strict"}
        minute["limit_usd"] = f"{LIMIT_NANOS / 10**9:.9f}"
        for name, body in (("daily", day), ("minute", minute)):
            ledger.http.put(
                f"{ledger.api}/v1/budgets/{name}",
                params={"tenant": TENANT},
                json=body,
                headers=ledger.bearer,
                timeout=PATIENCE_S,
            ).raise_for_status()
        auditor = Auditor()
        callers = [Caller(ledger, auditor, seed, time.monotonic() + minutes * 60) for seed in range(CALLERS)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        auditor.false += [caller.trouble for caller in callers if caller.trouble]
        ledger.await_true(lambda: ledger.get("/v1/holds", tenant=TENANT)["rows"] == [])
        ledger.await_drained()
        status = ledger.get(f"/v1/tenants/{TENANT}/status")
        held = int(status["held_usd"].replace(".", ""))
        return Outcome(auditor.answers, auditor.crashed, auditor.spent_nanos, auditor.false, held)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main() -> int:
    """Soak and tell; 1 where a call was refused that could have been allowed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    with tempfile.TemporaryDirectory(prefix="tollbook-soak-") as folder:
        outcome = soak(Path(folder) / "data", parser.parse_args().minutes)
    print(f"{dict(outcome.answers)}, {outcome.crashed} callers crashed, ${outcome.spent_nanos / 10**9:.6f} spent")
    print(f"{len(outcome.false)} refused that could have been allowed; held in the end: {outcome.held_nanos} nanos")
    for line in outcome.false[:20]:
        print(line)
    return 1 if outcome.false or outcome.held_nanos else 0


if __name__ == "__main__":
    sys.exit(main())
