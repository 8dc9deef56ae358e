"""Wraps the Claude Agent SDK: each turn held before it is sent, settled with its result, split by sub-agent.

Claude Code makes its calls in a process of its own, so that nothing can be refused between two of them: a turn is
admitted as a whole. `ClaudeAgentOptions(max_budget_usd=...)` bounds a single one.
"""

from collections.abc import AsyncIterator
from typing import Any

from claude_agent_sdk import query as sdk_query

from tollbook.client.integrations.asking import Asked, Route, input_tokens_of
from tollbook.client.integrations.claude_usage import Part, RunMeter
from tollbook.client.integrations.ledger import AsyncEnding, AsyncHeld, AsyncLedger
from tollbook.client.integrations.shield import shielded
from tollbook.usage.fields import text

_ROUTE = Route(name="claude_agent")
_MODEL_UNNAMED = "claude"
"""The model of a turn whose options name none, until its result says which it was."""
_MARK = "_tollbook_wrapped"


class _Turns:
    """The turns of one process of Claude Code: one may be held at a time."""

    def __init__(self, ledger: AsyncLedger, options: Any) -> None:
        self._ledger = ledger
        self._model = text(options, "model") or _MODEL_UNNAMED
        self._meter = RunMeter()
        self._held: AsyncHeld | None = None

    async def begin(self, prompt: object) -> None:
        """Hold for a turn. Raises `BudgetExceeded`."""
        if self._held is not None:
            return
        tokens = input_tokens_of(prompt) if isinstance(prompt, str) else 0
        asked = Asked(
            route=_ROUTE, model=self._model, input_tokens=tokens, max_output_tokens=None, provider="anthropic"
        )
        self._held = await AsyncHeld.begin(self._ledger, asked)
        if self._held is not None:
            self._held.detach()

    async def hear(self, message: object) -> None:
        """Take the next message; a result settles."""
        parts: list[Part] = []
        with shielded("reading a message"):
            parts = self._meter.hear(message)
        for part in parts:
            held = self._held if not part.agent else None
            if held is not None:
                self._held = None
            else:
                held = await self._open(part)
            if held is not None:
                await held.end(part.read)

    async def end(self, error: BaseException | None) -> None:
        """The messages have ended: what is still held is given back, or left to expire where a turn was cut off."""
        held, self._held = self._held, None
        if held is not None:
            await held.leave(error)

    async def _open(self, part: Part) -> AsyncHeld | None:
        """A call for what was used already: nobody is asked."""
        asked = Asked(
            route=_ROUTE,
            model=part.read.model or self._model,
            input_tokens=part.read.usage.input,
            max_output_tokens=part.read.usage.output,
            provider=part.read.provider,
            agent=part.agent or None,
            gate="off",
        )
        return await AsyncHeld.begin(self._ledger, asked)


async def query(ledger: AsyncLedger, *, prompt: Any, options: Any = None, transport: Any = None) -> AsyncIterator[Any]:
    """`claude_agent_sdk.query`, held, settled and attributed. Raises `BudgetExceeded` before anything is sent.

    The main agent is the one that runs (`with client.agent("coder")`); a sub-agent's path has its type below that.

    >>> async for message in query(ledger, prompt="Mend the test"):
    ...     print(message)
    """
    turns = _Turns(ledger, options)
    await turns.begin(prompt)
    named = {} if transport is None else {"transport": transport}
    async with AsyncEnding(turns.end):
        async for message in sdk_query(prompt=prompt, options=options, **named):
            await turns.hear(message)
            yield message


def wrap_claude(client: Any, ledger: AsyncLedger) -> Any:
    """Have a `ClaudeSDKClient` hold before each `query` and settle with each result; the same client comes back.

    Read its messages by `receive_messages` or `receive_response`; wrapping twice changes nothing.
    """
    if hasattr(client, _MARK):
        return client
    turns = _Turns(ledger, client.options)
    query_before, receive_before, disconnect_before = client.query, client.receive_messages, client.disconnect

    async def held_query(prompt: Any, *args: Any, **named: Any) -> None:
        await turns.begin(prompt)
        await query_before(prompt, *args, **named)

    async def receive_messages() -> AsyncIterator[Any]:
        async for message in receive_before():
            await turns.hear(message)
            yield message

    async def disconnect() -> None:
        await disconnect_before()
        await turns.end(None)

    client.query, client.receive_messages, client.disconnect = held_query, receive_messages, disconnect
    setattr(client, _MARK, True)
    return client
