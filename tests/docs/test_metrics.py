"""Every metric that a process exposes is in docs/metrics.md with its kind and its labels, and nothing else is."""

import re

import pytest

from tests.docs.tables import table_under
from tollbook.api.services import Backlog
from tollbook.app.observe import Metrics
from tollbook.ports.journal import Depth
from tollbook.telemetry import (
    AlertRaised,
    AlertSent,
    Drained,
    LoopFailed,
    Rejected,
    Settled,
    SourceGap,
    SourcePolled,
    StoreTrouble,
)

TABLE = table_under("metrics.md", "Metrics")


@pytest.fixture(scope="module")
def exposition() -> str:
    metrics = Metrics()
    # A metric with labels shows them with its first value.
    metrics.record(Rejected(1, "json_invalid"))
    metrics.record(Settled(0, 1, 1))
    metrics.record(Drained(0, 1, 1, 0, 0, 0, 0.001))
    metrics.record(StoreTrouble("valkey", "is a test's", ""))
    metrics.record(LoopFailed("test", ""))
    metrics.record(AlertRaised("alert.test", "", "", "", 0, {}))
    metrics.record(AlertSent("alert.test", "", "", "delivered", 1, ""))
    metrics.record(SourcePolled("test", "ok", 1, 1, ""))
    metrics.record(SourceGap("test", ""))
    return metrics.render(Backlog({0: Depth(1, 20)}, 0.5)).decode()


def test_every_metric_is_documented_with_its_kind(exposition: str) -> None:
    found = dict(re.findall(r"^# TYPE (tollbook_\w+) (\w+)$", exposition, re.MULTILINE))
    exposed = {name: kind for name, kind in found.items() if not name.endswith("_created")}
    assert {name: cells[0] for name, cells in TABLE.items()} == exposed


@pytest.mark.parametrize("name", sorted(TABLE))
def test_a_metric_names_its_labels_and_says_what_it_counts(name: str, exposition: str) -> None:
    _, labels, meaning = TABLE[name]
    shown = re.findall(rf"^{name}(?:_bucket|_sum|_count)?(?:\{{(.*?)\}})? ", exposition, re.MULTILINE)
    used = {label for labels_text in shown for label in re.findall(r'(\w+)="', labels_text)} - {"le"}
    assert set(re.findall(r"`(\w+)`", labels)) == used
    assert meaning.endswith(".")
