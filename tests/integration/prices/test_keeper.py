"""The price book in force on a real ledger: followed, guarded, and kept beyond the release it came from."""

import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest
from genai_prices.data import providers

from tests.world import Recorded, World
from tollbook.app import prices as keeping
from tollbook.app.prices import PriceKeeper
from tollbook.domain.alert import Alert, AlertKind
from tollbook.domain.errors import ConfigError, LedgerUnavailable
from tollbook.ledger.prices import PostgresPrices
from tollbook.ports.prices import KeptBook
from tollbook.pricing.book import PriceBook
from tollbook.pricing.quote import Ceiling
from tollbook.telemetry import PricesAdopted, PricesRefused, PricesStand

T = TypeVar("T")

OWN = """
[[model]]
provider = "acme"
model = "m"
usd = { input_tokens = %s, output_tokens = 1 }
"""


@pytest.fixture(autouse=True)
def few_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """One provider of the installed data: to compile all of it takes a second."""
    monkeypatch.setattr(keeping, "providers", [one for one in providers if one.id == "anthropic"])


class Kept:
    """A keeper on a world's ledger, looked through step by step."""

    def __init__(self, world: World, path: Path | None, store: PostgresPrices | None = None) -> None:
        self.world = world
        self.told = Recorded()
        self.store = store or PostgresPrices(world.pool, world.queries)
        self.path = path
        self.keeper = PriceKeeper(
            self.store,
            world.clock,
            self.told,
            path=path,
            ceiling=Ceiling(),
            factor_max=Decimal(3),
            ring=self.ring,
        )
        self.rung: list[Alert] = []
        self.away = 0
        self.followed: list[PriceBook] = []
        self.keeper.follow(self.followed.append)

    async def ring(self, alert: Alert) -> None:
        if self.away:
            self.away -= 1
            raise LedgerUnavailable("away")
        if await self.world.alerts.ring(alert, self.world.clock.now()) is not None:
            self.rung.append(alert)

    def open(self) -> PriceBook:
        return self.world.run(self.keeper.open())

    def look(self, times: int = 2) -> None:
        """A change of the file counts at the second look."""
        for _ in range(times):
            self.world.run(self.keeper.look())

    def of(self, kind: type[T]) -> list[T]:
        return [record for record in self.told.happened if isinstance(record, kind)]

    def in_force(self) -> KeptBook | None:
        return self.world.run(self.store.in_force())

    def input_usd(self) -> object:
        rows = [row for row in self.keeper.book.rows() if row.provider == "acme"]
        return rows[0].rates["input_tokens"]["usd"] if rows else None


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write prices.toml as a person does: through another file, renamed over it."""
    path = tmp_path / "prices.toml"

    def written(text: str) -> Path:
        draft = tmp_path / "draft"
        draft.write_text(text)
        os.replace(draft, path)
        return path

    return written


def test_the_first_book_is_taken_and_kept_with_every_card(world: World, write: Callable[[str], Path]) -> None:
    kept = Kept(world, write(OWN % 1))
    book = kept.open()
    found = kept.in_force()
    assert found is not None
    assert (found.digest, found.accepted_by, found.overrides) == (book.digest, "tollbook", OWN % 1)
    stored = world.run(world.pool.fetchval("SELECT count(*) FROM price"))
    assert stored == len(book) + 1
    assert world.run(kept.store.data_since("genai-prices " + keeping.__version__)) is not None


def test_a_changed_file_is_in_force_at_the_second_look(world: World, write: Callable[[str], Path]) -> None:
    kept = Kept(world, write(OWN % 1))
    kept.open()
    write(OWN % 2)
    kept.look(1)
    assert kept.input_usd() == "1"
    kept.look(1)
    assert kept.input_usd() == "2"
    assert kept.followed[-1] is kept.keeper.book
    found = kept.in_force()
    assert found is not None
    assert found.digest == kept.keeper.book.digest


def test_a_broken_file_keeps_the_book_and_is_told_once(world: World, write: Callable[[str], Path]) -> None:
    kept = Kept(world, write(OWN % 1))
    book = kept.open()
    write("[[model")
    kept.look(4)
    assert kept.keeper.book is book
    assert [("prices.toml" in told.why, told.digest) for told in kept.of(PricesRefused)] == [(True, "")]
    write(OWN % 2)
    kept.look()
    assert kept.input_usd() == "2"


def test_a_book_that_is_refused_rings_once_a_day(world: World, write: Callable[[str], Path]) -> None:
    kept = Kept(world, write(OWN % 1))
    kept.open()
    write(OWN % 4)
    kept.away = 1
    kept.look(5)
    (rung,) = kept.rung
    assert (rung.kind, rung.tenant) == (AlertKind.BOOK_REFUSED, "")
    assert "1 prices move" in str(rung.facts["reason"])
    # A second receiver finds the same, and what is wrong with the file is another matter.
    second = Kept(world, kept.path)
    second.open()
    second.look(2)
    assert second.rung == []
    write("[[model")
    second.look(3)
    assert ["prices.toml" in alert.text for alert in second.rung] == [True]


def test_a_file_that_is_gone_is_told_too(world: World, write: Callable[[str], Path]) -> None:
    kept = Kept(world, path := write(OWN % 1))
    book = kept.open()
    path.unlink()
    kept.look(3)
    assert kept.keeper.book is book
    assert "cannot be read" in kept.of(PricesRefused)[0].why


def test_a_price_that_moves_too_far_waits_until_it_is_accepted(world: World, write: Callable[[str], Path]) -> None:
    kept = Kept(world, write(OWN % 1))
    kept.open()
    write(OWN % 4)
    kept.look(4)
    assert (kept.input_usd(), kept.keeper.waiting) == ("1", True)
    (refused,) = kept.of(PricesRefused)
    assert "acme m input_tokens $1 -> $4" in refused.why
    (waits,) = world.run(kept.store.named(refused.digest[:10]))
    assert (waits.refused, waits.accepted_at) == (refused.why, None)
    assert world.run(kept.store.accept(refused.digest, "ann", world.clock.now()))
    kept.look(1)
    assert (kept.input_usd(), kept.keeper.waiting) == ("4", False)
    found = kept.in_force()
    assert found is not None
    assert (found.digest, found.accepted_by, found.refused) == (refused.digest, "ann", None)


def test_the_accepted_book_outlives_the_release_it_came_from(
    world: World, write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new release whose prices moved too far is installed: after a restart the old prices are in force."""
    kept = Kept(world, write(OWN % 1))
    before = kept.open()
    monkeypatch.setattr(keeping, "__version__", "0.9.9")
    write(OWN % 40)
    restarted = Kept(world, kept.path)
    restarted.open()
    assert restarted.keeper.book.digest == before.digest
    assert restarted.keeper.waiting
    assert restarted.of(PricesRefused)
    restarted.look(1)
    assert restarted.of(PricesStand)[-1].waiting


