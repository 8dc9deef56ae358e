"""What calls of an agent on a model usually put out: learned from the ledger, beside the path of the call."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from tollbook.domain.agent import roles
from tollbook.domain.errors import StoreError
from tollbook.domain.tenancy import Tenancy
from tollbook.ports.clock import Clock
from tollbook.ports.totals import Totals
from tollbook.telemetry import StoreTrouble, Telemetry

_WEEK = timedelta(days=6)
"""Days before today's: with it seven local days."""
_KEPT_S = 60.0
_KEYS_MAX = 20_000
_QUESTIONS_MAX = 4
"""Asked of the ledger at once; others are asked when their caller comes again."""


class _Mean(NamedTuple):
    tokens: int | None
    asked_at: float


class Means:
    """Mean outputs, each up to a minute old. One not known yet is None, and asked for meanwhile."""

    def __init__(self, totals: Totals, clock: Clock, telemetry: Telemetry, tenancy: Callable[[], Tenancy]) -> None:
        self._totals = totals
        self._clock = clock
        self._telemetry = telemetry
        self._tenancy = tenancy
        self._known: dict[tuple[str, str, str], _Mean] = {}
        self._asking: dict[tuple[str, str, str], asyncio.Task[None]] = {}

    def output_tokens(self, tenant: str, agent: str, model: str) -> int | None:
        """The mean output of such calls in the last week, as far as it is known."""
        key = (tenant, roles(agent), model)
        known = self._known.get(key)
        if known is None or self._clock.monotonic() - known.asked_at > _KEPT_S:
            self._ask(key)
        return None if known is None else known.tokens

    async def settled(self) -> None:
        """Return once nothing is being asked for."""
        await asyncio.gather(*self._asking.values())

    def _ask(self, key: tuple[str, str, str]) -> None:
        if key in self._asking or len(self._asking) >= _QUESTIONS_MAX:
            return
        task = asyncio.create_task(self._learn(key), name="gate-means")
        self._asking[key] = task
        task.add_done_callback(lambda _: self._asking.pop(key, None))

    async def _learn(self, key: tuple[str, str, str]) -> None:
        tenant, agent, model = key
        since = self._tenancy().window_at(tenant, self._clock.now()).day - _WEEK
        try:
            tokens = await self._totals.mean_output(tenant, agent, model, since)
        except StoreError as trouble:
            self._telemetry.record(StoreTrouble("postgres", "expected amounts stay as they were", str(trouble)))
            known = self._known.get(key)
            tokens = None if known is None else known.tokens
        if len(self._known) >= _KEYS_MAX:
            self._known.clear()
        self._known[key] = _Mean(tokens, self._clock.monotonic())
