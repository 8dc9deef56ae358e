"""What the gate is asked over HTTP, and a decision as an answer: its body, its status, its headers."""

from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from tollbook.api.answers import time_text
from tollbook.api.problems import TYPE_BASE, Problem
from tollbook.domain.agent import fault
from tollbook.domain.budget import Fail, Mode
from tollbook.domain.decision import BudgetFacts, Decision, Verdict
from tollbook.domain.errors import RejectCode
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.meter import ScopeKind, Unit, WindowKind
from tollbook.domain.money import NANOS_PER_USD, nanos_from_usd, usd_text
from tollbook.enforcement.asks import TTL_MS_DEFAULT, TTL_MS_MAX, TTL_MS_MIN, Ask, LeaseAsk
from tollbook.enforcement.gate import Leased
from tollbook.ingest.fields import check_tenant, check_text
from tollbook.ingest.refusal import ItemRefused

_LIMITS = IntakeLimits()
_NAMES_KEPT = 4_096
"""A fleet's calls repeat few names."""
CALLS_MAX = 10_000
"""Calls of one lease."""
_NANOS_PER_MICRO = 1_000
_HEADER_INTEGER_MAX = 999_999_999_999_999
"""The largest integer of a structured header (RFC 9651): a billion dollars in micro-dollars, less one."""

Name = Annotated[str, Meta(min_length=1, max_length=_LIMITS.name_chars_max)]
Count = Annotated[int, Meta(ge=0, le=_LIMITS.tokens_max)]
Life = Annotated[int, Meta(ge=TTL_MS_MIN, le=TTL_MS_MAX)]
CallerId = Annotated[str, Meta(min_length=1, max_length=255)]
TagKey = Annotated[str, Meta(min_length=1, max_length=_LIMITS.tag_key_chars_max)]
TagValue = Annotated[str, Meta(max_length=_LIMITS.tag_value_chars_max)]
ContextKey = Annotated[str, Meta(pattern=rf"\A[a-z][a-z0-9_]{{0,{_LIMITS.unit_chars_max - 1}}}\Z")]
Context = Annotated[dict[ContextKey, Name], Meta(max_length=_LIMITS.units_max)]
Tags = Annotated[dict[TagKey, TagValue], Meta(max_length=_LIMITS.tags_max)]


class HoldBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call about to be made. `amount_usd` (text or whole dollars) replaces the quote; `id` makes it repeatable."""

    agent: Name
    model: Name
    tenant: Name | None = None
    run: Name | None = None
    provider: Name | None = None
    service_tier: Name | None = None
    context: Context | None = None
    tags: Tags | None = None
    input_tokens: Count | None = None
    max_output_tokens: Count | None = None
    min_output_tokens: Count | None = None
    amount_usd: str | int | None = None
    mode: Mode | None = None
    ttl_ms: Life = TTL_MS_DEFAULT
    id: CallerId | None = None

    def ask(self, tenant: str) -> Ask:
        """The call of a tenant. Raises a 400 where a name or an amount is none."""
        _check_names(self)
        return Ask(
            tenant=tenant,
            agent=self.agent,
            model=self.model,
            run=self.run,
            tags=self.tags or None,
            provider=self.provider,
            service_tier=self.service_tier,
            context=self.context or None,
            input_tokens=self.input_tokens,
            max_output_tokens=self.max_output_tokens,
            min_output_tokens=self.min_output_tokens,
            amount_nanos=None if self.amount_usd is None else amount_nanos(self.amount_usd, "amount_usd"),
            mode=self.mode,
            ttl_ms=self.ttl_ms,
            caller_id=self.id,
        )


class LeaseBody(HoldBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Calls alike that are about to be made: `amount_usd` is the slice asked for, `call_usd` what one call needs."""

    call_usd: str | int | None = None
    calls: Annotated[int, Meta(ge=1, le=CALLS_MAX)] = 1

    def lease(self, tenant: str) -> LeaseAsk:
        """The lease of a tenant."""
        ask = self.ask(tenant)
        one = None if self.call_usd is None else amount_nanos(self.call_usd, "call_usd")
        call = msgspec.structs.replace(ask, amount_nanos=one)
        return LeaseAsk(call=call, slice_nanos=ask.amount_nanos, calls=self.calls)


class ExtendBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A hold's new life from now, and its new whole size."""

    tenant: Name | None = None
    ttl_ms: Life | None = None
    output_tokens: Count | None = None
    amount_usd: str | int | None = None


class HoldShown(msgspec.Struct, frozen=True):
    """A hold in force."""

    id: str
    amount_usd: str
    expires_at: str


class FactsShown(msgspec.Struct, frozen=True, kw_only=True):
    """A budget with what its meter shows: dollars as decimal text, tokens and calls as whole numbers as text."""

    id: str
    tenant: str
    scope: ScopeKind
    match: str
    window: WindowKind
    unit: Unit
    limit: str
    spent: str
    held: str
    reset_at: str | None


class RatesShown(msgspec.Struct, frozen=True):
    """Whole nano-dollars that no token costs more than."""

    input_nanos_per_token: int
    output_nanos_per_token: int


class LeaseShown(msgspec.Struct, frozen=True, kw_only=True):
    """A slice that is granted; an amount is null where no budget counts its unit."""

    id: str
    amount_usd: str | None
    tokens: int | None
    calls: int | None
    expires_at: str
    rates: RatesShown


class DecisionShown(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate decided."""

    decision: Verdict
    hold: HoldShown | None
    granted_max_output_tokens: int | None
    model: str | None
    budget: FactsShown | None
    retry_ms: int | None
    fail: Fail | None
    detail: str


class LeaseDecisionShown(DecisionShown, frozen=True, kw_only=True):
    """What the gate decided of a lease."""

    lease: LeaseShown | None


Body = TypeVar("Body", bound=msgspec.Struct)


def decoded(decoder: msgspec.json.Decoder[Body], body: bytes) -> Body:
    """The body of a request; raises a 400 that names what is wrong with it."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Problem(400, "request_invalid", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, RejectCode.JSON_INVALID, "the body is not well-formed JSON in UTF-8") from error


def tenant_named(tenant: str) -> str:
    """The name; raises a 400 where no event could bear it."""
    try:
        check_tenant(tenant)
    except ItemRefused as refused:
        raise Problem(400, "field_invalid", refused.detail) from refused
    return tenant


def amount_nanos(amount: str | int, field: str) -> int:
    """An amount in nano-dollars; raises a 400 where it is none, or beyond what one event can hold."""
    try:
        nanos = nanos_from_usd(amount)
    except ValueError as error:
        raise Problem(400, "field_invalid", f"{field} is no decimal number of dollars") from error
    if not 0 <= nanos <= _LIMITS.cost_nanos_max:
        dollars = _LIMITS.cost_nanos_max // NANOS_PER_USD
        raise Problem(400, "field_out_of_range", f"{field} lies outside 0 to {dollars}")
    return nanos


@lru_cache(maxsize=_NAMES_KEPT)
def _reset_text(at: datetime) -> str:
    return time_text(at)


def facts_shown(facts: BudgetFacts) -> FactsShown:
    """A budget as answers show it."""
    usd = facts.unit is Unit.USD
    return FactsShown(
        id=facts.id,
        tenant=facts.tenant,
        scope=facts.scope,
        match=facts.match,
        window=facts.window,
        unit=facts.unit,
        limit=usd_text(facts.limit) if usd else str(facts.limit),
        spent=usd_text(facts.spent) if usd else str(facts.spent),
        held=usd_text(facts.held) if usd else str(facts.held),
        reset_at=None if facts.reset_at is None else _reset_text(facts.reset_at),
    )


def decision_shown(decision: Decision) -> DecisionShown:
    """A decision as answers show it."""
    hold = decision.hold
    return DecisionShown(
        decision=decision.verdict,
        hold=None if hold is None else HoldShown(hold.id, usd_text(hold.amount_nanos), time_text(hold.expires_at)),
        granted_max_output_tokens=decision.granted_max_output_tokens,
        model=decision.model,
        budget=None if decision.budget is None else facts_shown(decision.budget),
        retry_ms=decision.retry_ms,
        fail=decision.fail,
        detail=decision.detail,
    )


def lease_shown(leased: Leased | None) -> LeaseShown | None:
    """A slice as answers show it."""
    if leased is None:
        return None
    return LeaseShown(
        id=leased.hold_id,
        amount_usd=None if leased.amount_nanos is None else usd_text(leased.amount_nanos),
        tokens=leased.tokens,
        calls=leased.calls,
        expires_at=time_text(leased.expires_at),
        rates=RatesShown(leased.rates.input_nanos, leased.rates.output_nanos),
    )


def refusal_shown(decision: Decision, status: int, code: str) -> dict[str, Any]:
    """The members of a problem document that refuses a call."""
    return {
        "type": f"{TYPE_BASE}{code}",
        "title": code.replace("_", " "),
        "status": status,
        "code": code,
        "violated-policies": [] if decision.budget is None else [decision.budget.id],
        **msgspec.structs.asdict(decision_shown(decision)),
    }


def rate_limit_headers(facts: BudgetFacts, now_s: float) -> dict[bytes, bytes]:
    """`RateLimit-Policy` and `RateLimit` of a budget (draft-ietf-httpapi-ratelimit-headers-11).

    Integers: dollars in micro-dollars, what is left rounded down. A run has neither window nor reset.
    """
    per = _NANOS_PER_MICRO if facts.unit is Unit.USD else 1
    left = max(0, facts.limit - facts.spent - facts.held)
    limit, left = (min(amount // per, _HEADER_INTEGER_MAX) for amount in (facts.limit, left))
    window = _WINDOW_S[facts.window]
    policy = f'"{facts.id}";q={limit}' + ("" if window is None else f";w={window}") + _UNIT_PARAMETER[facts.unit]
    reset = "" if facts.reset_at is None else f";t={max(0, int(facts.reset_at.timestamp() - now_s) + 1)}"
    return {b"ratelimit-policy": policy.encode(), b"ratelimit": f'"{facts.id}";r={left}{reset}'.encode()}


_WINDOW_S: dict[WindowKind, int | None] = {
    WindowKind.MINUTE: 60,
    WindowKind.HOUR: 3_600,
    WindowKind.DAY: 86_400,
    WindowKind.WEEK: 604_800,
    WindowKind.MONTH: 2_678_400,
    WindowKind.RUN: None,
}
_UNIT_PARAMETER = {
    Unit.USD: ';tollbook-unit="usd-micros"',
    Unit.TOKENS: ';tollbook-unit="tokens"',
    Unit.CALLS: ';qu="requests"',
}


def _check_names(body: HoldBody) -> None:
    _check_text("id", body.id)
    _check_usual(body.agent, body.model, body.run, body.provider, body.service_tier)
    for key, value in (body.context or {}).items():
        _check_text(f"context.{key}", value)
    for key, value in (body.tags or {}).items():
        _check_text("tags", key)
        if value.strip():
            _check_text("tags", value)


@lru_cache(maxsize=_NAMES_KEPT)
def _check_usual(agent: str, model: str, *rest: str | None) -> None:
    """Judge the names of a call, once for calls alike; a refusal is not kept."""
    wrong = fault(agent)
    if wrong is not None:
        raise Problem(400, "field_invalid", f"`agent`: {wrong}")
    _check_text("agent", agent)
    _check_text("model", model)
    for field, text in zip(("run", "provider", "service_tier"), rest, strict=True):
        _check_text(field, text)


def _check_text(field: str, text: str | None) -> None:
    if text is None:
        return
    try:
        check_text(text, field)
    except ItemRefused as refused:
        raise Problem(400, "field_invalid", refused.detail) from refused
