"""A ledger that has been in use for a month, made in minutes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from bench.report import Options
from bench.stack import Stack, running, statement
from bench.traffic import AGENTS, MODELS
from tollbook.domain.errors import StoreError
from tollbook.embedded.process import wait_until

_EPOCH_KEY = "tollbook:{0}:epoch"
_REBUILT_S = 300.0
_TOTALS = ("fill_identity", "fill_daily_spend", "fill_rollup_hour", "fill_run_total")
_INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = 'entry'"


@contextmanager
def filled(options: Options) -> Iterator[Stack]:
    """A stack whose ledger holds so many entries of so many tenants; kept where `--keep` says so."""
    place = None if options.keep is None else Path(options.keep) / f"{options.entries}-{options.tenants}"
    with running(place) as stack:
        fill(stack, entries=options.entries, tenants=options.tenants)
        yield stack


def fill(stack: Stack, *, entries: int, tenants: int) -> None:
    """Fill an empty ledger; nothing happens to one that holds that history already."""
    mark = f"{entries} entries of {tenants} tenants"
    postgres = stack.postgres
    found = postgres.value("SELECT obj_description('entry'::regclass)")
    if found == mark:
        return
    if found is not None or postgres.value("SELECT count(*) FROM entry") > 0:
        raise StoreError(f"the ledger in {stack.data} holds something else: {found}")
    began = perf_counter()
    postgres.execute("SET work_mem = '512MB'; SET maintenance_work_mem = '512MB'")
    indexes = postgres.rows(_INDEXES)
    for name, _ in indexes:
        postgres.execute(f"DROP INDEX {name}")
    # The newest lies a minute back, so that what a benchmark sends comes after everything.
    newest = datetime.fromtimestamp(datetime.now(UTC).timestamp() - 60, UTC)
    postgres.execute(statement("fill_entry"), entries, tenants, newest, list(AGENTS), list(MODELS))
    for _, definition in indexes:
        postgres.execute(definition.replace(" ON ONLY ", " ON "))
    for name in _TOTALS:
        postgres.execute(statement(name))
    postgres.execute("SELECT ledger_fold_anew()")
    postgres.execute("VACUUM (ANALYZE)")
    postgres.execute("CHECKPOINT")
    postgres.execute(f"COMMENT ON TABLE entry IS '{mark}'")
    _rebuild_counters(stack)
    print(f"  filled {mark} in {perf_counter() - began:.0f} s", flush=True)


def _rebuild_counters(stack: Stack) -> None:
    """Let the drain read every open total from Postgres, as it does after a lost Valkey."""
    with stack.valkey() as valkey:
        valkey.delete(_EPOCH_KEY)
        if not wait_until(lambda: bool(valkey.exists(_EPOCH_KEY)), deadline_seconds=_REBUILT_S, every_seconds=0.1):
            raise StoreError("the counters are not rebuilt")
