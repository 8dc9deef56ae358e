"""LiteLLM, LangChain, Pydantic AI, OpenMeter and CloudEvents: who called, what counts, what is ignored."""

import json
from typing import Any

import pytest

from tests.payloads import LIMITS, Payload, payloads
from tollbook.domain.errors import RejectCode, RequestError
from tollbook.domain.event import Event, Observer
from tollbook.ingest import cloudevents, frameworks, litellm, openmeter
from tollbook.ingest.decoded import Decoded
from tollbook.ingest.mapping import mapping_of
from tollbook.ingest.origin import Origin

KEPT = {payload.name: payload for payload in payloads()}
BOUND = Origin(tenant="acme")
_SPLIT = {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3}
_ANSWER = {"usage": {"prompt_tokens": 1}, "model": "m"}
BATCH = "application/cloudevents-batch+json"


def kept(name: str) -> Any:
    """A kept payload's JSON."""
    return json.loads(KEPT[name].body)


def logged(**changed: Any) -> dict[str, Any]:
    """LiteLLM's payload, changed."""
    payload = kept("litellm_json_array")[0]
    return {**payload, **changed}


def of_litellm(item: Any, origin: Origin = BOUND) -> Decoded:
    return litellm.decode(json.dumps(item).encode(), None, LIMITS, origin=origin)


def of_framework(framework: str, item: Any, origin: Origin = BOUND) -> list[Event]:
    text = json.dumps(item).encode()
    return frameworks.decode(text, None, LIMITS, framework=framework, origin=origin).events


def of_openmeter(item: Any, mapping: bytes | None = None) -> Decoded:
    made = None if mapping is None else mapping_of(mapping, "openmeter", is_json=False)
    return openmeter.decode(json.dumps(item).encode(), BATCH, LIMITS, origin=Origin(), mapping=made)


def of_cloudevent(item: Any, origin: Origin = BOUND) -> Decoded:
    return cloudevents.decode(json.dumps(item).encode(), cloudevents.STRUCTURED, LIMITS, origin=origin)


def test_a_cached_answer_costs_nothing_and_never_stands_for_the_call_it_repeats() -> None:
    (event,) = of_litellm(logged(cache_hit=True)).events
    assert (event.input, event.output, event.cost_usd, event.units) == (0, 0, "0", None)
    assert event.seen is not None
    assert event.seen.response_id is None


def test_a_failed_call_is_ignored() -> None:
    decoded = of_litellm([logged(status="failure"), logged()])
    assert (decoded.ignored, len(decoded.events), decoded.indexes) == (1, 1, [1])


def test_who_called_through_litellm_is_told_by_headers_then_metadata_then_keys() -> None:
    metadata = logged()["metadata"]
    headers = {"X-Tollbook-Agent": "writer", "x-tollbook-tenant": "globex", "X-Tollbook-Run": "r-9"}
    by_header = logged(metadata={**metadata, "requester_custom_headers": headers})
    (event,) = of_litellm(by_header).events
    assert (event.tenant, event.agent, event.run) == ("globex", "writer", "r-9")
    bare = {**metadata, "spend_logs_metadata": None, "user_api_key_alias": "bot / 7#x", "requester_metadata": None}
    (event,) = of_litellm(logged(metadata=bare, session_id=None, trace_id="trace-1"), Origin()).events
    assert (event.tenant, event.agent, event.run) == (metadata["user_api_key_team_alias"], "bot/7#x", "trace-1")
    (event,) = of_litellm(logged(metadata=bare), Origin(tenant="acme", agent="a")).events
    assert (event.tenant, event.agent) == ("acme", "a")


def test_a_cost_of_litellm_is_exact() -> None:
    text = json.dumps([logged(response_cost="#")]).replace('"#"', "0.12345678901234567")
    (event,) = litellm.decode(text.encode(), None, LIMITS, origin=BOUND).events
    assert event.cost_usd == "0.12345678901234567"


