"""Where a run's money went."""

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from tollbook.domain.money import nanos_from_usd, usd_text
from tollbook.mcp.shapes import Figures, Run, RunRow
from tollbook.mcp.trees import AGENTS_MAX, explained

NOTHING = {"unpriced_usd": "0.000000000", "input": 0, "output": 0, "cache_read": 0, "cache_write": 0, "reasoning": 0}


def row(agent: str, cost: str, *, model: str = "m", tenant: str = "acme") -> RunRow:
    return RunRow(
        tenant=tenant,
        agent=agent,
        model=model,
        first_ts="2026-08-02T09:30:00Z",
        last_ts="2026-08-02T09:31:00Z",
        calls=1,
        cost_usd=usd_text(nanos_from_usd(cost)),
        **NOTHING,
    )


def run(*rows: RunRow, total: str) -> Run:
    return Run(
        run="r",
        first_ts="2026-08-02T09:30:00Z",
        last_ts="2026-08-02T09:31:00Z",
        total=Figures(calls=len(rows), cost_usd=total, **NOTHING),
        rows=list(rows),
    )


def test_an_agent_is_shown_with_its_own_cost_and_with_all_below_it() -> None:
    found = explained(
        run(
            row("planner", "0.100000000"),
            row("planner/search#1", "0.200000000"),
            row("planner/search#1/fetch", "0.300000001"),
            row("planner/search#2", "0.400000000", model="n"),
            total="1.000000001",
        )
    )
    costs = {agent.agent: (agent.own_usd, agent.inclusive_usd, agent.share_percent) for agent in found.agents}
    assert costs == {
        "planner": ("0.100000000", "1.000000001", "100.0"),
        "planner/search#1": ("0.200000000", "0.500000001", "50.0"),
        "planner/search#1/fetch": ("0.300000001", "0.300000001", "30.0"),
        "planner/search#2": ("0.400000000", "0.400000000", "39.9"),
    }
    assert found.agents[0].agent == "planner"
    assert found.costliest_path == ["planner", "planner/search#1", "planner/search#1/fetch"]
    assert [(model.model, model.cost_usd) for model in found.models] == [("m", "0.600000001"), ("n", "0.400000000")]


def test_an_agent_that_only_has_others_below_it_costs_nothing_itself() -> None:
    found = explained(run(row("a/b", "0.500000000"), total="0.500000000"))
    assert [(agent.agent, agent.calls, agent.own_usd) for agent in found.agents] == [
        ("a", 0, "0.000000000"),
        ("a/b", 1, "0.500000000"),
    ]


def test_what_is_left_off_is_the_cheapest() -> None:
    rows = [row(f"a#{number}", f"0.{number + 100:03d}000000") for number in range(AGENTS_MAX + 5)]
    found = explained(run(*rows, total="9.000000000"))
    assert found.agents_left_off == 5
    assert min(agent.inclusive_usd for agent in found.agents) == "0.105000000"


def test_a_run_of_nothing_but_corrections_back_to_zero_has_shares_of_nothing() -> None:
    found = explained(run(row("a", "0.000000000"), total="0.000000000"))
    assert found.agents[0].share_percent == "0.0"


def test_a_name_that_two_tenants_used_is_not_guessed() -> None:
    with pytest.raises(ToolError, match="ambiguous: 2 tenants"):
        explained(run(row("a", "0.1"), row("a", "0.1", tenant="other"), total="0.200000000"))
