"""Names of keys. All keys of a partition share one hash tag; a configurable prefix stands before every key."""

from datetime import date


class Keys:
    """Key names under one prefix. The prefix comes as the provider gave it, colon included."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix

    @property
    def prefix(self) -> str:
        """What stands before every key."""
        return self._prefix

    def probe(self) -> str:
        """A key that is written and deleted at start, to see whether that is permitted."""
        return f"{self._prefix}tollbook:probe"

    def of(self, partition: int, name: str) -> str:
        """A key of the partition: epoch, journal, state, limits, open, meters or clock."""
        return f"{self._prefix}tollbook:{{{partition}}}:{name}"

    def day(self, partition: int, day: str) -> str:
        """The hash of a day: what is settled and pending of each tenant."""
        return f"{self._prefix}tollbook:{{{partition}}}:d:{day}"

    def tenant(self, partition: int, tenant: str) -> str:
        """The hash of a tenant's other meters, of what all its meters hold, and of its limits."""
        return f"{self._prefix}tollbook:{{{partition}}}:t:{tenant}"

    def holds(self, partition: int, tenant: str) -> str:
        """The hash of a tenant's holds."""
        return f"{self._prefix}tollbook:{{{partition}}}:h:{tenant}"

    def expiries(self, partition: int, tenant: str) -> str:
        """The sorted set of a tenant's holds by when they end."""
        return f"{self._prefix}tollbook:{{{partition}}}:x:{tenant}"

    def throttled(self, tenant: str) -> str:
        """The flag a bare precheck reads."""
        return f"{self._prefix}throttled:{tenant}"

    def spend(self, tenant: str, day: date) -> str:
        """The day's spend in whole cents."""
        return f"{self._prefix}spend:{tenant}:{day.isoformat()}"

    def received(self, token_id: str) -> str:
        """The last requests of a webhook token, newest first."""
        return f"{self._prefix}tollbook:received:{token_id}"
