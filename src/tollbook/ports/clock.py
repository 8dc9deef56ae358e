"""Time as a parameter: who needs it takes a clock."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time of receipt comes from. Expiry never uses it: that is the store's clock."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow, for intervals."""
        ...

    async def pause(self, seconds: float) -> None:
        """Let `seconds` pass."""
        ...
