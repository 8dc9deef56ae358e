"""One resolved event as a row of PostgreSQL's binary COPY format.

The receiver writes the row once; journal, inbox and drain carry it as bytes, and Postgres reads it. The layout is
`COLUMN_NAMES`, of `ledger/queries/staging_create.sql`; the format is chapter COPY, section Binary Format, of the
PostgreSQL manual: a 16-bit field count, then each field as a 32-bit length and its bytes, -1 for null, big-endian.
"""

import struct
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import msgspec

COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
COPY_TRAILER = struct.pack(">h", -1)

COLUMN_NAMES = (
    "entry_id", "generation", "fingerprint", "ts", "day", "window_start", "window_end", "cost_nanos", "price_id",
    "reported_nanos", "input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "reasoning", "flags",
    "standing", "tenant", "agent", "roles", "model", "provider", "source", "run", "service_tier", "event_id", "call_id",
    "tags", "hold", "units", "context", "group_key",
)  # fmt: skip
COLUMNS = len(COLUMN_NAMES)
"""Fields of a row, which its first two bytes tell: the number of the layout. A changed layout has another count."""
_FIXED = struct.Struct(">h i16s ii iI iq ii iq iq iq iq iq ii ii ii ii ii ii ih ii".replace(" ", ""))
_LENGTH = struct.Struct(">i")
_MOMENT = struct.Struct(">q")
_NULL = _LENGTH.pack(-1)
NOTHING_OBSERVED = _NULL + _NULL + _NULL
_JSONB_VERSION = b"\x01"
_LAYOUT = struct.pack(">h", COLUMNS)
_PG_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_PG_EPOCH_DAY = date(2000, 1, 1).toordinal()
_UNIX_TO_PG_MICROS = int(_PG_EPOCH.timestamp()) * 1_000_000
_NAMES_CACHED_MAX = 16_384


def pg_micros(at: datetime) -> int:
    """An aware instant as PostgreSQL stores it: microseconds since 2000-01-01 UTC."""
    since = at - _PG_EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def pg_micros_of_unix(micros: int) -> int:
    """Microseconds since 1970-01-01 UTC as PostgreSQL stores an instant."""
    return micros - _UNIX_TO_PG_MICROS


def pg_day(day: date) -> int:
    """A date as PostgreSQL stores it: days since 2000-01-01."""
    return day.toordinal() - _PG_EPOCH_DAY


class RowEncoder:
    """Encodes rows; keeps the encoded names it met last, bounded."""

    def __init__(self) -> None:
        self._names: dict[tuple[str | None, ...], bytes] = {}

    def names(self, key: tuple[str | None, ...]) -> bytes:
        """The eight shared texts (tenant, agent, roles, model, provider, source, run, service_tier) encoded."""
        encoded = self._names.get(key)
        if encoded is None:
            if len(self._names) >= _NAMES_CACHED_MAX:
                self._names.clear()
            encoded = self._names[key] = b"".join(map(encode_text, key))
        return encoded


def encode_row(figures: tuple[int | bytes, ...], names: bytes, tail: bytes) -> bytes:
    """A whole row from its figures (in the order of the staging table), encoded names and encoded tail."""
    # Each figure goes in behind its length; one pack call for all of them is what makes a row cost a microsecond.
    (entry_id, generation, fingerprint, ts, day, start, end, cost, price_id, reported, *counts, flags, standing) = (
        figures
    )
    return (
        _FIXED.pack(
            COLUMNS, 16, entry_id, 4, generation, 4, fingerprint, 8, ts, 4, day, 8, start, 8, end,
            8, cost, 8, price_id, 8, reported,
            4, counts[0], 4, counts[1], 4, counts[2], 4, counts[3], 4, counts[4], 4, counts[5], 2, flags,
            4, standing,
        )
        + names
        + tail
    )  # fmt: skip


def encode_tail(
    event_id: str | None,
    call_id: str | None,
    tags: dict[str, str] | None,
    hold: str | None = None,
    observed: bytes = NOTHING_OBSERVED,
) -> bytes:
    """What differs call by call; `observed` comes from `encode_observed`."""
    named = _NULL if hold is None else encode_text(hold)
    packed = _NULL if tags is None else _json(tags)
    return encode_text(event_id) + encode_text(call_id) + packed + named + observed


def encode_observed(units: dict[str, int] | None, context: dict[str, str] | None, group: bytes | None) -> bytes:
    """Extra units, what else the price depends on, and the group; most events have none: `NOTHING_OBSERVED`."""
    packed = (_NULL if units is None else _json(units)) + (_NULL if context is None else _json(context))
    return packed + (_NULL if group is None else _LENGTH.pack(len(group)) + group)


def _json(value: dict[str, str] | dict[str, int]) -> bytes:
    packed = _JSONB_VERSION + msgspec.json.encode(value)
    return _LENGTH.pack(len(packed)) + packed


def encode_text(value: str | None) -> bytes:
    """A text as a field: its length and its bytes."""
    return _NULL if value is None else encode_bytes(value.encode())


def encode_bytes(value: bytes | None) -> bytes:
    """Bytes as a field: their length and themselves."""
    return _NULL if value is None else _LENGTH.pack(len(value)) + value


def split_rows(rows: bytes) -> Iterator[bytes]:
    """The single rows of a run of rows, for bisecting a batch that holds poison."""
    at = 0
    while at < len(rows):
        start, at = at, at + 2
        for _ in range(COLUMNS):
            (length,) = _LENGTH.unpack_from(rows, at)
            at += 4 + max(length, 0)
        yield rows[start:at]


def has_known_layout(rows: bytes) -> bool:
    """Whether a run of rows was written in the layout of this version."""
    return rows[:2] == _LAYOUT


def row_identity(row: bytes) -> tuple[bytes, int]:
    """The entry id and the fingerprint at the head of a row, the latter as PostgreSQL reads it."""
    (fingerprint,) = _LENGTH.unpack_from(row, 34)
    return row[6:22], fingerprint


def row_standing(row: bytes) -> int:
    """The standing of a row's observation (`domain.observation.standing_of`)."""
    return int(_LENGTH.unpack_from(row, _FIXED.size - 4)[0])


def row_micros(row: bytes) -> int:
    """The event's instant as the row has it: as `pg_micros` gives it."""
    return int(_MOMENT.unpack_from(row, 42)[0])


def row_moment(row: bytes) -> datetime:
    """The event's instant, as the row has it."""
    return _PG_EPOCH + timedelta(microseconds=row_micros(row))
