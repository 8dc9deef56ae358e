"""A wrapped OpenAI client holds and settles, and otherwise behaves as it did."""

import asyncio
import contextlib
from typing import Any

import pytest

openai = pytest.importorskip("openai")

from pydantic import BaseModel

from tests.integration.client.integrations.standin import AsyncStandIn, StandIn
from tests.integration.client.providers.served import Turn
from tests.integration.client.providers.server import Provider
from tollbook.client.errors import HoldLost
from tollbook.client.integrations.stainless import wrap_async, wrap_sync
from tollbook.domain.errors import BudgetExceeded

ASK: dict[str, Any] = {"model": "gpt-5.5", "messages": [{"role": "user", "content": "Is it done?"}]}
TEXT = "It is done, all of it."


def client(provider: Provider, ledger: StandIn, **options: Any) -> Any:
    """A wrapped client."""
    made = openai.OpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0, **options)
    wrap_sync(made, ledger)
    return made


def async_client(provider: Provider, ledger: AsyncStandIn) -> Any:
    """A wrapped asynchronous client."""
    made = openai.AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0)
    wrap_async(made, ledger)
    return made


def text_of(chunks: Any) -> str:
    """What a streamed chat says."""
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def settled(provider: Provider, ledger: StandIn) -> None:
    """What was recorded is what was served, answer by answer, and nothing is left open."""
    assert [(one.call_id, one.usage) for one in ledger.reads()] == [
        (None if one.route == "embeddings" else one.id, one.usage) for one in provider.book.served
    ]
    assert ledger.opened == ledger.closed


def test_every_way_to_ask_is_counted_once(provider: Provider, ledger: StandIn) -> None:
    made = client(provider, ledger)

    class Answer(BaseModel):
        done: bool

    provider.book.script(*[Turn() for _ in range(6)], Turn(text='{"done": true}'))
    assert made.chat.completions.create(**ASK).choices[0].message.content == TEXT
    assert text_of(made.chat.completions.create(**ASK, stream=True)) == TEXT
    assert made.responses.create(model="gpt-5.5", input="Is it done?").output_text == TEXT
    with made.responses.create(model="gpt-5.5", input="Is it done?", stream=True) as events:
        assert [event.type for event in events][-1] == "response.completed"
    with made.chat.completions.stream(**ASK) as events:
        events.until_done()
        assert events.get_final_completion().choices[0].message.content == TEXT
    with made.responses.stream(model="gpt-5.5", input="Is it done?") as events:
        assert events.get_final_response().output_text == TEXT
    assert made.chat.completions.parse(**ASK, response_format=Answer).choices[0].message.parsed == Answer(done=True)
    assert made.embeddings.create(model="text-embedding-3-small", input="x").data[0].embedding == [1.0]
    assert made.chat.completions.with_raw_response.create(**ASK).parse().choices[0].message.content == TEXT
    assert text_of(made.chat.completions.with_raw_response.create(**ASK, stream=True).parse()) == TEXT
    with made.with_options(timeout=9).chat.completions.with_streaming_response.create(**ASK) as raw:
        assert raw.json()["choices"][0]["message"]["content"] == TEXT
    settled(provider, ledger)
    assert len(ledger.recorded) == 11


def test_asynchronous_ways_are_counted_too(provider: Provider, async_ledger: AsyncStandIn) -> None:
    async def go() -> None:
        async with async_client(provider, async_ledger) as made:
            await made.chat.completions.create(**ASK)
            chunks = [chunk async for chunk in await made.chat.completions.create(**ASK, stream=True)]
            assert text_of(chunks) == TEXT
            await made.responses.create(model="gpt-5.5", input="x")
            async with await made.responses.create(model="gpt-5.5", input="x", stream=True) as events:
                assert [event.type async for event in events][-1] == "response.completed"
            async with made.chat.completions.stream(**ASK) as events:
                await events.get_final_completion()
            await made.embeddings.create(model="text-embedding-3-small", input="x")
            async with made.chat.completions.with_streaming_response.create(**ASK) as raw:
                await raw.json()
            await asyncio.gather(*(made.chat.completions.create(**ASK) for _ in range(20)))

    asyncio.run(go())
    assert async_ledger.total() == provider.book.total()
    assert {one.call_id for one in async_ledger.reads() if one.call_id} == {
        one.id for one in provider.book.served if one.route != "embeddings"
    }
    assert async_ledger.opened == async_ledger.closed == 27


