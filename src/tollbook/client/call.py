"""One call to a model: checked or held before, reported after, its hold kept alive in between."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import msgspec

from tollbook.client.engine import Engine, monotonic
from tollbook.client.errors import HoldLost, UsageUnknown
from tollbook.client.flows import Flow, extend_flow, hold_flow, refusal
from tollbook.client.keeper import OpenHold, Release
from tollbook.client.leases import LeaseKey, Part
from tollbook.client.report import HeldEvent, encode_event, new_id
from tollbook.client.scope import current_scope
from tollbook.client.settings import Gate
from tollbook.client.view import ALLOW
from tollbook.client.wire import CallAsk, ExtendAsk
from tollbook.domain.budget import Mode
from tollbook.domain.decision import Decision, Held, Verdict
from tollbook.domain.errors import BudgetExceeded, ConfigError
from tollbook.domain.event import Observer
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.meter import Attribution
from tollbook.domain.usage import Usage
from tollbook.usage import UsageRead, read
from tollbook.usage.outcome import fitting

_LOG = logging.getLogger("tollbook.call")
_STEP_TOKENS = 1_024
"""What a lease grants a call that names no bound, as the server does."""
_NEVER_CONNECTED = frozenset({"ConnectError", "ConnectTimeout", "ConnectionRefusedError", "gaierror", "PoolTimeout"})
_ESTIMATED = {"estimated": "true"}
_CONTEXT_CHARS_MAX = IntakeLimits().name_chars_max


class CallOptions(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a caller says of a call beside the model and its bounds."""

    provider: str | None = None
    service_tier: str | None = None
    context: Mapping[str, str] | None = None
    tags: Mapping[str, str] | None = None
    amount_usd: str | None = None
    mode: Mode | None = None
    gate: Gate | None = None
    tenant: str | None = None
    run: str | None = None
    id: str | None = None


_NO_OPTIONS = CallOptions()


