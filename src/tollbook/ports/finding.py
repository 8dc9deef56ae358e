"""Looking for single entries and runs, and following what is booked."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from tollbook.ports.reading import EntryRow

Cursor = tuple[datetime, str]
"""(ts, entry id) of the last entry of the page before."""

RunCursor = tuple[datetime, str, str]
"""(first ts, run, tenant) of the last run of the page before."""


class EntryFilter(NamedTuple):
    """What entries have to be; None and zero: anything.

    `agent` is a path of roles or of instances, with what is below it; `flags` all have to be set; `corrects` asks for
    corrections alone; `since` is included and `until` is not.
    """

    agent: str | None = None
    model: str | None = None
    provider: str | None = None
    run: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    cost_nanos_min: int | None = None
    flags: int = 0
    corrects: bool = False


class EntryPage(NamedTuple):
    """Entries that fit, and where to go on; `more` None: there are none behind."""

    rows: list[EntryRow]
    more: Cursor | None


class RunFilter(NamedTuple):
    """What runs have to be; `since` and `until` are about their first call."""

    agent: str | None = None
    model: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    cost_nanos_min: int | None = None


class RunListing(NamedTuple):
    """One run of one tenant, added up."""

    tenant: str
    run: str
    first_ts: datetime
    last_ts: datetime
    agents: int
    models: list[str]
    calls: int
    cost_nanos: int
    unpriced_nanos: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int


class RunPage(NamedTuple):
    """Runs that fit, and where to go on; `more` None: there are none behind."""

    rows: list[RunListing]
    more: RunCursor | None


class Seen(NamedTuple):
    """How far a follower has come in one partition: all up to this entry of this version."""

    version: int
    entry_id: str


class Followed(NamedTuple):
    """Entries in the order of their commits, by partition, and how far the follower has come with them."""

    rows: list[EntryRow]
    seen: dict[int, Seen]


ANY_ENTRY, ANY_RUN = EntryFilter(), RunFilter()


class Finding(Protocol):
    """Looks a bounded number of rows far in one call, so that no filter is slow: a page may be short, even empty, while
    `more` says where to go on. Methods raise `LedgerUnavailable` where Postgres is away."""

    async def entries(
        self, tenant: str | None, before: Cursor | None, count: int, wanted: EntryFilter = ANY_ENTRY
    ) -> EntryPage:
        """Up to `count` entries that fit, newest first, behind the cursor."""
        ...

    async def entry(self, tenant: str | None, entry_id: str, ts: datetime) -> EntryRow | None:
        """The entry of an id at its instant."""
        ...

    async def runs(
        self, tenant: str | None, before: RunCursor | None, count: int, wanted: RunFilter = ANY_RUN
    ) -> RunPage:
        """Up to `count` runs that fit, those that began last first, behind the cursor."""
        ...

    async def heads(self) -> dict[int, int]:
        """The version of each partition's newest transaction."""
        ...

    async def after(
        self,
        tenant: str | None,
        seen: Mapping[int, Seen],
        heads: Mapping[int, int],
        count: int,
        wanted: EntryFilter = ANY_ENTRY,
    ) -> Followed:
        """Up to `count` entries that fit and were committed behind `seen`, up to `heads`.

        Within a partition transactions commit in the order of their versions, so nothing can appear behind a follower.
        """
        ...