def test_the_chunk_of_the_usage_is_shown_only_to_who_asked(provider: Provider, ledger: StandIn) -> None:
    made = client(provider, ledger)
    unasked = list(made.chat.completions.create(**ASK, stream=True))
    asked = list(made.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}))
    assert all(chunk.choices for chunk in unasked)
    assert asked[-1].choices == []
    assert asked[-1].usage.total_tokens > 0
    assert len(asked) == len(unasked) + 1
    settled(provider, ledger)


def test_who_reads_the_bytes_of_a_stream_does_not_see_it_either(provider: Provider, ledger: StandIn) -> None:
    with client(provider, ledger).chat.completions.with_streaming_response.create(**ASK, stream=True) as raw:
        lines = list(raw.iter_lines())
    assert lines[-2:] == ["data: [DONE]", ""]
    assert not [line for line in lines if "prompt_tokens" in line]
    settled(provider, ledger)


def test_a_spent_budget_refuses_before_anything_is_sent(provider: Provider) -> None:
    ledger = StandIn(calls_max=0)
    made = client(provider, ledger)
    for stream in (False, True):
        with pytest.raises(BudgetExceeded):
            made.chat.completions.create(**ASK, stream=stream)
    with pytest.raises(BudgetExceeded):
        made.embeddings.create(model="text-embedding-3-small", input="x")
    assert provider.book.served == []


