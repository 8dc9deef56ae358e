"""The routes of the gate that every call passes, as a bare ASGI application: a decision has to cost little."""

import math
import re
from collections.abc import Mapping
from typing import NamedTuple, assert_never
from urllib.parse import parse_qs

import msgspec

from tollbook.api.auth import authenticate, require_sender
from tollbook.api.bare import JSON, READ, Disconnected, Receive, Scope, Send, answer, read_body, text_of
from tollbook.api.bodies import Exchange
from tollbook.api.gate_bodies import (
    ExtendBody,
    HoldBody,
    LeaseBody,
    amount_nanos,
    decision_shown,
    decoded,
    lease_shown,
    rate_limit_headers,
    refusal_shown,
    tenant_named,
)
from tollbook.api.intake import IntakeApp
from tollbook.api.problems import MEDIA_TYPE, Problem, forbidden, unavailable
from tollbook.api.services import Services
from tollbook.api.settling import Settled, settle
from tollbook.domain.access import Principal
from tollbook.domain.budget import Fail
from tollbook.domain.decision import Decision, Verdict
from tollbook.domain.errors import RejectCode, RequestError, StoreError
from tollbook.enforcement.asks import Ask
from tollbook.ports.holds import HoldState
from tollbook.telemetry import Rejected

HOLDS_PATH, CHECK_PATH, LEASES_PATH = "/v1/holds", "/v1/check", "/v1/leases"
_ONE_HOLD = re.compile(r"/v1/holds/([^/]{1,64})(/settle)?/?")
_HOLD_ID = re.compile(r"([0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})(?:\.[1-9][0-9]{0,8})?")
_CODE_OF_STATUS = {
    402: "budget_spent",
    429: "budget_busy",
    503: "budget_unsure",
}
_BODY_BYTES_MAX = 64 * 1024
_RETRY_S_MAX = 60
_ENCODER = msgspec.json.Encoder()
_HOLD = msgspec.json.Decoder(HoldBody)
_LEASE = msgspec.json.Decoder(LeaseBody)
_EXTEND = msgspec.json.Decoder(ExtendBody)


class _Reply(NamedTuple):
    status: int
    body: bytes
    media_type: bytes = JSON
    headers: Mapping[bytes, bytes] = {}


