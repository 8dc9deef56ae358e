"""The run hooks of the OpenAI Agents SDK know which agent called, sub-agents and handoffs included."""

import asyncio
import gc
from typing import Any

import pytest

pytest.importorskip("agents")

from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel, RunConfig, Runner
from openai import AsyncOpenAI

from tests.integration.client.integrations.standin import StandIn
from tests.integration.client.providers.served import Turn
from tests.integration.client.providers.server import Provider
from tollbook.client.integrations.openai_agents import TollbookRunHooks
from tollbook.domain.errors import BudgetExceeded

QUIET = RunConfig(tracing_disabled=True)
CALL = '{"input": "Is it done?"}'


class Fleet:
    """A planner with a researcher for a tool, who has a fetcher for one, and a writer to hand over to."""

    def __init__(
        self, provider: Provider, hooks: TollbookRunHooks, *, responses: bool = False, include_usage: bool = True
    ) -> None:
        kind: Any = OpenAIResponsesModel if responses else OpenAIChatCompletionsModel
        self.client = AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0)
        usage = ModelSettings(include_usage=include_usage)
        model = kind(model="gpt-5.5", openai_client=self.client)
        fetcher: Agent[Any] = Agent("fetcher", instructions="[agent=planner/researcher/fetcher]", model=model)
        fetch = fetcher.as_tool("fetch", "Fetch.", hooks=hooks)
        researcher: Agent[Any] = Agent(
            "researcher", instructions="[agent=planner/researcher]", model=model, tools=[fetch]
        )
        research = researcher.as_tool("research", "Research.", hooks=hooks)
        self.writer: Agent[Any] = Agent("writer", instructions="[agent=writer]", model=model, model_settings=usage)
        self.planner: Agent[Any] = Agent(
            "planner",
            instructions="[agent=planner]",
            model=model,
            tools=[research],
            handoffs=[self.writer],
            model_settings=usage,
        )
        book = provider.book
        book.script(Turn(tool=("research", CALL)), Turn(tool=("transfer_to_writer", "{}")), agent="planner")
        book.script(Turn(tool=("fetch", CALL)), agent="planner/researcher")


AGENTS = ("planner", "planner/researcher", "planner/researcher/fetcher", "writer")


@pytest.mark.parametrize("responses", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
def test_each_agent_of_a_fleet_pays_its_own(
    responses: bool, streamed: bool, provider: Provider, ledger: StandIn
) -> None:
    hooks = TollbookRunHooks(ledger)

    async def go() -> None:
        fleet = Fleet(provider, hooks, responses=responses)
        async with fleet.client:
            if streamed:
                result = Runner.run_streamed(fleet.planner, "Is it done?", hooks=hooks, run_config=QUIET)
                async for _ in result.stream_events():
                    pass
            else:
                await Runner.run(fleet.planner, "Is it done?", hooks=hooks, run_config=QUIET)

    asyncio.run(go())
    assert ledger.total() == provider.book.total()
    for agent in AGENTS:
        assert ledger.total(agent) == provider.book.total(agent) != (0, 0)
    assert ledger.opened == ledger.closed == 6
    assert {one.model for one in ledger.reads()} == {"gpt-5.5"}


def test_a_stream_whose_usage_nobody_asked_for_is_an_estimate(provider: Provider, ledger: StandIn) -> None:
    hooks = TollbookRunHooks(ledger)

    async def go() -> None:
        fleet = Fleet(provider, hooks, include_usage=False)
        async with fleet.client:
            result = Runner.run_streamed(fleet.writer, "Is it done?", hooks=hooks, run_config=QUIET)
            async for _ in result.stream_events():
                pass

    asyncio.run(go())
    assert [(one.estimated, one.usage.output) for one in ledger.reads()] == [(True, 6)]
    assert ledger.reads()[0].usage.input > 0


def test_fleets_at_once_do_not_mix(provider: Provider, ledger: StandIn) -> None:
    hooks = TollbookRunHooks(ledger)

    async def go() -> None:
        fleets = [Fleet(provider, hooks) for _ in range(5)]
        await asyncio.gather(*(Runner.run(one.planner, "Is it done?", hooks=hooks, run_config=QUIET) for one in fleets))
        for one in fleets:
            await one.client.close()

    asyncio.run(go())
    for agent in AGENTS:
        assert ledger.total(agent) == provider.book.total(agent) != (0, 0)


def test_a_spent_budget_stops_the_run(provider: Provider) -> None:
    hooks = TollbookRunHooks(StandIn(calls_max=0))

    async def go() -> None:
        fleet = Fleet(provider, hooks)
        with pytest.raises(BudgetExceeded):
            await Runner.run(fleet.planner, "Is it done?", hooks=hooks, run_config=QUIET)
        await fleet.client.close()

    asyncio.run(go())
    assert provider.book.served == []


def test_a_call_that_fails_is_closed_with_its_run(provider: Provider, ledger: StandIn) -> None:
    hooks = TollbookRunHooks(ledger)
    provider.book.script(Turn(status=400), agent="writer")

    async def go() -> None:
        fleet = Fleet(provider, hooks)
        with pytest.raises(Exception, match="refused with 400"):
            await Runner.run(fleet.writer, "Is it done?", hooks=hooks, run_config=QUIET)
        await fleet.client.close()

    asyncio.run(go())
    gc.collect()
    assert (ledger.recorded, ledger.opened, ledger.closed) == ([], 1, 1)


def test_a_failure_of_ours_changes_nothing(provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    async def go(hooks: TollbookRunHooks) -> str:
        fleet = Fleet(provider, hooks)
        async with fleet.client:
            result = await Runner.run(fleet.writer, "Is it done?", hooks=hooks, run_config=QUIET)
        return str(result.final_output)

    assert asyncio.run(go(TollbookRunHooks(StandIn(broken=True)))) == "It is done, all of it."
    assert "a bug of ours" in caplog.text
