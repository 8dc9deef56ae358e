"""A LiteLLM custom callback: `litellm.callbacks = [TollbookLogger(client)]`, in the SDK and in the proxy.

Asynchronous calls are held first and refused where a budget is spent; LiteLLM gives callbacks no say in synchronous
ones (it swallows what they raise), which are therefore only recorded. A retry or fallback is a call of its own.
"""

import asyncio
from collections import OrderedDict
from typing import Any

import msgspec
from litellm.integrations.custom_logger import CustomLogger

from tollbook.client.integrations.asking import Asked, Route, input_tokens_of
from tollbook.client.integrations.ledger import Held, Ledger
from tollbook.client.integrations.names import path
from tollbook.client.integrations.shield import shielded
from tollbook.domain.usage import Usage
from tollbook.usage import UsageRead, read
from tollbook.usage.fields import count, decimal, decimal_text, items, part, text

_ROUTE = Route(name="litellm", limits=("max_tokens",))
_EMBEDDING = Route(name="litellm")
_CALLS_KEPT = 10_000
"""Held calls whose end LiteLLM never tells would stay for ever; the oldest are let go and expire at the gate."""


class TollbookLogger(CustomLogger):
    """Holds and settles every call of LiteLLM. `metadata={"agent": "planner/researcher"}` names the agent of a call."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger
        self._open: OrderedDict[str, Held] = OrderedDict()
        self._told: OrderedDict[str, None] = OrderedDict()

    async def async_pre_call_deployment_hook(self, kwargs: dict[str, Any], call_type: Any) -> dict[str, Any] | None:
        """Hold for an asynchronous call. Raises `BudgetExceeded`."""
        asked = None
        with shielded("reading a request"):
            asked = _asked(kwargs)
        if asked is None:
            return None
        held = await asyncio.to_thread(Held.begin, self._ledger, asked)
        if held is None:
            return None
        self._open[kwargs["litellm_call_id"]] = held
        while len(self._open) > _CALLS_KEPT:
            self._open.popitem(last=False)
        if asked.max_output_tokens is None and held.granted is not None:
            return {**kwargs, "max_tokens": held.granted}
        return None

    def log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """Settle or record a synchronous call."""
        with shielded("settling"):
            self._end(kwargs, response_obj)

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """Settle an asynchronous call."""
        with shielded("settling"):
            self._end(kwargs, response_obj)

    def log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """Release."""
        self._fail(kwargs)

    async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """Release."""
        self._fail(kwargs)

    def _end(self, kwargs: dict[str, Any], response: Any) -> None:
        call_id = kwargs.get("litellm_call_id") or ""
        payload = kwargs.get("standard_logging_object")
        if part(payload, "cache_hit") is True or kwargs.get("cache_hit") is True:
            self._open.pop(call_id, None)
            return
        # One call may be told twice, to the synchronous and to the asynchronous method.
        if call_id in self._told:
            return
        self._told[call_id] = None
        while len(self._told) > _CALLS_KEPT:
            self._told.popitem(last=False)
        held = self._open.pop(call_id, None)
        found = read_logged(payload, response)
        if held is None:
            asked = _asked(kwargs)
            # It is spent already: nobody is asked.
            held = None if asked is None else Held.begin(self._ledger, msgspec.structs.replace(asked, gate="off"))
        if held is not None:
            held.end(found)

    def _fail(self, kwargs: dict[str, Any]) -> None:
        held = self._open.pop(kwargs.get("litellm_call_id") or "", None)
        if held is not None:
            held.fail(kwargs.get("exception") or RuntimeError("LiteLLM tells of a failure"))


def read_logged(payload: object, response: object) -> UsageRead | None:
    """The usage of a call that LiteLLM logs: of the answer, else of its standard logging payload."""
    found = read(response) or read(part(part(payload, "metadata"), "usage_object"))
    if found is None and payload is not None:
        usage = Usage(input=count(payload, "prompt_tokens"), output=count(payload, "completion_tokens"))
        found = UsageRead(usage=usage)
    if found is None:
        return None
    return UsageRead(
        usage=found.usage,
        model=text(payload, "model") or found.model,
        provider=text(payload, "custom_llm_provider"),
        service_tier=found.service_tier,
        call_id=text(payload, "id") or found.call_id,
        cost_usd=decimal_text(decimal(payload, "response_cost")),
        units=found.units,
        context=found.context,
    )


def _asked(kwargs: dict[str, Any]) -> Asked | None:
    model = kwargs.get("model")
    if not isinstance(model, str) or not kwargs.get("litellm_call_id"):
        return None
    options = kwargs.get("optional_params") or kwargs
    named = [one for one in (options.get("max_completion_tokens"), options.get("max_tokens")) if isinstance(one, int)]
    metadata = kwargs.get("metadata") or part(kwargs.get("litellm_params"), "metadata") or {}
    agent = part(metadata, "agent")
    route = _EMBEDDING if "embedding" in str(kwargs.get("call_type")) else _ROUTE
    texts = [items(kwargs, "messages"), kwargs.get("input"), options.get("tools")]
    return Asked(
        route=route,
        model=model,
        input_tokens=input_tokens_of(texts),
        max_output_tokens=(min(named) if named else None) if route.limits else 0,
        agent=path(str(agent).split("/")) if agent else None,
    )
