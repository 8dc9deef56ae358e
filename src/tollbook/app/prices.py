"""The price book in force: read from the installed data and prices.toml, guarded, and followed while serving."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec
from genai_prices import __version__
from genai_prices.data import providers

from tollbook.alerting.judge import book_refused
from tollbook.domain.alert import Alert
from tollbook.domain.errors import ConfigError, StoreError, unreachable
from tollbook.ports.clock import Clock
from tollbook.ports.config import PriceCard
from tollbook.ports.prices import KeptBook, PriceStore
from tollbook.pricing.book import PriceBook, compile_book
from tollbook.pricing.diff import Move, moves
from tollbook.pricing.own import read_overrides
from tollbook.pricing.quote import Ceiling
from tollbook.pricing.snapshot import packed, unpacked
from tollbook.telemetry import PricesAdopted, PricesRefused, PricesStand, StoreTrouble, Telemetry

Ring = Callable[[Alert], Awaitable[None]]
"""Keeps an alert for whoever hears of it, once; raises `StoreError` where it could not."""

LOOK_S = 0.5
_OPEN_S = 5.0
"""How long a start waits for Postgres, which may be away for hours, before it prices by what is installed."""
_TOLD_EVERY = 20
"""Looks between two reports of how old the data is."""
_SELF = "tollbook"
_SHOWN_MAX = 5
_AND_FILE = " + prices.toml "


class Candidate(NamedTuple):
    """A book as the installed data and prices.toml make it, with what the ledger keeps of it."""

    book: PriceBook
    kept: KeptBook


def read_text(path: Path | None) -> str:
    """The text of prices.toml, empty where none is named. Raises `ConfigError` where it cannot be read."""
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def candidate_of(text: str, ceiling: Ceiling) -> Candidate:
    """Compile the installed data with a prices.toml; a good second. Raises `ConfigError`."""
    version = f"genai-prices {__version__}"
    if text.strip():
        version += f"{_AND_FILE}{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    book = compile_book(providers, unpriced=ceiling, version=version, own=read_overrides(text))
    return Candidate(book, KeptBook(book.digest, version, packed(providers), text))


def release_of(version: str) -> str:
    """The release of the data alone, of a version that also names a prices.toml."""
    return version.partition(_AND_FILE)[0]


def compiled_again(kept: KeptBook, ceiling: Ceiling) -> PriceBook:
    """The book of what the ledger keeps. Raises `ConfigError` where that is not enough."""
    if kept.data is None:
        raise ConfigError(f"the ledger does not keep what the price book {kept.digest} was compiled from")
    data = unpacked(kept.data)
    return compile_book(data, unpriced=ceiling, version=kept.version, own=read_overrides(kept.overrides))


async def book_in_force(store: PriceStore, ceiling: Ceiling) -> PriceBook | None:
    """The book that receivers price by, for whoever else prices; None before the first one is in force."""
    kept = await store.in_force()
    return None if kept is None else await asyncio.to_thread(compiled_again, kept, ceiling)


def price_cards(book: PriceBook) -> list[PriceCard]:
    """Every rate card of a book as the ledger keeps it."""
    return [PriceCard(row.price_id, row.provider, row.model, msgspec.json.encode(row).decode()) for row in book.rows()]


def why_refused(found: Sequence[Move], factor: Decimal) -> str:
    """What moves too far, in a line for a log."""
    shown = [
        f"{move.provider} {move.model} {move.unit} ${move.before_usd} -> ${move.after_usd}"
        for move in found[:_SHOWN_MAX]
    ]
    more = f" and {len(found) - _SHOWN_MAX} more" if len(found) > _SHOWN_MAX else ""
    return f"{len(found)} prices move by more than {factor} times: {'; '.join(shown)}{more}"


class PriceKeeper:
    """Holds the book in force, and hands the next one to who follows.

    A book whose prices move too far waits until it is accepted, and the book accepted last stays in force: compiled
    from what the ledger keeps, so that it also outlives the release it came from.
    """

    def __init__(
        self,
        store: PriceStore,
        clock: Clock,
        telemetry: Telemetry,
        *,
        path: Path | None,
        ceiling: Ceiling,
        factor_max: Decimal,
        ring: Ring | None = None,
    ) -> None:
        self._ring = ring
        self._unrung: Alert | None = None
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._path = path
        self._ceiling = ceiling
        self._factor_max = factor_max
        self._followers: list[Callable[[PriceBook], None]] = []
        self._book: PriceBook | None = None
        self._candidate: Candidate | None = None
        self._undecided = False
        self._stamp: tuple[int, ...] = ()
        self._seen: tuple[int, ...] = ()
        self._looks = 0

    @property
    def book(self) -> PriceBook:
        """The book in force."""
        if self._book is None:
            unreachable("prices are asked for before they were opened")
        return self._book

    @property
    def waiting(self) -> bool:
        """Whether a book waits to be accepted."""
        return self._candidate is not None and self._candidate.book.digest != self.book.digest

    def follow(self, take: Callable[[PriceBook], None]) -> None:
        """Hand every book that comes into force from now on to this."""
        self._followers.append(take)

    async def open(self) -> PriceBook:
        """Find the book to start with. Raises `ConfigError` where prices.toml is wrong and the ledger keeps none."""
        self._stamp = self._seen = self._stamped()
        try:
            self._candidate = await asyncio.to_thread(self._read)
        except ConfigError as error:
            await self._open_kept(error)
            return self.book
        try:
            async with asyncio.timeout(_OPEN_S):
                await self._decide()
        except (StoreError, TimeoutError) as trouble:
            # With Postgres away events are taken and priced all the same; the guard looks again when it is back.
            self._undecided = True
            self._telemetry.record(StoreTrouble("postgres", "prices are compared later", str(trouble)))
            self._adopt(self._candidate.book)
        return self.book

    async def run(self) -> None:
        """Follow prices.toml and what is accepted, for ever."""
        while True:
            await self.look()
            await self._clock.pause(LOOK_S)

    async def look(self) -> None:
        """Look once. A change of the file counts when it was there at two looks: nobody is half way through it."""
        stamp = self._stamped()
        settled, self._seen = stamp == self._seen, stamp
        try:
            if stamp != self._stamp and settled:
                self._stamp = stamp
                await self._reread()
            elif self._undecided:
                await self._decide()
            elif self.waiting:
                await self._hear()
            if self._looks % _TOLD_EVERY == 0:
                await self._tell()
            if self._unrung is not None and self._ring is not None:
                await self._ring(self._unrung)
                self._unrung = None
            self._looks += 1
        except StoreError as trouble:
            self._telemetry.record(StoreTrouble("postgres", "prices are stored later", str(trouble)))

    async def _reread(self) -> None:
        try:
            self._candidate = await asyncio.to_thread(self._read)
        except ConfigError as error:
            self._refused("", f"{error}; prices stay as they were")
            return
        self._undecided = True
        await self._decide()

    async def _decide(self) -> None:
        """Take the candidate, unless a known price moves too far from the book accepted last."""
        candidate = self._candidate
        if candidate is None:
            return
        await self._store.keep(candidate.kept, price_cards(candidate.book))
        last = await self._store.in_force()
        if last is not None and last.digest != candidate.book.digest and last.data is not None:
            base = self._book
            if base is None or base.digest != last.digest:
                base = await asyncio.to_thread(compiled_again, last, self._ceiling)
            found = await asyncio.to_thread(self._too_far, base, candidate.book)
            if found:
                why = why_refused(found, self._factor_max)
                await self._store.refuse(candidate.book.digest, why)
                self._undecided = False
                self._adopt(base)
                self._refused(candidate.book.digest, why)
                return
        if last is None or last.digest != candidate.book.digest:
            await self._store.accept(candidate.book.digest, _SELF, self._clock.now())
        self._undecided = False
        self._adopt(candidate.book)

    async def _hear(self) -> None:
        """Take the candidate once somebody has accepted it."""
        last = await self._store.in_force()
        if self._candidate is not None and last is not None and last.digest == self._candidate.book.digest:
            self._adopt(self._candidate.book)

    async def _tell(self) -> None:
        since = await self._store.data_since(release_of(self.book.version))
        age_s = 0.0 if since is None else max(0.0, (self._clock.now() - since).total_seconds())
        self._telemetry.record(PricesStand(age_s, self.waiting))

    async def _open_kept(self, error: ConfigError) -> None:
        """Start with the book accepted last where prices.toml is wrong: events go on being priced."""
        try:
            last = await self._store.in_force()
        except StoreError as trouble:
            raise error from trouble
        if last is None:
            raise error
        self._adopt(await asyncio.to_thread(compiled_again, last, self._ceiling))
        self._refused("", f"{error}; the prices accepted last are in force")

    def _adopt(self, book: PriceBook) -> None:
        if self._book is not None and self._book.digest == book.digest and self._book.ceiling == book.ceiling:
            return
        self._book = book
        for take in self._followers:
            take(book)
        self._telemetry.record(PricesAdopted(book.version, book.digest, len(book)))

    def _refused(self, digest: str, why: str) -> None:
        self._telemetry.record(PricesRefused(digest, why))
        # Rung at a look, which comes again where Postgres is away.
        self._unrung = book_refused(digest, why, self._clock.now().date().isoformat())

    def _too_far(self, base: PriceBook, after: PriceBook) -> list[Move]:
        return [move for move in moves(base, after, self._clock.now()) if move.exceeds(self._factor_max)]

    def _read(self) -> Candidate:
        return candidate_of(read_text(self._path), self._ceiling)

    def _stamped(self) -> tuple[int, ...]:
        if self._path is None:
            return ()
        try:
            found = self._path.stat()
        except OSError:
            return (0,)
        return (found.st_mtime_ns, found.st_size, found.st_ino)
