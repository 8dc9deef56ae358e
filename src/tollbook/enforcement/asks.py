"""What a caller asks of the gate, and what of it is kept with the hold."""

from typing import Self

import msgspec

from tollbook.domain.budget import Mode
from tollbook.domain.meter import Attribution

TTL_MS_MIN, TTL_MS_MAX, TTL_MS_DEFAULT = 1_000, 600_000, 60_000
"""No hold lives longer: a quarantine after a rebuild lasts as long as the longest can."""


class Ask(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One call that is about to be made. `amount_nanos` stands in for the quote; None: not said."""

    tenant: str
    agent: str
    model: str
    run: str | None = None
    tags: dict[str, str] | None = None
    provider: str | None = None
    service_tier: str | None = None
    context: dict[str, str] | None = None
    input_tokens: int | None = None
    max_output_tokens: int | None = None
    min_output_tokens: int | None = None
    amount_nanos: int | None = None
    mode: Mode | None = None
    ttl_ms: int = TTL_MS_DEFAULT
    caller_id: str | None = None

    @property
    def attribution(self) -> Attribution:
        """Where the call counts."""
        return Attribution(self.agent, self.model, self.run, self.tags)

    def with_model(self, model: str) -> Self:
        """The same call on another model, of whatever provider sells it."""
        return msgspec.structs.replace(self, model=model, provider=None)


class LeaseAsk(msgspec.Struct, frozen=True, kw_only=True):
    """A slice for `calls` calls alike, of `slice_nanos` where that is said; `call` says what one of them needs."""

    call: Ask
    slice_nanos: int | None
    calls: int


class HoldContext(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept beside a hold, so that a repeat of the request is answered as it was.

    `degraded_to`: the model that was granted where another one was asked for; `usual`: the usual output it went by.
    """

    ask: Ask
    degraded_to: str | None = None
    usual: int | None = None
    lease: bool = False


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(HoldContext)


def packed(context: HoldContext) -> bytes:
    """The context as the counters keep it."""
    return _ENCODER.encode(context)


def unpacked(context: bytes) -> HoldContext | None:
    """The context of a hold; None where it is not one of ours."""
    try:
        return _DECODER.decode(context)
    except msgspec.DecodeError:
        return None