def test_a_restart_with_a_broken_file_starts_with_the_prices_accepted_last(
    world: World, write: Callable[[str], Path]
) -> None:
    first = Kept(world, write(OWN % 1))
    digest = first.open().digest
    restarted = Kept(world, write("[[model"))
    assert restarted.open().digest == digest
    assert restarted.of(PricesRefused)


def test_the_first_start_with_a_broken_file_is_refused(world: World, write: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError, match=r"prices\.toml"):
        Kept(world, write("[[model")).open()


def test_with_postgres_away_prices_are_there_and_judged_when_it_is_back(
    world: World, write: Callable[[str], Path]
) -> None:
    Kept(world, write(OWN % 1)).open()
    away = Kept(world, write(OWN % 9), PostgresPrices(_closed_pool(world), world.queries))
    away.open()
    assert away.input_usd() == "9"
    away.keeper._store = PostgresPrices(world.pool, world.queries)
    away.look(1)
    assert (away.input_usd(), away.keeper.waiting) == ("1", True)


def _closed_pool(world: World) -> object:
    from tollbook.ledger.pool import connect_pool

    return world.run(
        connect_pool("postgresql://u:p@127.0.0.1:1/none", world.queries, connections_max=1, timeout_s=1, staging=False)
    )


def test_the_same_book_is_adopted_once(world: World, write: Callable[[str], Path]) -> None:
    kept = Kept(world, write(OWN % 1))
    kept.open()
    write("# a remark\n" + OWN % 1)
    kept.look()
    assert len(kept.of(PricesAdopted)) == 1


def test_two_processes_with_one_file_agree(world: World, write: Callable[[str], Path]) -> None:
    path = write(OWN % 1)
    one, other = Kept(world, path), Kept(world, path)
    one.open()
    other.open()
    write(OWN % 2)
    one.look()
    other.look()
    assert one.keeper.book.digest == other.keeper.book.digest
    assert world.run(world.pool.fetchval("SELECT count(*) FROM price_book WHERE accepted_at IS NOT NULL")) == 2
