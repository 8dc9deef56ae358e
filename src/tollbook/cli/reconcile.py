"""`tollbook reconcile`."""

import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from tollbook.app.prices import book_in_force
from tollbook.app.wiring import World, ceiling_of
from tollbook.cli.examples import examples
from tollbook.cli.output import AsJson, answer
from tollbook.cli.server import complete_tenant
from tollbook.cli.stores import Data, run, tenant_named
from tollbook.domain.errors import ConfigError
from tollbook.domain.money import nanos_from_usd, usd_text
from tollbook.pipeline.drift import Side
from tollbook.pipeline.reconcile import Line, Reconciliation, Tolerance, percent_text
from tollbook.ports.reconcile import Report
from tollbook.pricing.bundled import bundled_book
from tollbook.sources.reports.fetch import READERS, Provider, ReportFetcher
from tollbook.statements.sheet import Usd, csv_text

EXAMPLES = examples(
    "tollbook reconcile openai --file costs.csv --file usage.csv",
    "tollbook reconcile anthropic --key-file admin-key.txt --from 2026-11-01 --to 2026-11-30 --json",
)

_DAYS_MAX = 366
_DAY = ["%Y-%m-%d"]
_COLUMNS = (
    *("day", "model", "provider_usd", "ledger_usd", "drift_usd", "drift_percent", "within"),
    *("provider_calls", "ledger_calls", "causes"),
)


