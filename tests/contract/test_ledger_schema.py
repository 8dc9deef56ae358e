"""The schema is the sum of its migrations, and the statements on the money path are served by their indexes."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from importlib import resources
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from pogo_core.util.migrate import rollback

from tests.contract.ledger_case import LedgerCase, open_case
from tests.core_world import event
from tests.servers import execute, with_database
from tollbook.domain.errors import ConfigError
from tollbook.domain.rows import COLUMN_NAMES
from tollbook.ledger.booking import oldest_week, week_of
from tollbook.ledger.migrate import migrate
from tollbook.ledger.queries import Queries

pytestmark = pytest.mark.anyio

IDENTITIES, ENTRIES, STAGED = 40_000, 4_000, 2_000

CATALOG = """
SELECT 'column', table_name || '.' || column_name,
       concat_ws(' ', data_type, is_nullable, column_default, generation_expression, ordinal_position::text)
FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL
SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT 'constraint', c.relname || '.' || conname, pg_get_constraintdef(o.oid)
FROM pg_constraint o JOIN pg_class c ON c.oid = conrelid WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT 'function', proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL
SELECT 'storage', relname, reloptions::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
ORDER BY 1, 2, 3
"""


@pytest.fixture
def empty_url(request: pytest.FixtureRequest, ledger_url: str) -> Iterator[str]:
    """A database without anything in it, on the server of `ledger_url`."""
    name = f"{ledger_url.rpartition('/')[2]}_empty"
    admin = with_database(ledger_url, "postgres")
    execute(admin, f'CREATE DATABASE "{name}"')
    yield with_database(ledger_url, name)
    execute(admin, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def case(ledger_url: str, anyio_backend: str) -> AsyncIterator[LedgerCase]:
    async with open_case(ledger_url) as opened:
        yield opened


async def catalog(url: str) -> list[tuple[str, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(CATALOG)]
    finally:
        await connection.close()


def migrations() -> Path:
    return Path(str(resources.files("tollbook.ledger") / "migrations"))


async def test_migrating_again_changes_nothing(case: LedgerCase) -> None:
    """Every process migrates at its start: the second time finds nothing to do and loses nothing."""
    await case.book(event(id="a"))
    before = await catalog(case.url)
    await migrate(case.url)
    assert await catalog(case.url) == before
    assert await case.entries() == ["a"]


async def test_rolled_back_and_applied_again_is_the_same_schema(case: LedgerCase, empty_url: str) -> None:
    """Each migration's rollback takes away exactly what it brought."""
    await migrate(empty_url)
    whole = await catalog(empty_url)
    assert whole == await catalog(case.url)
    connection = await asyncpg.connect(empty_url)
    try:
        count = len(list(migrations().glob("*.sql")))
        assert count >= 2
        await rollback(connection, migrations(), count=count, schema_name="public")
        left = {row[1] for row in await connection.fetch(CATALOG) if row[0] == "storage"}
        assert {name for name in left if "pogo" not in name} == set()
    finally:
        await connection.close()
    await migrate(empty_url)
    assert await catalog(empty_url) == whole


async def test_a_new_ledger_has_the_partitions_asked_for(empty_url: str) -> None:
    """The number is free until something is booked, and then stays."""
    await migrate(empty_url, partitions=7)
    async with open_case(empty_url) as case:
        assert sorted(await case.ledger.versions()) == list(range(7))
        await migrate(empty_url, partitions=2)
        assert sorted(await case.ledger.versions()) == [0, 1]
        await case.book(event(id="a"))
        with pytest.raises(ConfigError, match="2 partitions"):
            await migrate(empty_url, partitions=9)
        assert sorted(await case.ledger.versions()) == [0, 1]


async def fill(case: LedgerCase) -> None:
    """Enough rows, spread as a live ledger spreads them, that a wrong plan would be dear."""
    await case.execute(
        """
        INSERT INTO identity (generation, entry_id, fingerprint)
        SELECT $1::integer - (n % 10), md5(n::text)::uuid, n FROM generate_series(1, $2::integer) n
        """,
        week_of(case.now),
        IDENTITIES,
    )
    await case.execute(
        """
        INSERT INTO entry (entry_id, ts, cost_nanos, version, input, output, cache_read, cache_write_5m,
            cache_write_1h, reasoning, day, partition, flags, tenant, agent, model, source)
        SELECT md5(n::text)::uuid, $1::timestamptz - n * interval '1 minute', 1, n, 0, 0, 0, 0, 0, 0, current_date,
            0, 0, 't' || n % 50, 'a', 'm', 's' FROM generate_series(1, $2::integer) n
        """,
        case.now,
        ENTRIES,
    )
    await case.execute(
        """
        INSERT INTO daily_spend (tenant_id, day, cost_nanos, calls, input, output, unpriced_nanos, window_start,
            window_end, partition)
        SELECT 't' || n % 50, current_date - n / 50, 1, 1, 0, 0, 0, $1::timestamptz - (n / 50) * interval '1 day',
            $1::timestamptz - (n / 50 - 1) * interval '1 day', n % 4 FROM generate_series(1, 20000) n
        """,
        case.now,
    )
    await case.execute(
        """
        INSERT INTO ledger_batch (partition, version, nonces, tenants, days, events, duplicates)
        SELECT n % 4, n, ARRAY[md5(n::text)::uuid], ARRAY['t1'], ARRAY[current_date], 1, 0
        FROM generate_series(1, 20000) n
        """
    )
    await case.execute(
        """
        INSERT INTO inbox (partition, nonce, events, row_bytes)
        SELECT n % 4, md5(n::text)::uuid, 1, 'rows' FROM generate_series(1, 8000) n
        """
    )
    await case.execute(
        """
        INSERT INTO meter_total (tenant, meter, total, until_ms, partition, touched_at)
        SELECT 't' || n % 500, 'm' || n, 1, n, n % 4, $1::timestamptz FROM generate_series(1, 20000) n
        """,
        case.now,
    )
    await case.execute(
        """
        INSERT INTO budget (tenant, id, scope, match, window_kind, unit, limit_amount, thresholds, action, version,
            updated_by)
        SELECT 't' || n % 5000, n::text, 'agent', 'a' || n, 'day', 'usd', 1, '{}', 'block', 1, 'test'
        FROM generate_series(1, 20000) n
        """
    )
    await case.execute("ANALYZE")


