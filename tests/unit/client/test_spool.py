"""The file that events wait in."""

import sqlite3
import threading
from pathlib import Path

import pytest

from tollbook.client.errors import SpoolFull, SpoolUnusable
from tollbook.client.spool import Refused, Spool
from tollbook.client.turn import turn


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "o.db", bytes_max=1 << 20)


def test_events_wait_in_order_and_leave_one_by_one(spool: Spool) -> None:
    for number in range(5):
        spool.add(f"e{number}", b"{}")
    events = spool.oldest(3)
    assert [event.id for event in events] == ["e0", "e1", "e2"]
    spool.remove(events[:2])
    spool.bury([Refused(events[2], "why", "because")])
    assert [event.id for event in spool.oldest(9)] == ["e3", "e4"]
    status = spool.status()
    assert (status.waiting, status.dead) == (2, 1)
    assert [row[:3] for row in spool.dead()] == [("e2", "why", "because")]


def test_a_new_file_that_another_process_is_just_making_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself answers "locked" at once where a file is switched to WAL while somebody writes it."""
    making = sqlite3.connect(tmp_path / "o.db", isolation_level=None)
    making.execute("CREATE TABLE t (x)")
    making.execute("BEGIN IMMEDIATE")
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        making.execute("COMMIT")

    monkeypatch.setattr("tollbook.client.spool.time.sleep", sleep)
    spool = Spool(tmp_path / "o.db", bytes_max=1 << 20)
    spool.add("e1", b"{}")
    assert len(waited) == 1
    making.close()


def test_what_was_added_is_seen_by_another_process(spool: Spool) -> None:
    spool.add("e1", b"{}")
    other = Spool(spool.path, bytes_max=1 << 20)
    assert [event.id for event in other.oldest(9)] == ["e1"]
    other.remove(other.oldest(9))
    assert spool.status().waiting == 0


def test_threads_are_written_together(spool: Spool) -> None:
    threads = [threading.Thread(target=spool.add, args=(f"e{number}", b"{}")) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(spool.oldest(100)) == 50


def test_what_is_added_soon_is_written_with_the_next(spool: Spool) -> None:
    spool.add_soon("e1", b"{}")
    assert spool.oldest(9) == []
    spool.add("e2", b"{}")
    assert [event.id for event in spool.oldest(9)] == ["e1", "e2"]


def test_a_full_spool_tells_whoever_adds_and_keeps_what_it_took_before(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "o.db", bytes_max=100_000)
    taken = 0
    with pytest.raises(SpoolFull):
        while True:
            spool.add(f"e{taken}", b"x" * 1_000)
            taken += 1
    assert spool.status().waiting == taken
    spool.add_soon("late", b"x" * 1_000)
    with pytest.raises(SpoolFull):
        spool.write()
    # Room is made by working it off, and what had to wait is written after all.
    spool.remove(spool.oldest(taken))
    spool.write()
    assert [event.id for event in spool.oldest(9)] == ["late"]


def test_a_full_spool_can_still_bury(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "o.db", bytes_max=100_000)
    with pytest.raises(SpoolFull):
        while True:
            spool.add("e", b"x" * 1_000)
    events = spool.oldest(1_000)
    spool.bury([Refused(event, "why", "y" * 500) for event in events])
    assert spool.status().waiting == 0


def test_closing_writes_what_waits(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "o.db", bytes_max=1 << 20)
    spool.add_soon("e1", b"{}")
    spool.close()
    assert [event.id for event in Spool(tmp_path / "o.db", bytes_max=1 << 20).oldest(9)] == ["e1"]


def test_what_is_no_spool_is_refused(tmp_path: Path) -> None:
    (tmp_path / "o.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(SpoolUnusable):
        Spool(tmp_path / "o.db", bytes_max=1 << 20)
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolUnusable):
        Spool(tmp_path / "file" / "o.db", bytes_max=1 << 20)


def test_a_closed_spool_says_so(spool: Spool) -> None:
    spool.close()
    with pytest.raises(SpoolUnusable):
        spool.add("e1", b"{}")


def test_a_turn_is_taken_again_after_its_end(tmp_path: Path) -> None:
    for _ in range(2):
        with turn(tmp_path / "lock", 0.0) as ours:
            assert ours