class GateApp:
    """Answers what changes or asks about a call: everything below `/v1/holds`, `/v1/check` and `/v1/leases` but GET."""

    def __init__(self, services: Services, intake: IntakeApp) -> None:
        self._services = services
        self._gate = services.gate
        self._intake = intake

    def takes(self, scope: Scope) -> bool:
        """Whether a request is for these routes; listing holds is not."""
        path: str = scope["path"]
        if not path.startswith(("/v1/holds", "/v1/check", "/v1/leases")):
            return False
        if path in (CHECK_PATH, LEASES_PATH):
            return True
        return scope["method"] not in ("GET", "HEAD") and (path == HOLDS_PATH or _ONE_HOLD.fullmatch(path) is not None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        try:
            reply = await self._reply_to(scope, receive)
        except Disconnected:
            return
        except Problem as problem:
            headers = {name.encode(): value.encode() for name, value in problem.headers.items()}
            reply = _Reply(problem.status, problem.body(), MEDIA_TYPE, headers)
        if READ not in scope:
            send = Exchange(scope, receive, send).send
        await answer(send, reply.status, reply.media_type, reply.body, reply.headers)

    async def _reply_to(self, scope: Scope, receive: Receive) -> _Reply:
        try:
            return await self._routed(scope, receive)
        except RequestError as error:
            self._services.telemetry.record(Rejected(1, error.reject.value))
            raise Problem(error.status, error.reject.value, error.detail) from error
        except StoreError as trouble:
            raise unavailable("a store that this answer needs is away", trouble.code) from trouble

    async def _routed(self, scope: Scope, receive: Receive) -> _Reply:
        path, method = scope["path"], scope["method"]
        headers = dict(scope["headers"])
        principal = authenticate(self._services.directory, text_of(headers, b"authorization"))
        require_sender(principal)
        one = _ONE_HOLD.fullmatch(path)
        if one is not None:
            return await self._one_hold(scope, receive, headers, principal, (one[1], one[2] is not None))
        if method != "POST":
            raise _method_not_allowed("POST")
        _queries(scope, frozenset())
        body = await read_body(scope, headers, receive, bytes_max=_BODY_BYTES_MAX)
        match path:
            case "/v1/holds":
                asked = decoded(_HOLD, body)
                return self._decided(
                    await self._gate.hold(_covered(principal, asked.ask(_own(principal, asked.tenant))))
                )
            case "/v1/check":
                asked = decoded(_HOLD, body)
                return self._decided(
                    await self._gate.check(_covered(principal, asked.ask(_own(principal, asked.tenant))))
                )
            case _:
                wanted = decoded(_LEASE, body)
                lease = wanted.lease(_own(principal, wanted.tenant))
                call = _covered(principal, lease.call)
                decision, leased = await self._gate.lease(msgspec.structs.replace(lease, call=call))
                return self._decided(decision, {"lease": lease_shown(leased)})

    async def _one_hold(
        self,
        scope: Scope,
        receive: Receive,
        headers: dict[bytes, bytes],
        principal: Principal,
        named: tuple[str, bool],
    ) -> _Reply:
        text, settles = named
        found = _HOLD_ID.fullmatch(text)
        if found is None or (found[1] != text and not settles):
            raise _unknown_hold()
        hold_id = text.lower()
        match scope["method"], settles:
            case "POST", True:
                body = await read_body(scope, headers, receive, bytes_max=_BODY_BYTES_MAX)
                named_beside = _queries(scope, frozenset({"tenant", "ack"})).get("tenant")
                event = Settled(hold_id, body, principal, None if named_beside is None else tenant_named(named_beside))
                return _Reply(202, await settle(self._services, self._intake, event, scope, headers))
            case "PATCH", False:
                _queries(scope, frozenset())
                body = await read_body(scope, headers, receive, bytes_max=_BODY_BYTES_MAX)
                asked = decoded(_EXTEND, body)
                tenant = await self._tenant_of(principal, asked.tenant, hold_id)
                return await self._extend(hold_id, tenant, asked)
            case "DELETE", False:
                queries = _queries(scope, frozenset({"tenant", "keep_usd"}))
                tenant = await self._tenant_of(principal, queries.get("tenant"), hold_id)
                return await self._release(hold_id, tenant, queries.get("keep_usd"))
            case _:
                raise _method_not_allowed("POST" if settles else "PATCH, DELETE")

    async def _tenant_of(self, principal: Principal, named: str | None, hold_id: str) -> str:
        """Whose hold it is; raises a 404 where the key does not speak for the agent that made it."""
        tenant = _own(principal, named)
        if principal.agent is None and principal.run is None:
            return tenant
        context = await self._gate.context(tenant, hold_id)
        if context is None or not principal.covers(context.ask.agent, context.ask.run):
            raise _unknown_hold()
        return tenant

    async def _extend(self, hold_id: str, tenant: str, asked: ExtendBody) -> _Reply:
        amount = None if asked.amount_usd is None else amount_nanos(asked.amount_usd, "amount_usd")
        state, decision = await self._gate.extend(
            tenant,
            hold_id,
            ttl_ms=asked.ttl_ms,
            output_tokens=asked.output_tokens,
            amount_nanos=amount,
        )
        if decision is not None:
            return self._decided(decision)
        if state is HoldState.UNKNOWN:
            raise _unknown_hold()
        shown = state.name.lower()
        raise Problem(409, "hold_not_open", f"the hold is {shown}: ask for a new one", facts={"state": shown})

    async def _release(self, hold_id: str, tenant: str, keep_usd: str | None) -> _Reply:
        keep = None if keep_usd is None else amount_nanos(keep_usd, "keep_usd")
        before, after = await self._gate.release(tenant, hold_id, keep)
        if before is HoldState.UNKNOWN:
            raise _unknown_hold()
        return _Reply(200, _ENCODER.encode({"id": hold_id, "state": after.name.lower()}))

    def _decided(self, decision: Decision, more: Mapping[str, object] | None = None) -> _Reply:
        status, headers = _answer_of(decision)
        code = _CODE_OF_STATUS.get(status)
        if decision.budget is not None:
            headers |= rate_limit_headers(decision.budget, self._services.clock.now().timestamp())
        if code is None and more is None:
            return _Reply(status, _ENCODER.encode(decision_shown(decision)), JSON, headers)
        if code is None:
            told = {**msgspec.structs.asdict(decision_shown(decision)), **(more or {})}
            return _Reply(status, _ENCODER.encode(told), JSON, headers)
        body = {**refusal_shown(decision, status, code), **(more or {})}
        return _Reply(status, _ENCODER.encode(body), MEDIA_TYPE, headers)


def _answer_of(decision: Decision) -> tuple[int, dict[bytes, bytes]]:
    """The status, and what tells a client's retry logic whether to come back."""
    match decision.verdict:
        case Verdict.ALLOW | Verdict.ALLOW_DEGRADED:
            return 200, {}
        case Verdict.SPENT:
            return 402, {b"x-should-retry": b"false"}
        case Verdict.BUSY:
            return 429, _come_back(decision.retry_ms)
        case Verdict.UNSURE:
            if decision.fail is Fail.OPEN:
                return 200, {}
            return 503, _come_back(decision.retry_ms)
        case _ as never:
            assert_never(never)


def _come_back(retry_ms: int | None) -> dict[bytes, bytes]:
    seconds = min(max(1, math.ceil((retry_ms or 1_000) / 1_000)), _RETRY_S_MAX)
    return {b"retry-after": str(seconds).encode(), b"x-should-retry": b"true"}


def _own(principal: Principal, named: str | None) -> str:
    """Whose money it is: the key's tenant, or the one named where the key is bound to none."""
    if principal.tenant is not None:
        if named is not None and named != principal.tenant:
            raise forbidden("this key is bound to another tenant")
        return principal.tenant
    if named is None:
        raise Problem(400, "request_invalid", "name the tenant: this key is bound to none")
    return tenant_named(named)


def _covered(principal: Principal, ask: Ask) -> Ask:
    """The call, in the key's run where it names none; raises a 403 where the key does not speak for its agent."""
    if principal.run is not None and ask.run is None:
        ask = msgspec.structs.replace(ask, run=principal.run)
    if not principal.covers(ask.agent, ask.run):
        raise Problem(403, RejectCode.AGENT_FORBIDDEN, "this key speaks for other agents, or another run")
    return ask


def _queries(scope: Scope, known: frozenset[str]) -> dict[str, str]:
    """The parameters behind the path; a misspelt one is refused."""
    if not scope["query_string"]:
        return {}
    found = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    unknown = sorted(found.keys() - known)
    if unknown:
        raise Problem(400, "query_invalid", f"no such parameter here: {unknown[0][:64]}")
    return {name: values[-1] for name, values in found.items()}


def _unknown_hold() -> Problem:
    return Problem(404, "not_found", "no hold of this tenant has this id, or it is forgotten")


def _method_not_allowed(allowed: str) -> Problem:
    return Problem(405, "method_not_allowed", f"this path takes {allowed}", headers={"allow": allowed})
