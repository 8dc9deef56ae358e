"""The gate's HTTP contract (docs/rooms/gate.md) in types: what is asked, and answers as decisions."""

from datetime import datetime

import msgspec

from tollbook.domain.budget import Fail, Mode
from tollbook.domain.decision import BudgetFacts, Decision, Held, Verdict
from tollbook.domain.meter import ScopeKind, Unit, WindowKind
from tollbook.domain.money import nanos_from_usd


class CallAsk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of `POST /v1/holds`, `/v1/check` and `/v1/leases`. Counts are tokens."""

    agent: str
    model: str
    tenant: str | None = None
    run: str | None = None
    provider: str | None = None
    service_tier: str | None = None
    context: dict[str, str] | None = None
    tags: dict[str, str] | None = None
    input_tokens: int | None = None
    max_output_tokens: int | None = None
    min_output_tokens: int | None = None
    amount_usd: str | None = None
    mode: Mode | None = None
    ttl_ms: int | None = None
    id: str | None = None
    calls: int | None = None
    """Leases only: how many such calls the slice is for."""


class ExtendAsk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of `PATCH /v1/holds/<id>`: a new life from now, and a new whole size."""

    tenant: str | None = None
    ttl_ms: int | None = None
    output_tokens: int | None = None
    amount_usd: str | None = None


class _HoldBody(msgspec.Struct):
    id: str
    amount_usd: str
    expires_at: datetime


class FactsBody(msgspec.Struct):
    """A budget as an answer and the watch show it. `refuses` is the watch's: whether it says no now."""

    id: str
    scope: ScopeKind
    match: str
    window: WindowKind
    unit: Unit
    limit: str | int
    spent: str | int
    held: str | int = 0
    tenant: str | None = None
    reset_at: datetime | None = None
    refuses: bool | None = None

    def facts(self) -> BudgetFacts:
        """The facts, amounts of dollars in nano-dollars."""
        usd = self.unit is Unit.USD
        return BudgetFacts(
            id=self.id,
            tenant=self.tenant or "",
            scope=self.scope,
            match=self.match,
            window=self.window,
            unit=self.unit,
            limit=int(nanos_from_usd(self.limit)) if usd else int(self.limit),
            spent=int(nanos_from_usd(self.spent)) if usd else int(self.spent),
            held=int(nanos_from_usd(self.held)) if usd else int(self.held),
            reset_at=self.reset_at,
        )


class Rates(msgspec.Struct, frozen=True):
    """Upper bounds of a lease's model: whole nano-dollars a token, rounded up, at the highest tier a call can reach."""

    input_nanos_per_token: int
    output_nanos_per_token: int

    def bound(self, input_tokens: int, output_tokens: int) -> int:
        """What a call can cost at most, in nano-dollars."""
        return input_tokens * self.input_nanos_per_token + output_tokens * self.output_nanos_per_token


class LeaseBody(msgspec.Struct):
    """The slice that `POST /v1/leases` granted; a unit that is None is not limited."""

    id: str
    expires_at: datetime
    amount_usd: str | None = None
    tokens: int | None = None
    calls: int | None = None
    rates: Rates | None = None


class AnswerBody(msgspec.Struct):
    """What the gate answers, allowed or refused."""

    decision: Verdict
    hold: _HoldBody | None = None
    granted_max_output_tokens: int | None = None
    model: str | None = None
    budget: FactsBody | None = None
    retry_ms: int | None = None
    fail: Fail | None = None
    detail: str = ""
    lease: LeaseBody | None = None


class ProblemBody(msgspec.Struct):
    """A refusal of the question itself (RFC 9457)."""

    code: str = ""
    detail: str = ""


class WatchState(msgspec.Struct):
    """One `state` event of `GET /v1/watch`."""

    tenant: str
    throttled: bool
    budgets: list[FactsBody] = []
    version: int = 0


_ANSWER = msgspec.json.Decoder(AnswerBody)
_PROBLEM = msgspec.json.Decoder(ProblemBody)


def answer_of(body: bytes) -> AnswerBody | None:
    """The gate's answer, or None where the body is none."""
    try:
        return _ANSWER.decode(body)
    except (msgspec.DecodeError, ValueError):
        return None


def problem_of(body: bytes) -> ProblemBody:
    """What a problem document says; empty where the body is none."""
    try:
        return _PROBLEM.decode(body)
    except (msgspec.DecodeError, ValueError):
        return ProblemBody()


def decision_of(answer: AnswerBody) -> Decision:
    """The answer as the domain's decision; raises `ValueError` where an amount is none."""
    hold = answer.hold
    return Decision(
        verdict=answer.decision,
        detail=answer.detail,
        hold=None if hold is None else Held(hold.id, int(nanos_from_usd(hold.amount_usd)), hold.expires_at),
        granted_max_output_tokens=answer.granted_max_output_tokens,
        model=answer.model,
        budget=None if answer.budget is None else answer.budget.facts(),
        retry_ms=answer.retry_ms,
        fail=answer.fail,
    )
