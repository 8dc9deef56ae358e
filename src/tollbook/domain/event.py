"""The event: what a sender reports of one LLM call."""

from datetime import datetime

import msgspec

from tollbook.domain.usage import Usage


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One reported call, well-formed but not yet priced or bound to a key's tenant.

    Counts are tokens with inclusive parents (see `Usage`). `ts` is aware, or None where the sender gave none
    and the time of receipt counts. `cost_usd` is the sender's own figure as decimal text: kept, not trusted.
    `hold` names the hold that the call was made under (`domain.hold`).
    """

    tenant: str
    agent: str
    model: str
    input: int
    output: int
    id: str | None = None
    source: str | None = None
    ts: datetime | None = None
    run: str | None = None
    provider: str | None = None
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    service_tier: str | None = None
    tags: dict[str, str] | None = None
    call_id: str | None = None
    cost_usd: str | None = None
    hold: str | None = None

    @property
    def usage(self) -> Usage:
        """The counts alone, as the price book takes them."""
        return Usage(
            input=self.input,
            output=self.output,
            cache_read=self.cache_read,
            cache_write_5m=self.cache_write_5m,
            cache_write_1h=self.cache_write_1h,
            reasoning=self.reasoning,
        )


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """Why the item at `index` of a request was not taken. `code` is one of `RejectCode`."""

    index: int
    code: str
    detail: str
