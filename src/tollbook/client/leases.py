"""Slices of budgets that the server has granted, handed out in parts without asking again.

All arithmetic is in whole nano-dollars and on upper bounds, so that what is handed out never passes what was granted.
Time is the caller's, in seconds that only grow; a lease ends by the time before it was asked for plus its TTL, which is
never later than the server's own end of it.
"""

import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple

from tollbook.client.wire import LeaseBody, Rates
from tollbook.domain.money import nanos_from_usd

_RENEW_SHARE = 4
"""A lease is renewed when less than this fraction (1/n) of it is left."""
_CALLS_MAX = 1_024
_LATE_S = 1.0
"""A part is not handed out this shortly before its lease ends."""


class LeaseKey(NamedTuple):
    """What a lease is bound to."""

    tenant: str | None
    agent: str
    run: str | None
    model: str
    provider: str | None
    service_tier: str | None
    context: tuple[tuple[str, str], ...]
    tags: tuple[tuple[str, str], ...]
    strict: bool | None


class Part:
    """One call's part of a lease. `hold_id` is what its event names, and is consumed once."""

    __slots__ = ("bound_nanos", "granted", "hold_id", "lease", "lost", "tokens")

    def __init__(self, lease: "Lease", hold_id: str, bound_nanos: int, tokens: int, granted: int) -> None:
        self.lease = lease
        self.hold_id = hold_id
        self.bound_nanos = bound_nanos
        self.tokens = tokens
        self.granted = granted
        self.lost: Callable[[str], None] | None = None
        """Told when the lease is gone while the part's call is open."""


class Lease:
    """One slice. `left_nanos`, `left_tokens` and `left_calls` are not handed out yet; None where not limited."""

    __slots__ = (
        "ends_at", "id", "key", "left_calls", "left_nanos", "left_tokens", "numbered", "parts", "rates",
        "slice_nanos", "used",
    )  # fmt: skip

    def __init__(self, key: LeaseKey, body: LeaseBody, rates: Rates, ends_at: float) -> None:
        self.key = key
        self.id = body.id
        self.rates = rates
        self.ends_at = ends_at
        self.left_nanos = None if body.amount_usd is None else int(nanos_from_usd(body.amount_usd))
        self.left_tokens = body.tokens
        self.left_calls = body.calls
        self.slice_nanos = self.left_nanos or 0
        self.numbered = 0
        self.parts: dict[str, Part] = {}
        """Parts whose event the server has not accepted, by `hold_id`."""
        self.used = True

    @property
    def open_nanos(self) -> int:
        """What the open parts may still cost."""
        return sum(part.bound_nanos for part in self.parts.values())

    def take(self, input_tokens: int, output_tokens: int, least: int) -> Part | None:
        """A part for so many tokens, or for at least `least` output tokens; None where it has no room."""
        if self.left_calls is not None and self.left_calls < 1:
            return None
        rates = self.rates
        granted = output_tokens
        bound = input_tokens * rates.input_nanos_per_token + granted * rates.output_nanos_per_token
        if self.left_nanos is not None and bound > self.left_nanos:
            room = self.left_nanos - input_tokens * rates.input_nanos_per_token
            granted = room // rates.output_nanos_per_token if rates.output_nanos_per_token else output_tokens
            if granted < least:
                return None
            bound = rates.bound(input_tokens, granted)
        tokens = input_tokens + granted
        if self.left_tokens is not None:
            if tokens > self.left_tokens:
                return None
            self.left_tokens -= tokens
        if self.left_nanos is not None:
            self.left_nanos -= bound
        if self.left_calls is not None:
            self.left_calls -= 1
        self.numbered += 1
        hold_id = f"{self.id}.{self.numbered}"
        self.used = True
        part = self.parts[hold_id] = Part(self, hold_id, bound, tokens, granted)
        return part

    @property
    def low(self) -> bool:
        """Whether it is time for the next one."""
        return (
            (self.left_nanos is not None and self.left_nanos * _RENEW_SHARE < self.slice_nanos)
            or (self.left_calls is not None and self.left_calls < 2)
        )  # fmt: skip


