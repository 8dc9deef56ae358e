"""Fakes of the providers' report APIs on the loopback: their paging, their parameters, their refusals."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "sk-admin-of-the-test"
BUCKETS_A_PAGE = 2
"""The real ones give up to 31 days a page; two make every fetch cross pages."""

Results = dict[date, list[dict[str, Any]]]


class Reports:
    """What the organization spent, in the shape of each provider's `results`."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.costs: Results = {}
        self.usage: Results = {}
        self.activity: list[dict[str, Any]] = []
        self.status: int | None = None
        self.endless = False

    def answer(self, path: str, query: dict[str, list[str]], headers: Any) -> tuple[int, object]:
        """One request's status and body."""
        if self.status is not None:
            return self.status, {"error": {"message": "as the test asks"}}
        if path == "/api/v1/activity":
            if headers.get("authorization") != f"Bearer {KEY}":
                return 403, {"error": {"code": 403, "message": "Only management keys can fetch activity"}}
            return 200, {"data": self.activity}
        if path in ("/v1/organization/costs", "/v1/organization/usage/completions"):
            if headers.get("authorization") != f"Bearer {KEY}":
                return 401, {"error": {"message": "You have insufficient permissions"}}
            return self._openai(path, query)
        if path in ("/v1/organizations/cost_report", "/v1/organizations/usage_report/messages"):
            if headers.get("x-api-key") != KEY or headers.get("anthropic-version") != "2023-06-01":
                return 401, {"type": "error", "error": {"type": "authentication_error"}}
            return self._anthropic(path, query)
        return 404, {}

    def _openai(self, path: str, query: dict[str, list[str]]) -> tuple[int, object]:
        if query["bucket_width"] != ["1d"] or int(query["limit"][0]) > 31:
            return 400, {"error": {"message": "limit"}}
        wanted = ["line_item"] if path.endswith("costs") else ["model", "batch", "service_tier"]
        if query["group_by"] != wanted:
            return 400, {"error": {"message": "group_by"}}
        since, until = (datetime.fromtimestamp(int(query[name][0]), UTC) for name in ("start_time", "end_time"))
        buckets = [
            {
                "object": "bucket",
                "start_time": int(datetime.combine(day, time.min, tzinfo=UTC).timestamp()),
                "end_time": int(datetime.combine(day + timedelta(days=1), time.min, tzinfo=UTC).timestamp()),
                "results": found,
            }
            for day, found in self._days(path.endswith("costs"), since, until)
        ]
        return 200, {"object": "page", **self._page(buckets, query)}

    def _anthropic(self, path: str, query: dict[str, list[str]]) -> tuple[int, object]:
        if query["bucket_width"] != ["1d"] or int(query["limit"][0]) > 31:
            return 400, {"type": "error"}
        costs = path.endswith("cost_report")
        if query["group_by[]"] != (["description"] if costs else ["model", "service_tier"]):
            return 400, {"type": "error"}
        since, until = (datetime.fromisoformat(query[name][0]) for name in ("starting_at", "ending_at"))
        buckets = [
            {"starting_at": f"{day}T00:00:00Z", "ending_at": f"{day + timedelta(days=1)}T00:00:00Z", "results": found}
            for day, found in self._days(costs, since, until)
        ]
        return 200, self._page(buckets, query)

    def _days(self, costs: bool, since: datetime, until: datetime) -> Iterator[tuple[date, list[dict[str, Any]]]]:
        day = since.date()
        while datetime.combine(day, time.min, tzinfo=UTC) < until:
            yield day, (self.costs if costs else self.usage).get(day, [])
            day += timedelta(days=1)

    def _page(self, buckets: list[Any], query: dict[str, list[str]]) -> dict[str, Any]:
        start = int(query.get("page", ["page_0"])[0].removeprefix("page_"))
        end = start + min(BUCKETS_A_PAGE, int(query["limit"][0]))
        more = self.endless or end < len(buckets)
        return {"data": buckets[start:end], "has_more": more, "next_page": f"page_{end}" if more else None}


@contextmanager
def report_server() -> Iterator[Reports]:
    """All three APIs under one address."""
    reports = Reports()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            reports.asked.append(self.path)
            status, body = reports.answer(parts.path, parse_qs(parts.query), self.headers)
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    reports.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield reports
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
