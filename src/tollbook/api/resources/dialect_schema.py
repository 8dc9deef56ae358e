"""The routes of other systems' payloads as the OpenAPI document shows them.

They are served in front of this application (`api/dialect_routes.py`): these handlers are never reached, and say so.
"""

from typing import Annotated, Any

from litestar import post
from litestar.enums import RequestEncodingType
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, HeaderParameter, PathParameter

from tollbook.api.asking import SECURITY
from tollbook.api.resources.intake_schema import Accepted, refusals
from tollbook.domain.errors import unreachable

_TAGS = ["intake"]
_ANSWER = {
    "id": "chatcmpl-Bq7Wn3vZkT9xLrY2",
    "model": "gpt-4o-mini",
    "usage": {"prompt_tokens": 1200, "completion_tokens": 340},
}
_CLOUDEVENT = {
    "specversion": "1.0",
    "id": "call-1",
    "source": "my-app",
    "type": "tokens",
    "subject": "acme",
    "data": {"tokens": 1200, "type": "input", "model": "gpt-4o-mini"},
}

Body = Annotated[dict[str, Any] | list[dict[str, Any]], BodyKwarg(media_type=RequestEncodingType.JSON)]
Tenant = Annotated[
    str | None, HeaderParameter(name="x-tollbook-tenant", description="Whose calls; a bound key needs none.")
]
Agent = Annotated[str | None, HeaderParameter(name="x-tollbook-agent", description="The agent's path.")]


@post(
    "/v1/usage/{provider:str}",
    security=SECURITY,
    tags=_TAGS,
    summary="Report a provider's answers",
    status_code=202,
    responses=refusals(401, 404),
)
async def send_answers(
    provider: Annotated[
        str,
        PathParameter(description="`openai`, `anthropic`, ..., or `langchain`, `pydantic-ai`, `litellm`."),
    ],
    data: Annotated[
        dict[str, Any] | list[dict[str, Any]],
        BodyKwarg(media_type=RequestEncodingType.JSON, examples=[Example(summary="one answer", value=_ANSWER)]),
    ],
    tenant: Tenant = None,
    agent: Agent = None,
) -> Accepted:
    """One answer, an array, lines, or the server-sent events of a stream (`text/event-stream`). Who called is said by
    `X-Tollbook-*` headers, by the query, or by an envelope around `response`."""
    unreachable(f"served in front of this application: {provider}, {type(data).__name__}, {tenant}, {agent}")


@post(
    "/v1/litellm",
    security=SECURITY,
    tags=_TAGS,
    summary="Take LiteLLM's generic_api callback",
    status_code=200,
    responses=refusals(401),
)
async def send_litellm(data: Body, tenant: Tenant = None, agent: Agent = None) -> Accepted:
    """`StandardLoggingPayload`s as an array, as lines or one alone."""
    unreachable(f"served in front of this application: {type(data).__name__}, {tenant}, {agent}")


@post(
    "/v1/mapped/{name:str}",
    security=SECURITY,
    tags=_TAGS,
    summary="Report any JSON by a mapping",
    status_code=202,
    responses=refusals(401, 404),
)
async def send_mapped(
    name: Annotated[str, PathParameter(description="The name of a mapping in TOLLBOOK_MAPPINGS_DIR.")],
    data: Body,
    tenant: Tenant = None,
    agent: Agent = None,
) -> Accepted:
    """One object, an array or lines, each read by the mapping's expressions."""
    unreachable(f"served in front of this application: {name}, {type(data).__name__}, {tenant}, {agent}")


@post(
    "/api/v1/events",
    security=SECURITY,
    tags=_TAGS,
    summary="Take OpenMeter's events",
    status_code=204,
    responses=refusals(401),
)
async def send_openmeter(
    data: Annotated[
        dict[str, Any] | list[dict[str, Any]],
        BodyKwarg(media_type=RequestEncodingType.JSON, examples=[Example(summary="tokens", value=_CLOUDEVENT)]),
    ],
) -> None:
    """CloudEvents, one or a batch, as OpenMeter's clients send them. The header `X-Tollbook-Rejected` counts those that
    were not taken."""
    unreachable(f"served in front of this application: {type(data).__name__}")