class LeaseBook:
    """The leases of one client, by what they are bound to."""

    def __init__(self, *, calls: int) -> None:
        self._lock = threading.Lock()
        self._calls = calls
        self._current: dict[LeaseKey, Lease] = {}
        self._retired: list[Lease] = []
        self._asked: dict[LeaseKey, int] = {}
        self._asking: set[LeaseKey] = set()
        self._reported: dict[str, Part] = {}

    @property
    def ready(self) -> bool:
        """Whether any lease hands out parts."""
        return bool(self._current)

    def take(self, key: LeaseKey, now: float, *, input_tokens: int, output_tokens: int, least: int) -> Part | None:
        """A part of the key's lease; None where there is none with room, and the call has to ask the server."""
        with self._lock:
            lease = self._current.get(key)
            if lease is None or now + _LATE_S >= lease.ends_at:
                return None
            return lease.take(input_tokens, output_tokens, least)

    def wants(self, key: LeaseKey) -> int | None:
        """How many calls a lease is to be asked for now, None where none is; claims the asking for the caller.

        The first call of a key asks for nothing: many keys are met once, and a lease takes room from others.
        """
        with self._lock:
            if key in self._asking:
                return None
            lease = self._current.get(key)
            asked = self._asked.get(key, 0)
            if lease is None and asked == 0:
                self._asked[key] = 1
                return None
            if lease is not None and not lease.low:
                return None
            self._asking.add(key)
            calls = self._calls if asked <= 1 else min(asked * 2, _CALLS_MAX)
            self._asked[key] = calls
            return calls

    def granted(self, key: LeaseKey, body: LeaseBody | None, ends_at: float) -> None:
        """What the asking brought; None: nothing."""
        with self._lock:
            self._asking.discard(key)
            if body is None or body.rates is None:
                self._asked[key] = 1
                return
            former = self._current.get(key)
            if former is not None:
                self._retired.append(former)
            self._current[key] = Lease(key, body, body.rates, ends_at)

    def used(self, part: Part, event_id: str, *, input_tokens: int, output_tokens: int) -> None:
        """A part's call has reported by an event: what it cannot have cost goes back into its lease at once."""
        with self._lock:
            lease = part.lease
            bound = lease.rates.bound(input_tokens, output_tokens)
            if lease.left_nanos is not None:
                lease.left_nanos += part.bound_nanos - bound
            if lease.left_tokens is not None:
                lease.left_tokens += part.tokens - input_tokens - output_tokens
            part.bound_nanos = bound
            part.tokens = input_tokens + output_tokens
            part.lost = None
            self._reported[event_id] = part

    def grow(self, part: Part, output_tokens: int) -> bool:
        """Give a part so many more output tokens, where its lease has them."""
        with self._lock:
            lease = part.lease
            nanos = output_tokens * lease.rates.output_nanos_per_token
            if (lease.left_nanos is not None and nanos > lease.left_nanos) or (
                lease.left_tokens is not None and output_tokens > lease.left_tokens
            ):
                return False
            if lease.left_nanos is not None:
                lease.left_nanos -= nanos
            if lease.left_tokens is not None:
                lease.left_tokens -= output_tokens
            part.bound_nanos += nanos
            part.tokens += output_tokens
            part.granted += output_tokens
            return True

    def unused(self, part: Part) -> None:
        """A part's call was not made, and nothing will be reported: the whole of it goes back."""
        with self._lock:
            lease = part.lease
            if lease.parts.pop(part.hold_id, None) is None:
                return
            if lease.left_nanos is not None:
                lease.left_nanos += part.bound_nanos
            if lease.left_tokens is not None:
                lease.left_tokens += part.tokens
            if lease.left_calls is not None:
                lease.left_calls += 1

    def accepted(self, event_ids: Iterable[str]) -> None:
        """The server has these events: the parts they named no longer count as open."""
        with self._lock:
            for event_id in event_ids:
                part = self._reported.pop(event_id, None)
                if part is not None:
                    part.lease.parts.pop(part.hold_id, None)

    def due(self, now: float) -> tuple[list[Lease], list[tuple[Lease, int]]]:
        """What is to be done at a tick: leases to extend, and leases to give back with what they must keep.

        A current lease that nobody used since the last tick is given back; a retired one once none of its parts is
        open. What has ended by itself is forgotten.
        """
        extend: list[Lease] = []
        give_back: list[tuple[Lease, int]] = []
        with self._lock:
            for key, lease in list(self._current.items()):
                if now >= lease.ends_at:
                    del self._current[key]
                elif lease.used or lease.parts:
                    lease.used = False
                    extend.append(lease)
                else:
                    del self._current[key]
                    self._asked.pop(key, None)
                    give_back.append((lease, 0))
            kept: list[Lease] = []
            for lease in self._retired:
                if now >= lease.ends_at:
                    continue
                if lease.parts:
                    kept.append(lease)
                    extend.append(lease)
                else:
                    give_back.append((lease, 0))
            self._retired = kept
            ended = [event_id for event_id, part in self._reported.items() if now >= part.lease.ends_at]
            for event_id in ended:
                del self._reported[event_id]
        return extend, give_back

    def extended(self, lease: Lease, ends_at: float) -> None:
        """A lease lives on until `ends_at`."""
        with self._lock:
            lease.ends_at = ends_at

    def lost(self, lease: Lease, why: str) -> None:
        """The server knows a lease no more: its open calls are told, and nothing more is handed out of it."""
        with self._lock:
            if self._current.get(lease.key) is lease:
                del self._current[lease.key]
            if lease in self._retired:
                self._retired.remove(lease)
            told = [part.lost for part in lease.parts.values() if part.lost is not None]
        for tell in told:
            tell(why)

    def close(self) -> list[tuple[Lease, int]]:
        """Everything, to be given back, each with what its open parts may still cost."""
        with self._lock:
            leases = [*self._current.values(), *self._retired]
            self._current.clear()
            self._retired.clear()
            return [(lease, lease.open_nanos) for lease in leases]
