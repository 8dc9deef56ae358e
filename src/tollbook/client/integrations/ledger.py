"""What integrations need of the SDK's clients, and one held call as they drive it: begun, then ended once.

A stream ends elsewhere than it began, in another frame and perhaps another thread; so the call's context manager
is entered and left by hand here, and nowhere else.
"""

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Protocol

import msgspec

from tollbook.client.integrations.asking import Asked
from tollbook.client.integrations.shield import shielded
from tollbook.client.usage import StreamReader, UsageRead
from tollbook.domain.usage import Usage


class Call(Protocol):
    """One admitted call."""

    @property
    def granted_max_output_tokens(self) -> int | None:
        """How much output the provider may be asked for."""

    def record(self, response: object, /) -> object:
        """Settle with the usage of a response, of a usage object, or of a `UsageRead`."""


class Ledger(Protocol):
    """The synchronous client."""

    def call(self, **asked: Any) -> AbstractContextManager[Call]:
        """Hold; raises `BudgetExceeded`."""


class AsyncLedger(Protocol):
    """The asynchronous client."""

    def call(self, **asked: Any) -> AbstractAsyncContextManager[Call]:
        """Hold; raises `BudgetExceeded`."""


class Held:
    """An admitted call of the synchronous client, from its hold to its settlement."""

    __slots__ = ("_call", "_manager", "asked")

    def __init__(self, manager: AbstractContextManager[Call], call: Call, asked: Asked) -> None:
        self._manager = manager
        self._call = call
        self.asked = asked

    @classmethod
    def begin(cls, ledger: Ledger, asked: Asked) -> "Held | None":
        """Hold for the request; None where tollbook failed. Raises `BudgetExceeded`."""
        with shielded("holding"):
            manager = ledger.call(**_arguments(asked))
            return cls(manager, manager.__enter__(), asked)
        return None

    @property
    def granted(self) -> int | None:
        """How much output the provider may be asked for, in tokens."""
        return self._call.granted_max_output_tokens

    def end(self, read: UsageRead | None) -> None:
        """Settle with what was read; without anything, with an estimate."""
        with shielded("settling"):
            self._call.record(_known(read, self.asked))
        with shielded("closing a call"):
            self._manager.__exit__(None, None, None)

    def fail(self, error: BaseException) -> None:
        """Settle with an estimate where the provider may have worked all the same, else release."""
        if may_bill(error):
            self.end(None)
            return
        with shielded("releasing"):
            self._manager.__exit__(type(error), error, error.__traceback__)


class AsyncHeld:
    """An admitted call of the asynchronous client, from its hold to its settlement."""

    __slots__ = ("_call", "_manager", "asked")

    def __init__(self, manager: AbstractAsyncContextManager[Call], call: Call, asked: Asked) -> None:
        self._manager = manager
        self._call = call
        self.asked = asked

    @classmethod
    async def begin(cls, ledger: AsyncLedger, asked: Asked) -> "AsyncHeld | None":
        """Hold for the request; None where tollbook failed. Raises `BudgetExceeded`."""
        with shielded("holding"):
            manager = ledger.call(**_arguments(asked))
            return cls(manager, await manager.__aenter__(), asked)
        return None

    @property
    def granted(self) -> int | None:
        """How much output the provider may be asked for, in tokens."""
        return self._call.granted_max_output_tokens

    async def end(self, read: UsageRead | None) -> None:
        """Settle with what was read; without anything, with an estimate."""
        with shielded("settling"):
            self._call.record(_known(read, self.asked))
        with shielded("closing a call"):
            await self._manager.__aexit__(None, None, None)

    async def fail(self, error: BaseException) -> None:
        """Settle with an estimate where the provider may have worked all the same, else release."""
        if may_bill(error):
            await self.end(None)
            return
        with shielded("releasing"):
            await self._manager.__aexit__(type(error), error, error.__traceback__)


def _arguments(asked: Asked) -> dict[str, Any]:
    given = {
        "model": asked.model,
        "input_tokens": asked.input_tokens,
        "max_output_tokens": asked.max_output_tokens,
        "service_tier": asked.service_tier,
        "provider": asked.provider,
        "agent": asked.agent,
    }
    return {name: value for name, value in given.items() if value is not None}


def _known(read: UsageRead | None, asked: Asked) -> UsageRead:
    """What was read, with what the request knows where the answer is silent."""
    if read is None:
        read = UsageRead(usage=Usage(input=asked.input_tokens, output=0), estimated=True)
    if read.model is not None and read.provider is not None:
        return read
    return msgspec.structs.replace(read, model=read.model or asked.model, provider=read.provider or asked.provider)


def ended_stream(reader: StreamReader, asked: Asked) -> UsageRead | None:
    """What a stream told until it ended, with the request's estimate of the input where it told none."""
    return reader.read(input_tokens=asked.input_tokens)


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
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    if isinstance(status, int) and status >= 400:
        return False
    named = {type(one).__name__ for one in (error, error.__cause__, error.__context__)}
    return not named.isdisjoint(_AFTER_SENDING)
