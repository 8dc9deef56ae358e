"""Carries alerts to their hooks: at least once, the same id at every attempt, whatever dies in between."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec

from tollbook.domain.alert import AlertKind
from tollbook.domain.errors import StoreError
from tollbook.ports.alerts import AlertStore, Answer, Claimed, HookSender
from tollbook.ports.clock import Clock
from tollbook.telemetry import AlertSent, Outcome, StoreTrouble, Telemetry

Crossing = Callable[[str], Awaitable[None]]

_FIRST_S = 5.0
_FACTOR = 4.0
_LONGEST_S = 8 * 3_600.0
_JITTER = 0.2
_GONE = 410
_PRUNE_S = 3_600.0


class DeliverySettings(msgspec.Struct, frozen=True):
    """How much is on its way at once, how often it is tried, and how long alerts are kept.

    The lease is well beyond the longest attempt, so that none is sent twice while its first sender lives.
    """

    poll_s: float = 0.5
    lease: timedelta = timedelta(minutes=1)
    at_once_max: int = 16
    per_hook_max: int = 4
    attempts_max: int = 10
    kept: timedelta = timedelta(days=90)


def pause_s(attempts: int, retry_after_s: float | None, jitter: float) -> float:
    """Seconds until the next attempt after so many; `jitter` lies in -1..1.

    >>> [pause_s(n, None, 0) for n in (1, 2, 9)], pause_s(1, 60, 0)
    ([5.0, 20.0, 28800.0], 60.0)
    """
    backoff = min(_LONGEST_S, _FIRST_S * _FACTOR ** (attempts - 1)) * (1 + _JITTER * jitter)
    return max(backoff, min(retry_after_s or 0.0, _LONGEST_S))


async def _no_crossing(step: str) -> None:
    """Cross a step boundary with nobody watching."""


class Deliverer:
    """Delivers what is due until cancelled; what is on its way then is sent again after its lease."""

    def __init__(
        self,
        store: AlertStore,
        sender: HookSender,
        clock: Clock,
        telemetry: Telemetry,
        *,
        settings: DeliverySettings,
        crossing: Crossing = _no_crossing,
    ) -> None:
        self._store = store
        self._sender = sender
        self._clock = clock
        self._telemetry = telemetry
        self._settings = settings
        self._crossing = crossing
        self._sending: dict[asyncio.Task[None], str] = {}
        self._failed: list[BaseException] = []
        self._jitter = random.SystemRandom()
        self._pruned_at = clock.monotonic()

    async def run(self) -> None:
        """Deliver for ever."""
        try:
            while True:
                try:
                    await self.begin()
                    await self._prune()
                except StoreError as trouble:
                    self._telemetry.record(StoreTrouble("postgres", "alerts are delivered later", str(trouble)))
                await self._clock.pause(self._settings.poll_s)
        finally:
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)

    async def begin(self) -> int:
        """Claim what is due and has room, and set it on its way; how much that was."""
        if self._failed:
            raise self._failed.pop()
        settings, now = self._settings, self._clock.now()
        room = settings.at_once_max - len(self._sending)
        if room <= 0:
            return 0
        claimed = await self._store.claim(
            now,
            now + settings.lease,
            busy=set(self._sending.values()),
            per_hook=settings.per_hook_max,
            count=room,
        )
        for delivery in claimed:
            task = asyncio.create_task(self._carried(delivery), name=f"alert-{delivery.alert_id}")
            self._sending[task] = delivery.hook_id
            task.add_done_callback(self._ended)
        return len(claimed)

    async def settled(self) -> None:
        """Wait until nothing is on its way."""
        while self._sending:
            await asyncio.wait(list(self._sending))

    async def carry(self, claimed: Claimed) -> Answer:
        """Send what was claimed and mark what came of it."""
        await self._crossing("claimed")
        answer = await self._sender.send(claimed, self._clock.now())
        await self._crossing("sent")
        outcome = await self._mark(claimed, answer)
        await self._crossing("marked")
        if outcome is not None:
            self._telemetry.record(
                AlertSent(claimed.kind, claimed.alert_id, claimed.hook_id, outcome, claimed.attempts, answer.detail)
            )
        return answer

    async def _carried(self, claimed: Claimed) -> None:
        try:
            await self.carry(claimed)
        except StoreError as trouble:
            # The lease ends and the delivery is sent again, under the same id.
            self._telemetry.record(StoreTrouble("postgres", "a delivery is not marked", str(trouble)))

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._sending[task]
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            self._failed.append(failure)

    async def _mark(self, claimed: Claimed, answer: Answer) -> Outcome | None:
        now = self._clock.now()
        if answer.status is not None and 200 <= answer.status < 300:
            return "delivered" if await self._store.delivered(claimed, answer.status, now) else None
        if answer.status == _GONE:
            marked = await self._store.died(claimed, answer, now)
            await self._store.disable(claimed.hook_id, "it answered 410 Gone", now)
            return "disabled" if marked else None
        # Somebody waits to see what came of a test.
        if claimed.attempts >= self._settings.attempts_max or claimed.kind == AlertKind.TEST:
            return "dead" if await self._store.died(claimed, answer, now) else None
        pause = pause_s(claimed.attempts, answer.retry_after_s, self._jitter.uniform(-1, 1))
        marked = await self._store.postponed(claimed, answer, now, now + timedelta(seconds=pause))
        return "postponed" if marked else None

    async def _prune(self) -> None:
        if self._clock.monotonic() - self._pruned_at >= _PRUNE_S:
            self._pruned_at = self._clock.monotonic()
            await self._store.prune(self._clock.now() - self._settings.kept)