def reconcile(
    provider: Annotated[Provider, typer.Argument(help="Whose report.")],
    *,
    data: Data = None,
    file: Annotated[
        list[Path] | None,
        typer.Option("--file", help="A report as JSON or CSV: costs, and usage if you can.", show_default=False),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help="File with a key that may read reports.", show_default=False)
    ] = None,
    base: Annotated[str | None, typer.Option("--base", help="Where the API is.", show_default=False)] = None,
    since: Annotated[datetime | None, typer.Option("--from", formats=_DAY, help="First UTC day.")] = None,
    until: Annotated[datetime | None, typer.Option("--to", formats=_DAY, help="Last UTC day, included.")] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Calls of this tenant alone.", autocompletion=complete_tenant)
    ] = None,
    tolerance_percent: Annotated[str, typer.Option("--tolerance-percent", help="Of the provider's amount.")] = "1",
    tolerance_usd: Annotated[str, typer.Option("--tolerance-usd", help="An amount that is let pass.")] = "0.01",
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Lay a provider's own cost report beside the ledger, by UTC day and model, with likely causes of what differs.

    Exits 0 where every line is within the tolerance, 1 where one drifts further.
    """
    tolerance = _tolerance(tolerance_percent, tolerance_usd)
    days = (None if since is None else since.date(), None if until is None else until.date())
    if (file is None) == (key_file is None):
        raise ConfigError("give the report with --file, or a key to fetch it with --key-file")
    key = None if key_file is None else _key_of(key_file)
    whose = None if tenant is None else tenant_named(tenant)

    async def work(world: World) -> Reconciliation:
        today = world.clock.now().astimezone(UTC).date()
        if key is None:
            report = _within(_read(provider, file or []), *days)
        else:
            report = await _fetched(provider, key, base, _span(*days, today))
        if not any(item.cost_nanos is not None for item in report.items):
            raise ConfigError("the report has no costs of these days: usage alone cannot be laid beside the ledger")
        book = await book_in_force(world.prices, ceiling_of(world.settings)) or bundled_book()
        return await world.reconcile(book).run(provider.value, report, tolerance, tenant=whose, today=today)

    found = run(data, work)
    if as_csv and not as_json:
        print(_csv_text(found))
    else:
        answer(as_json, _whole(found), _lines(found))
    sys.exit(0 if found.within else 1)


def _read(provider: Provider, files: list[Path]) -> Report:
    report = Report(())
    for path in files:
        try:
            report = report.plus(READERS[provider](path.read_text(encoding="utf-8-sig")))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: {error}") from error
    return report


def _key_of(path: Path) -> str:
    try:
        key = path.read_text().strip()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if not key or not key.isascii() or not key.isprintable():
        raise ConfigError(f"{path} holds no key")
    return key


async def _fetched(provider: Provider, key: str, base: str | None, span: tuple[date, date]) -> Report:
    fetcher = ReportFetcher(provider, key, base=base)
    try:
        return await fetcher.fetch(*span)
    finally:
        await fetcher.close()


def _span(since: date | None, until: date | None, today: date) -> tuple[date, date]:
    """The days to fetch; without any named, the last 30 that are over."""
    last = until or today - timedelta(days=1)
    first = since or last - timedelta(days=29)
    if not timedelta() <= last - first < timedelta(days=_DAYS_MAX):
        raise ConfigError(f"--from must lie before --to, by {_DAYS_MAX} days at the most")
    return first, last


def _within(report: Report, since: date | None, until: date | None) -> Report:
    first, last = since or date.min, until or date.max
    return report._replace(items=tuple(item for item in report.items if first <= item.day <= last))


def _tolerance(percent: str, usd: str) -> Tolerance:
    try:
        share, nanos = Decimal(percent), int(nanos_from_usd(usd))
    except (InvalidOperation, ValueError) as error:
        raise ConfigError("a tolerance is a number such as 0.5") from error
    if not share.is_finite() or share < 0 or nanos < 0:
        raise ConfigError("a tolerance is zero or more")
    return Tolerance(share, nanos)


def _lines(found: Reconciliation) -> list[str]:
    rows = [_cells(line) for line in found.lines]
    head = ("day", "model", "provider", "ledger", "drift", "%", "")
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [_row(head, widths)]
    for line, row in zip(found.lines, rows, strict=True):
        lines.append(_row(row, widths))
        lines += [f"            {cause.code.value}: {cause.evidence}" for cause in line.causes]
    drift = found.ledger_nanos - found.provider_nanos
    share = percent_text(drift, found.provider_nanos)
    beyond = sum(not line.within for line in found.lines)
    lines.append(
        f"{found.provider} {usd_text(found.provider_nanos)} USD, ledger {usd_text(found.ledger_nanos)} USD, "
        f"drift {usd_text(drift)} USD{'' if share is None else f' ({share} %)'}; "
        f"{beyond} of {len(found.lines)} lines beyond the tolerance"
    )
    return [*lines, *found.remarks]


def _row(cells: tuple[str, ...], widths: list[int]) -> str:
    names = [cell.ljust(width) for cell, width in zip(cells[:2], widths, strict=False)]
    numbers = [cell.rjust(width) for cell, width in zip(cells[2:], widths[2:], strict=True)]
    return "  ".join([*names, *numbers]).rstrip()


def _cells(line: Line) -> tuple[str, ...]:
    share = percent_text(line.drift_nanos, line.provider.cost_nanos) or ""
    amounts = (line.provider.cost_nanos, line.ledger.cost_nanos, line.drift_nanos)
    return (line.day.isoformat(), line.model or "-", *map(usd_text, amounts), share, "" if line.within else "drifts")


def _csv_text(found: Reconciliation) -> str:
    rows: list[list[object]] = [[*_COLUMNS]]
    for line in found.lines:
        amounts = (line.provider.cost_nanos, line.ledger.cost_nanos, line.drift_nanos)
        share = percent_text(line.drift_nanos, line.provider.cost_nanos)
        rows.append([
            *(line.day, line.model or "", *map(Usd, amounts), Decimal(share) if share else ""),
            str(line.within).lower(),
            *("" if side.calls is None else side.calls for side in (line.provider, line.ledger)),
            "; ".join(f"{cause.code.value}: {cause.evidence}" for cause in line.causes),
        ])  # fmt: skip
    return csv_text(rows).rstrip("\r\n")


def _whole(found: Reconciliation) -> dict[str, object]:
    drift = found.ledger_nanos - found.provider_nanos
    return {
        "provider": found.provider,
        "from": found.first_day,
        "to": found.last_day,
        "provider_usd": usd_text(found.provider_nanos),
        "ledger_usd": usd_text(found.ledger_nanos),
        "drift_usd": usd_text(drift),
        "drift_percent": percent_text(drift, found.provider_nanos),
        "within": found.within,
        "remarks": found.remarks,
        "rows": [_document(line) for line in found.lines],
    }


def _document(line: Line) -> dict[str, object]:
    return {
        "day": line.day,
        "model": line.model,
        "drift_usd": usd_text(line.drift_nanos),
        "drift_percent": percent_text(line.drift_nanos, line.provider.cost_nanos),
        "within": line.within,
        "provider": _side(line.provider),
        "ledger": _side(line.ledger),
        "causes": [{"code": cause.code.value, "evidence": cause.evidence} for cause in line.causes],
    }


def _side(side: Side) -> dict[str, object]:
    return {
        "cost_usd": usd_text(side.cost_nanos),
        "calls": side.calls,
        "input": side.input,
        "cache_read": side.cache_read,
        "cache_write": side.cache_write,
        "output": side.output,
        "tiers": side.tiers,
    }
