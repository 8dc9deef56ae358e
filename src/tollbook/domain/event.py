"""The event: what a sender reports of one LLM call."""

from datetime import datetime
from enum import Enum

import msgspec

from tollbook.domain.usage import Usage


class Observer(Enum):
    """Who saw a call, from the one whose figures are nearest to the bill to the one that knows least of it.

    A gateway read the provider's answer off the wire; an SDK was handed it; a span or a log record was written by an
    instrumentation; an aggregate (an agent's span, a run's result) repeats what its leaves report; a metric has
    lost which call it was.
    """

    GATEWAY = "gateway"
    SDK = "sdk"
    LEAF = "leaf"
    AGGREGATE = "aggregate"
    METRIC = "metric"


class Seen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one observation says of which call it saw, so that a call seen by several is counted once.

    `response_id` is the provider's id of the answer (`chatcmpl-…`, `msg_…`, `resp_…`), `request_id` that of the
    request (`req_…`). `group` names the trace, session or agent's turn that an aggregate adds up: an aggregate counts
    only where no leaf of its group does. `estimated` says that the counts were reckoned, not reported. `revision`
    rises as the same observer learns more of the same call (a span's ancestors come after it): the later one replaces
    the earlier.
    """

    by: Observer
    response_id: str | None = None
    request_id: str | None = None
    group: str | None = None
    estimated: bool = False
    revision: int = 0


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One reported call, well-formed but not yet priced or bound to a key's tenant.

    Counts are tokens with inclusive parents (see `Usage`). `ts` is aware, or None where the sender gave none
    and the time of receipt counts. `cost_usd` is the sender's own figure as decimal text: kept, not trusted.
    `hold` names the hold that the call was made under (`domain.hold`). `units` counts what is sold beside text
    tokens, by the price data's names of units (`input_audio_tokens`, `web_searches`, ...); what is part of `input` or
    `output` is counted there too. `seen` is what a dialect knows of the observation; None for a native event that
    says nothing of it. `context` is what the price depends on beside the service tier, by the price data's names:
    `speed`, `inference_geo`, `route`, `search_type`.
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
    units: dict[str, int] | None = None
    seen: Seen | None = None
    context: dict[str, str] | None = None

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
