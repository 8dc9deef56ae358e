"""The two clients."""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast

from tollbook.client.call import AsyncCall, Call, CallState
from tollbook.client.front import Front
from tollbook.client.view import ALLOW
from tollbook.domain.decision import Decision
from tollbook.domain.errors import ConfigError
from tollbook.usage import read

P = ParamSpec("P")
R = TypeVar("R")


class Client(Front):
    """Checks before calls and reports after them, from blocking code. Safe to share between threads.

    >>> client = Client("http://127.0.0.1:8787", api_key="tb_…", tenant="acme")
    >>> with client.call(model="gpt-4o-mini", max_output_tokens=500) as call:
    ...     answer = openai.chat.completions.create(model=call.model, max_tokens=call.granted_max_output_tokens, ...)
    ...     call.record(answer)
    """

    def call(
        self,
        model: str,
        *,
        max_output_tokens: int | None = None,
        input_tokens: int | None = None,
        min_output_tokens: int | None = None,
        **options: object,
    ) -> Call:
        """The block of one call: entering it asks the gate, `record` in it reports.

        Entering raises `BudgetExceeded` or `BudgetBusy` where the call may not be made, and `GateRefused` where the
        question is refused. `min_output_tokens` is what still helps where `max_output_tokens` does not fit.
        Options: `provider`, `service_tier`, `context`, `tags`, `amount_usd` (decimal text), `mode` (`strict`,
        `expected`), `gate` (`hold`, `lease`, `check`, `precheck`, `off`), `tenant`, `run`, `id`.
        """
        if not options:
            return Call(
                self.engine,
                model,
                max_output_tokens=max_output_tokens,
                input_tokens=input_tokens,
                min_output_tokens=min_output_tokens,
            )
        return Call(
            self.engine,
            model,
            max_output_tokens=max_output_tokens,
            input_tokens=input_tokens,
            min_output_tokens=min_output_tokens,
            options=self._options(options),
        )

    def precheck(self, model: str = "") -> Decision:
        """Whether the present scope may still spend, by what the server pushed: no round trip, nothing held.

        Raises `BudgetExceeded`. The first call of a process waits up to `watch_wait_s` for the server's first word.
        With `mode="direct"` it is one GET to Valkey each time.
        """
        if self.settings.mode == "direct":
            return self._refuse(self.engine.direct().decide(current_tenant(self)))
        decision = self.engine.view().decide(self._attribution(model))
        return decision if decision is ALLOW else self._refuse(decision)

    def guard(self, function: Callable[P, R] | None = None, *, model: str | None = None, **options: Any) -> Any:
        """Decorate a function: a precheck before each call of it, or, with `model`, a whole `call` around it.

        With `model`, what the function returns is recorded if it states its usage; a parameter named `call` is given
        the `Call`. Options are those of `call`.
        """
        if function is None:
            return functools.partial(self.guard, model=model, **options)
        takes_call = "call" in inspect.signature(function).parameters

        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if model is None:
                self.precheck()
                return function(*args, **kwargs)
            with self.call(model, **options) as call:
                if takes_call:
                    kwargs["call"] = call
                result = function(*args, **kwargs)
                _record_readable(call, result)
                return result

        return guarded

    def flush(self, timeout_s: float | None = None) -> int:
        """Send what the outbox holds; how many events still wait."""
        return self.engine.flush(self.settings.outbox_flush_s if timeout_s is None else timeout_s)

    def close(self) -> None:
        """Flush, give leases back and end the threads; also done when the interpreter ends."""
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(Front):
    """The same from an event loop: `async with client.call(...)`. Safe to share between loops and threads."""

    def call(
        self,
        model: str,
        *,
        max_output_tokens: int | None = None,
        input_tokens: int | None = None,
        min_output_tokens: int | None = None,
        **options: object,
    ) -> AsyncCall:
        """The block of one call, as `Client.call` describes it; `record` is the same and needs no `await`."""
        return AsyncCall(
            self.engine,
            model,
            max_output_tokens=max_output_tokens,
            input_tokens=input_tokens,
            min_output_tokens=min_output_tokens,
            options=self._options(options),
        )

    async def precheck(self, model: str = "") -> Decision:
        """As `Client.precheck`."""
        if self.settings.mode == "direct":
            return self._refuse(await self.engine.direct().decide_async(current_tenant(self)))
        await self.engine.warm(view=True)
        return self._refuse(self.engine.view().decide(self._attribution(model)))

    def guard(
        self, function: Callable[P, Awaitable[R]] | None = None, *, model: str | None = None, **options: Any
    ) -> Any:
        """As `Client.guard`, for coroutine functions."""
        if function is None:
            return functools.partial(self.guard, model=model, **options)
        takes_call = "call" in inspect.signature(function).parameters

        @functools.wraps(function)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if model is None:
                await self.precheck()
                return await function(*args, **kwargs)
            async with self.call(model, **options) as call:
                if takes_call:
                    kwargs["call"] = call
                result = await function(*args, **kwargs)
                _record_readable(call, result)
                return result

        return guarded

    async def flush(self, timeout_s: float | None = None) -> int:
        """Send what the outbox holds; how many events still wait."""
        seconds = self.settings.outbox_flush_s if timeout_s is None else timeout_s
        return await asyncio.to_thread(self.engine.flush, seconds)

    async def close(self) -> None:
        """Flush, give leases back, end the threads and this loop's connections."""
        if self.engine.has_async_transport:
            await self.engine.async_transport().close()
        await asyncio.to_thread(self.engine.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def current_tenant(client: Front) -> str:
    """Whose money a check of this client is about; raises `ConfigError` where nobody said."""
    tenant = client.scope().tenant or client.engine.tenant
    if tenant is None:
        raise ConfigError("the check needs a tenant: Client(tenant=…) or TOLLBOOK_TENANT")
    return tenant


def _record_readable(call: CallState, result: object) -> None:
    if call.event_id is None and read(result) is not None:
        call.record(cast("Any", result))
