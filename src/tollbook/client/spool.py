"""The outbox on disk: SQLite in WAL mode, one file that any number of processes may share.

`add` groups what several threads bring at one moment into one transaction: whoever finds nobody writing writes for all
that wait. So there is no thread to wait for, and one caller alone pays one commit.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tollbook.client.errors import SpoolFull, SpoolUnusable
from tollbook.client.turn import turn

_BUSY_S = 10.0
_WAL_AGAIN_S = 0.005
_PAGE_BYTES = 4_096
# What it takes to work a full spool off needs room beyond the bound that holds for adding to it.
_SLACK_PAGES = 2_048
_WAITING_MAX = 10_000
_CREATES = ("create_event", "create_dead")


class Spooled(NamedTuple):
    """An event as it waits: `seq` is its place in the file, `body` its JSON."""

    seq: int
    id: str
    body: bytes


class Refused(NamedTuple):
    """Why an event is dead: the server's code and detail."""

    event: Spooled
    code: str
    detail: str


class SpoolStatus(NamedTuple):
    """How many events wait and since when (milliseconds since 1970), how many are dead, the bytes the file takes."""

    waiting: int
    oldest_ms: int | None
    dead: int
    file_bytes: int


class _Ticket:
    """An event on its way to disk."""

    __slots__ = ("awaited", "done", "error", "row")

    def __init__(self, event_id: str, body: bytes, *, awaited: bool) -> None:
        self.awaited = awaited
        self.row = {"id": event_id, "body": body, "added_ms": time.time_ns() // 1_000_000}
        self.done = False
        self.error: Exception | None = None


class Spool:
    """One process's hand on the file. Raises `SpoolUnusable` where it cannot be opened or written."""

    def __init__(self, path: Path, *, bytes_max: int, fsync: bool = False) -> None:
        self.path = path
        self._pages_max = max(16, bytes_max // _PAGE_BYTES)
        self._fsync = fsync
        self._writing = threading.Lock()
        self._waiting: list[_Ticket] = []
        self._waiting_lock = threading.Lock()
        self._worker_lock = threading.Lock()
        with _translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open()
            for name in _CREATES:
                self._connection.execute(_sql(name))

    def add(self, event_id: str, body: bytes) -> None:
        """Put an event on disk; returns once it is committed.

        A commit outlives the process; with `fsync` the machine's power too. Raises `SpoolFull` at the bound.
        """
        ticket = _Ticket(event_id, body, awaited=True)
        with self._waiting_lock:
            self._waiting.append(ticket)
        with self._writing:
            if not ticket.done:
                self._write()
        if ticket.error is not None:
            raise ticket.error

    def add_soon(self, event_id: str, body: bytes) -> None:
        """Take an event that `write` will put on disk; raises `SpoolFull` where too many wait for that."""
        with self._waiting_lock:
            if len(self._waiting) >= _WAITING_MAX:
                raise SpoolFull(f"{_WAITING_MAX} events wait for the disk")
            self._waiting.append(_Ticket(event_id, body, awaited=False))

    def write(self) -> None:
        """Put on disk what `add_soon` took; raises as `add` does, and what could not be written waits on."""
        with self._writing:
            error = self._write()
        if error is not None:
            raise error

    def _write(self) -> Exception | None:
        with self._waiting_lock:
            tickets, self._waiting = self._waiting, []
        if not tickets:
            return None
        written, failed = self._insert_fitting(tickets)
        for ticket in tickets[:written]:
            ticket.done = True
        for ticket in tickets[written:]:
            if ticket.awaited:
                ticket.error = failed
                ticket.done = True
        # Nobody waits for these to be told: they are kept for the next try, in their order.
        kept = [ticket for ticket in tickets[written:] if not ticket.awaited]
        with self._waiting_lock:
            self._waiting[:0] = kept
        return failed

    def _insert_fitting(self, tickets: list[_Ticket]) -> tuple[int, Exception | None]:
        """Write as many of the first as fit: how many, and why not more."""
        try:
            with _translated(self.path):
                self._insert([ticket.row for ticket in tickets])
        except SpoolFull as full:
            if len(tickets) == 1:
                return 0, full
            half = len(tickets) // 2
            written, failed = self._insert_fitting(tickets[:half])
            if failed is not None:
                return written, failed
            more, failed = self._insert_fitting(tickets[half:])
            return written + more, failed
        except SpoolUnusable as unusable:
            return 0, unusable
        return len(tickets), None

    def _insert(self, rows: Sequence[dict[str, object]]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            if len(rows) == 1:
                connection.execute(_sql("event_add"), rows[0])
            else:
                connection.executemany(_sql("event_add"), rows)
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    @contextmanager
    def sending(self, timeout_s: float) -> Iterator[bool]:
        """Be the one of all processes that sends; False where another one was for the whole time-out."""
        with _translated(self.path), turn(self.path.with_name(f"{self.path.name}.sending"), timeout_s) as ours:
            yield ours

    def oldest(self, count: int) -> list[Spooled]:
        """The events that have waited longest, `count` at most."""
        with self._working() as connection:
            return [Spooled(*row) for row in connection.execute(_sql("event_oldest"), {"count": count})]

    def remove(self, events: Sequence[Spooled]) -> None:
        """Remove events that an answer says are accepted."""
        with self._working() as connection:
            connection.executemany(_sql("event_remove"), [{"seq": event.seq} for event in events])

    def bury(self, refused: Sequence[Refused]) -> None:
        """Move events that the server refuses for good to the dead ones."""
        dead_ms = time.time_ns() // 1_000_000
        rows = [{**one.event._asdict(), "code": one.code, "detail": one.detail, "dead_ms": dead_ms} for one in refused]
        with self._working() as connection:
            connection.executemany(_sql("event_remove"), [{"seq": row["seq"]} for row in rows])
            connection.executemany(_sql("dead_add"), rows)

    def dead(self, count: int = 20) -> list[tuple[str, str, str, int, bytes]]:
        """The dead events, newest first: (id, code, detail, milliseconds since 1970, JSON)."""
        with self._working() as connection:
            return connection.execute(_sql("dead_list"), {"count": count}).fetchall()

    def status(self) -> SpoolStatus:
        """How it stands."""
        with self._working() as connection:
            waiting, oldest_ms, dead = connection.execute(_sql("status")).fetchone()
            file_bytes = connection.execute("PRAGMA page_count").fetchone()[0] * _PAGE_BYTES
        return SpoolStatus(waiting, oldest_ms, dead, file_bytes)

    def last_place(self) -> int | None:
        """The place of the newest event, None where none waits."""
        with self._working() as connection:
            place: int | None = connection.execute(_sql("last_place")).fetchone()[0]
        return place

    def waiting_up_to(self, place: int) -> int:
        """How many events up to a place still wait."""
        with self._working() as connection:
            waiting: int = connection.execute(_sql("present"), {"seq": place}).fetchone()[0]
        return waiting

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file, as far as nobody reads it; adding never pays for that."""
        with self._worker_lock, _translated(self.path):
            self._worker.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Write what waits and let the file go; raises as `add` does, with the file let go all the same."""
        with self._writing, self._worker_lock:
            error = self._write()
            self._connection.close()
            self._worker.close()
        if error is not None:
            raise error

    def before_fork(self) -> None:
        """Let the file go: SQLite's connections must not be open across a fork, on either side of it."""
        self._writing.acquire()
        self._worker_lock.acquire()
        self._connection.close()
        self._worker.close()

    def after_fork(self) -> None:
        """In the parent: go on."""
        with _translated(self.path):
            self._open()
        self._worker_lock.release()
        self._writing.release()

    @contextmanager
    def _working(self) -> Iterator[sqlite3.Connection]:
        """The connection beside the one that adds, in one transaction, with room to work a full spool off."""
        with self._worker_lock, _translated(self.path):
            connection = self._worker
            connection.execute("BEGIN IMMEDIATE")
            done = False
            try:
                yield connection
                done = True
            finally:
                connection.execute("COMMIT" if done else "ROLLBACK")

    def _open(self) -> None:
        self._connection = self._connect(self._pages_max)
        self._worker = self._connect(self._pages_max + _SLACK_PAGES)

    def _connect(self, pages_max: int) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        _use_wal(connection)
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._fsync else 'NORMAL'}")
        connection.execute(f"PRAGMA max_page_count = {pages_max}")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL. SQLite does not wait for a lock here: two processes that open a new file at one moment
    would each be told at once that it is locked."""
    given_up = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > given_up:
                raise
            time.sleep(_WAL_AGAIN_S)
        else:
            return


@cache
def _sql(name: str) -> str:
    return Path(__file__).with_name("spool_sql").joinpath(f"{name}.sql").read_text(encoding="utf-8")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise SpoolFull(f"the outbox {path} is full: it keeps what it has and takes no more") from error
        raise SpoolUnusable(f"the outbox {path}: {error}") from error
    except (sqlite3.Error, OSError) as error:
        raise SpoolUnusable(f"the outbox {path}: {error}") from error
