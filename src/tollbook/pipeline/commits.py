"""How `ack=ledger` learns that its very record is committed: by nonce, never by position."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tollbook.domain.errors import LedgerUnavailable
from tollbook.ports.clock import Clock
from tollbook.ports.ledger import Ledger

_POLL_S = 0.005
_REMEMBERED_MAX = 10_000


class CommitTimeout(LedgerUnavailable):
    """The record was not committed in time; it may be later, so the sender retries with the same ids."""

    code = "commit_timeout"


class CommitWatch:
    """Reads the nonces of committed transactions while somebody waits for one, and only then."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._seen: dict[int, int] = {}
        # A record may be committed before its sender gets to wait for it; the newest are remembered for that moment.
        self._committed: OrderedDict[bytes, None] = OrderedDict()
        self._waiting: dict[bytes, asyncio.Future[None]] = {}
        self._users = 0
        self._polling: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Note where the ledger stands; records are posted and waited for inside."""
        if self._users == 0:
            seen = await self._ledger.versions()
            # Another sender may have begun meanwhile: its view is older, and must stay.
            if self._users == 0:
                self._seen = seen
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1

    async def wait(self, nonces: Sequence[bytes], timeout_s: float) -> None:
        """Return once every record is committed; raises `CommitTimeout` after `timeout_s` seconds."""
        loop = asyncio.get_running_loop()
        futures = [
            self._waiting.setdefault(nonce, loop.create_future()) for nonce in nonces if nonce not in self._committed
        ]
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll(), name="commit-watch")
        try:
            async with asyncio.timeout(timeout_s):
                for future in futures:
                    await asyncio.shield(future)
        except TimeoutError as error:
            raise CommitTimeout(f"not committed within {timeout_s} s") from error

    async def _poll(self) -> None:
        try:
            while self._users:
                for partition, version, nonces in await self._committed_since():
                    self._seen[partition] = version
                    for nonce in nonces:
                        self._remember(nonce)
                await self._clock.pause(_POLL_S)
        finally:
            self._polling = None
            self._waiting.clear()

    async def _committed_since(self) -> list[tuple[int, int, list[bytes]]]:
        try:
            return await self._ledger.nonces_since(self._seen)
        except LedgerUnavailable:
            return []

    def _remember(self, nonce: bytes) -> None:
        self._committed[nonce] = None
        if len(self._committed) > _REMEMBERED_MAX:
            self._committed.popitem(last=False)
        future = self._waiting.pop(nonce, None)
        if future is not None and not future.done():
            future.set_result(None)
