"""What a running receiver and drain expose is what docs/metrics.md lists."""

import re

from tests.docs.tables import table_under
from tests.integration.e2e.running import PATIENCE_S, Ledger

TABLE = table_under("metrics.md", "Metrics")
TYPE = re.compile(r"^# TYPE (tollbook_\w+) (\w+)$", re.MULTILINE)
SERIES = re.compile(r"^(tollbook_\w+)(?:\{(.*?)\})? \S+$", re.MULTILINE)
NOT_OF_A_QUIET_LEDGER = {
    # These show with their first value: a failure, a polled inbox, a hook.
    *("tollbook_store_troubles_total", "tollbook_loop_failures_total", "tollbook_alert_deliveries_total"),
    *("tollbook_source_polls_total", "tollbook_source_requests_total", "tollbook_source_gaps_total"),
}


def page(ledger: Ledger) -> str:
    return ledger.http.get(f"{ledger.api}/metrics", timeout=PATIENCE_S).text


def test_a_live_page_has_what_the_table_lists_with_its_kinds_and_labels(ledger: Ledger, tenant: str) -> None:
    event = {"tenant": tenant, "agent": "a", "model": f"no-price-{tenant}", "input": 10, "output": 5}
    ledger.send(event, ack="ledger")
    ledger.http.post(f"{ledger.api}/v1/events", json={"tenant": tenant}, headers=ledger.bearer, timeout=PATIENCE_S)
    hold = {"tenant": tenant, "agent": "a", "model": "gpt-4o-mini", "input_tokens": 1}
    ledger.http.post(f"{ledger.api}/v1/holds", json=hold, headers=ledger.bearer, timeout=PATIENCE_S)
    # The alert about the model comes from the drain, a second after the booking.
    ledger.await_true(lambda: "tollbook_alerts_total{" in page(ledger))

    text = page(ledger)
    exposed = {name: kind for name, kind in TYPE.findall(text) if not name.endswith("_created")}
    documented = {name: cells[0] for name, cells in TABLE.items()}
    assert exposed.items() <= documented.items()
    assert documented.keys() - exposed.keys() <= NOT_OF_A_QUIET_LEDGER
    for series, labels in SERIES.findall(text):
        name = re.sub(r"_(bucket|sum|count|created)$", "", series)
        said = TABLE.get(name) or TABLE[f"{name}_total"]
        named = set(re.findall(r"`(\w+)`", said[1]))
        assert set(re.findall(r'(\w+)="', labels)) - {"le", "pid"} == named, series


def test_the_version_of_each_partition_shows_before_anything_is_booked(ledger: Ledger) -> None:
    """The alert that no drain is scraped goes by it."""
    assert re.search(r'^tollbook_settled_version\{partition="\d+"\} ', page(ledger), re.MULTILINE)
