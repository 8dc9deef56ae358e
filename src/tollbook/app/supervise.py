"""Loops that must go on: what fails unexpectedly is logged, counted and started again."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable

from tollbook.domain.errors import LedgerConfused
from tollbook.ports.clock import Clock
from tollbook.telemetry import LoopFailed, Telemetry

RESTART_S = 0.5


async def supervise(name: str, loop: Callable[[], Awaitable[None]], clock: Clock, telemetry: Telemetry) -> None:
    """Run a loop for ever; only cancellation ends it."""
    while True:
        try:
            await loop()
        except LedgerConfused as confused:
            # Going on would show wrong money; trying again costs one question a while and ends when an operator acts.
            telemetry.record(LoopFailed(name, str(confused)))
            await clock.pause(10 * RESTART_S)
        except Exception:  # noqa: BLE001 - one partition's bug must not stop the others; it is logged and counted
            telemetry.record(LoopFailed(name, traceback.format_exc()))
            await clock.pause(RESTART_S)


async def together(*loops: Awaitable[None]) -> None:
    """Run loops until one ends or the caller is cancelled."""
    async with asyncio.TaskGroup() as group:
        for loop in loops:
            group.create_task(_awaited(loop))


async def _awaited(loop: Awaitable[None]) -> None:
    await loop
