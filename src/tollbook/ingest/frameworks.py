"""What LangChain and Pydantic AI keep of a call: their messages, and their usage objects alone.

Sources: langchain-core 1.7 (`UsageMetadata`, `AIMessage`), pydantic-ai 2.68 (`RequestUsage`, `RunUsage`,
`ModelResponse`). Both have inclusive parents. A sum of several calls is an aggregate: it counts only where none of its
calls is known.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from tollbook.domain.errors import RejectCode
from tollbook.domain.event import Event, Observer
from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.decoded import Decoded
from tollbook.ingest.foreign import Fields, collect, items_of, whole_or_items
from tollbook.ingest.observed import Maker, Observed, agent_of
from tollbook.ingest.origin import Origin
from tollbook.ingest.refusal import ItemRefused
from tollbook.usage import UsageRead
from tollbook.usage.fields import count, has, items, part, text
from tollbook.usage.openai_shape import read_langchain, read_pydantic_ai

LANGCHAIN = "langchain"
PYDANTIC_AI = "pydantic-ai"
NAMES = frozenset({LANGCHAIN, PYDANTIC_AI})

_PYDANTIC = ("cache_read_tokens", "cache_write_tokens", "output_reasoning_tokens", "tool_calls", "unmeasured_requests")


def decode(body: bytes, media_type: str | None, limits: IntakeLimits, *, framework: str, origin: Origin) -> Decoded:
    """The events of messages or usage objects. What a person or a tool said is ignored. Raises `RequestError`."""
    found = items_of(body, media_type, limits)
    maker = Maker(limits, origin, alone=len(found) == 1)
    observe = _langchain if framework == LANGCHAIN else _pydantic_ai

    def events(item: Fields, index: int) -> list[Event]:
        envelope, inner = _opened(item)
        made: list[Event] = []
        for place, call in enumerate(observe(inner)):
            event_id = text(envelope, "call", "id")
            placed = event_id if event_id is None or not place else f"{event_id}#{place}"
            made += maker.events(_signed(call, envelope, placed), index)
        return made

    return whole_or_items(collect(found, events))


def _opened(item: Fields) -> tuple[Fields, Any]:
    """The envelope, which may say who called, and what it holds."""
    for name in ("message", "response", "usage", "usage_metadata"):
        if name in item and item.keys() & {"tenant", "agent", "run", "call"} and isinstance(item[name], (dict, list)):
            return item, item[name]
    return {}, item


def _signed(call: Observed, envelope: Fields, event_id: str | None) -> Observed:
    said = {name: text(envelope, name) for name in ("tenant", "agent", "run", "model", "provider")}
    said["id"] = event_id
    return msgspec.structs.replace(call, **{name: value for name, value in said.items() if value is not None})


def _langchain(item: Any) -> Iterator[Observed]:
    """Messages, a result with generations, a list of messages, or sums by model as the usage callback keeps them."""
    if isinstance(item, list):
        for one in item:
            yield from _langchain(one)
        return
    if has(item, "lc") and isinstance(part(item, "kwargs"), dict):
        item = part(item, "kwargs")
    generations = part(item, "generations")
    if isinstance(generations, list):
        for group in generations:
            # Several choices of one prompt share one usage.
            for generation in group[:1] if isinstance(group, list) else [group]:
                yield from _langchain(part(generation, "message"))
        return
    usage = part(item, "usage_metadata")
    if isinstance(usage, dict):
        found = read_langchain(usage, item)
        metadata, kept = part(item, "response_metadata"), part(item, "metadata")
        yield Observed(
            found=found,
            by=Observer.SDK,
            service_tier=found.service_tier,
            derived_agent=agent_of(text(kept, "lc_agent_name", "langgraph_node") or text(item, "name")),
            request_id=text(metadata, "request_id"),
            ts=part(metadata, "created_at", "created"),
        )
    elif has(item, "input_tokens") and has(item, "output_tokens"):
        yield Observed(found=read_langchain(item), by=Observer.SDK)
    elif text(item, "type") in ("human", "system", "tool", "function", "chat"):
        return
    elif isinstance(item, dict) and item and all(has(usage, "input_tokens") for usage in item.values()):
        for model, usage in item.items():
            yield Observed(found=read_langchain(usage), by=Observer.AGGREGATE, model=model)
    else:
        raise ItemRefused(RejectCode.USAGE_MISSING, "neither a message with `usage_metadata` nor usage")


def _pydantic_ai(item: Any) -> Iterator[Observed]:
    """Model responses, a history of messages, or the usage of a request or a run."""
    if isinstance(item, list):
        for one in item:
            yield from _pydantic_ai(one)
        return
    kind = text(item, "kind")
    if kind == "request":
        return
    usage = part(item, "usage")
    if isinstance(usage, dict):
        found = _named(read_pydantic_ai(usage), item)
        yield Observed(
            found=found,
            by=Observer.SDK,
            run=text(item, "run_id"),
            ts=part(item, "timestamp"),
            service_tier=text(part(item, "provider_details"), "service_tier"),
        )
    elif has(item, *_PYDANTIC) or has(item, "input_tokens", "output_tokens"):
        found = read_pydantic_ai(item)
        # `requests` stands in the usage of a run alone; of one request it is that request's own.
        is_sum = count(item, "requests") > 1
        if count(item, "unmeasured_requests"):
            found = msgspec.structs.replace(found, estimated=True)
        yield Observed(found=found, by=Observer.AGGREGATE if is_sum else Observer.SDK)
    elif not items(item, "parts"):
        raise ItemRefused(RejectCode.USAGE_MISSING, "neither a response with `usage` nor usage")


def _named(found: UsageRead, response: Fields) -> UsageRead:
    return msgspec.structs.replace(
        found,
        model=text(response, "model_name"),
        provider=text(response, "provider_name"),
        call_id=text(response, "provider_response_id"),
    )
