"""The Claude Agent SDK, driven by the messages that Claude Code writes: deltas of sums, split by sub-agent."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

pytest.importorskip("claude_agent_sdk")

from claude_agent_sdk import AssistantMessage, ClaudeAgentOptions, ClaudeSDKClient, ResultMessage, Transport

from tests.integration.client.integrations.standin import AsyncStandIn
from tollbook.client.integrations.claude_agent import query, wrap_claude
from tollbook.client.integrations.claude_usage import RunMeter
from tollbook.domain.errors import BudgetExceeded
from tollbook.domain.usage import Usage

MAIN, SMALL = "claude-opus-4-7", "claude-haiku-4-5"


def said(
    message_id: str, text: str, *, parent: str | None = None, model: str = MAIN, tool: tuple[str, str] | None = None
) -> dict[str, Any]:
    """An assistant message: its usage is the API's first word, with a placeholder of one output token."""
    content: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if tool is not None:
        content.append({"type": "tool_use", "id": tool[0], "name": "Task", "input": {"subagent_type": tool[1]}})
    usage = {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 1}
    message = {"id": message_id, "type": "message", "role": "assistant", "model": model, "content": content}
    return {
        "type": "assistant",
        "message": {**message, "usage": usage},
        "parent_tool_use_id": parent,
        "session_id": "s",
        "uuid": f"u-{message_id}",
    }


def result(**models: tuple[int, int, int]) -> dict[str, Any]:
    """A result: for each model uncached input, cached input and output since the process began."""
    names = {"main": MAIN, "small": SMALL}
    by_model = {
        names[name]: {
            "inputTokens": uncached,
            "cacheReadInputTokens": cached,
            "cacheCreationInputTokens": 0,
            "outputTokens": output,
            "webSearchRequests": 0,
            "costUSD": 0.01,
            "contextWindow": 200_000,
        }
        for name, (uncached, cached, output) in models.items()
    }
    return {
        "type": "result",
        "subtype": "success",
        "duration_ms": 1,
        "duration_api_ms": 1,
        "is_error": False,
        "num_turns": 1,
        "session_id": "s",
        "total_cost_usd": 0.01,
        "usage": {"input_tokens": 3, "output_tokens": 2},
        "result": "done",
        "modelUsage": by_model,
        "uuid": "r",
    }


RUN = [
    said("m1", "I will ask", tool=("t1", "researcher")),
    # One API message comes once for each block of its content.
    said("m1", "I will ask"),
    said("m2", "It has been looked up", parent="t1"),
    said("m3", "ok", parent="t1", model=SMALL),
    said("m4", "Done"),
    result(main=(30, 270, 60), small=(10, 90, 20)),
]


class Replay(Transport):
    """Claude Code as a transport of the SDK: answers its control requests, then each prompt with a script."""

    def __init__(self, *turns: list[dict[str, Any]]) -> None:
        self.turns = list(turns)
        self.prompts = 0
        self._lines: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    async def connect(self) -> None:
        """Nothing to start."""

    async def write(self, data: str) -> None:
        line = json.loads(data)
        if line["type"] == "control_request":
            answer = {"subtype": "success", "request_id": line["request_id"], "response": {}}
            self._lines.put_nowait({"type": "control_response", "response": answer})
        elif line["type"] == "user":
            self.prompts += 1
            for message in self.turns.pop(0):
                self._lines.put_nowait(message)

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        while (line := await self._lines.get()) is not None:
            yield line

    async def close(self) -> None:
        self._lines.put_nowait(None)

    def is_ready(self) -> bool:
        return True

    async def end_input(self) -> None:
        self._lines.put_nowait(None)


