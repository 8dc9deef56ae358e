"""What happens between a question and a decision, without any I/O: generators that the two clients drive.

A flow yields an `Ask` and is sent a `Reply`, or yields a `Pause` and is sent None; it returns or raises its outcome.
"""

from collections.abc import Callable, Generator
from typing import NamedTuple

import msgspec

from tollbook.client.errors import BudgetBusy, GateRefused
from tollbook.client.wire import AnswerBody, CallAsk, ExtendAsk, answer_of, decision_of, problem_of
from tollbook.domain.budget import Fail
from tollbook.domain.decision import Decision, Verdict
from tollbook.domain.errors import BudgetExceeded

_RETRY_MS_DEFAULT = 250


class Ask(NamedTuple):
    """One request. `path` begins with a slash; `body` is JSON."""

    method: str
    path: str
    body: bytes | None = None


class Pause(NamedTuple):
    """Wait so long before going on."""

    seconds: float


class Reply(NamedTuple):
    """What came back. `status` 0: the server was not reached, or gave no answer in time; `body` then says why."""

    status: int
    body: bytes
    retry_after_s: float | None = None


Step = Ask | Pause
Flow = Generator[Step, Reply | None, Decision]


class Patience(NamedTuple):
    """How long a flow may wait, and its sources of time and chance: seconds that only grow, numbers in [0, 1)."""

    wait_s: float
    now: Callable[[], float]
    random: Callable[[], float]


class Granted(NamedTuple):
    """An answer with the lease it may carry."""

    decision: Decision
    answer: AnswerBody | None


def hold_flow(ask: CallAsk, *, path: str, fail: Fail, patience: Patience) -> Flow:
    """Ask for a hold (or a check) until it is decided.

    `busy` is asked again, under the same id, until the patience ends. Raises `BudgetExceeded` on `spent`, on `unsure`
    that is closed; `BudgetBusy`; `GateRefused` where the question itself is refused. `fail` holds where the server
    cannot be reached.
    """
    body = msgspec.json.encode(ask)
    deadline = patience.now() + patience.wait_s
    while True:
        decision = (yield from _decided(Ask("POST", path, body), fail)).decision
        if decision.admits:
            return decision
        if decision.verdict is not Verdict.BUSY:
            raise refusal(decision, ask.tenant)
        # Jitter spreads those who were refused at one moment over the time until the next.
        pause_s = (decision.retry_ms or _RETRY_MS_DEFAULT) / 1000 * (0.5 + patience.random())
        if patience.now() + pause_s > deadline:
            raise refusal(decision, ask.tenant)
        yield Pause(pause_s)


def extend_flow(hold_id: str, ask: ExtendAsk, *, fail: Fail) -> Flow:
    """Ask once for a longer life or a larger size; the decision says what was granted, whatever it is."""
    granted = yield from _decided(Ask("PATCH", f"/v1/holds/{hold_id}", msgspec.json.encode(ask)), fail)
    return granted.decision


def lease_flow(ask: CallAsk) -> Generator[Step, Reply | None, Granted]:
    """Ask once for a lease."""
    return (yield from _decided(Ask("POST", "/v1/leases", msgspec.json.encode(ask)), Fail.CLOSED))


def refusal(decision: Decision, tenant: str | None) -> BudgetExceeded:
    """What a decision that does not admit is raised as."""
    kind = BudgetBusy if decision.verdict is Verdict.BUSY else BudgetExceeded
    return kind(_said(decision), tenant=tenant, decision=decision)


def unsure(detail: str, fail: Fail) -> Decision:
    """The decision of an SDK that cannot ask: says so, and which of open and closed applies."""
    return Decision(verdict=Verdict.UNSURE, detail=detail, fail=fail)


def _decided(ask: Ask, fail: Fail) -> Generator[Step, Reply | None, Granted]:
    reply = yield ask
    if reply is None or reply.status == 0:
        why = reply.body.decode("utf-8", "replace") if reply else "no reply"
        return Granted(unsure(f"the gate cannot be reached: {why}", fail), None)
    answer = answer_of(reply.body)
    if answer is not None:
        return Granted(decision_of(answer), answer)
    if reply.status >= 500 or reply.status in (408, 429):
        return Granted(unsure(f"the gate answers {reply.status} and no decision", fail), None)
    problem = problem_of(reply.body)
    detail = problem.detail or f"the gate answers {reply.status}"
    raise GateRefused(detail, status=reply.status, reason=problem.code)


def _said(decision: Decision) -> str:
    if decision.detail:
        return decision.detail
    budget = decision.budget
    return f"the gate says {decision.verdict.value}" + (f": budget {budget.id}" if budget else "")
