"""A wrapped Anthropic client holds and settles, and otherwise behaves as it did."""

import asyncio
from typing import Any

import pytest

anthropic = pytest.importorskip("anthropic")

from tests.integration.client.integrations.standin import AsyncStandIn, StandIn
from tests.integration.client.providers.served import Turn
from tests.integration.client.providers.server import Provider
from tollbook.client.integrations.stainless import wrap_async, wrap_sync
from tollbook.domain.errors import BudgetExceeded

ASK: dict[str, Any] = {
    "model": "claude-opus-4-7",
    "max_tokens": 900,
    "messages": [{"role": "user", "content": "Is it done?"}],
}
TEXT = "It is done, all of it."


def client(provider: Provider, ledger: StandIn) -> Any:
    """A wrapped client."""
    made = anthropic.Anthropic(base_url=provider.url, api_key="k", max_retries=0)
    wrap_sync(made, ledger)
    return made


def settled(provider: Provider, ledger: StandIn) -> None:
    """What was recorded is what was served, both lives of cache writes apart, and nothing is left open."""
    assert [(one.call_id, one.usage) for one in ledger.reads()] == [(one.id, one.usage) for one in provider.book.served]
    assert ledger.opened == ledger.closed


def test_every_way_to_ask_is_counted_once(provider: Provider, ledger: StandIn) -> None:
    made = client(provider, ledger)
    assert made.messages.create(**ASK).content[0].text == TEXT
    events = made.messages.create(**ASK, stream=True)
    assert [event.type for event in events][-1] == "message_stop"
    with made.messages.stream(**ASK) as stream:
        assert "".join(stream.text_stream) == TEXT
    with made.messages.stream(**ASK) as stream:
        assert stream.get_final_message().usage.output_tokens > 1
    assert made.beta.messages.create(**ASK).content[0].text == TEXT
    assert made.messages.with_raw_response.create(**ASK).parse().content[0].text == TEXT
    with made.with_options(timeout=9).messages.with_streaming_response.create(**ASK) as raw:
        assert raw.json()["content"][0]["text"] == TEXT
    settled(provider, ledger)
    assert len(ledger.recorded) == 7


def test_asynchronous_ways_are_counted_too(provider: Provider, async_ledger: AsyncStandIn) -> None:
    async def go() -> None:
        async with anthropic.AsyncAnthropic(base_url=provider.url, api_key="k", max_retries=0) as made:
            wrap_async(made, async_ledger)
            await made.messages.create(**ASK)
            async with made.messages.stream(**ASK) as stream:
                assert "".join([text async for text in stream.text_stream]) == TEXT
            async for _ in await made.messages.create(**ASK, stream=True):
                pass
            await asyncio.gather(*(made.messages.create(**ASK) for _ in range(10)))

    asyncio.run(go())
    assert async_ledger.total() == provider.book.total()
    assert async_ledger.opened == async_ledger.closed == 13


def test_every_turn_of_a_tool_runner_is_counted(provider: Provider, ledger: StandIn) -> None:
    made = client(provider, ledger)
    provider.book.script(Turn(tool=("look", "{}")))

    @anthropic.beta_tool
    def look() -> str:
        """Look."""
        return "seen"

    runner = made.beta.messages.tool_runner(**ASK, tools=[look])
    assert runner.until_done().content[0].text == TEXT
    settled(provider, ledger)
    assert len(ledger.recorded) == 2


def test_a_stream_that_the_reader_leaves_keeps_its_input(provider: Provider, ledger: StandIn) -> None:
    with client(provider, ledger).messages.stream(**ASK) as stream:
        for _ in stream.text_stream:
            break
    found, served = ledger.reads()[0], provider.book.served[0]
    assert found.estimated
    assert (found.call_id, found.usage.input, found.usage.cache_write_1h) == (
        served.id,
        served.usage.input,
        served.usage.cache_write_1h,
    )
    assert found.usage.output == 2
    assert ledger.opened == ledger.closed


def test_a_stream_that_breaks_is_an_estimate(provider: Provider, ledger: StandIn) -> None:
    provider.book.script(Turn(cut_after=5))
    with pytest.raises(Exception, match=r"peer closed|incomplete"):
        list(client(provider, ledger).messages.create(**ASK, stream=True))
    assert [(one.estimated, one.usage.output) for one in ledger.reads()] == [(True, 3)]


def test_a_compaction_and_an_advisor_are_settled(provider: Provider, ledger: StandIn) -> None:
    iterations = [
        {"type": "compaction", "input_tokens": 100_000, "output_tokens": 500},
        {"type": "advisor_message", "model": "claude-fable-5", "input_tokens": 70, "output_tokens": 8},
    ]
    provider.book.script(Turn(extra={"iterations": iterations}), Turn(extra={"iterations": iterations}))
    made = client(provider, ledger)
    made.beta.messages.create(**ASK)
    list(made.beta.messages.create(**ASK, stream=True))
    for found, served in zip(ledger.reads(), provider.book.served, strict=True):
        assert found.usage.input == served.usage.input + 100_000
        assert [(one.model, one.usage.input) for one in found.others] == [("claude-fable-5", 70)]


def test_a_spent_budget_refuses_before_anything_is_sent(provider: Provider) -> None:
    made = client(provider, StandIn(calls_max=0))
    with pytest.raises(BudgetExceeded):
        made.messages.create(**ASK)
    with pytest.raises(BudgetExceeded), made.messages.stream(**ASK):
        pass
    assert provider.book.served == []


@pytest.mark.parametrize("status", [401, 429, 500])
def test_an_error_of_the_provider_comes_out_as_it_is_and_releases(
    status: int, provider: Provider, ledger: StandIn
) -> None:
    provider.book.script(Turn(status=status))
    with pytest.raises(anthropic.APIStatusError) as caught:
        client(provider, ledger).messages.create(**ASK)
    assert caught.value.status_code == status
    assert (ledger.recorded, ledger.released, ledger.closed) == ([], 1, 1)


def test_a_smaller_grant_lowers_what_is_asked_for(provider: Provider) -> None:
    client(provider, StandIn(granted=300)).messages.create(**ASK)
    assert provider.book.served[0].body["max_tokens"] == 300


def test_counting_tokens_is_not_held(provider: Provider, ledger: StandIn) -> None:
    made = client(provider, ledger)
    made.messages.with_raw_response.count_tokens(model="claude-opus-4-7", messages=ASK["messages"])
    assert ledger.opened == 0
    assert not [name for name in provider.book.served[0].headers if "tollbook" in name]
