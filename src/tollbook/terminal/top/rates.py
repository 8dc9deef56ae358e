"""How fast money goes: what an amount grew by while it was watched, by the hour."""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable

WINDOW_S = 60.0
_LEAST_S = 4.0
_KEPT_MAX = 20_000
_HOUR_S = 3_600


class Rates:
    """Remembers amounts of the last minute. `now` is a clock of seconds that only grows."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._seen: OrderedDict[Hashable, deque[tuple[float, int]]] = OrderedDict()

    def seen(self, key: Hashable, nanos: int) -> int | None:
        """Note an amount and say what it grew by an hour; None where it was not watched for long enough.

        An amount that fell, as at a new day, begins anew.
        """
        at = self._now()
        samples = self._seen.setdefault(key, deque())
        self._seen.move_to_end(key)
        if len(self._seen) > _KEPT_MAX:
            self._seen.popitem(last=False)
        if samples and nanos < samples[-1][1]:
            samples.clear()
        samples.append((at, nanos))
        # One sample from before the window stays, so that the window is whole.
        while len(samples) > 2 and samples[1][0] <= at - WINDOW_S:
            samples.popleft()
        since, before = samples[0]
        if at - since < _LEAST_S:
            return None
        return (nanos - before) * _HOUR_S * 1_000 // round((at - since) * 1_000)
