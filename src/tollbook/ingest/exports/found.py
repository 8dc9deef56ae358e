"""A call found in a row of a file, and the event it makes under the rules of every other event."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import msgspec

from tollbook.domain.errors import RejectCode
from tollbook.domain.event import Event, Seen
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.usage import Usage
from tollbook.ingest.item import reader_for
from tollbook.ingest.lines import events_of
from tollbook.ingest.observed import Maker, Observed
from tollbook.ingest.origin import Origin
from tollbook.ingest.refusal import ItemRefused
from tollbook.ingest.text import is_plain


class Row(NamedTuple):
    """One row as a file has it: an object or the cells by column. `number` counts from 1."""

    number: int
    fields: dict[str, Any]


class Found(NamedTuple):
    """One call: `fields` under the native event's names, None is absent; or a `call` as dialects read it."""

    fields: Mapping[str, Any]
    seen: Seen | None = None
    units: dict[str, int] | None = None
    call: Observed | None = None


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Whose the calls of a file are. `tenant` None: the row says; `agent` stands where the row names none."""

    tenant: str | None
    source: str
    agent: str


class Refused(NamedTuple):
    """A row that makes no event, and why."""

    number: int
    code: str
    detail: str


class Export(Protocol):
    """Reads the rows of one kind of file, in their order."""

    def rows(self, row: Row) -> Iterator[Found]:
        """The calls that are known to be complete with this row; raises `ItemRefused` for a row that cannot be read."""
        ...

    def end(self) -> Iterator[Found]:
        """The calls that were waiting for a later row, at the end of the file."""
        ...


class UsageRead(Protocol):
    """What was read of a provider's usage object."""

    @property
    def usage(self) -> Usage:
        """The counts, with inclusive parents."""
        ...

    @property
    def model(self) -> str | None:
        """The model of these counts, where they say it."""
        ...

    @property
    def service_tier(self) -> str | None:
        """The tier as the price data names it."""
        ...

    @property
    def others(self) -> Sequence["UsageRead"]:
        """What another model used within the same call."""
        ...


class UsageReader(Protocol):
    """Reads a provider's usage object beside the answer that it stands in."""

    def __call__(self, usage: object, response: object) -> UsageRead:
        """The counts of one answer."""
        ...


class EventMaker:
    """Makes events of what was found, each judged like one that came over HTTP."""

    def __init__(self, limits: IntakeLimits) -> None:
        self._limits = limits
        self._maker = Maker(limits, Origin())
        self._reader = reader_for(limits, plain=False)
        self._plain_reader = reader_for(limits, plain=True)

    def natives(self, lines: Sequence[bytes]) -> list[Event | ItemRefused]:
        """The event that each line of JSON is, or why it is none."""
        return events_of(lines, self._limits)

    def native(self, line: bytes) -> Event:
        """The event that a line of JSON is; raises `ItemRefused`."""
        return (self._plain_reader if is_plain(line) else self._reader).text(line)

    def events(self, found: Found) -> list[Event]:
        """The event, or those of a call that several models made; raises `ItemRefused`."""
        if found.call is None:
            return [self._event(found)]
        try:
            return self._maker.events(found.call, 0)
        except UnicodeEncodeError as error:
            raise _surrogate() from error

    def _event(self, found: Found) -> Event:
        fields = {name: value for name, value in found.fields.items() if value is not None}
        try:
            text = msgspec.json.encode(fields)
        except UnicodeEncodeError as error:
            raise _surrogate() from error
        except (TypeError, OverflowError) as error:
            raise ItemRefused(RejectCode.FIELD_INVALID, "a value that JSON cannot hold") from error
        event = self.native(text)
        if found.seen is None and found.units is None:
            return event
        return msgspec.structs.replace(event, seen=found.seen, units=found.units)


def _surrogate() -> ItemRefused:
    return ItemRefused(RejectCode.TEXT_INVALID, "a text holds a lone surrogate")


def counts_of(usage: Usage) -> dict[str, int]:
    """The counts under the names of the native event."""
    return {name: getattr(usage, name) for name in Usage.__struct_fields__}


def moment(value: object) -> datetime | int | float | None:
    """An instant as exports write it; text without an offset is taken as UTC, which is what databases export.

    >>> moment("2026-05-01 10:00:00.5").isoformat()
    '2026-05-01T10:00:00.500000+00:00'
    """
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, (int, float)):
        return value
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        try:
            return float(str(value))
        except ValueError as error:
            raise ItemRefused(RejectCode.FIELD_INVALID, "a time that is none") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def whole(value: object) -> int:
    """A count as exports write it: a number, or its text; nothing is 0.

    >>> whole("12"), whole(12.0), whole(None), whole("")
    (12, 12, 0, 0)
    """
    if value is None or value == "":
        return 0
    try:
        exact = float(str(value))
    except ValueError as error:
        raise ItemRefused(RejectCode.FIELD_INVALID, "a count that is no number") from error
    if math.isnan(exact):
        # What a table that has no whole numbers with gaps writes for a gap.
        return 0
    if not exact.is_integer():
        raise ItemRefused(RejectCode.FIELD_INVALID, "a count that is no whole number")
    return int(exact)


def text(value: object) -> str | None:
    """Text, or None where there is none."""
    return value if isinstance(value, str) and value else None


def nested(value: object) -> Mapping[str, Any]:
    """An object, given as one or as its JSON text; empty where it is neither."""
    if isinstance(value, str) and value[:1] == "{":
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return {}
    return value if isinstance(value, Mapping) else {}
