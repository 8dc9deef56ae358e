"""The LiteLLM callback refuses asynchronous calls, and records every call once."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("litellm")

import litellm

from tests.integration.client.integrations.standin import StandIn
from tests.integration.client.providers.served import Turn
from tests.integration.client.providers.server import Provider
from tollbook.client.integrations.litellm import TollbookLogger
from tollbook.domain.errors import BudgetExceeded

TEXT = "It is done, all of it."
# LiteLLM's own background tasks and pydantic models warn.
pytestmark = pytest.mark.filterwarnings("ignore")


class Waiting(TollbookLogger):
    """A logger that tells when it was told of so many calls: LiteLLM tells from the background."""

    def __init__(self, ledger: StandIn) -> None:
        super().__init__(ledger)
        self.ends = threading.Semaphore(0)

    def _end(self, kwargs: dict[str, Any], response: Any) -> None:
        super()._end(kwargs, response)
        self.ends.release()

    def _fail(self, kwargs: dict[str, Any]) -> None:
        super()._fail(kwargs)
        self.ends.release()

    def wait(self, count: int) -> None:
        """Wait until so many calls have been told of."""
        for _ in range(count):
            assert self.ends.acquire(timeout=20)


@pytest.fixture
def logger(ledger: StandIn) -> Iterator[Waiting]:
    """The callback, hooked in for one test."""
    made = Waiting(ledger)
    litellm.logging_callback_manager._reset_all_callbacks()
    litellm.callbacks = [made]
    yield made
    litellm.logging_callback_manager._reset_all_callbacks()


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """One event loop for all: LiteLLM's background work stays on the first that it sees."""
    with asyncio.Runner() as runner:
        yield runner


def ask(provider: Provider, **more: Any) -> dict[str, Any]:
    """A call at the fake provider."""
    messages = [{"role": "user", "content": "[agent=planner/researcher] Is it done?"}]
    named = {"model": "openai/gpt-5.5", "api_base": f"{provider.url}/v1", "api_key": "k", "num_retries": 0}
    return {**named, "messages": messages, "metadata": {"agent": "planner/researcher"}, **more}


async def told(logger: Waiting, count: int) -> None:
    """Wait without holding up the loop, on which LiteLLM's background work runs."""
    await asyncio.to_thread(logger.wait, count)


def test_asynchronous_calls_are_held_and_counted_once(
    provider: Provider, ledger: StandIn, logger: Waiting, loop: asyncio.Runner
) -> None:
    async def go() -> None:
        answer = await litellm.acompletion(**ask(provider))
        assert answer.choices[0].message.content == TEXT
        async for _ in await litellm.acompletion(**ask(provider, stream=True, stream_options={"include_usage": True})):
            pass
        await litellm.aembedding(
            model="openai/text-embedding-3-small", input=["x"], api_base=f"{provider.url}/v1", api_key="k"
        )
        await told(logger, 3)

    loop.run(go())
    assert ledger.total() == provider.book.total()
    assert ledger.total("planner/researcher") == provider.book.total("planner/researcher")
    assert ledger.opened == ledger.closed == 3
    assert logger._open == {}


def test_synchronous_calls_are_recorded(provider: Provider, ledger: StandIn, logger: Waiting) -> None:
    assert litellm.completion(**ask(provider)).choices[0].message.content == TEXT
    logger.wait(1)
    assert ledger.total("planner/researcher") == provider.book.total()
    assert [asked.get("gate") for asked in ledger.asked] == ["off"]


def test_a_spent_budget_refuses_before_anything_is_sent(
    provider: Provider, ledger: StandIn, logger: Waiting, loop: asyncio.Runner
) -> None:
    ledger.calls_max = 0
    with pytest.raises(BudgetExceeded):
        loop.run(litellm.acompletion(**ask(provider)))
    assert provider.book.served == []


def test_an_error_releases(provider: Provider, ledger: StandIn, logger: Waiting, loop: asyncio.Runner) -> None:
    provider.book.script(Turn(status=401), agent="planner/researcher")

    async def go() -> None:
        with pytest.raises(litellm.AuthenticationError):
            await litellm.acompletion(**ask(provider))
        await told(logger, 1)

    loop.run(go())
    assert (ledger.recorded, ledger.released, ledger.closed) == ([], 1, 1)


def test_what_was_granted_is_asked_for(
    provider: Provider, ledger: StandIn, logger: Waiting, loop: asyncio.Runner
) -> None:
    ledger.granted = 300

    async def go() -> None:
        await litellm.acompletion(**ask(provider))
        await told(logger, 1)

    loop.run(go())
    body = provider.book.served[0].body
    assert 300 in (body.get("max_tokens"), body.get("max_completion_tokens"))