class CallState:
    """What the blocking and the asynchronous call share. Use `Client.call` to get one.

    `tenant` is whose call it is. `model` is the one to call: a cheaper one than asked for where the decision says so.
    `granted_max_output_tokens` is what the provider may be asked for at most, None where nothing bounds it. `hold_id`
    is None where nothing is held.
    """

    __slots__ = (
        "_aborted", "_agent", "_closed", "_decision", "_engine", "_estimate", "_on_lost", "_options", "_part",
        "_reached", "_recorded", "_scope", "granted_max_output_tokens", "hold_id", "input_tokens",
        "max_output_tokens", "min_output_tokens", "model", "tenant",
    )  # fmt: skip

    def __init__(
        self,
        engine: Engine,
        model: str,
        *,
        max_output_tokens: int | None = None,
        input_tokens: int | None = None,
        min_output_tokens: int | None = None,
        options: CallOptions = _NO_OPTIONS,
    ) -> None:
        self._engine = engine
        self.model = model
        self.max_output_tokens = max_output_tokens
        self.input_tokens = input_tokens
        self.min_output_tokens = min_output_tokens
        self._options = options
        scope = self._scope = current_scope()
        self._agent = scope.agent or engine.settings.agent
        tenant = options.tenant or scope.tenant or engine.tenant
        if tenant is None:
            raise ConfigError("a call needs a tenant: Client(tenant=…), TOLLBOOK_TENANT, or agent(tenant=…)")
        self.tenant = tenant
        self._part: Part | None = None
        self._decision: Decision | None = None
        self.hold_id: str | None = None
        self.granted_max_output_tokens = max_output_tokens
        self._reached: bool | None = None
        self._recorded: str | None = None
        self._estimate: UsageRead | None = None
        self._aborted: str | None = None
        self._on_lost: Callable[[str], None] | None = None
        self._closed = False

    @property
    def decision(self) -> Decision:
        """What the gate said; `unsure` names which of open and closed was applied."""
        if self._decision is None:
            part = self._part
            if part is None:
                return ALLOW
            ends_at = datetime.fromtimestamp(time.time() + part.lease.ends_at - monotonic(), UTC)
            held = Held(part.hold_id, part.bound_nanos, ends_at)
            verdict = (
                Verdict.ALLOW if part.granted == (self.max_output_tokens or part.granted) else Verdict.ALLOW_DEGRADED
            )
            self._decision = Decision(verdict=verdict, hold=held, granted_max_output_tokens=part.granted)
        return self._decision

    @property
    def event_id(self) -> str | None:
        """The id of the recorded event, None before."""
        return self._recorded

    @property
    def lost(self) -> str | None:
        """Why the hold could not be kept, None while it is: the call has to stop."""
        return self._aborted

    def raise_if_lost(self) -> None:
        """Raise `HoldLost` where the hold could not be kept. Streams ask between two items."""
        if self._aborted is not None:
            raise HoldLost(self._aborted, hold_id=self.hold_id, decision=self._decision)

    def on_lost(self, tell: Callable[[str], None]) -> None:
        """Call `tell` with the reason, from another thread, when the hold cannot be kept: it is to cut the call off."""
        self._on_lost = tell
        if self._aborted is not None:
            tell(self._aborted)

    def provider_reached(self, reached: bool = True) -> None:
        """Say whether the request has gone out. An error before that releases the hold, one after it does not."""
        self._reached = reached

    def estimate(self, *, output_tokens: int, input_tokens: int | None = None, model: str | None = None) -> None:
        """What the call has used so far, by reckoning: recorded when the block ends without `record`.

        For streams that may be cut short: they are billed, but their usage never comes. Such an event bears the tag
        `estimated=true`.
        """
        counted = self.input_tokens if input_tokens is None else input_tokens
        self._estimate = UsageRead(
            usage=Usage(input=counted or 0, output=output_tokens), model=model, provider=None, estimated=True
        )

    def record(
        self,
        response: object,
        *,
        model: str | None = None,
        provider: str | None = None,
        service_tier: str | None = None,
        call_id: str | None = None,
        cost_usd: str | None = None,
        durable: bool | None = None,
    ) -> str:
        """Report what the call used; the id of its event.

        `response` is what a provider's SDK returned, its usage object, a dict of either, or tollbook's own counts:
        `{"input": 12, "output": 34}`. What is named beside it wins over what it says itself. `durable` False returns
        before the event is on disk. Raises `UsageUnknown`, `SpoolFull`, `SpoolUnusable`; a second record of one call
        changes nothing and answers the first id.
        """
        if self._recorded is not None:
            return self._recorded
        found = read(response)
        if found is None:
            raise UsageUnknown(f"no usage is known in {type(response).__name__}; pass {{'input': …, 'output': …}}")
        event = self._event(
            found,
            hold=self.hold_id,
            model=model or found.model or self.model,
            provider=provider or found.provider or self._options.provider,
            service_tier=service_tier or found.service_tier or self._options.service_tier,
            call_id=call_id or found.call_id,
            cost_usd=cost_usd or found.cost_usd,
        )
        self._put(event, durable)
        self._recorded = event.id
        self._reported(event)
        for other in found.others:
            # Another model's part of the same answer: a call of its own, outside the hold.
            named = {
                "provider": other.provider or event.provider,
                "service_tier": other.service_tier or event.service_tier,
                "cost_usd": other.cost_usd,
            }
            part = msgspec.structs.replace(other, context=other.context or found.context)
            self._put(self._event(part, hold=None, model=other.model or event.model, **named), durable)
        return event.id

    def _event(self, found: UsageRead, *, hold: str | None, model: str, **named: str | None) -> HeldEvent:
        usage, scope = found.usage, self._scope
        tags = {**(scope.tags or {}), **(self._options.tags or {}), **(_ESTIMATED if found.estimated else {})}
        return HeldEvent(
            tenant=self.tenant,
            agent=self._agent,
            model=model,
            input=usage.input,
            output=usage.output,
            cache_read=usage.cache_read,
            cache_write_5m=usage.cache_write_5m,
            cache_write_1h=usage.cache_write_1h,
            reasoning=usage.reasoning,
            id=new_id(),
            source=self._engine.settings.source,
            ts=time.time_ns() // 1_000_000,
            run=self._options.run or scope.run,
            tags=tags or None,
            hold=hold,
            observed=Observer.SDK,
            response_id=found.response_id,
            request_id=found.request_id,
            estimated=found.estimated,
            units=found.units,
            context=fitting(found.context or self._options.context, _CONTEXT_CHARS_MAX),
            **named,
        )

    def _put(self, event: HeldEvent, durable: bool | None) -> None:
        engine = self._engine
        engine.outbox().put(
            event.id, encode_event(event), durable=engine.settings.spool_durable if durable is None else durable
        )

    def _reported(self, event: HeldEvent) -> None:
        if self._part is not None:
            self._engine.book.used(self._part, event.id, input_tokens=event.input, output_tokens=event.output)
        elif self.hold_id is not None:
            self._engine.keeper().let_go(self.hold_id)

    def release(self) -> None:
        """Give the hold back: nothing will be reported. Does nothing once something was recorded (rule 17)."""
        if self._recorded is not None or self.hold_id is None:
            return
        if self._part is not None:
            self._engine.book.unused(self._part)
        else:
            keeper = self._engine.keeper()
            keeper.let_go(self.hold_id)
            keeper.want(Release(self.hold_id, self.tenant, None))
        self.hold_id = None
        self._part = None

    def _ask(self) -> CallAsk:
        options, scope = self._options, self._scope
        tags = {**(scope.tags or {}), **(options.tags or {})} if scope.tags or options.tags else None
        return CallAsk(
            agent=self._agent,
            model=self.model,
            tenant=self.tenant,
            run=options.run or scope.run,
            provider=options.provider,
            service_tier=options.service_tier,
            context=dict(options.context) if options.context else None,
            tags=tags,
            input_tokens=self.input_tokens,
            max_output_tokens=self.max_output_tokens,
            min_output_tokens=self.min_output_tokens,
            amount_usd=options.amount_usd,
            mode=self._mode,
            ttl_ms=self._engine.settings.hold_ttl_ms,
            id=options.id or new_id(),
        )

    @property
    def _mode(self) -> Mode | None:
        return self._options.mode or self._engine.hold_mode

    def _gate(self) -> Gate:
        return self._options.gate or self._engine.settings.gate

    def _attribution(self) -> Attribution:
        options, scope = self._options, self._scope
        tags = {**(scope.tags or {}), **(options.tags or {})}
        return Attribution(self._agent, self.model, options.run or scope.run, tags)

    def _locally(self) -> bool:
        """Decide without the server where that can be done; whether it was."""
        gate = self._gate()
        if gate == "hold":
            return False
        if gate == "lease":
            return self._take_part()
        if gate == "precheck":
            if self.tenant != self._engine.tenant:
                return False
            self._judge(self._engine.view().decide(self._attribution))
            return True
        return gate == "off"

    def _take_part(self) -> bool:
        engine, options, scope = self._engine, self._options, self._scope
        if options.amount_usd is not None:
            return False
        tags = {**(scope.tags or {}), **(options.tags or {})} if scope.tags or options.tags else None
        mode = self._mode
        key = LeaseKey(
            self.tenant,
            self._agent,
            options.run or scope.run,
            self.model,
            options.provider,
            options.service_tier,
            tuple(sorted(options.context.items())) if options.context else (),
            tuple(sorted(tags.items())) if tags else (),
            None if mode is None else mode is Mode.STRICT,
        )
        output = self.max_output_tokens or _STEP_TOKENS
        part = engine.take_part(
            key, input_tokens=self.input_tokens or 0, output_tokens=output, least=self.min_output_tokens or output
        )
        if part is None or part.lease.low:
            engine.wish(key, self._ask())
        if part is None:
            return False
        part.lost = self._abort
        self._part = part
        self.hold_id = part.hold_id
        self.granted_max_output_tokens = part.granted
        return True

    def _flow(self) -> Flow:
        path = "/v1/check" if self._gate() in ("check", "precheck") else "/v1/holds"
        engine = self._engine
        return hold_flow(self._ask(), path=path, fail=engine.fails(self._mode), patience=engine.patience)

    def _judge(self, decision: Decision) -> None:
        self._decision = decision
        if not decision.admits:
            raise refusal(decision, self.tenant)

    def _admit(self, decision: Decision, asked_at: float) -> None:
        self._decision = decision
        if decision.granted_max_output_tokens is not None:
            self.granted_max_output_tokens = decision.granted_max_output_tokens
        self.model = decision.model or self.model
        if decision.hold is None:
            return
        self.hold_id = decision.hold.id
        engine = self._engine
        hold = OpenHold(
            decision.hold.id,
            self.tenant,
            ttl_ms=engine.settings.hold_ttl_ms,
            now=asked_at,
            fail=engine.fails(self._mode),
            lost=self._abort,
        )
        engine.keeper().keep(hold)

    def _abort(self, why: str) -> None:
        self._aborted = f"the hold of this call could not be kept: {why}"
        if self._on_lost is not None:
            self._on_lost(self._aborted)

    def _extension(self, output_tokens: int) -> Flow | None:
        """How to reach the new size: None where it is reached already."""
        self.raise_if_lost()
        granted = self.granted_max_output_tokens
        if self.hold_id is None or (granted is not None and output_tokens <= granted):
            return None
        if self._part is not None and self._engine.book.grow(self._part, output_tokens - self._part.granted):
            self.granted_max_output_tokens = self._part.granted
            return None
        if self._part is not None:
            raise BudgetExceeded(
                "the lease has no room for a longer answer", tenant=self.tenant, decision=self.decision
            )
        ask = ExtendAsk(tenant=self.tenant, ttl_ms=self._engine.settings.hold_ttl_ms, output_tokens=output_tokens)
        return extend_flow(self.hold_id, ask, fail=self._engine.fails(self._mode))

    def _extended(self, decision: Decision, output_tokens: int) -> int:
        if not decision.admits:
            raise refusal(decision, self.tenant)
        granted = decision.granted_max_output_tokens
        self.granted_max_output_tokens = output_tokens if granted is None else granted
        return self.granted_max_output_tokens

    def _leave(self, error: BaseException | None) -> None:
        """The block has ended: report the estimate, or give back what was certainly not used, or let it expire."""
        self._closed = True
        if self._recorded is None and self._estimate is not None:
            self.record(self._estimate)
        if self._recorded is not None or self.hold_id is None:
            return
        if error is not None and (self._reached is False or (self._reached is None and _never_connected(error))):
            self.release()
            return
        # The provider may have been reached: the hold stays until its event or its end, whichever is first.
        if self._part is not None:
            self._part.lost = None
        else:
            self._engine.keeper().let_go(self.hold_id)
        if error is None:
            _LOG.warning("a call of %s ended without record(): its hold is left to expire", self.model)


