"""LiteLLM's `StandardLoggingPayload`, as its `generic_api` callback posts it: an array, lines or one object.

Sources: litellm 1.106, `litellm/types/utils.py` and `litellm/integrations/generic_api`. Its usage is OpenAI's shape
with inclusive parents, whatever the provider.
"""

from collections.abc import Mapping
from typing import Any

from tollbook.domain.event import Event, Observer
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.usage import Usage
from tollbook.ingest.decoded import Decoded
from tollbook.ingest.foreign import Fields, collect, items_of, whole_or_items
from tollbook.ingest.observed import Maker, Observed, agent_of, cost_of
from tollbook.ingest.origin import Origin
from tollbook.usage import UsageRead
from tollbook.usage.fields import count, items, part, text
from tollbook.usage.outcome import counted
from tollbook.usage.shapes import read_usage


def is_payload(item: Mapping[str, Any]) -> bool:
    """Whether an object is a `StandardLoggingPayload`."""
    return "call_type" in item and "response_cost" in item and "metadata" in item


def decode(body: bytes, media_type: str | None, limits: IntakeLimits, *, origin: Origin) -> Decoded:
    """The events of logged calls. Failed ones are ignored: nothing was billed. Raises `RequestError`."""
    found = items_of(body, media_type, limits)
    maker = Maker(limits, origin, alone=len(found) == 1)

    def events(payload: Fields, index: int) -> list[Event]:
        if text(payload, "status") == "failure" or part(payload, "error_str") is not None:
            return []
        return maker.events(_observed(payload), index)

    return whole_or_items(collect(found, events))


def _observed(payload: Fields) -> Observed:
    metadata = part(payload, "metadata")
    headers = _lowered(part(metadata, "requester_custom_headers"))
    spent = part(metadata, "spend_logs_metadata")
    asked = part(metadata, "requester_metadata")
    is_hit = part(payload, "cache_hit") is True
    # Where the cache answered no provider was asked, and the answer bears the id of the call that it repeats: what is
    # read here bears none.
    found = UsageRead(usage=Usage(input=0, output=0)) if is_hit else _usage(payload, metadata)
    tags = {"litellm_tags": ",".join(tag for tag in items(payload, "request_tags") if isinstance(tag, str))}
    for name, value in (
        ("end_user", text(payload, "end_user")),
        ("key_alias", text(metadata, "user_api_key_alias")),
        ("team", text(metadata, "user_api_key_team_alias", "user_api_key_team_id")),
        ("model_group", text(payload, "model_group")),
        ("cache_hit", "true" if is_hit else None),
    ):
        tags[name] = value or ""
    return Observed(
        found=found,
        by=Observer.GATEWAY,
        tenant=text(headers, "x-tollbook-tenant") or text(spent, "tenant") or text(asked, "tenant"),
        agent=text(headers, "x-tollbook-agent")
        or text(spent, "agent")
        or text(asked, "agent")
        or agent_of(text(headers, "x-litellm-agent-id") or text(payload, "agent_id") or text(metadata, "agent_id")),
        run=text(headers, "x-tollbook-run")
        or text(spent, "run")
        or text(asked, "run")
        or text(payload, "session_id")
        or text(headers, "x-litellm-session-id")
        or text(payload, "trace_id"),
        id=text(payload, "litellm_call_id") or text(payload, "id"),
        source=None,
        call_id=text(payload, "id"),
        ts=part(payload, "endTime", "completionStartTime", "startTime"),
        model=text(payload, "model"),
        provider=text(payload, "custom_llm_provider"),
        service_tier=text(part(payload, "cost_breakdown"), "service_tier") or found.service_tier,
        cost_usd="0" if is_hit else cost_of(payload, "response_cost"),
        tags=tags,
        derived_tenant=text(metadata, "user_api_key_team_alias", "user_api_key_team_id", "user_api_key_org_id")
        or text(payload, "end_user"),
        derived_agent=agent_of(text(metadata, "user_api_key_alias")),
    )


def _usage(payload: Fields, metadata: Any) -> UsageRead:
    stated = part(metadata, "usage_object")
    answer = part(payload, "response")
    found = None if stated is None else read_usage(stated, answer if isinstance(answer, dict) else None)
    if found is None:
        used = counted(input_=count(payload, "prompt_tokens"), output=count(payload, "completion_tokens"))
        found = UsageRead(usage=used)
    geo = text(part(payload, "cost_breakdown"), "data_residency")
    return UsageRead(
        usage=found.usage,
        service_tier=found.service_tier,
        call_id=text(payload, "id") or found.call_id,
        units=found.units,
        others=found.others,
        context={"inference_geo": geo} if geo else found.context,
        request_id=None,
    )


def _lowered(headers: object) -> dict[str, Any]:
    return {str(name).lower(): value for name, value in headers.items()} if isinstance(headers, dict) else {}
