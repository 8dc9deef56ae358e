"""Requests of one partition that arrive while a script call is on its way go together with the next one."""

import asyncio
from collections import deque

from tollbook.domain.errors import JournalUnavailable, StoreError
from tollbook.ports.holds import HoldAnswer, HoldRequest, Holds


class GateOverloaded(StoreError):  # noqa: N818 - a state of the world, not a mistake
    """Too many requests wait for the counters: the caller should come back."""

    code = "overloaded"
    retryable = True


class Lanes:
    """One lane a partition. `waiting_max` bounds each; past it a caller is told to come back."""

    def __init__(self, holds: Holds, *, call_requests_max: int, calls_max: int, waiting_max: int) -> None:
        self._holds = holds
        self._call_requests_max = call_requests_max
        self._calls_max = calls_max
        self._waiting_max = waiting_max
        self._lanes: dict[int, _Lane] = {}

    async def ask(self, partition: int, request: HoldRequest) -> HoldAnswer:
        """The counters' answer. Raises `JournalUnavailable` or, where too many ask, `GateOverloaded`."""
        lane = self._lanes.get(partition)
        if lane is None:
            lane = self._lanes[partition] = _Lane(
                partition, self._holds, call_requests_max=self._call_requests_max, calls_max=self._calls_max
            )
        if len(lane.waiting) >= self._waiting_max:
            raise GateOverloaded(f"{len(lane.waiting)} requests wait for partition {partition}")
        return await lane.ask(request)


class _Lane:
    """One partition's requests. A few calls are on their way at once, so that neither side waits for the other."""

    def __init__(self, partition: int, holds: Holds, *, call_requests_max: int, calls_max: int) -> None:
        self._partition = partition
        self._holds = holds
        self._call_requests_max = call_requests_max
        self._calls_max = calls_max
        self.waiting: deque[tuple[HoldRequest, asyncio.Future[HoldAnswer]]] = deque()
        self._calls = 0
        self._calling: set[asyncio.Task[None]] = set()
        """The tasks of the calls: a loop keeps no hold of its own on them."""

    async def ask(self, request: HoldRequest) -> HoldAnswer:
        answered: asyncio.Future[HoldAnswer] = asyncio.get_running_loop().create_future()
        self.waiting.append((request, answered))
        # The first goes at once; another call is worth it only where those on their way have left a whole one behind.
        if self._calls == 0 or (self._calls < self._calls_max and len(self.waiting) >= self._call_requests_max):
            self._calls += 1
            task = asyncio.create_task(self._call_on(), name=f"gate-lane-{self._partition}")
            self._calling.add(task)
            task.add_done_callback(self._calling.discard)
        return await answered

    async def _call_on(self) -> None:
        try:
            while self.waiting:
                await self._call()
        finally:
            self._calls -= 1

    async def _call(self) -> None:
        count = min(len(self.waiting), self._call_requests_max)
        taken = [self.waiting.popleft() for _ in range(count)]
        # Who has gone away meanwhile holds nothing.
        present = [(request, answered) for request, answered in taken if not answered.done()]
        if not present:
            return
        try:
            answers = await self._holds.hold(self._partition, [request for request, _ in present])
            for (_, answered), answer in zip(present, answers, strict=True):
                if not answered.done():
                    answered.set_result(answer)
        except JournalUnavailable as trouble:
            for _, answered in present:
                if not answered.done():
                    answered.set_exception(trouble)
        finally:
            # Only a bug gets here with a caller still waiting: it must not wait for ever.
            for _, answered in present:
                answered.cancel()