class Call(CallState):
    """A call in blocking code: `with client.call(...) as call:`."""

    __slots__ = ()

    def __enter__(self) -> Self:
        engine = self._engine
        if engine.settings.mode == "direct" and self._gate() != "off":
            self._judge(engine.direct().decide(self.tenant))
        elif not self._locally():
            asked_at = monotonic()
            self._admit(engine.transport().drive(self._flow()), asked_at)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(error)
        if error is None and self._recorded is None:
            self.raise_if_lost()

    def extend(self, output_tokens: int) -> int:
        """Hold so many output tokens in all; what is granted. Raises `BudgetExceeded` where they do not fit."""
        flow = self._extension(output_tokens)
        if flow is None:
            return self.granted_max_output_tokens or output_tokens
        return self._extended(self._engine.transport().drive(flow), output_tokens)


class AsyncCall(CallState):
    """A call on an event loop: `async with client.call(...) as call:`. A lost hold cancels the block."""

    __slots__ = ("_cancelled", "_loop", "_task")

    async def __aenter__(self) -> Self:
        engine = self._engine
        self._cancelled = False
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        await engine.warm(view=self._gate() == "precheck")
        if engine.settings.mode == "direct" and self._gate() != "off":
            self._judge(await engine.direct().decide_async(self.tenant))
        elif not self._locally():
            asked_at = monotonic()
            self._admit(await engine.async_transport().drive(self._flow()), asked_at)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(error)
        if self._cancelled and self._task is not None:
            uncancelled = self._task.uncancel() <= 0
            if kind is asyncio.CancelledError and uncancelled:
                raise HoldLost(self._aborted or "", hold_id=self.hold_id, decision=self._decision) from error
        if error is None and self._recorded is None:
            self.raise_if_lost()

    async def extend(self, output_tokens: int) -> int:
        """Hold so many output tokens in all; what is granted. Raises `BudgetExceeded` where they do not fit."""
        flow = self._extension(output_tokens)
        if flow is None:
            return self.granted_max_output_tokens or output_tokens
        return self._extended(await self._engine.async_transport().drive(flow), output_tokens)

    def detach(self) -> None:
        """From here on a lost hold does not cancel the task that entered the block: whoever goes on asks for it.

        For streams, which are read elsewhere than they were begun, between other work.
        """
        self._task = None

    def _abort(self, why: str) -> None:
        super()._abort(why)
        self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None and not self._closed and not self._cancelled:
            self._cancelled = True
            self._task.cancel()


def _never_connected(error: BaseException) -> bool:
    """Whether the error says that no connection was made: then the provider cannot have been reached."""
    seen: BaseException | None = error
    while seen is not None:
        if type(seen).__name__ in _NEVER_CONNECTED or isinstance(seen, BudgetExceeded):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
