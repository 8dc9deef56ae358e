"""What was read of an answer."""

from collections.abc import Mapping

import msgspec

from tollbook.domain.usage import Usage


class UsageRead(msgspec.Struct, frozen=True, kw_only=True):
    """The token counts of one answer, and what it says about itself.

    `usage` has inclusive parents (see `tollbook.domain.usage`). `call_id` is the provider's id of the response.
    `cost_usd` is the provider's own figure in US dollars as decimal text. `estimated` says that counts were not
    reported but reckoned from the text. `others` are parts of the same answer that another model made, such as
    an advisor's: they are not inside `usage`. `own` says that the caller named the counts, and perhaps a `call_id` of
    their own, which is then no provider's. `units` counts what is sold beside text tokens (see `usage.units`),
    `context` names what the price depends on beside the tier, such as `inference_geo`. `request_id` is the provider's
    id of the request, where the answer bears it.
    """

    usage: Usage
    model: str | None = None
    provider: str | None = None
    service_tier: str | None = None
    call_id: str | None = None
    cost_usd: str | None = None
    estimated: bool = False
    others: tuple["UsageRead", ...] = ()
    units: dict[str, int] | None = None
    context: dict[str, str] | None = None
    request_id: str | None = None
    own: bool = False

    @property
    def response_id(self) -> str | None:
        """The provider's id of the answer, by which others may have seen the same call."""
        return None if self.own else self.call_id


def fitting(context: Mapping[str, str] | None, chars_max: int) -> dict[str, str] | None:
    """The context in values that an event may hold: one that it may not hold prices nothing.

    >>> fitting({"inference_geo": "us", "speed": ""}, 128)
    {'inference_geo': 'us'}
    """
    kept = {
        name: value
        for name, value in (context or {}).items()
        if 0 < len(value) <= chars_max and value.isprintable() and not value.isspace()
    }
    return kept or None


def counted(
    *, input_: int, output: int, cache_read: int = 0, cache_writes: tuple[int, int] = (0, 0), reasoning: int = 0
) -> Usage:
    """The counts as a `Usage` that is consistent whatever the source says.

    `cache_writes` are those of the short life and of the long one. Parts that are more than their parent are
    the source's mistake or a rounding (Anthropic's thinking tokens are approximate); the parent is what is billed,
    so the parts are cut to it.
    """
    short, long = cache_writes
    cache_read = min(cache_read, input_)
    long = min(long, input_ - cache_read)
    short = min(short, input_ - cache_read - long)
    return Usage(
        input=input_,
        output=output,
        cache_read=cache_read,
        cache_write_5m=short,
        cache_write_1h=long,
        reasoning=min(reasoning, output),
    )
