"""`tollbook.wrap` with the SDK's own client against a gate: holds, grants, refusals."""

import asyncio
from typing import Any

import pytest

openai = pytest.importorskip("openai")
genai = pytest.importorskip("google.genai")

import tollbook
from tests.integration.client.conftest import NewClient
from tests.integration.client.gate_double import STEP_TOKENS, Gate
from tests.integration.client.providers.served import Turn
from tests.integration.client.providers.server import Provider

ASK: dict[str, Any] = {"model": "gpt-5.5", "messages": [{"role": "user", "content": "Is it done?"}]}


def chat_of(provider: Provider, ledger: Any) -> Any:
    """A wrapped client."""
    return tollbook.wrap(openai.OpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0), ledger)


def test_a_call_is_held_granted_and_settled(provider: Provider, gate: Gate, new_client: NewClient) -> None:
    ledger = new_client()
    chat = chat_of(provider, ledger)
    with ledger.agent("planner"):
        chat.chat.completions.create(**ASK)
        list(chat.chat.completions.create(**ASK, stream=True))
    assert ledger.flush(30) == 0
    assert gate.holds == {}
    assert [one.body["max_completion_tokens"] for one in provider.book.served] == [STEP_TOKENS] * 2
    assert [(event["agent"], event["call_id"]) for event in gate.events.values()] == [
        ("planner", one.id) for one in provider.book.served
    ]
    assert all(event["hold"] for event in gate.events.values())


def test_a_spent_budget_is_told_with_its_decision(provider: Provider, gate: Gate, new_client: NewClient) -> None:
    gate.limit = 0
    with pytest.raises(tollbook.BudgetExceeded) as caught:
        chat_of(provider, new_client()).chat.completions.create(**ASK)
    assert caught.value.decision is not None
    assert provider.book.served == []


def test_a_refused_call_gives_its_hold_back(provider: Provider, gate: Gate, new_client: NewClient) -> None:
    provider.book.script(Turn(status=429))
    with pytest.raises(openai.RateLimitError):
        chat_of(provider, new_client()).chat.completions.create(**ASK)
    gate.await_request("DELETE", "/v1/holds/")
    assert gate.events == {}


def test_an_asynchronous_client_takes_a_blocking_ledger(provider: Provider, gate: Gate, new_client: NewClient) -> None:
    ledger = new_client()

    async def go() -> None:
        made = openai.AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0)
        async with tollbook.wrap(made, ledger) as chat:
            await chat.chat.completions.create(**ASK)

    asyncio.run(go())
    assert ledger.flush(30) == 0
    assert len(gate.events) == 1


@pytest.mark.parametrize("closed", [False, True])
def test_a_question_that_the_server_refuses_stops_the_call_only_where_told(
    closed: bool, provider: Provider, gate: Gate, new_client: NewClient
) -> None:
    gate.answers.append((401, {"code": "unauthorized", "detail": "no such key"}))
    chat = chat_of(provider, new_client(**({"on_unreachable": "closed"} if closed else {})))
    if closed:
        with pytest.raises(tollbook.GateRefused):
            chat.chat.completions.create(**ASK)
    else:
        chat.chat.completions.create(**ASK)
    assert len(provider.book.served) == (0 if closed else 1)


def test_what_is_no_client_is_refused() -> None:
    with pytest.raises(tollbook.ConfigError, match="knows no client like"):
        tollbook.wrap(object())
