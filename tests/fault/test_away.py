"""A store that is away, full or gone for good: nothing acknowledged is lost, and senders are told the truth."""

import time

import redis

from tests.fault.shared import Shared, eventually, more_acked, unpriced


def test_postgres_may_be_away_while_events_are_taken_counted_and_enforced(shared: Shared) -> None:
    system = shared.system
    with shared.sending(tenants=("acme", "hooli")) as senders, shared.valkey() as valkey:
        more_acked(senders, 50)
        system.postgres.kill()
        gone_at = time.monotonic()
        assert not valkey.exists("throttled:late")
        more_acked(senders, 200)
        # $60: over the default limit while only the journal knows of it.
        assert shared.post(unpriced("late", "late-1", 3_000_000))[0] == 202
        assert valkey.exists("throttled:late")
        eventually(lambda: time.monotonic() > gone_at + 20, "twenty seconds without Postgres")
        more_acked(senders, 50)
        system.postgres.restart()
        more_acked(senders, 50)
    shared.assert_right()


def test_valkey_may_be_away_while_events_go_to_the_inbox(shared: Shared) -> None:
    system = shared.system
    with shared.sending() as senders:
        more_acked(senders, 50)
        # A frozen drain leaves the inbox as the receivers fill it.
        system.drains[0].pause()
        system.valkey.kill()
        more_acked(senders, 200)
        assert shared.inbox_records() > 0
        system.drains[0].resume()
        eventually(lambda: shared.inbox_records() == 0, "the inbox drained without Valkey")
        more_acked(senders, 50)
        system.valkey.restart()
        more_acked(senders, 50)
    shared.assert_right()


def test_with_both_stores_away_a_sender_is_told_when_to_come_back(shared: Shared) -> None:
    system = shared.system
    with shared.sending() as senders:
        more_acked(senders, 20)
        system.valkey.kill()
        system.postgres.kill()
        event = unpriced("acme", "both-away", 1)
        for ack in ("journal", "ledger"):
            status, retry_after = shared.post(event, ack=ack)
            assert status == 503
            assert retry_after is not None
            assert int(retry_after) >= 1
        system.postgres.restart()
        more_acked(senders, 50)
        system.valkey.restart()
        more_acked(senders, 50)
    shared.assert_right()


def test_a_full_valkey_sends_records_to_the_inbox_and_still_lets_the_drain_settle(shared: Shared) -> None:
    system = shared.system
    with shared.valkey() as valkey:
        before = valkey.config_get("maxmemory")["maxmemory"]
        try:
            with shared.sending() as senders:
                more_acked(senders, 50)
                system.drains[0].pause()
                valkey.config_set("maxmemory", 1)
                more_acked(senders, 200)
                assert shared.inbox_records() > 0
                system.drains[0].resume()
                more_acked(senders, 50)
            # Full as it is, the journal empties and the counters are set.
            system.await_rest()
            assert refused(valkey)
        finally:
            valkey.config_set("maxmemory", before)
    shared.assert_right()


def refused(valkey: redis.Redis) -> bool:
    """Whether the server takes no more writes."""
    try:
        valkey.set("one-more", "1")
    except redis.exceptions.OutOfMemoryError:
        return True
    return False


def test_a_receiver_that_started_without_valkey_takes_events_without_postgres_later(shared: Shared) -> None:
    system = shared.system
    system.await_rest()
    system.valkey.kill()
    system.serves[0].kill()
    system.serves[0].start()
    system.await_ready()
    system.valkey.restart()
    system.postgres.kill()
    # By default an acknowledgement means the journal again: no drain and no ledger is waited for.
    event = unpriced("acme", "without-either-in-turn", 1)
    eventually(lambda: shared.post(event, ack="")[0] == 202, "taken by the journal alone")
    system.postgres.restart()
    shared.assert_right()