async def plan_of(connection: asyncpg.Connection, name: str, *args: object) -> list[dict[str, object]]:
    """The nodes of a statement's plan as the server would run it with these parameters."""
    await connection.execute("SET plan_cache_mode TO force_custom_plan")
    found = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {Queries()[name]}", *args)
    waiting, nodes = [json.loads(found)[0]["Plan"]], []
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        waiting += node.get("Plans", [])
    return nodes


def indexes_in(nodes: list[dict[str, object]]) -> set[str]:
    return {re.sub(r"\d+(_\d+)*", "N", str(node["Index Name"])) for node in nodes if "Index Name" in node}


def scanned_in(nodes: list[dict[str, object]]) -> set[str]:
    """Tables read from end to end; an empty partition has nothing an index could save."""
    scans = [node for node in nodes if node["Node Type"] == "Seq Scan" and node["Plan Rows"] > 1]
    return {str(node["Relation Name"]) for node in scans}


BIG = re.compile(r"(identity|entry)(_|$)|daily_spend|ledger_batch|inbox|meter_total|budget")


async def test_the_money_path_reads_big_tables_by_their_indexes(case: LedgerCase) -> None:
    """No statement of a transaction, of a catch-up or of the inbox scans a table that grows."""
    await fill(case)
    week, soon = week_of(case.now), case.now + timedelta(hours=1)
    statements: list[tuple[str, tuple[object, ...], str]] = [
        ("staging_drop_known_timed", (), "identity_N_pkey"),
        ("staging_drop_known_untimed", (oldest_week(case.now), week), "identity_N_pkey"),
        ("observation_judge", (oldest_week(case.now), week), "identity_N_pkey"),
        ("observation_judge", (oldest_week(case.now), week), "entry_N_corrects_nth_idx"),
        ("group_void", ([], oldest_week(case.now), week), "identity_N_pkey"),
        ("catch_up_totals", (0, 19_900), "daily_spend_pkey"),
        ("catch_up_totals", (0, 19_900), "ledger_batch_pkey"),
        ("day_totals", (["t1", "t2"], [case.now.date()] * 2), "daily_spend_pkey"),
        ("nonces_since", ([0, 1], [19_900, 19_900]), "ledger_batch_pkey"),
        ("inbox_peek", (0, 64), ""),
        ("inbox_take", ([1, 2, 3],), "inbox_pkey"),
        ("open_totals", (0, case.now - timedelta(days=3), "", case.now.date(), 500), "daily_spend_open"),
        ("batch_prune", (0, 100, soon), "ledger_batch_pkey"),
        ("partition_version", (0,), "ledger_batch_pkey"),
        ("meters_add", (0, ["agent", "run"], case.now), "budget_meter"),
        ("catch_up_meters", (0, 19_900), "meter_total_pkey"),
        ("catch_up_meters", (0, 19_900), "ledger_batch_pkey"),
        ("catch_up_holds", (0, 19_900), "ledger_batch_pkey"),
        ("meter_totals", (["t1"], ["m1"]), "meter_total_pkey"),
        ("open_meters", (0, 19_900, "", "", 500), "meter_total_open"),
        ("meters_prune", (0, 100, case.now - timedelta(days=35), 100), "meter_total_open"),
    ]
    async with case.pool.acquire() as connection, connection.transaction():
        resolved = case.records(*(event(id=f"e{number}") for number in range(STAGED)))[0]
        stream = b"PGCOPY\n\xff\r\n\x00" + bytes(8) + resolved.rows + b"\xff\xff"
        await connection.copy_to_table("staging", source=_once(stream), format="binary", columns=COLUMN_NAMES)
        assert await connection.fetchval("SELECT count(*) FROM staging") == STAGED
        assert (await connection.fetchrow(case.queries["partition_lock"], 0))["version"] == 0
        for name, args, index in statements:
            nodes = await plan_of(connection, name, *args)
            assert not [table for table in scanned_in(nodes) if BIG.match(table)], (name, nodes)
            assert not index or index in indexes_in(nodes), (name, indexes_in(nodes))
        await connection.execute("SET LOCAL plan_cache_mode TO auto")


async def _once(stream: bytes) -> AsyncIterator[bytes]:
    yield stream


async def test_a_total_is_updated_in_place(case: LedgerCase) -> None:
    """Updates of a total change no index: they are heap-only, so that a busy tenant's row does not bloat them."""
    for number in range(20):
        await case.book(event(id=f"e{number}", run="r"))
    async with case.pool.acquire() as connection:
        await connection.execute("SELECT pg_stat_force_next_flush()")
        rows = await connection.fetch("SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables")
    updated = {row["relname"]: (row["n_tup_upd"], row["n_tup_hot_upd"]) for row in rows}
    assert updated["daily_spend"] == updated["rollup_hour"] == updated["run_total"] == (19, 19)


async def test_ids_are_kept_as_16_bytes(case: LedgerCase) -> None:
    """An identity is a hash, not the text: an id of 512 characters costs no more than a short one."""
    await case.book(event(id="x" * 512))
    (identity,) = await case.rows("SELECT entry_id FROM identity")
    assert isinstance(identity["entry_id"], UUID)
