"""Alert rules and the dashboard name metrics that exist, with labels they have, and rules lead to pages that exist."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import ROOT, anchors
from tests.docs.promql import Named, named
from tests.docs.tables import DOCS, table_under

METRICS = table_under("metrics.md", "Metrics")
OF_EVERY_SERIES = {"job", "instance"}
RULES_FILE = ROOT / "deploy/prometheus/tollbook.rules.yml"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES_FILE.read_text())["groups"] for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/tollbook.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [(panel["title"], target) for panel in PANELS for target in panel["targets"]]


def labels_of(series: str) -> set[str]:
    """The labels of a series; raises `KeyError` where nothing exposes it."""
    name = re.sub(r"_(bucket|sum|count)$", "", series)
    kind, labels, _ = METRICS[name]
    assert (name != series) == (kind == "histogram"), f"{series} of a {kind}"
    return set(re.findall(r"`(\w+)`", labels)) | ({"le"} if series.endswith("_bucket") else set()) | OF_EVERY_SERIES


def require_known(found: Named) -> None:
    assert found.metrics
    known = [labels_of(name) for name, _ in found.metrics]
    for (name, labels), has in zip(found.metrics, known, strict=True):
        assert labels <= has, name
    assert found.groupings <= set.union(*known)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_names_what_exists_and_leads_to_its_section(rule: dict[str, Any]) -> None:
    require_known(named(rule["expr"]))
    assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"]["summary"].endswith(".")
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert page == "docs/operations.md"
    assert anchor == rule["alert"].lower()
    assert anchor in anchors(ROOT / page)


def test_every_section_about_an_alert_has_its_rule() -> None:
    headings = re.findall(r"^### (Tollbook\w+)$", (DOCS / "operations.md").read_text(), re.MULTILINE)
    assert headings == [rule["alert"] for rule in RULES]


@pytest.mark.parametrize(
    ("title", "target"), TARGETS, ids=lambda part: part if isinstance(part, str) else part["refId"]
)
def test_a_panel_names_what_exists(title: str, target: dict[str, Any]) -> None:
    found = named(target["expr"])
    require_known(found)
    assert all(labels >= OF_EVERY_SERIES for _, labels in found.metrics), "the choice of job and instance is left out"
    shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    assert shown <= found.groupings
    assert found.groupings - {"le"} <= shown, "lines of one name"


def test_every_metric_has_a_panel() -> None:
    shown = {re.sub(r"_bucket$", "", name) for _, target in TARGETS for name, _ in named(target["expr"]).metrics}
    assert shown == METRICS.keys()


def test_the_variables_of_the_dashboard_ask_for_what_exists() -> None:
    source, *rest = DASHBOARD["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == ("datasource", "datasource", "prometheus")
    for variable in rest:
        question = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert question is not None
        assert variable["definition"] == question.group(0)
        require_known(named(question.group(1)))
        assert question.group(2) in OF_EVERY_SERIES


def test_the_dashboard_is_whole() -> None:
    panels = DASHBOARD["panels"]
    ids = [panel["id"] for panel in panels]
    assert len(set(ids)) == len(ids)
    assert DASHBOARD["schemaVersion"] >= 39
    assert DASHBOARD["uid"]
    assert "id" not in DASHBOARD, "the id of one installation"
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    titles = [panel["title"] for panel in PANELS]
    assert len(set(titles)) == len(titles)


def test_no_two_panels_overlap() -> None:
    places = [(panel["title"], panel["gridPos"]) for panel in DASHBOARD["panels"]]
    for title, place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24, title
    for (one, a), (other, b) in itertools.combinations(places, 2):
        apart_x = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        apart_y = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert apart_x or apart_y, (one, other)


def test_an_expression_that_is_wrong_is_found() -> None:
    with pytest.raises(ValueError, match="unclosed"):
        named("sum(rate(tollbook_events_accepted_total[5m])")
    with pytest.raises(KeyError):
        require_known(named("tollbook_no_such_metric > 0"))
    with pytest.raises(AssertionError):
        require_known(named('tollbook_events_accepted_total{tenant="acme"}'))


def test_a_scrape_configuration_of_the_page_is_one() -> None:
    block = re.search(r"```yaml\n(.*?)```", Path(DOCS / "metrics.md").read_text(), re.DOTALL)
    assert block is not None
    configuration = yaml.safe_load(block.group(1))
    assert configuration["rule_files"] == [RULES_FILE.name]
    assert configuration["scrape_configs"][0]["job_name"] == "tollbook"
