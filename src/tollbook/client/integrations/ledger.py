"""What integrations need of the SDK's clients, and one held call as they drive it: begun, then ended once.

A stream ends elsewhere than it began, in another frame and perhaps another thread; so the call's context manager
is entered and left by hand here, and nowhere else.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Protocol

import msgspec

from tollbook.client.integrations.asking import Asked
from tollbook.client.integrations.shield import shielded
from tollbook.domain.usage import Usage
from tollbook.usage import StreamReader, UsageRead


class Call(Protocol):
    """One admitted call."""

    model: str
    """The model to call, a cheaper one than asked for where the gate says so."""
    granted_max_output_tokens: int | None
    """How much output the provider may be asked for."""

    def record(self, response: Any, /) -> object:
        """Settle with the usage of a response, of a usage object, or of a `UsageRead`."""

    def release(self) -> None:
        """Give the hold back: nothing will be reported."""

    def raise_if_lost(self) -> None:
        """Raise `HoldLost` where the hold could not be kept."""


class Ledger(Protocol):
    """The blocking client, `tollbook.Client`."""

    def call(self, model: str, **asked: Any) -> AbstractContextManager[Call]:
        """The block of one call; entering it raises `BudgetExceeded`."""

    def agent(self, role: str, /) -> AbstractContextManager[object]:
        """The block of an agent below the one that runs."""


class AsyncLedger(Protocol):
    """The client for event loops, `tollbook.AsyncClient`."""

    def call(self, model: str, **asked: Any) -> AbstractAsyncContextManager[Call]:
        """The block of one call; entering it raises `BudgetExceeded`."""

    def agent(self, role: str, /) -> AbstractContextManager[object]:
        """The block of an agent below the one that runs."""


class Ending:
    """A block behind which `end` is told how it ended: with the error that left it, or with None."""

    __slots__ = ("_end",)

    def __init__(self, end: Callable[[BaseException | None], None]) -> None:
        self._end = end

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end(error)


class AsyncEnding:
    """The same, where `end` has to be awaited."""

    __slots__ = ("_end",)

    def __init__(self, end: Callable[[BaseException | None], Awaitable[None]]) -> None:
        self._end = end

    async def __aenter__(self) -> None:
        """Begin the block."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._end(error)


class _Admitted:
    """What both kinds of held call know: what was asked, what was granted, what to record."""

    __slots__ = ("_call", "asked")

    def __init__(self, call: Call, asked: Asked) -> None:
        self._call = call
        self.asked = asked

    @property
    def granted(self) -> int | None:
        """How much output the provider may be asked for, in tokens."""
        return self._call.granted_max_output_tokens

    @property
    def model(self) -> str:
        """The model to call."""
        return self._call.model

    def check(self) -> None:
        """Raise `HoldLost` where the call has to stop. For streams, between two pieces."""
        self._call.raise_if_lost()

    def _record(self, read: UsageRead | None) -> None:
        with shielded("settling"):
            self._call.record(_known(read, self.asked, self.model))

    def _settle_failed(self, error: BaseException) -> None:
        """Record an estimate where the provider may have worked all the same, else release."""
        if may_bill(error):
            self._record(None)
        else:
            with shielded("releasing"):
                self._call.release()


class Held(_Admitted):
    """An admitted call of the blocking client, from its hold to its settlement."""

    __slots__ = ("_manager",)

    def __init__(self, manager: AbstractContextManager[Call], call: Call, asked: Asked) -> None:
        super().__init__(call, asked)
        self._manager = manager

    @classmethod
    def begin(cls, ledger: Ledger, asked: Asked) -> "Held | None":
        """Hold for the request; None where tollbook failed. Raises `BudgetExceeded`."""
        with shielded("holding", closed=_is_closed(ledger)), _agent_block(ledger, asked):
            manager = ledger.call(asked.model, **_options(asked))
            return cls(manager, manager.__enter__(), asked)
        return None

    def end(self, read: UsageRead | None, error: BaseException | None = None) -> None:
        """Settle with what was read; without anything, with an estimate. `error` is what ended a stream."""
        self._record(read)
        self._leave(error)

    def fail(self, error: BaseException | None) -> None:
        """Settle or release after a failure of the call; without one do nothing."""
        if error is not None:
            self._settle_failed(error)
            self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        with shielded("closing a call"):
            self._manager.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)


