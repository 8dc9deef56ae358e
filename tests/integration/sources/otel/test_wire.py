"""Real instrumentations of real clients, through the SDK's own exporters, into a running ledger."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.client.providers.served import Served
from tests.integration.client.providers.server import running_provider
from tests.integration.e2e.running import Ledger, running
from tollbook.embedded.process import wait_until

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
pytest.importorskip("opentelemetry.instrumentation.genai.openai")

from tests.integration.sources.otel.capture import ROOT, scripted
from tests.integration.sources.otel.fleet import NAMES


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger that runs."""
    with running(tmp_path_factory.mktemp("ledger") / "data") as up:
        yield up


def drive(ledger: Ledger, fleet: str, tenant: str) -> list[Served]:
    """Run a fleet to its end; what its provider served."""
    with running_provider() as provider:
        scripted(fleet, provider)
        environment = {
            **os.environ,
            "NO_PROXY": "*",
            "OTEL_RESOURCE_ATTRIBUTES": f"tollbook.tenant={tenant}",
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{ledger.access['admin_key']}",
        }
        command = [sys.executable, "-m", "tests.integration.sources.otel.fleet", fleet, ledger.api, provider.url]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert "Failed to export" not in done.stderr
        return list(provider.book.served)


def entries(ledger: Ledger, tenant: str, count: int) -> list[dict[str, Any]]:
    """The tenant's entries, once there are so many calls."""

    def booked() -> bool:
        return bool(ledger.get("/v1/spend", tenant=tenant)["total"]["calls"] >= count)

    assert wait_until(booked, deadline_seconds=60, every_seconds=0.05)
    return list(ledger.get("/v1/entries", tenant=tenant, limit=500)["rows"])


@pytest.mark.parametrize("fleet", NAMES)
def test_a_fleet_costs_what_its_provider_served(ledger: Ledger, fleet: str) -> None:
    tenant = f"t-{fleet}"
    served = drive(ledger, fleet, tenant)
    entries(ledger, tenant, len(served))
    total = ledger.get("/v1/spend", tenant=tenant)["total"]
    assert (total["calls"], total["input"]) == (len(served), sum(one.usage.input for one in served))
    # OpenLLMetry adds the placeholder of a stream of Anthropic's to its output.
    more = 1 if fleet == "traceloop-anthropic" else 0
    assert total["output"] == sum(one.usage.output for one in served) + more
    assert total["cache_read"] == sum(one.usage.cache_read for one in served)
    assert float(total["cost_usd"]) > 0
    assert float(total["unpriced_usd"]) == 0


def test_agents_come_out_of_the_nesting(ledger: Ledger) -> None:
    served = drive(ledger, "genai-openai-agents", "nested")
    rows = {row["id"]: row for row in entries(ledger, "nested", len(served))}
    assert {row_id: row["agent"].partition("#")[0] for row_id, row in rows.items()} == {
        one.id: {"planner": "planner", "researcher": "planner/researcher"}[one.agent] for one in served
    }
    (run,) = {row["run"] for row in rows.values()}
    tree = ledger.get(f"/v1/runs/{run}/spans", tenant="nested")
    kinds = [(span["depth"], span["kind"], span["agent"].partition("#")[0]) for span in tree["spans"]]
    assert kinds == [
        (0, "other", "fleet"),
        (1, "workflow", "fleet"),
        (2, "agent", "planner"),
        (3, "inference", "planner"),
        (3, "tool", "planner"),
        (4, "agent", "planner/researcher"),
        (5, "inference", "planner/researcher"),
        (3, "inference", "planner"),
    ]
