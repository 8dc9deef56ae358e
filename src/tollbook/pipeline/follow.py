"""Follows behind a partition's drain and adds what was booked to the rollups that views read.

Nothing depends on how far it has come: whoever reads adds what is behind the cursor.
"""

from typing import NamedTuple

from tollbook.domain.errors import StoreError
from tollbook.ports.clock import Clock
from tollbook.ports.views import Rollups
from tollbook.telemetry import StoreTrouble, Telemetry


class FollowSettings(NamedTuple):
    """How often it looks and how much it takes at once; the pause is at least `rest` times the work before it."""

    poll_s: float = 1.0
    versions_max: int = 100
    rest: float = 5.0


_DEFAULT = FollowSettings()


class Follower:
    """The follower of one partition, until cancelled."""

    def __init__(
        self,
        partition: int,
        rollups: Rollups,
        clock: Clock,
        telemetry: Telemetry,
        settings: FollowSettings = _DEFAULT,
    ) -> None:
        self._partition = partition
        self._rollups = rollups
        self._clock = clock
        self._telemetry = telemetry
        self._settings = settings

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            began = self._clock.monotonic()
            try:
                await self.step()
            except StoreError as trouble:
                self._telemetry.record(StoreTrouble("postgres", "rollups are added to later", str(trouble)))
            # The drain beside it comes first: what it books is what there is to add.
            worked = self._clock.monotonic() - began
            await self._clock.pause(max(self._settings.poll_s, self._settings.rest * worked))

    async def step(self) -> bool:
        """Add what was booked, so much at once; whether anything was added."""
        return await self._rollups.fold(self._partition, self._settings.versions_max) > 0