class AsyncHeld(_Admitted):
    """An admitted call of the asynchronous client, from its hold to its settlement."""

    __slots__ = ("_manager",)

    def __init__(self, manager: AbstractAsyncContextManager[Call], call: Call, asked: Asked) -> None:
        super().__init__(call, asked)
        self._manager = manager

    @classmethod
    async def begin(cls, ledger: AsyncLedger, asked: Asked) -> "AsyncHeld | None":
        """Hold for the request; None where tollbook failed. Raises `BudgetExceeded`."""
        with shielded("holding", closed=_is_closed(ledger)), _agent_block(ledger, asked):
            manager = ledger.call(asked.model, **_options(asked))
            return cls(manager, await manager.__aenter__(), asked)
        return None

    def detach(self) -> None:
        """The call goes on in a stream, whoever reads it: a lost hold stops the stream, not the task that began it."""
        with shielded("detaching a call"):
            detach = getattr(self._call, "detach", None)
            if detach is not None:
                detach()

    async def end(self, read: UsageRead | None, error: BaseException | None = None) -> None:
        """Settle with what was read; without anything, with an estimate. `error` is what ended a stream."""
        self._record(read)
        await self._leave(error)

    async def leave(self, error: BaseException | None) -> None:
        """End without a word of what was used: the hold stays until it expires."""
        await self._leave(error)

    async def fail(self, error: BaseException | None) -> None:
        """Settle or release after a failure of the call; without one do nothing."""
        if error is not None:
            self._settle_failed(error)
            await self._leave(error)

    async def _leave(self, error: BaseException | None) -> None:
        with shielded("closing a call"):
            await self._manager.__aexit__(type(error) if error else None, error, error.__traceback__ if error else None)


def _is_closed(ledger: Ledger | AsyncLedger) -> bool:
    """Whether the ledger's owner would rather have no call than one that nobody admitted."""
    return getattr(getattr(ledger, "settings", None), "on_unreachable", None) == "closed"


def _agent_block(ledger: Ledger | AsyncLedger, asked: Asked) -> AbstractContextManager[object]:
    return nullcontext() if asked.agent is None else ledger.agent(asked.agent)


def _options(asked: Asked) -> dict[str, Any]:
    given = {
        "input_tokens": asked.input_tokens,
        "max_output_tokens": asked.max_output_tokens,
        "service_tier": asked.service_tier,
        "context": asked.context,
        "provider": asked.provider,
        "gate": asked.gate,
    }
    return {name: value for name, value in given.items() if value is not None}


def _known(read: UsageRead | None, asked: Asked, model: str) -> UsageRead:
    """What was read, with what the request knows where the answer is silent."""
    if read is None:
        read = UsageRead(usage=Usage(input=asked.input_estimate, output=0), estimated=True)
    if read.model is not None and read.provider is not None:
        return read
    return msgspec.structs.replace(read, model=read.model or model, provider=read.provider or asked.provider)


def ended_stream(reader: StreamReader, asked: Asked) -> UsageRead | None:
    """What a stream told until it ended, with the request's estimate of the input where it told none."""
    return reader.read(input_tokens=asked.input_estimate)


_AFTER_SENDING = frozenset(
    {
        "CancelledError",
        "GeneratorExit",
        "KeyboardInterrupt",
        "ReadError",
        "ReadTimeout",
        "RemoteProtocolError",
        "WriteError",
        "WriteTimeout",
        # The answer came and could not be made into what the caller asked for.
        "APIResponseValidationError",
        "ContentFilterFinishReasonError",
        "JSONDecodeError",
        "LengthFinishReasonError",
        "ValidationError",
    }
)
"""Names of errors, of all SDKs and HTTP libraries alike, behind which a provider may have worked and bills."""


def may_bill(error: BaseException) -> bool:
    """Whether the provider may have worked although the call failed: timeouts and cuts, but no answer of 4xx or 5xx."""
    for name in ("status_code", "code"):
        status = getattr(error, name, None)
        if isinstance(status, int) and status >= 400:
            return False
    named = {type(one).__name__ for one in (error, error.__cause__, error.__context__)}
    return not named.isdisjoint(_AFTER_SENDING)
