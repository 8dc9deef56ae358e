"""The routes of the gate as the OpenAPI document shows them.

They are served in front of this application (`api/gate_routes.py`): these handlers are never reached, and say so.
"""

from typing import Annotated, Any, Literal

import msgspec
from litestar import delete, patch, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, FromPath, JSONBody, QueryParameter

from tollbook.api.asking import SECURITY
from tollbook.api.failures import ProblemBody, problems
from tollbook.api.gate_bodies import DecisionShown, ExtendBody, HoldBody, LeaseBody, LeaseDecisionShown
from tollbook.api.problems import MEDIA_TYPE
from tollbook.api.resources.intake_schema import Accepted, EventBody
from tollbook.domain.errors import unreachable

_EXAMPLE = {
    "tenant": "acme",
    "agent": "planner/researcher",
    "run": "task-9",
    "model": "gpt-4o-mini",
    "input_tokens": 1200,
    "max_output_tokens": 800,
}
_TAGS = ["gate"]
Tenant = Annotated[str | None, QueryParameter(name="tenant", description="Whose hold; the key's tenant when left out.")]


class Refusal(DecisionShown, frozen=True, kw_only=True):
    """A decision against the call, as a problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    violated: list[str] = msgspec.field(name="violated-policies")


class Released(msgspec.Struct, frozen=True):
    """What became of the hold: released, or settled or expired before."""

    id: str
    state: Literal["released", "settled", "expired"]


class HoldEnded(ProblemBody, frozen=True):
    """A problem document (RFC 9457) about a hold that is not open any more."""

    state: Literal["released", "settled", "expired"]


def _extend_refusals() -> dict[int, ResponseSpec]:
    ended = problems(409)[409]
    ended.data_container = HoldEnded
    return {**_refusals(404), 409: ended}


def _shape(status: int) -> Any:
    # Stores that are away before anything is decided leave a problem without a decision.
    return Refusal | ProblemBody if status == 503 else Refusal


def _refusals(*also: int) -> dict[int, ResponseSpec]:
    meanings = {
        402: "A budget is spent: the same call is refused until its window ends or its limit is raised.",
        429: "Holds of other calls are in the way: come back after `Retry-After`.",
        503: "Nobody can tell, and a budget fails closed: come back after `Retry-After`.",
    }
    refusals = {
        status: ResponseSpec(
            _shape(status), description=meaning, generate_examples=False, media_type=MEDIA_TYPE.decode()
        )
        for status, meaning in meanings.items()
    }
    return {**problems(400, 401, 403, *also), **refusals}


@post(
    "/v1/holds",
    security=SECURITY,
    tags=_TAGS,
    summary="Reserve what a call may cost",
    status_code=200,
    responses=_refusals(),
)
async def make_hold(
    data: Annotated[HoldBody, BodyKwarg(examples=[Example(summary="one call", value=_EXAMPLE)])],
) -> DecisionShown:
    """Asks every budget that the call must pass, in one step, and holds its upper bound in each until the call has
    reported, is released, or `ttl_ms` is over."""
    unreachable(f"served in front of this application: {type(data).__name__}")


@post(
    "/v1/check",
    security=SECURITY,
    tags=_TAGS,
    summary="Ask whether a call would be let through",
    status_code=200,
    responses=_refusals(),
)
async def check_call(
    data: Annotated[HoldBody, BodyKwarg(examples=[Example(summary="one call", value=_EXAMPLE)])],
) -> DecisionShown:
    """Answers as `POST /v1/holds` would at this moment, and holds nothing."""
    unreachable(f"served in front of this application: {type(data).__name__}")


@post(
    "/v1/leases",
    security=SECURITY,
    tags=_TAGS,
    summary="Reserve a slice for many calls alike",
    status_code=200,
    responses=_refusals(),
)
async def make_lease(data: JSONBody[LeaseBody]) -> LeaseDecisionShown:
    """A hold to be handed out in parts: at most an eighth of the room that is left, never less than one call needs."""
    unreachable(f"served in front of this application: {type(data).__name__}")


@post(
    "/v1/holds/{hold_id:str}/settle",
    security=SECURITY,
    tags=_TAGS,
    summary="Report the call of a hold",
    status_code=202,
    responses=problems(400, 401, 403, 503),
)
async def settle_hold(hold_id: FromPath[str], data: JSONBody[EventBody], tenant: Tenant = None) -> Accepted:
    """A usage event as for `/v1/events`; what it leaves out of `tenant`, `agent`, `run`, `model`, `provider`,
    `service_tier`, `context` and `tags` is the hold's. Without an `id` it has the hold's: a repeat counts once."""
    unreachable(f"served in front of this application: {hold_id}, {type(data).__name__}, {tenant}")


@patch(
    "/v1/holds/{hold_id:str}",
    security=SECURITY,
    tags=_TAGS,
    summary="Extend a hold",
    status_code=200,
    responses=_extend_refusals(),
)
async def extend_hold(hold_id: FromPath[str], data: JSONBody[ExtendBody]) -> DecisionShown:
    """A new life from now and, where `output_tokens` or `amount_usd` is named, a new whole size."""
    unreachable(f"served in front of this application: {hold_id}, {type(data).__name__}")


@delete(
    "/v1/holds/{hold_id:str}",
    security=SECURITY,
    tags=_TAGS,
    summary="Release a hold",
    status_code=200,
    responses=problems(400, 401, 403, 404, 503),
)
async def release_hold(
    hold_id: FromPath[str],
    tenant: Tenant = None,
    keep_usd: Annotated[
        str | None, QueryParameter(name="keep_usd", description="What the open parts of a lease may still cost.")
    ] = None,
) -> Released:
    """Says that nothing will be reported of the call. Whoever has reported it does not release it."""
    unreachable(f"served in front of this application: {hold_id}, {tenant}, {keep_usd}")
