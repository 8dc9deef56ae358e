"""A fleet over three providers against `tollbook up`: the ledger books what the providers counted, agent by agent."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

openai = pytest.importorskip("openai")
anthropic = pytest.importorskip("anthropic")
genai = pytest.importorskip("google.genai")

import tollbook
from tests.integration.client.providers.served import Turn
from tests.integration.client.providers.server import Provider
from tests.integration.e2e.running import Ledger, running

AGENTS = ("planner", "planner/researcher", "planner/researcher/fetcher", "writer")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger that runs."""
    with running(tmp_path_factory.mktemp("ledger") / "data") as found:
        yield found


def totals(up: Ledger, tenant: str) -> dict[str, tuple[int, int, int, int, int]]:
    """Input, output, reads and both kinds of writes of the cache that the ledger booked for each agent."""
    booked: dict[str, list[int]] = defaultdict(lambda: [0] * 5)
    for row in up.get("/v1/entries", tenant=tenant)["rows"]:
        for place, name in enumerate(("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")):
            booked[row["agent"]][place] += row[name]
    return {agent: tuple(counts) for agent, counts in booked.items()}  # type: ignore[misc]


def served(provider: Provider) -> dict[str, tuple[int, int, int, int, int]]:
    """The same of what the provider served."""
    kept: dict[str, list[int]] = defaultdict(lambda: [0] * 5)
    for one in provider.book.served:
        usage = one.usage
        counts = (usage.input, usage.output, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h)
        kept[one.agent] = [a + b for a, b in zip(kept[one.agent], counts, strict=True)]
    return {agent: tuple(counts) for agent, counts in kept.items()}  # type: ignore[misc]


def test_a_fleet_of_threads_books_what_was_served(up: Ledger, provider: Provider, tmp_path: Path) -> None:
    with tollbook.Client(
        up.api, up.access["admin_key"], "fleet", gate="off", spool_path=str(tmp_path / "o.db")
    ) as ledger:
        chat = tollbook.wrap(openai.OpenAI(base_url=f"{provider.url}/v1", api_key="k"), ledger)
        claude = tollbook.wrap(anthropic.Anthropic(base_url=provider.url, api_key="k"), ledger)
        gemini = tollbook.wrap(genai.Client(api_key="k", http_options={"base_url": provider.url}), ledger)
        for agent in AGENTS * 3:
            text = f"[agent={agent}] Is it done?"
            ask = {"messages": [{"role": "user", "content": text}]}
            with ledger.agent(agent):
                chat.chat.completions.create(model="gpt-5.5", **ask)
                list(chat.chat.completions.create(model="gpt-5.5", stream=True, **ask))
                list(chat.responses.create(model="gpt-5.5", input=text, stream=True))
                claude.messages.create(model="claude-opus-4-7", max_tokens=90, **ask)
                with claude.messages.stream(model="claude-opus-4-7", max_tokens=90, **ask) as stream:
                    stream.until_done()
                gemini.models.generate_content(model="gemini-3.8-flash", contents=text)
                list(gemini.models.generate_content_stream(model="gemini-3.8-flash", contents=text))
        assert ledger.flush(60) == 0
    assert totals(up, "fleet") == served(provider)
    rows = up.get("/v1/entries", tenant="fleet")["rows"]
    assert {row["call_id"] for row in rows} == {one.id for one in provider.book.served}


def test_tasks_at_once_do_not_mix_their_agents(up: Ledger, provider: Provider, tmp_path: Path) -> None:
    async def go() -> None:
        async with tollbook.AsyncClient(
            up.api, up.access["admin_key"], "tasks", gate="off", spool_path=str(tmp_path / "o.db")
        ) as ledger:
            made = openai.AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="k")
            async with tollbook.wrap(made, ledger) as chat:

                async def run(agent: str) -> None:
                    ask = {"messages": [{"role": "user", "content": f"[agent={agent}] Is it done?"}]}
                    with ledger.agent(agent):
                        await chat.chat.completions.create(model="gpt-5.5", **ask)
                        async for _ in await chat.chat.completions.create(model="gpt-5.5", stream=True, **ask):
                            pass

                await asyncio.gather(*(run(agent) for agent in AGENTS * 8))
            assert await ledger.flush(60) == 0

    asyncio.run(go())
    assert totals(up, "tasks") == served(provider)


def test_a_cut_stream_is_booked_as_an_estimate(up: Ledger, provider: Provider, tmp_path: Path) -> None:
    provider.book.script(Turn(cut_after=4))
    with tollbook.Client(
        up.api, up.access["admin_key"], "cut", gate="off", spool_path=str(tmp_path / "o.db")
    ) as ledger:
        chat = tollbook.wrap(openai.OpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0), ledger)
        ask = {"model": "gpt-5.5", "messages": [{"role": "user", "content": "Is it done?"}]}
        with pytest.raises(openai.APIConnectionError):
            list(chat.chat.completions.create(stream=True, **ask))
        assert ledger.flush(60) == 0
    (row,) = up.get("/v1/entries", tenant="cut")["rows"]
    assert row["tags"] == {"estimated": "true"}
    assert (row["call_id"], row["output"]) == (provider.book.served[0].id, 5)