def test_without_a_usage_object_litellms_own_counts_stand() -> None:
    metadata = {**logged()["metadata"], "usage_object": None}
    (event,) = of_litellm(logged(metadata=metadata)).events
    assert (event.input, event.output) == (120, 60)


@pytest.mark.parametrize(
    ("details", "counts"),
    [
        ({"cache_read": 4, "cache_creation": 0, **_SPLIT}, (4, 2, 3)),
        ({"cache_read": 4, "cache_creation": 5}, (4, 5, 0)),
        ({"flex_cache_read": 4, "flex": 5, "cache_read": 0}, (4, 0, 0)),
        ({"priority_cache_read": 4, "priority_cache_creation": 1, "priority": 5}, (4, 1, 0)),
    ],
)
def test_langchain_renames_its_details(details: dict[str, int], counts: tuple[int, int, int]) -> None:
    usage = {"input_tokens": 20, "output_tokens": 2, "total_tokens": 22, "input_token_details": details}
    (event,) = of_framework("langchain", {"model": "m", "agent": "a", "usage_metadata": usage})
    assert (event.cache_read, event.cache_write_5m, event.cache_write_1h) == counts
    tier = next((name for name in ("flex", "priority") if name in details), None)
    assert event.service_tier == tier


def test_what_people_and_tools_said_is_ignored_and_choices_of_one_prompt_share_their_usage() -> None:
    message = kept("langchain_anthropic")
    human = {"type": "human", "content": "do"}
    text = json.dumps([human, message]).encode()
    decoded = frameworks.decode(text, None, LIMITS, framework="langchain", origin=BOUND)
    assert (decoded.items, decoded.ignored, len(decoded.events)) == (2, 1, 1)
    result = {"generations": [[{"message": message}, {"message": message}]]}
    assert len(of_framework("langchain", result)) == 1


def test_a_sum_over_a_run_is_an_aggregate_of_that_run() -> None:
    origin = Origin(tenant="acme", agent="a", run="r-1", model="m")
    (total,) = of_framework("pydantic-ai", kept("pydantic_ai_run"), origin)
    (part,) = of_framework("pydantic-ai", kept("pydantic_ai_request"), origin)
    assert total.seen is not None
    assert part.seen is not None
    assert (total.seen.by, part.seen.by) == (Observer.AGGREGATE, Observer.SDK)
    assert total.seen.group == part.seen.group


def test_a_run_with_unmeasured_requests_is_an_estimate() -> None:
    usage = {"requests": 2, "input_tokens": 5, "output_tokens": 5, "unmeasured_requests": 1}
    (event,) = of_framework("pydantic-ai", usage, Origin(tenant="acme", model="m"))
    assert event.seen is not None
    assert event.seen.estimated


@pytest.mark.parametrize("framework", ["langchain", "pydantic-ai"])
def test_what_states_no_usage_is_refused(framework: str) -> None:
    decoded = frameworks.decode(b'{"a": 1}', None, LIMITS, framework=framework, origin=BOUND)
    assert [refused.code for refused in decoded.rejections] == ["usage_missing"]


def _metered(**data: Any) -> dict[str, Any]:
    return {**kept("openmeter"), "data": {"model": "m", **data}}


@pytest.mark.parametrize(
    ("data", "counts"),
    [
        ({"tokens": 7, "type": "input"}, (7, 0, 0, 0)),
        ({"tokens": "7", "type": "prompt"}, (7, 0, 0, 0)),
        ({"tokens": 7.0, "type": "OUTPUT"}, (0, 7, 0, 0)),
        ({"tokens": 7, "type": "cached_input"}, (7, 0, 7, 0)),
        ({"tokens": 7, "type": "reasoning"}, (0, 7, 0, 7)),
        ({"tokens": 7}, (7, 0, 0, 0)),
        ({"input": 3, "output": 4}, (3, 4, 0, 0)),
        ({"prompt_tokens": 3, "completion_tokens": 4}, (3, 4, 0, 0)),
        ({"input_tokens": 3}, (3, 0, 0, 0)),
        ({"output_tokens": 3}, (0, 3, 0, 0)),
    ],
)
def test_openmeters_data_counts_tokens(data: dict[str, Any], counts: tuple[int, ...]) -> None:
    (event,) = of_openmeter([_metered(**data)]).events
    assert (event.input, event.output, event.cache_read, event.reasoning) == counts
    assert (event.tenant, event.id, event.source) == ("acme", "om-1", "my-app")


