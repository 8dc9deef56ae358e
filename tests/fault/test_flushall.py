"""FLUSHALL under load: counters and flags come back by themselves, and what is lost is exactly what was not drained."""

import struct
import time
from collections.abc import Iterator
from random import Random

import redis

from tests.fault.senders import Tally
from tests.fault.shared import Shared, eventually, more_acked

FLUSHES = 20
# The drain notices within its tick of a second and rebuilds in milliseconds; the rest is for a busy machine.
BACK_S = 20.0
_TENANT_COLUMN, _EVENT_ID_COLUMN, _COLUMNS = 18, 26, 33


def flush(valkey: redis.Redis, partitions: int) -> set[tuple[str, str]]:
    """Empty the server; the (tenant, id) of every event that its journal held at that very moment."""
    with valkey.pipeline(transaction=True) as together:
        for partition in range(partitions):
            together.xrange(f"tollbook:{{{partition}}}:journal")
        together.flushall()
        *journals, _ = together.execute()
    return {event for journal in journals for _, fields in journal for event in events_of(fields[b"e"])}


def events_of(rows: bytes) -> Iterator[tuple[str, str]]:
    """The (tenant, id) of each row, read as PostgreSQL's binary COPY format has it."""
    at = 0
    while at < len(rows):
        (columns,) = struct.unpack_from(">h", rows, at)
        assert columns == _COLUMNS
        at += 2
        texts = []
        for _ in range(columns):
            (length,) = struct.unpack_from(">i", rows, at)
            at += 4
            texts.append(rows[at : at + max(length, 0)])
            at += max(length, 0)
        yield texts[_TENANT_COLUMN].decode(), texts[_EVENT_ID_COLUMN].decode()


def test_a_flush_under_load_loses_only_what_was_not_drained_and_nothing_acknowledged_by_the_ledger(
    shared: Shared,
) -> None:
    system = shared.system
    random = Random("flushes")
    in_journal: set[tuple[str, str]] = set()
    before = Tally()
    before.add(shared.tally)
    slowest = 0.0
    with shared.valkey() as valkey:
        with shared.sending(2, ledger_share=1.0) as surely, shared.sending(2, pause_s=0.02) as senders:
            for number in range(FLUSHES):
                more_acked(senders, 5 + random.randrange(40))
                if number % 5 == 4:
                    # A drain that is late leaves something to lose.
                    system.drains[0].pause()
                    more_acked(senders, 30)
                in_journal |= flush(valkey, system.partitions)
                flushed_at = time.monotonic()
                system.drains[0].resume()
                eventually(lambda: bool(valkey.exists("throttled:stark")), "the flag is back", BACK_S)
                slowest = max(slowest, time.monotonic() - flushed_at)
            more_acked(senders, 50)
            more_acked(surely, 50)
            by_ledger = {key for sender in surely for key in sender.tally.acked}
        # What never was acknowledged, or only after the flush, was sent again: no flush took it.
        system.await_rest()
    verdict = system.audit(shared.tally, lost_allowed=True)
    assert not verdict.differences, "\n".join(verdict.differences)
    assert verdict.missing, "nothing was lost: the flushes met no journal worth the name"
    assert verdict.missing <= in_journal, "lost, though no flush found it in the journal"
    assert not verdict.missing & by_ledger, "acknowledged by the ledger, and lost"
    assert not verdict.missing & before.acked.keys(), "settled before the first flush, and lost"
    print(f"{FLUSHES} flushes, {len(verdict.missing)} events lost, flags back within {slowest:.1f} s")
    for key in verdict.missing:
        del shared.tally.acked[key]