def test_a_run_is_settled_by_model_and_sub_agent(async_ledger: AsyncStandIn) -> None:
    async def go() -> list[Any]:
        options = ClaudeAgentOptions(model=MAIN)
        return [one async for one in query(async_ledger, prompt="Do it", options=options, transport=Replay(RUN))]

    messages = asyncio.run(go())
    assert isinstance(messages[-1], ResultMessage)
    assert sum(isinstance(one, AssistantMessage) for one in messages) == 5
    assert async_ledger.total() == (400, 80)
    assert async_ledger.total("main")[0] == async_ledger.total("researcher")[0] == 200
    assert min(async_ledger.total("main")[1], async_ledger.total("researcher")[1]) > 20
    assert {name for name, _ in async_ledger.recorded} == {"main", "researcher"}
    assert async_ledger.opened == async_ledger.closed
    by_model = dict.fromkeys((MAIN, SMALL), 0)
    for found in async_ledger.reads():
        by_model[found.model or ""] += found.usage.output
    assert by_model == {MAIN: 60, SMALL: 20}


def test_a_session_counts_only_what_came_on_top(async_ledger: AsyncStandIn) -> None:
    first = [said("m1", "One"), result(main=(10, 90, 5))]
    # Two results of one turn may state the same sum: the second brings nothing.
    second = [said("m2", "Two"), result(main=(20, 180, 9)), result(main=(20, 180, 9))]

    async def go() -> None:
        client = ClaudeSDKClient(ClaudeAgentOptions(model=MAIN), transport=Replay(first, second))
        wrap_claude(client, async_ledger)
        async with client:
            for prompt in ("First", "Second"):
                await client.query(prompt)
                async for _ in client.receive_response():
                    pass

    asyncio.run(go())
    assert [one.usage for one in async_ledger.reads()] == [
        Usage(input=100, output=5, cache_read=90),
        Usage(input=100, output=4, cache_read=90),
    ]
    assert async_ledger.opened == async_ledger.closed == 2


def test_a_spent_budget_refuses_before_anything_is_sent() -> None:
    transport = Replay(RUN)

    async def go() -> None:
        async for _ in query(AsyncStandIn(calls_max=0), prompt="Do it", transport=transport):
            pass

    with pytest.raises(BudgetExceeded):
        asyncio.run(go())
    assert transport.prompts == 0


def test_what_a_spent_budget_has_used_is_recorded_all_the_same() -> None:
    ledger = AsyncStandIn(calls_max=1)

    async def go() -> None:
        async for _ in query(ledger, prompt="Do it", transport=Replay(RUN)):
            pass

    asyncio.run(go())
    assert ledger.total() == (400, 80)


def test_a_sub_agent_of_a_sub_agent_is_a_path() -> None:
    meter = RunMeter()
    for message in (
        {"model": MAIN, "content": [_task("t1", "researcher")]},
        {"model": MAIN, "content": [_task("t2", "fetcher")], "parent_tool_use_id": "t1"},
        {
            "model": MAIN,
            "content": [{"text": "four"}],
            "parent_tool_use_id": "t2",
            "usage": {"input_tokens": 5, "output_tokens": 1},
        },
    ):
        assert meter.hear(message) == []
    parts = meter.hear({"model_usage": {MAIN: {"inputTokens": 5, "outputTokens": 8, "costUSD": 0}}})
    assert [part.agent for part in parts] == ["", "researcher", "researcher/fetcher"]
    assert sum(part.read.usage.input for part in parts) == 5
    assert sum(part.read.usage.output for part in parts) == 8


def _task(id_: str, kind: str) -> dict[str, Any]:
    return {"id": id_, "name": "Task", "input": {"subagent_type": kind}}


def test_a_process_that_began_anew_counts_from_nothing() -> None:
    meter = RunMeter()
    meter.hear({"model_usage": {MAIN: {"inputTokens": 50, "outputTokens": 8, "costUSD": 0}}})
    parts = meter.hear({"model_usage": {MAIN: {"inputTokens": 5, "outputTokens": 3, "costUSD": 0}}})
    assert [(part.read.usage.input, part.read.usage.output) for part in parts] == [(5, 3)]
