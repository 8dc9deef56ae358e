"""The two intake routes as the OpenAPI document shows them.

They are served in front of this application (`api/intake.py`): these handlers are never reached, and say so.
"""

from typing import Annotated

import msgspec
from litestar import post
from litestar.enums import RequestEncodingType
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, HeaderParameter, PathParameter

from tollbook.api.asking import SECURITY
from tollbook.api.failures import ProblemBody, problems
from tollbook.domain.errors import unreachable
from tollbook.domain.event import Observer

_EXAMPLE = {"tenant": "acme", "agent": "planner/researcher", "input": 1200, "output": 340, "model": "gpt-4o-mini"}
_TAGS = ["intake"]


class EventBody(msgspec.Struct, frozen=True, kw_only=True):
    """One call. Counts are tokens; `input` holds all prompt tokens, `output` all generated ones."""

    tenant: str
    agent: str
    model: str
    input: int
    output: int
    id: str | None = None
    source: str | None = None
    ts: str | None = None
    run: str | None = None
    provider: str | None = None
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    service_tier: str | None = None
    tags: dict[str, str] | None = None
    call_id: str | None = None
    cost_usd: str | None = None
    hold: str | None = None
    units: dict[str, int] | None = None
    context: dict[str, str] | None = None
    observed: Observer | None = None
    response_id: str | None = None
    request_id: str | None = None
    group: str | None = None
    estimated: bool = False


class RejectedItem(msgspec.Struct, frozen=True):
    """Why the item at `index` was not taken; `code` is one of docs/errors.md."""

    index: int
    code: str
    detail: str


class Accepted(msgspec.Struct, frozen=True):
    """How many events were taken, and those that were not."""

    accepted: int
    rejected: list[RejectedItem]


class Receipt(msgspec.Struct, frozen=True):
    """The webhook's answer; `id` names the stored request."""

    ok: bool
    id: str
    accepted: int
    rejected: list[RejectedItem]


class NothingTaken(ProblemBody, frozen=True):
    """A problem document (RFC 9457) of a request of which no item was taken."""

    accepted: int
    rejected: list[RejectedItem]


def refusals(*also: int) -> dict[int, ResponseSpec]:
    """What the document says of how a route that takes items refuses."""
    nothing = problems(422)[422]
    nothing.data_container = NothingTaken
    return {**problems(400, 403, 413, 415, 503, *also), 422: nothing}


@post(
    "/v1/events",
    security=SECURITY,
    tags=_TAGS,
    summary="Report calls",
    status_code=202,
    responses=refusals(401),
)
async def send_events(
    data: Annotated[
        EventBody | list[EventBody],
        BodyKwarg(media_type=RequestEncodingType.JSON, examples=[Example(summary="one call", value=_EXAMPLE)]),
    ],
    idempotency_key: Annotated[
        str | None, HeaderParameter(name="idempotency-key", description="Stands in for missing ids of this request.")
    ] = None,
) -> Accepted:
    """One event, an array, or newline-delimited JSON (`application/x-ndjson`). An event sent again with the same id
    counts once; one without any id is a new call each time it is sent."""
    unreachable(f"served in front of this application: {type(data).__name__}, {idempotency_key}")


@post(
    "/webhook/receive/{token:str}",
    tags=_TAGS,
    summary="Report calls to a webhook",
    status_code=200,
    responses=refusals(404),
)
async def receive_webhook(
    token: Annotated[str, PathParameter(description="The whole secret: the address is the key.")],
    data: Annotated[
        EventBody | list[EventBody],
        BodyKwarg(media_type=RequestEncodingType.JSON, examples=[Example(summary="one call", value=_EXAMPLE)]),
    ],
) -> Receipt:
    """The same bodies as `/v1/events`, without a key."""
    unreachable(f"served in front of this application: {type(data).__name__}, {len(token)}")
