"""What the readers of reports share: tables, money, days; and the one failure of them all."""

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar

import msgspec

from tollbook.domain.errors import ConfigError
from tollbook.domain.money import nanos_from_usd

Row = Mapping[str, str]
Page = TypeVar("Page", bound=msgspec.Struct)


class ReportUnreadable(ConfigError):  # noqa: N818 - a state of the file, not a mistake of ours
    """A report is none that is known, or says something that makes no sense."""


def is_json(text: str) -> bool:
    """Whether a report is JSON, not a table."""
    return text.lstrip()[:1] in ("{", "[")


def documents_of(text: str) -> Iterator[bytes]:
    """JSON documents one behind another, as pages of an API saved into one file are."""
    stripped = text.strip()
    lines = stripped.splitlines()
    if len(lines) > 1 and all(line.strip()[:1] + line.strip()[-1:] == "{}" for line in lines if line.strip()):
        yield from (line.encode() for line in lines if line.strip())
    else:
        yield stripped.encode()


def rows_of(text: str) -> list[Row]:
    """Rows of a table with a header, separated by commas, semicolons or tabs; names of columns in lower case."""
    head = text.lstrip("\ufeff").splitlines()[:1]
    if not head:
        raise ReportUnreadable("the report is empty")
    mark = max(",;\t", key=head[0].count)
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff")), delimiter=mark)
    names = [name.strip().lower().replace(" ", "_") for name in next(reader)]
    return [dict(zip(names, map(str.strip, row), strict=False)) for row in reader if any(cell.strip() for cell in row)]


def cell_of(row: Row, *names: str) -> str:
    """The first of some columns that a row has something in; '' where it has none of them."""
    return next((row[name] for name in names if row.get(name)), "")


def nanos_of(text: str | Decimal) -> int:
    """Dollars of a report in nano-dollars, half to even where the provider writes more places."""
    try:
        return int(nanos_from_usd(text.replace(",", "").removeprefix("$") if isinstance(text, str) else text))
    except ValueError as error:
        raise ReportUnreadable(f"not an amount of dollars: {str(text)[:40]!r}") from error


def cents_nanos(text: str | Decimal) -> int:
    """Cents of a report, with places behind the point, in nano-dollars."""
    try:
        return nanos_of(Decimal(text) / 100)
    except InvalidOperation as error:
        raise ReportUnreadable(f"not an amount of cents: {str(text)[:40]!r}") from error


def count_of(text: str) -> int | None:
    """A count of a table; None where the cell is empty."""
    if not text:
        return None
    try:
        return int(Decimal(text.replace(",", "")))
    except (InvalidOperation, ValueError) as error:
        raise ReportUnreadable(f"not a count: {text[:40]!r}") from error


def day_of(value: str | int) -> date:
    """The UTC day of an instant: Unix seconds, RFC 3339, or the date alone."""
    try:
        if isinstance(value, int) or value.isdigit():
            return datetime.fromtimestamp(int(value), UTC).date()
        at = datetime.fromisoformat(value.replace(" UTC", "+00:00"))
    except (ValueError, OverflowError, OSError) as error:
        raise ReportUnreadable(f"not a day: {str(value)[:40]!r}") from error
    return at.date() if at.tzinfo is None else at.astimezone(UTC).date()


def decoded(document: bytes, kind: type[Page]) -> Page:
    """A page of an API; raises `ReportUnreadable` with what does not fit."""
    try:
        return msgspec.json.decode(document, type=kind)
    except msgspec.MsgspecError as error:
        raise ReportUnreadable(f"not a page of this provider's report: {error}") from error


def dollars_only(currency: str) -> None:
    """Raise `ReportUnreadable` for another currency than the ledger's."""
    if currency and currency.lower() != "usd":
        raise ReportUnreadable(f"the report is in {currency[:8]}: the ledger is in US dollars")
