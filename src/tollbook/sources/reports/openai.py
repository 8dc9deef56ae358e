"""OpenAI: the organization's costs and usage.

Source: the API reference of 2026, `GET /v1/organization/costs` and `/v1/organization/usage/<kind>` (pages of buckets of
one UTC day), and the export of the usage page, which has the same fields as columns.
"""

from decimal import Decimal

import msgspec

from tollbook.ports.reconcile import Item, Report
from tollbook.sources.reports.table import (
    Row,
    cell_of,
    count_of,
    day_of,
    decoded,
    documents_of,
    dollars_only,
    is_json,
    nanos_of,
    rows_of,
)

_TIERS = frozenset({"", "default", "standard", "auto"})


class _Amount(msgspec.Struct):
    value: Decimal = Decimal(0)
    currency: str = "usd"


class _Result(msgspec.Struct):
    amount: _Amount | None = None
    line_item: str | None = None
    model: str | None = None
    batch: bool | None = None
    service_tier: str | None = None
    num_model_requests: int | None = None
    input_tokens: int | None = None
    input_cached_tokens: int | None = None
    output_tokens: int | None = None


class _Bucket(msgspec.Struct):
    start_time: int
    results: list[_Result]


class Page(msgspec.Struct):
    """A page of either report. `data` is required: an answer of another kind is no empty report."""

    data: list[_Bucket]
    has_more: bool = False
    next_page: str | None = None


def read(text: str) -> Report:
    """A report of costs or usage, as JSON or as CSV. Raises `ReportUnreadable`."""
    if not is_json(text):
        return Report(tuple(item for row in rows_of(text) if (item := _of_row(row)) is not None))
    pages = [decoded(document, Page) for document in documents_of(text)]
    return Report(tuple(item for page in pages for item in items_of(page)))


def items_of(page: Page) -> list[Item]:
    """What a page says."""
    return [_of_result(bucket, result) for bucket in page.data for result in bucket.results]


def _of_result(bucket: _Bucket, result: _Result) -> Item:
    day = day_of(bucket.start_time)
    if result.amount is not None:
        dollars_only(result.amount.currency)
        model, what = _line_item(result.line_item or "")
        return Item(day, model, what, cost_nanos=nanos_of(result.amount.value))
    return Item(
        day,
        result.model,
        "usage",
        calls=result.num_model_requests,
        input=result.input_tokens,
        cache_read=result.input_cached_tokens,
        output=result.output_tokens,
        tier=_tier(result.batch is True, result.service_tier or ""),
    )


def _of_row(row: Row) -> Item | None:
    day = day_of(cell_of(row, "start_time", "start_time_iso", "date"))
    if "amount_value" in row:
        if not row["amount_value"]:
            # A day without anything is a row without an amount.
            return None
        dollars_only(cell_of(row, "amount_currency"))
        model, what = _line_item(cell_of(row, "line_item"))
        return Item(day, model, what, cost_nanos=nanos_of(row["amount_value"]))
    if not cell_of(row, "num_model_requests", "input_tokens", "output_tokens"):
        return None
    return Item(
        day,
        cell_of(row, "model") or None,
        "usage",
        calls=count_of(cell_of(row, "num_model_requests")),
        input=count_of(cell_of(row, "input_tokens")),
        cache_read=count_of(cell_of(row, "input_cached_tokens")),
        output=count_of(cell_of(row, "output_tokens")),
        tier=_tier(cell_of(row, "batch").lower() == "true", cell_of(row, "service_tier")),
    )


def _line_item(text: str) -> tuple[str | None, str]:
    """The model and what of it is charged: `gpt-5.6-sol-2026-03-05, cached input`. Other charges name no model."""
    model, comma, what = text.partition(",")
    if comma and " " not in model.strip():
        return model.strip(), what.strip()
    return None, text or "all models together"


def _tier(batch: bool, service_tier: str) -> str | None:
    if batch:
        return "batch"
    return None if service_tier.lower() in _TIERS else service_tier.lower()
