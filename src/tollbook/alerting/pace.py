"""How fast totals grow: samples of the last quarter of an hour, bounded, in memory only."""

from collections import OrderedDict, deque
from datetime import datetime, timedelta
from typing import NamedTuple

from tollbook.domain.alert import Spent
from tollbook.domain.meter import WindowKind

SPAN = timedelta(minutes=15)
_KNOWN_MIN = timedelta(minutes=5)
"""Below this one dear call would pass for a pace."""
_SPACING = timedelta(seconds=30)
_METERS_MAX = 20_000
_SECOND = timedelta(seconds=1)

Sample = tuple[datetime, int]


class Grown(NamedTuple):
    """By how much a total has grown, in its unit, and in which time."""

    amount: int
    lasted: timedelta

    @property
    def known(self) -> bool:
        """Whether the time is long enough for a pace."""
        return self.lasted >= _KNOWN_MIN

    def ahead(self, left: timedelta) -> int:
        """By how much it will have grown in the time left, if it goes on so."""
        return max(self.amount, 0) * max(left // _SECOND, 0) // max(self.lasted // _SECOND, 1)


def seconds_until(amount: int, grown: Grown, left: timedelta | None) -> int | None:
    """In how many seconds a total has grown by an amount at this pace; None where unknown or not within the time left.

    >>> seconds_until(60, Grown(10, timedelta(minutes=10)), timedelta(hours=2))
    3600
    """
    if grown.amount <= 0 or not grown.known:
        return None
    # Whole numbers throughout: a slow pace leads beyond any date.
    left_s = amount * (grown.lasted // _SECOND) // grown.amount
    return None if left is not None and left_s >= left // _SECOND else left_s


class Pace:
    """Samples of the meters that changed last."""

    def __init__(self, meters_max: int = _METERS_MAX) -> None:
        self._meters_max = meters_max
        self._samples: OrderedDict[tuple[str, str], deque[Sample]] = OrderedDict()

    def seconds_left(self, spent: Spent, now: datetime) -> int | None:
        """Take a total as of now; in how many seconds its limit is reached at its pace.

        None where that is not known yet, where it does not grow, where the window ends before, and at the limit.
        """
        samples = self._sampled(spent, now)
        budget = spent.budget
        if samples is None or budget is None or spent.total >= budget.limit or not spent.open_at(now):
            return None
        since, base = _base(samples, spent, now)
        left = None if spent.window.end is None else spent.window.end - now
        return seconds_until(budget.limit - spent.total, Grown(spent.total - base, now - since), left)

    def _sampled(self, spent: Spent, now: datetime) -> deque[Sample] | None:
        if spent.budget is None or spent.parts.kind is WindowKind.MINUTE:
            return None
        key = (spent.tenant, spent.meter)
        samples = self._samples.setdefault(key, deque())
        self._samples.move_to_end(key)
        if len(self._samples) > self._meters_max:
            self._samples.popitem(last=False)
        # Of the samples older than the span the newest is kept: the total has stood there since.
        while len(samples) > 1 and samples[1][0] <= now - SPAN:
            samples.popleft()
        # The newest sample is always the present total, and gives way to the next one until it is far enough behind.
        if len(samples) > 1 and samples[-1][0] - samples[-2][0] < _SPACING:
            samples.pop()
        samples.append((now, spent.total))
        return samples


def near_per_mille(burn_rate_minutes: int) -> int:
    """The share of its limit below which no total reaches it within so many minutes at a pace known long enough."""
    known_s = _KNOWN_MIN // _SECOND
    return 1000 * known_s // (known_s + burn_rate_minutes * 60)


def _base(samples: deque[Sample], spent: Spent, now: datetime) -> Sample:
    start = spent.window.start
    if start is not None and start > now - SPAN:
        return (start, 0)
    at, total = samples[0]
    return (max(at, now - SPAN), total)
