"""A wrapped google-genai client holds and settles, and otherwise behaves as it did."""

import asyncio
from typing import Any

import pytest

genai = pytest.importorskip("google.genai")

from google.genai import errors, types

from tests.integration.client.integrations.standin import AsyncStandIn, StandIn
from tests.integration.client.providers.served import Turn
from tests.integration.client.providers.server import Provider
from tollbook.client.integrations.gemini import wrap_gemini
from tollbook.domain.errors import BudgetExceeded

# aiohttp discourages what google-genai does with its sessions.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning")

ASK: dict[str, Any] = {"model": "gemini-3.8-flash", "contents": "Is it done?"}
TEXT = "It is done, all of it."


def client(provider: Provider, ledger: StandIn, async_ledger: AsyncStandIn | None = None) -> Any:
    """A wrapped client."""
    made = genai.Client(api_key="k", http_options={"base_url": provider.url})
    wrap_gemini(made, ledger, async_ledger or AsyncStandIn())
    return made


def test_every_way_to_ask_is_counted_once(provider: Provider, ledger: StandIn) -> None:
    made = client(provider, ledger)
    assert made.models.generate_content(**ASK).text == TEXT
    assert "".join(one.text for one in made.models.generate_content_stream(**ASK)) == TEXT
    chat = made.chats.create(model="gemini-3.8-flash")
    assert chat.send_message("Is it done?").text == TEXT
    assert "".join(one.text for one in chat.send_message_stream("And now?")) == TEXT
    assert [(one.call_id, one.usage) for one in ledger.reads()] == [(one.id, one.usage) for one in provider.book.served]
    assert ledger.opened == ledger.closed == 4


def test_every_turn_of_automatic_function_calling_is_counted(provider: Provider, ledger: StandIn) -> None:
    def look() -> str:
        """Look."""
        return "seen"

    provider.book.script(Turn(tool=("look", "{}")))
    config = types.GenerateContentConfig(tools=[look])
    assert client(provider, ledger).models.generate_content(**ASK, config=config).text == TEXT
    assert [one.usage for one in ledger.reads()] == [one.usage for one in provider.book.served]
    assert len(ledger.recorded) == 2


def test_asynchronous_ways_are_counted_too(provider: Provider, ledger: StandIn, async_ledger: AsyncStandIn) -> None:
    async def go() -> None:
        aio = client(provider, ledger, async_ledger).aio
        assert (await aio.models.generate_content(**ASK)).text == TEXT
        assert "".join([one.text async for one in await aio.models.generate_content_stream(**ASK)]) == TEXT
        await asyncio.gather(*(aio.models.generate_content(**ASK) for _ in range(10)))
        await aio.aclose()

    asyncio.run(go())
    assert async_ledger.total() == provider.book.total()
    assert async_ledger.opened == async_ledger.closed == 12
    assert ledger.opened == 0


def test_a_stream_that_the_reader_leaves_is_an_estimate(
    provider: Provider, ledger: StandIn, async_ledger: AsyncStandIn
) -> None:
    made = client(provider, ledger, async_ledger)
    chunks = made.models.generate_content_stream(**ASK)
    next(chunks)
    chunks.close()

    async def go() -> None:
        stream = await made.aio.models.generate_content_stream(**ASK)
        await anext(stream)
        await stream.aclose()
        await made.aio.aclose()

    asyncio.run(go())
    for kept in (ledger, async_ledger):
        assert [(one.estimated, one.usage.input) for one in kept.reads()] != []
        assert all(one.estimated for one in kept.reads())
        assert kept.opened == kept.closed == 1
    assert ledger.reads()[0].usage.input == provider.book.served[0].usage.input


def test_a_spent_budget_refuses_before_anything_is_sent(provider: Provider) -> None:
    made = client(provider, StandIn(calls_max=0), AsyncStandIn(calls_max=0))

    async def go() -> None:
        with pytest.raises(BudgetExceeded):
            await made.aio.models.generate_content(**ASK)
        with pytest.raises(BudgetExceeded):
            async for _ in await made.aio.models.generate_content_stream(**ASK):
                pass

    with pytest.raises(BudgetExceeded):
        made.models.generate_content(**ASK)
    with pytest.raises(BudgetExceeded):
        list(made.models.generate_content_stream(**ASK))
    asyncio.run(go())
    assert provider.book.served == []


@pytest.mark.parametrize("status", [401, 429, 500])
def test_an_error_of_the_provider_comes_out_as_it_is_and_releases(
    status: int, provider: Provider, ledger: StandIn
) -> None:
    made = client(provider, ledger)
    provider.book.script(Turn(status=status), Turn(status=status))
    with pytest.raises(errors.APIError) as caught:
        made.models.generate_content(**ASK)
    with pytest.raises(errors.APIError):
        list(made.models.generate_content_stream(**ASK))
    assert caught.value.code == status
    assert (ledger.recorded, ledger.released, ledger.closed) == ([], 2, 2)


def test_what_was_granted_is_asked_for_where_the_caller_named_nothing_or_more(provider: Provider) -> None:
    made = client(provider, StandIn(granted=500, model="gemini-4-argon"))
    made.models.generate_content(**ASK)
    made.models.generate_content(**ASK, config={"max_output_tokens": 900, "temperature": 0})
    made.models.generate_content(**ASK, config={"max_output_tokens": 100})
    assert [one.body["generationConfig"]["maxOutputTokens"] for one in provider.book.served] == [500, 500, 100]
    assert {one.model for one in provider.book.served} == {"gemini-4-argon"}


def test_a_failure_of_ours_changes_nothing(provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    made = client(provider, StandIn(broken=True))
    assert made.models.generate_content(**ASK).text == TEXT
    assert "".join(one.text for one in made.models.generate_content_stream(**ASK)) == TEXT
    assert "a bug of ours" in caplog.text
