"""Anthropic: the organization's cost report and usage report of messages.

Source: the Admin API's reference of 2026. `GET /v1/organizations/cost_report` has `amount` as decimal text in cents, in
buckets of one UTC day, and leaves the priority tier out; `GET /v1/organizations/usage_report/messages` counts tokens.
The Console's export has the same as columns, in dollars.
"""

from decimal import Decimal

import msgspec

from tollbook.ports.reconcile import Item, Report
from tollbook.sources.reports.table import (
    ReportUnreadable,
    Row,
    cell_of,
    cents_nanos,
    count_of,
    day_of,
    decoded,
    documents_of,
    dollars_only,
    is_json,
    nanos_of,
    rows_of,
)

NO_PRIORITY = "Anthropic's cost report leaves out what the priority tier costs"
_STEP_NANOS = 1
_CSV_STEP_NANOS = 10_000_000
_COST_COLUMNS = ("cost_usd", "amount_usd", "cost")
_TOKEN_COLUMNS = {
    "fresh": ("uncached_input_tokens", "usage_input_tokens_no_cache", "input_tokens"),
    "read": ("cache_read_input_tokens", "usage_input_tokens_cache_read", "cache_read_tokens"),
    "write_5m": ("cache_creation_5m_input_tokens", "usage_input_tokens_cache_write_5m", "cache_creation_input_tokens"),
    "write_1h": ("cache_creation_1h_input_tokens", "usage_input_tokens_cache_write_1h"),
    "output": ("output_tokens", "usage_output_tokens"),
}


class _CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class _Result(msgspec.Struct):
    amount: Decimal | None = None
    currency: str = "USD"
    description: str | None = None
    cost_type: str | None = None
    model: str | None = None
    token_type: str | None = None
    service_tier: str | None = None
    uncached_input_tokens: int | None = None
    cache_read_input_tokens: int = 0
    cache_creation: _CacheCreation | None = None
    output_tokens: int = 0


class _Bucket(msgspec.Struct):
    starting_at: str
    results: list[_Result]


class Page(msgspec.Struct):
    """A page of either report. `data` is required: an answer of another kind is no empty report."""

    data: list[_Bucket]
    has_more: bool = False
    next_page: str | None = None


def read(text: str) -> Report:
    """A report of costs or usage, as JSON or as CSV. Raises `ReportUnreadable`."""
    if is_json(text):
        pages = [decoded(document, Page) for document in documents_of(text)]
        return Report(tuple(item for page in pages for item in items_of(page)), _STEP_NANOS, (NO_PRIORITY,))
    rows = rows_of(text)
    return Report(tuple(map(_of_row, rows)), _CSV_STEP_NANOS, (NO_PRIORITY,))


def items_of(page: Page) -> list[Item]:
    """What a page says."""
    return [_of_result(bucket, result) for bucket in page.data for result in bucket.results]


def _of_result(bucket: _Bucket, result: _Result) -> Item:
    day, tier = day_of(bucket.starting_at), _tier(result.service_tier or "")
    if result.amount is not None:
        dollars_only(result.currency)
        what = result.token_type or result.cost_type or result.description or "all models together"
        return Item(day, result.model, what, cost_nanos=cents_nanos(result.amount), tier=tier)
    written = result.cache_creation or _CacheCreation()
    write = written.ephemeral_5m_input_tokens + written.ephemeral_1h_input_tokens
    return Item(
        day,
        result.model,
        "usage",
        input=(result.uncached_input_tokens or 0) + result.cache_read_input_tokens + write,
        cache_read=result.cache_read_input_tokens,
        cache_write=write,
        output=result.output_tokens,
        tier=tier,
    )


def _of_row(row: Row) -> Item:
    day = day_of(cell_of(row, "usage_date_utc", "date_utc", "date", "starting_at"))
    model = cell_of(row, "model", "model_version") or None
    tier = _tier(cell_of(row, "usage_type", "service_tier"))
    cost = cell_of(row, *_COST_COLUMNS)
    if cost:
        what = cell_of(row, "token_type", "cost_type") or "cost"
        return Item(day, model, what, cost_nanos=nanos_of(cost), tier=tier)
    counts = {name: count_of(cell_of(row, *columns)) for name, columns in _TOKEN_COLUMNS.items()}
    if all(count is None for count in counts.values()):
        raise ReportUnreadable(f"no column of costs or tokens that is known; there are {', '.join(row)[:200]}")
    read_, write = counts["read"] or 0, (counts["write_5m"] or 0) + (counts["write_1h"] or 0)
    whole = (counts["fresh"] or 0) + read_ + write
    return Item(
        day, model, "usage", input=whole, cache_read=read_, cache_write=write, output=counts["output"], tier=tier
    )


def _tier(name: str) -> str | None:
    lowered = name.lower()
    return None if lowered in {"", "standard", "default", "message"} else lowered
