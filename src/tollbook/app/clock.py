"""The machine's clock, as the use cases take it."""

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """Implements `ports.clock.Clock`."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only grow, for intervals."""
        return time.monotonic()

    async def pause(self, seconds: float) -> None:
        """Let `seconds` pass.

        Ends at once a task that was cancelled and runs on: `asyncio.wait_for`, which the Postgres driver uses, loses a
        cancellation that comes together with its answer (gone with Python 3.12), and a loop would then run for ever.
        """
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError
        await asyncio.sleep(seconds)
