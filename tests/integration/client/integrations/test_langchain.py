"""The LangChain handler holds before each model call, and knows which agent made it."""

import asyncio
from typing import Any

import pytest

pytest.importorskip("langchain_core")
pytest.importorskip("langchain_openai")

from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from tests.integration.client.integrations.standin import StandIn
from tests.integration.client.providers.served import Turn
from tests.integration.client.providers.server import Provider
from tollbook.client.integrations.langchain import TollbookCallbackHandler
from tollbook.domain.errors import BudgetExceeded

TEXT = "It is done, all of it."


def model(provider: Provider, **options: Any) -> ChatOpenAI:
    """A chat model at the fake provider."""
    named: dict[str, Any] = {"model": "gpt-5.5", "max_retries": 0, "stream_usage": True, **options}
    return ChatOpenAI(base_url=f"{provider.url}/v1", api_key="k", **named)


def test_calls_streams_and_batches_are_counted_once(provider: Provider, ledger: StandIn) -> None:
    handler = TollbookCallbackHandler(ledger)
    config: Any = {"callbacks": [handler]}
    chat = model(provider)
    assert chat.invoke("Is it done?", config).content == TEXT
    assert "".join(str(one.content) for one in chat.stream("Is it done?", config)) == TEXT
    chat.batch(["a", "b", "c"], config)
    asyncio.run(chat.ainvoke("Is it done?", config))
    assert ledger.total() == provider.book.total()
    # LangChain does not hand on the id of a stream.
    assert {one.call_id for one in ledger.reads()} >= {one.id for one in provider.book.served} - {"chatcmpl-2"}
    assert ledger.opened == ledger.closed == 6
    assert handler._runs == {}


def test_sub_agents_are_paths(provider: Provider, ledger: StandIn) -> None:
    chat = model(provider)
    handler = TollbookCallbackHandler(ledger)

    @tool
    def research(question: str) -> str:
        """Have it researched."""
        researcher = RunnableLambda(lambda text: chat.invoke(f"[agent=planner/researcher] {text}").content)
        named: Any = {"metadata": {"lc_agent_name": "researcher"}}
        return str(researcher.invoke(question, named))

    def plan(question: str) -> str:
        chat.invoke(f"[agent=planner] {question}")
        return str(research.invoke(question)) + str(chat.invoke(f"[agent=planner] {question}").content)

    planner = RunnableLambda(plan)
    planner.invoke("Is it done?", {"callbacks": [handler], "metadata": {"lc_agent_name": "planner"}})
    node: Any = {"callbacks": [handler], "metadata": {"langgraph_node": "writer"}}
    RunnableLambda(lambda text: chat.invoke(f"[agent=writer] {text}").content).invoke("Write", node)
    for agent in ("planner", "planner/researcher", "writer"):
        assert ledger.total(agent) == provider.book.total(agent) != (0, 0)
    assert handler._runs == {}


def test_a_spent_budget_comes_out_of_invoke(provider: Provider) -> None:
    ledger = StandIn(calls_max=0)
    handler = TollbookCallbackHandler(ledger)
    config: Any = {"callbacks": [handler]}
    with pytest.raises(BudgetExceeded):
        model(provider).invoke("Is it done?", config)
    with pytest.raises(BudgetExceeded):
        asyncio.run(model(provider).ainvoke("Is it done?", config))
    with pytest.raises(BudgetExceeded):
        RunnableLambda(lambda text: model(provider).invoke(text)).invoke("Is it done?", config)
    assert provider.book.served == []
    assert handler._runs == {}


def test_an_error_releases_and_a_broken_stream_is_an_estimate(provider: Provider, ledger: StandIn) -> None:
    config: Any = {"callbacks": [TollbookCallbackHandler(ledger)]}
    provider.book.script(Turn(status=500), Turn(cut_after=3))
    with pytest.raises(Exception, match="refused with 500"):
        model(provider).invoke("Is it done?", config)
    assert (ledger.recorded, ledger.released) == ([], 1)
    with pytest.raises(Exception, match=r"Connection error|peer closed"):
        list(model(provider).stream("Is it done?", config))
    assert [(one.estimated, one.usage.output) for one in ledger.reads()] == [(True, 3)]


def test_a_stream_without_usage_is_an_estimate(provider: Provider, ledger: StandIn) -> None:
    config: Any = {"callbacks": [TollbookCallbackHandler(ledger)]}
    list(model(provider, stream_usage=False).stream("Is it done?", config))
    assert [(one.estimated, one.usage.output, one.model) for one in ledger.reads()] == [(True, 6, "gpt-5.5")]


def test_a_failure_of_ours_changes_nothing(provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    for ledger in (StandIn(broken=True), StandIn(full=True)):
        config: Any = {"callbacks": [TollbookCallbackHandler(ledger)]}
        assert model(provider).invoke("Is it done?", config).content == TEXT
    assert "a bug of ours" in caplog.text
