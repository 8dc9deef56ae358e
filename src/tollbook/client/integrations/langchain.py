"""A LangChain callback handler that holds before each model call and settles behind it.

Hook it in with `config={"callbacks": [handler]}`: LangChain hands it down to every chain, agent and sub-agent of
the run. An agent is what the run's metadata calls `lc_agent_name` (agents of LangChain) or `langgraph_node` (nodes of
one's own graph); agents within agents become a path.
"""

import threading
from typing import Any
from uuid import UUID

import msgspec
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult

from tollbook.client.integrations.asking import Asked, Route, input_tokens_of
from tollbook.client.integrations.ledger import Ending, Held, Ledger
from tollbook.client.integrations.names import path
from tollbook.client.integrations.shield import shielded
from tollbook.domain.usage import Usage
from tollbook.usage import UsageRead, read, tokens_of

_ROUTE = Route(name="langchain", limits=("max_tokens",))
_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
# Nodes that LangChain's own agents consist of: they are steps of an agent, not agents.
_STEPS = frozenset({"model", "tools", "agent", "call_model", "__start__"})
_PROVIDERS = {"openai": "openai", "azure": "azure", "anthropic": "anthropic", "google_genai": "google"}


class _Run(msgspec.Struct):
    """A run that is not over: its place in the tree, and for a model call what was held and heard."""

    parent: UUID | None
    agent: str | None
    held: Held | None = None
    heard_bytes: int = 0


class TollbookCallbackHandler(BaseCallbackHandler):
    """Attributes every model call of a run to its agent, and refuses it where a budget is spent.

    `BudgetExceeded` comes out of `invoke` as it is. Any other failure of tollbook is logged and changes nothing.
    A streamed answer without usage (`stream_usage=False`) or one that breaks off is recorded as an estimate.
    """

    # LangChain swallows what a handler raises unless it says so.
    raise_error = True

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._runs: dict[UUID, _Run] = {}
        self._lock = threading.Lock()

    def on_chain_start(self, serialized: dict[str, Any], inputs: dict[str, Any], **kwargs: Any) -> None:
        """Note a chain, which may be an agent."""
        self._note(**kwargs)

    def on_tool_start(self, serialized: dict[str, Any], input_str: str, **kwargs: Any) -> None:
        """Note a tool, below which a sub-agent may run."""
        self._note(**kwargs)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget a chain."""
        self._forget(run_id)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget a chain."""
        self._forget(run_id)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget a tool."""
        self._forget(run_id)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget a tool."""
        self._forget(run_id)

    def on_chat_model_start(self, serialized: dict[str, Any], messages: list[list[BaseMessage]], **kwargs: Any) -> None:
        """Hold for a chat model's call. Raises `BudgetExceeded`."""
        texts = [[message.content for message in group] for group in messages]
        self._begin(texts, **kwargs)

    def on_llm_start(self, serialized: dict[str, Any], prompts: list[str], **kwargs: Any) -> None:
        """Hold for a plain model's call. Raises `BudgetExceeded`."""
        self._begin(prompts, **kwargs)

    def on_llm_new_token(self, token: str, *, run_id: UUID, **kwargs: Any) -> None:
        """Count what was heard, for a stream that breaks off."""
        run = self._runs.get(run_id)
        if run is not None and isinstance(token, str):
            run.heard_bytes += len(token.encode("utf-8", "replace"))

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Settle."""
        run = self._forget(run_id)
        if run is None or run.held is None:
            return
        found = None
        with shielded("reading an answer"):
            found = read(response)
        run.held.end(found or self._heard(run, run.held))

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Release, or settle with an estimate where the answer had begun."""
        run = self._forget(run_id)
        if run is None or run.held is None:
            return
        if run.heard_bytes:
            run.held.end(self._heard(run, run.held))
        else:
            run.held.fail(error)

    def _begin(self, texts: object, **kwargs: Any) -> None:
        run = self._note(**kwargs)
        if run is None:
            return
        asked = None
        with shielded("reading a request"):
            asked = self._asked(run, texts, kwargs)
        if asked is not None:
            # LangChain ends no run whose start was refused.
            with Ending(lambda error: self._unless(error is None, kwargs["run_id"])):
                run.held = Held.begin(self._ledger, asked)

    def _unless(self, kept: bool, run_id: UUID) -> None:
        if not kept:
            self._forget(run_id)

    def _asked(self, run: _Run, texts: object, kwargs: dict[str, Any]) -> Asked:
        parameters = kwargs.get("invocation_params") or {}
        metadata = kwargs.get("metadata") or {}
        named = [parameters[name] for name in _LIMITS if isinstance(parameters.get(name), int)]
        model = parameters.get("model") or parameters.get("model_name") or metadata.get("ls_model_name") or "unknown"
        agents = self._agents(run)
        return Asked(
            route=_ROUTE,
            model=str(model),
            input_tokens=input_tokens_of([texts, parameters.get("tools")]),
            max_output_tokens=min(named) if named else None,
            provider=_PROVIDERS.get(str(metadata.get("ls_provider"))),
            agent=path(agents) if agents else None,
        )

    def _agents(self, run: _Run) -> list[str]:
        """The names of the agents around a run, the outermost first, each once in a row."""
        names: list[str] = []
        at: _Run | None = run
        while at is not None:
            if at.agent is not None and (not names or names[-1] != at.agent):
                names.append(at.agent)
            at = None if at.parent is None else self._runs.get(at.parent)
        return names[::-1]

    def _note(self, **kwargs: Any) -> _Run | None:
        with shielded("noting a run"):
            metadata = kwargs.get("metadata") or {}
            node = metadata.get("langgraph_node")
            name = metadata.get("lc_agent_name") or (None if node in _STEPS else node)
            run = _Run(parent=kwargs.get("parent_run_id"), agent=name)
            with self._lock:
                self._runs[kwargs["run_id"]] = run
            return run
        return None

    def _forget(self, run_id: UUID) -> _Run | None:
        with self._lock:
            return self._runs.pop(run_id, None)

    @staticmethod
    def _heard(run: _Run, held: Held) -> UsageRead:
        usage = Usage(input=held.asked.input_estimate, output=tokens_of(run.heard_bytes))
        return UsageRead(usage=usage, estimated=True)