@pytest.mark.parametrize("data", [{"tokens": "x"}, {"tokens": 1, "type": "nonsense"}, {"tokens": -1}, {"tokens": 1.5}])
def test_openmeters_data_that_counts_nothing_is_refused(data: dict[str, Any]) -> None:
    assert [refused.code for refused in of_openmeter([_metered(**data)]).rejections] == ["field_invalid"]


def test_a_mapping_says_who_openmeters_subject_is() -> None:
    written = (
        b'[fields]\ntenant = "data.customer"\nagent = "subject"\ninput = "data.in"\noutput = "data.out"\n'
        b'model = "data.model"\nts = "time"\n'
    )
    item = {**_metered(customer="globex", **{"in": 5, "out": 6}), "subject": "planner"}
    (event,) = of_openmeter([item], written).events
    assert (event.tenant, event.agent, event.input, event.id) == ("globex", "planner", 5, "om-1")
    assert event.ts is not None


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"specversion": "0.3"}, "field_invalid"),
        ({"id": ""}, "field_missing"),
        ({"source": None}, "field_missing"),
        ({"type": 7}, "field_invalid"),
        ({"data": None}, "item_not_object"),
        ({"data": [1]}, "item_not_object"),
        ({"data": None, "data_base64": "%"}, "field_invalid"),
        ({"source": "x" * 257}, "field_out_of_range"),
        ({"type": "x.usage.openai", "source": "x" * 257}, "field_out_of_range"),
        ({"type": "x.usage.openai", "data": {"a": 1}}, "usage_missing"),
        ({"type": "x.usage.openai", "data": _ANSWER, "id": "x" * 513}, "field_out_of_range"),
        ({"type": "x.usage.openai", "data": _ANSWER, "time": "soon"}, "field_invalid"),
    ],
)
def test_a_cloudevent_that_is_none_is_refused(changed: dict[str, Any], code: str) -> None:
    decoded = of_cloudevent({**kept("cloudevents_structured"), **changed})
    assert [refused.code for refused in decoded.rejections] == [code]


def test_data_in_base64_and_in_text_is_read() -> None:
    event = kept("cloudevents_structured")
    text = json.dumps(event["data"])
    for carried in (
        {"data": text},
        {"data": None, "data_base64": "eyJtb2RlbCI6ICJtIiwgImlucHV0IjogMSwgIm91dHB1dCI6IDJ9"},
    ):
        (found,) = of_cloudevent({**event, **carried}).events
        assert found.output == 2


def test_the_subject_stands_in_for_a_missing_agent() -> None:
    event = kept("cloudevents_structured")
    data = {name: value for name, value in event["data"].items() if name not in ("agent", "tenant")}
    (found,) = of_cloudevent({**event, "subject": "fleet/planner", "data": data}).events
    assert (found.tenant, found.agent) == ("acme", "fleet/planner")


def test_an_empty_batch_is_a_batch() -> None:
    assert cloudevents.decode(b" [] ", BATCH, LIMITS, origin=BOUND).items == 0


def test_a_binary_event_has_its_attributes_percent_encoded_in_headers() -> None:
    payload = Payload(**KEPT["cloudevents_binary"]._asdict())
    headers = {**payload.headers, "ce-source": "/fl%C3%B6te"}
    origin = Origin(tenant="acme", attributes=headers)
    (event,) = cloudevents.decode(payload.body, payload.media_type, LIMITS, origin=origin).events
    assert event.source == "/flöte"


def test_a_body_that_is_no_json_is_refused_as_a_whole() -> None:
    with pytest.raises(RequestError) as refused:
        of_litellm([1])
        litellm.decode(b"{", None, LIMITS, origin=BOUND)
    assert refused.value.reject is RejectCode.JSON_INVALID
