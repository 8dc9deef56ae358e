"""OpenRouter: activity by day and model.

Source: the API reference of 2026, `GET /api/v1/activity` (the last 30 complete UTC days, with a management key). There
`usage` is dollars of credits, `byok_usage_inference` what the caller's own provider charged. The activity page exports
the same as CSV.
"""

from decimal import Decimal

import msgspec

from tollbook.ports.reconcile import Item, Report
from tollbook.sources.reports.table import (
    ReportUnreadable,
    Row,
    cell_of,
    count_of,
    day_of,
    decoded,
    documents_of,
    is_json,
    nanos_of,
    rows_of,
)

COMPLETE_DAYS = "OpenRouter tells of complete UTC days of the last 30 only"
_DATE_COLUMNS = ("date", "day", "created_at")
_COST_COLUMNS = ("usage", "cost_total", "cost", "spend")


class _Activity(msgspec.Struct):
    date: str
    model: str
    usage: Decimal
    byok_usage_inference: Decimal = Decimal(0)
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Page(msgspec.Struct):
    """The whole answer: this report has no pages."""

    data: list[_Activity]


def read(text: str) -> Report:
    """A report of activity, as JSON or as CSV. Raises `ReportUnreadable`."""
    if is_json(text):
        pages = [decoded(document, Page) for document in documents_of(text)]
        return Report(tuple(item for page in pages for item in items_of(page)), 1, (COMPLETE_DAYS,))
    return Report(tuple(map(_of_row, rows_of(text))), 1, (COMPLETE_DAYS,))


def items_of(page: Page) -> list[Item]:
    """What an answer says; a call by the caller's own key costs what its provider charges, too."""
    return [
        Item(
            day_of(one.date),
            one.model,
            "activity",
            cost_nanos=nanos_of(one.usage + one.byok_usage_inference),
            calls=one.requests,
            input=one.prompt_tokens,
            output=one.completion_tokens,
            tier="byok" if one.byok_usage_inference else None,
        )
        for one in page.data
    ]


def _of_row(row: Row) -> Item:
    day, model = cell_of(row, *_DATE_COLUMNS), cell_of(row, "model", "model_permaslug", "slug")
    cost = cell_of(row, *_COST_COLUMNS)
    if not day or not model or not cost:
        raise ReportUnreadable(
            f"needs columns of day, model and cost (by day and model, not by key); there are {', '.join(row)[:200]}"
        )
    # An export of single requests names no count of them: each row is one.
    calls = cell_of(row, "requests")
    return Item(
        day_of(day[:10]),
        model,
        "activity",
        cost_nanos=nanos_of(cost) + nanos_of(cell_of(row, "byok_usage_inference") or "0"),
        calls=1 if not calls and "generation_id" in row else count_of(calls),
        input=count_of(cell_of(row, "prompt_tokens", "tokens_prompt")),
        output=count_of(cell_of(row, "completion_tokens", "tokens_completion")),
    )
