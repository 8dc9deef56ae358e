"""Run hooks for the OpenAI Agents SDK: a hold before each model call, settled behind it, for the agent that made it.

`Runner.run(agent, ..., hooks=hooks)`. An agent that another uses as a tool is a sub-agent, `planner/researcher`; give
it the hooks too, `researcher.as_tool(..., hooks=hooks)`, as the SDK does not hand them down. A handoff passes the
conversation on to an equal, who is an agent beside the first.
"""

import asyncio
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from agents import Agent, ModelResponse, RunContextWrapper, RunHooks
from agents.models import get_default_model

from tollbook.client.integrations.asking import Asked, Route, input_tokens_of
from tollbook.client.integrations.ledger import Held, Ledger
from tollbook.client.integrations.names import role
from tollbook.client.integrations.shield import shielded
from tollbook.domain.usage import Usage
from tollbook.usage import UsageRead, read, tokens_of
from tollbook.usage.fields import items, text

_ROUTE = Route(name="agents", limits=("max_tokens",))


_NAMES_KEPT = 10_000
"""Paths of agents and callers of tools that the SDK never tells the end of; the oldest are forgotten."""


class _Open:
    """What is open in one run: the path that its agents hang below, and the call held for each agent."""

    def __init__(self, above: str) -> None:
        self.above = above
        self.held: dict[int, Held] = {}
        self.tools: list[str] = []


class TollbookRunHooks(RunHooks[Any]):
    """Attributes every model call to its agent, and stops the run with `BudgetExceeded` where a budget is spent.

    `model` names the model where a `RunConfig` overrides the agents' own: the hooks do not get to see it.
    """

    def __init__(self, ledger: Ledger, *, model: str | None = None) -> None:
        self._ledger = ledger
        self._model = model
        self._runs: weakref.WeakKeyDictionary[Any, _Open] = weakref.WeakKeyDictionary()
        # A nested run shares two things with the run around it: the usage object, and the id of the tool's call.
        self._callers: OrderedDict[tuple[int, str], str] = OrderedDict()
        self._paths: OrderedDict[tuple[int, int], str] = OrderedDict()

    async def on_tool_start(self, context: RunContextWrapper[Any], agent: Any, tool: Any) -> None:
        """Note who calls the tool, which may be an agent."""
        with shielded("noting a tool"):
            call_id = getattr(context, "tool_call_id", None)
            if call_id is not None:
                tree = id(context.usage)
                _keep(self._callers, (tree, call_id), self._paths.get((tree, id(agent)), role(agent.name)))

    async def on_tool_end(self, context: RunContextWrapper[Any], agent: Any, tool: Any, result: object) -> None:
        """Forget the tool."""
        self._callers.pop((id(context.usage), getattr(context, "tool_call_id", "")), None)

    async def on_llm_start(
        self, context: RunContextWrapper[Any], agent: Agent[Any], system_prompt: str | None, input_items: list[Any]
    ) -> None:
        """Hold. Raises `BudgetExceeded`."""
        asked = None
        with shielded("reading a request"):
            settings = agent.model_settings
            asked = Asked(
                route=_ROUTE,
                model=self._model or _model_of(agent),
                input_tokens=input_tokens_of([system_prompt, input_items]),
                max_output_tokens=settings.max_tokens,
                agent=self._path(context, agent),
            )
        if asked is None:
            return
        held = await asyncio.to_thread(Held.begin, self._ledger, asked)
        with shielded("noting a call"):
            left = self._run(context).held.pop(id(agent), None)
            if left is not None:
                # The SDK tells hooks of no failure: a call that is still open when the next begins has failed.
                left.fail(RuntimeError("the model's call failed"))
            if held is not None:
                self._run(context).held[id(agent)] = held

    async def on_llm_end(self, context: RunContextWrapper[Any], agent: Agent[Any], response: ModelResponse) -> None:
        """Settle."""
        with shielded("settling"):
            held = self._run(context).held.pop(id(agent), None)
            if held is not None:
                held.end(read_response(response, input_estimate=held.asked.input_estimate))

    def _path(self, context: Any, agent: Any) -> str:
        above = self._run(context).above
        name = role(getattr(agent, "name", None))
        path = f"{above}/{name}" if above else name
        _keep(self._paths, (id(context.usage), id(agent)), path)
        return path

    def _run(self, context: Any) -> _Open:
        run = self._runs.get(context)
        if run is None:
            caller = (id(context.usage), getattr(context, "tool_call_id", ""))
            run = self._runs[context] = _Open(self._callers.get(caller, ""))
            weakref.finalize(context, _abandon, run)
        return run


def _keep(kept: OrderedDict[Any, str], key: Any, name: str) -> None:
    kept[key] = name
    kept.move_to_end(key)
    if len(kept) > _NAMES_KEPT:
        kept.popitem(last=False)


def _abandon(run: _Open) -> None:
    """The run is over: what is still open in it has failed."""
    while run.held:
        _, held = run.held.popitem()
        held.fail(RuntimeError("the run ended with the call open"))


def read_response(response: ModelResponse, *, input_estimate: int = 0) -> UsageRead:
    """The usage of one model response, of the provider's own figures where the SDK kept them.

    A usage of zeros is the SDK's word for none (a chat stream without `ModelSettings(include_usage=True)`): the output
    is then reckoned from what the response says.
    """
    found = read(getattr(response, "raw_usage", None)) or read(response.usage)
    if found is None or not (found.usage.input or found.usage.output):
        said = sum(len(one.encode("utf-8", "replace")) for one in _texts(response.output))
        usage = Usage(input=input_estimate, output=tokens_of(said))
        return UsageRead(usage=usage, call_id=response.response_id, estimated=True)
    return UsageRead(
        usage=found.usage,
        cost_usd=found.cost_usd,
        service_tier=found.service_tier,
        call_id=response.response_id,
        units=found.units,
        context=found.context,
    )


def _texts(output: list[Any]) -> Iterator[str]:
    for item in output:
        for name in ("arguments", "name"):
            if (said := text(item, name)) is not None:
                yield said
        for piece in items(item, "content"):
            if (said := text(piece, "text", "refusal")) is not None:
                yield said


def _model_of(agent: Agent[Any]) -> str:
    model = agent.model
    if isinstance(model, str):
        return model
    return str(getattr(model, "model", None) or get_default_model())