@pytest.mark.parametrize("fault", ["broken", "full"])
def test_a_failure_of_ours_changes_nothing(fault: str, provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    ledger = StandIn(broken=fault == "broken", full=fault == "full")
    made = client(provider, ledger)
    assert made.chat.completions.create(**ASK).choices[0].message.content == TEXT
    assert text_of(made.chat.completions.create(**ASK, stream=True)) == TEXT
    assert "a bug of ours" in caplog.text
    assert ledger.opened == ledger.closed


def test_what_was_granted_is_asked_for_where_the_caller_named_nothing_or_more(provider: Provider) -> None:
    made = client(provider, StandIn(granted=500))
    made.chat.completions.create(**ASK)
    made.chat.completions.create(**ASK, max_tokens=100)
    made.chat.completions.create(**ASK, max_completion_tokens=900)
    made.responses.create(model="gpt-5.5", input="x")
    made.embeddings.create(model="text-embedding-3-small", input="x")
    sent = [
        {name: value for name, value in one.body.items() if name.startswith("max_")} for one in provider.book.served
    ]
    assert sent == [
        {"max_completion_tokens": 500},
        {"max_tokens": 100},
        {"max_completion_tokens": 500},
        {"max_output_tokens": 500},
        {},
    ]


def test_the_gate_is_told_what_the_call_may_use(provider: Provider, ledger: StandIn) -> None:
    client(provider, ledger).chat.completions.create(**ASK, max_tokens=100, service_tier="flex")
    asked = ledger.asked[0]
    assert (asked["model"], asked["max_output_tokens"], asked["service_tier"]) == ("gpt-5.5", 100, "flex")
    assert 5 < asked["input_tokens"] < 50


def test_the_cheaper_model_of_the_gate_is_called(provider: Provider) -> None:
    client(provider, StandIn(model="gpt-5-mini")).chat.completions.create(**ASK)
    assert provider.book.served[0].model == "gpt-5-mini"


@pytest.mark.parametrize("status", [401, 429, 500])
def test_an_error_of_the_provider_comes_out_as_it_is_and_releases(
    status: int, provider: Provider, ledger: StandIn
) -> None:
    provider.book.script(Turn(status=status))
    with pytest.raises(openai.APIStatusError) as caught:
        client(provider, ledger).chat.completions.create(**ASK)
    assert caught.value.status_code == status
    assert (ledger.recorded, ledger.released, ledger.closed) == ([], 1, 1)


def test_a_retried_call_is_held_once(provider: Provider, ledger: StandIn) -> None:
    provider.book.script(Turn(status=500))
    made = client(provider, ledger).with_options(max_retries=1)
    made.chat.completions.create(**ASK)
    assert provider.book.refused == [500]
    assert ledger.opened == 1
    settled(provider, ledger)


def test_a_host_that_cannot_be_reached_releases(ledger: StandIn) -> None:
    made = openai.OpenAI(base_url="http://127.0.0.1:1/v1", api_key="k", max_retries=0)
    wrap_sync(made, ledger)
    with pytest.raises(openai.APIConnectionError):
        made.chat.completions.create(**ASK)
    assert (ledger.recorded, ledger.released) == ([], 1)


def test_a_stream_that_the_reader_leaves_is_an_estimate(provider: Provider, ledger: StandIn) -> None:
    made = client(provider, ledger)
    with made.chat.completions.create(**ASK, stream=True) as chunks:
        for number, _ in enumerate(chunks):
            if number == 2:
                break
    found = ledger.reads()[0]
    assert found.estimated
    assert (found.call_id, found.model) == (provider.book.served[0].id, "gpt-5.5")
    assert 0 < found.usage.output < 10
    assert 0 < found.usage.input < 50


def test_a_stream_that_is_thrown_away_is_an_estimate(provider: Provider, ledger: StandIn) -> None:
    chunks = client(provider, ledger).responses.create(model="gpt-5.5", input="x", stream=True)
    next(iter(chunks))
    chunks.close()
    assert [one.estimated for one in ledger.reads()] == [True]


def test_a_stream_that_breaks_is_an_estimate_and_its_error_comes_out(provider: Provider, ledger: StandIn) -> None:
    provider.book.script(Turn(cut_after=3))
    heard: list[Any] = []
    with pytest.raises(openai.APIConnectionError):
        heard.extend(client(provider, ledger).chat.completions.create(**ASK, stream=True))
    assert len(heard) == 3
    assert [(one.estimated, one.usage.output) for one in ledger.reads()] == [(True, 3)]
    assert ledger.opened == ledger.closed


def test_a_server_without_usage_in_streams_gives_an_estimate(provider: Provider, ledger: StandIn) -> None:
    provider.book.script(Turn(silent_usage=True))
    assert text_of(client(provider, ledger).chat.completions.create(**ASK, stream=True)) == TEXT
    assert [(one.estimated, one.usage.output) for one in ledger.reads()] == [(True, 6)]


def test_a_lost_hold_stops_a_stream(provider: Provider, ledger: StandIn) -> None:
    chunks = client(provider, ledger).chat.completions.create(**ASK, stream=True)
    ledger.lost = True
    with pytest.raises(HoldLost):
        list(chunks)
    assert [one.estimated for one in ledger.reads()] == [True]


def test_a_cancelled_call_is_an_estimate(provider: Provider, async_ledger: AsyncStandIn) -> None:
    async def go() -> None:
        async with async_client(provider, async_ledger) as made:
            chunks = await made.chat.completions.create(**ASK, stream=True)
            seen = asyncio.Event()

            async def read() -> None:
                async for _ in chunks:
                    seen.set()
                    await asyncio.Event().wait()

            task = asyncio.create_task(read())
            await seen.wait()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await chunks.close()

    asyncio.run(go())
    assert [one.estimated for one in async_ledger.reads()] == [True]
    assert async_ledger.opened == async_ledger.closed


def test_nothing_of_tollbook_leaves_with_a_request(provider: Provider, ledger: StandIn) -> None:
    client(provider, ledger).chat.completions.create(**ASK)
    served = provider.book.served[0]
    assert not [name for name in served.headers if "tollbook" in name or name in ("baggage", "traceparent")]
    assert set(served.body) == {"model", "messages"}


def test_wrapping_twice_counts_once_and_what_bills_nothing_is_not_asked_for(
    provider: Provider, ledger: StandIn
) -> None:
    made = client(provider, ledger)
    wrap_sync(made, ledger)
    wrap_sync(made.copy(), ledger)
    made.copy().copy().chat.completions.create(**ASK)
    assert ledger.opened == 1
    with pytest.raises(openai.APIStatusError):
        made.models.list()
    assert ledger.opened == 1
