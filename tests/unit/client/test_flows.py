"""The flow of a question, driven without any network."""

import msgspec
import pytest

from tollbook.client.errors import BudgetBusy, GateRefused
from tollbook.client.flows import Ask, Flow, Patience, Pause, Reply, hold_flow
from tollbook.client.wire import CallAsk
from tollbook.domain.budget import Fail
from tollbook.domain.decision import Decision, Verdict
from tollbook.domain.errors import BudgetExceeded

ASK = CallAsk(agent="a", model="m", tenant="acme", max_output_tokens=10, id="mine")
HOLD = {"id": "h", "amount_usd": "0.000000010", "expires_at": "2026-11-23T12:00:00Z"}
FACTS = {"id": "daily", "scope": "tenant", "match": "*", "window": "day", "unit": "usd", "limit": "1", "spent": "0.5",
         "held": "0.25", "tenant": "acme", "reset_at": None}  # fmt: skip


def reply(status: int, **body: object) -> Reply:
    return Reply(status, msgspec.json.encode({"detail": "", **body}))


class Run:
    """Drives a flow on replies, by a clock that moves with its pauses."""

    def __init__(self, *replies: Reply, wait_s: float = 10.0, fail: Fail = Fail.OPEN, chance: float = 0.5) -> None:
        self.replies = list(replies)
        self.now = 0.0
        self.asked: list[Ask] = []
        self.pauses: list[float] = []
        patience = Patience(wait_s, lambda: self.now, lambda: chance)
        self.flow: Flow = hold_flow(ASK, path="/v1/holds", fail=fail, patience=patience)

    def decide(self) -> Decision:
        answer: Reply | None = None
        try:
            step = next(self.flow)
            while True:
                if isinstance(step, Pause):
                    self.pauses.append(step.seconds)
                    self.now += step.seconds
                    answer = None
                else:
                    self.asked.append(step)
                    answer = self.replies.pop(0)
                step = self.flow.send(answer)
        except StopIteration as done:
            decision: Decision = done.value
            return decision


def test_allowed_is_allowed() -> None:
    decision = Run(reply(200, decision="allow", hold=HOLD, granted_max_output_tokens=10, budget=FACTS)).decide()
    assert decision.admits
    assert decision.hold is not None
    assert decision.hold.amount_nanos == 10
    assert decision.budget is not None
    assert (decision.budget.limit, decision.budget.spent) == (1_000_000_000, 500_000_000)


def test_busy_is_asked_again_in_the_same_words_after_a_jittered_pause() -> None:
    run = Run(reply(429, decision="busy", retry_ms=200), reply(200, decision="allow"), chance=0.25)
    assert run.decide().verdict is Verdict.ALLOW
    assert run.pauses == [pytest.approx(0.15)]
    assert run.asked[0] == run.asked[1]


def test_the_wait_is_bounded() -> None:
    run = Run(*[reply(429, decision="busy", retry_ms=400)] * 20, wait_s=1.0)
    with pytest.raises(BudgetBusy) as caught:
        run.decide()
    assert sum(run.pauses) <= 1.0
    assert len(run.pauses) == 2
    assert caught.value.retry_ms == 400


def test_spent_raises_at_once() -> None:
    run = Run(reply(402, decision="spent", budget=FACTS, detail="gone"))
    with pytest.raises(BudgetExceeded, match="gone") as caught:
        run.decide()
    assert not isinstance(caught.value, BudgetBusy)
    assert caught.value.tenant == "acme"
    assert caught.value.retry_ms is None


@pytest.mark.parametrize(
    "answer",
    [
        Reply(0, b"refused"),
        Reply(502, b"<html>"),
        Reply(503, b'{"code": "starting", "detail": "x"}'),
        Reply(429, b"slow down"),
    ],
)
def test_no_decision_is_unsure_and_says_what_applied(answer: Reply) -> None:
    assert Run(answer, fail=Fail.OPEN).decide().fail is Fail.OPEN
    with pytest.raises(BudgetExceeded) as caught:
        Run(answer, fail=Fail.CLOSED).decide()
    assert caught.value.decision is not None
    assert caught.value.decision.verdict is Verdict.UNSURE


def test_the_servers_own_unsure_stands() -> None:
    assert Run(reply(200, decision="unsure", fail="open"), fail=Fail.CLOSED).decide().admits
    with pytest.raises(BudgetExceeded):
        Run(reply(503, decision="unsure", fail="closed"), fail=Fail.OPEN).decide()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refused_question_is_no_decision(status: int) -> None:
    with pytest.raises(GateRefused) as caught:
        Run(reply(status, code="why", detail="because")).decide()
    assert (caught.value.status, caught.value.reason, str(caught.value)) == (status, "why", "because")


def test_what_is_not_said_is_not_sent() -> None:
    run = Run(reply(200, decision="allow"))
    run.decide()
    assert msgspec.json.decode(run.asked[0].body or b"") == {
        "agent": "a", "model": "m", "tenant": "acme", "max_output_tokens": 10, "id": "mine",
    }  # fmt: skip
