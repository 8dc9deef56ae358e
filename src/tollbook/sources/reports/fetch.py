"""Fetches a provider's report over its API, page by page."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TypeVar

import httpx2
import msgspec

import tollbook
from tollbook.ports.reconcile import Item, Report
from tollbook.sources.reports import anthropic, openai, openrouter
from tollbook.sources.reports.table import ReportUnreadable, decoded

PAGES_MAX = 1_000
_BODY_BYTES_MAX = 64 << 20
_Query = list[tuple[str, str | int | float | bool | None]]
_Kind = TypeVar("_Kind", bound=msgspec.Struct)
_Pages = TypeVar("_Pages", openai.Page, anthropic.Page)


class Provider(StrEnum):
    """Who writes reports that are understood."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    OPENROUTER = "openrouter"


BASES = {
    Provider.OPENAI: "https://api.openai.com",
    Provider.ANTHROPIC: "https://api.anthropic.com",
    Provider.OPENROUTER: "https://openrouter.ai",
}
READERS: Mapping[Provider, Callable[[str], Report]] = {
    Provider.OPENAI: openai.read,
    Provider.ANTHROPIC: anthropic.read,
    Provider.OPENROUTER: openrouter.read,
}


class ReportFetcher:
    """One provider's API with a key that may read its reports. Close it. The key is in no error and no log."""

    def __init__(self, provider: Provider, key: str, *, base: str | None = None, timeout_s: float = 60.0) -> None:
        headers = {"user-agent": f"tollbook/{tollbook.__version__}", "accept": "application/json"}
        if provider is Provider.ANTHROPIC:
            headers |= {"x-api-key": key, "anthropic-version": "2023-06-01"}
        else:
            headers["authorization"] = f"Bearer {key}"
        self._provider = provider
        self._client = httpx2.AsyncClient(
            base_url=(base or BASES[provider]).rstrip("/"),
            timeout=httpx2.Timeout(timeout_s),
            follow_redirects=False,
            headers=headers,
        )

    async def close(self) -> None:
        """Let go of what is open."""
        await self._client.aclose()

    async def fetch(self, first_day: date, last_day: date) -> Report:
        """Costs and usage of some UTC days, both included; raises `ReportUnreadable` with what the provider said."""
        match self._provider:
            case Provider.OPENAI:
                found = await self._openai(first_day, last_day)
            case Provider.ANTHROPIC:
                found = await self._anthropic(first_day, last_day)
            case Provider.OPENROUTER:
                found = await self._openrouter()
        kept = tuple(item for item in found.items if first_day <= item.day <= last_day)
        return found._replace(items=kept)

    async def _openai(self, first_day: date, last_day: date) -> Report:
        since, until = _start(first_day), _start(last_day + timedelta(days=1))
        span: _Query = [("start_time", str(int(since.timestamp()))), ("end_time", str(int(until.timestamp())))]
        span += [("bucket_width", "1d"), ("limit", "31")]
        costs = await self._paged("/v1/organization/costs", [*span, ("group_by", "line_item")], openai.Page)
        groups: _Query = [("group_by", "model"), ("group_by", "batch"), ("group_by", "service_tier")]
        usage = await self._paged("/v1/organization/usage/completions", [*span, *groups], openai.Page)
        return Report(tuple(item for page in (*costs, *usage) for item in openai.items_of(page)))

    async def _anthropic(self, first_day: date, last_day: date) -> Report:
        since, until = _start(first_day), _start(last_day + timedelta(days=1))
        span: _Query = [
            ("starting_at", _text(since)),
            ("ending_at", _text(until)),
            ("bucket_width", "1d"),
            ("limit", "31"),
        ]
        costs = await self._paged(
            "/v1/organizations/cost_report", [*span, ("group_by[]", "description")], anthropic.Page
        )
        groups: _Query = [("group_by[]", "model"), ("group_by[]", "service_tier")]
        usage = await self._paged("/v1/organizations/usage_report/messages", [*span, *groups], anthropic.Page)
        items: list[Item] = [item for page in (*costs, *usage) for item in anthropic.items_of(page)]
        return Report(tuple(items), 1, (anthropic.NO_PRIORITY,))

    async def _openrouter(self) -> Report:
        page = await self._page("/api/v1/activity", [], openrouter.Page)
        return Report(tuple(openrouter.items_of(page)), 1, (openrouter.COMPLETE_DAYS,))

    async def _paged(self, path: str, query: _Query, kind: type[_Pages]) -> list[_Pages]:
        pages: list[_Pages] = []
        place: str | None = None
        while len(pages) < PAGES_MAX:
            page = await self._page(path, query if place is None else [*query, ("page", place)], kind)
            pages.append(page)
            if not page.has_more:
                return pages
            if page.next_page is None or page.next_page == place:
                raise ReportUnreadable(f"{path}: there are more pages and none is named")
            place = page.next_page
        raise ReportUnreadable(f"{path}: more than {PAGES_MAX} pages")

    async def _page(self, path: str, query: _Query, kind: type[_Kind]) -> _Kind:
        try:
            answer = await self._client.get(path, params=query)
        except httpx2.HTTPError as error:
            raise ReportUnreadable(f"{self._provider} does not answer: {type(error).__name__}") from error
        if answer.status_code != 200:
            hint = " (these reports need an admin key)" if answer.status_code in {401, 403} else ""
            raise ReportUnreadable(f"{self._provider} answered {answer.status_code} to {path}{hint}")
        if len(answer.content) > _BODY_BYTES_MAX:
            raise ReportUnreadable(f"{path}: more than {_BODY_BYTES_MAX >> 20} MiB in one answer")
        return decoded(answer.content, kind)


def _start(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
