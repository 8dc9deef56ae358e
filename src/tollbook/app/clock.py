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
        """Let `seconds` pass."""
        await asyncio.sleep(seconds)
