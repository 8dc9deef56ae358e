"""`GET /v1/watch`: what a tenant's budgets show, as it changes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from tollbook.api.asking import SECURITY, Who, World, any_key, name_of, query_invalid
from tollbook.api.auth import own_tenant
from tollbook.api.failures import problems
from tollbook.api.gate_bodies import FactsShown, facts_shown
from tollbook.enforcement.watch import State, Watch

_COMMENT_S = 15.0


class FactsWatched(FactsShown, frozen=True, kw_only=True):
    """A budget that is watched; `refuses` says that it refuses what comes now."""

    refuses: bool


class StateShown(msgspec.Struct, frozen=True):
    """One `state` event. `throttled`: a budget of the whole tenant refuses."""

    tenant: str
    throttled: bool
    budgets: list[FactsWatched]
    version: int


@get(
    "/v1/watch",
    guards=[any_key],
    security=SECURITY,
    tags=["gate"],
    summary="Follow a tenant's budgets",
    responses=problems(400, 401, 403, 503),
    media_type="text/event-stream",
)
async def watch(
    services: World,
    principal: Who,
    tenant: Annotated[str | None, QueryParameter(name="tenant", description="The key's tenant when left out.")] = None,
) -> ServerSentEvent:
    """Server-sent events: `state` at once and at each change, a comment each 15 seconds between them.

    Shown are the budgets of the whole tenant and those that name one agent, run, instance, model or tag.
    """
    whose = own_tenant(principal, None if tenant is None else name_of(tenant, "tenant"))
    if whose is None:
        raise query_invalid("name the tenant: this key is bound to none")
    services.watch.require_room()
    return ServerSentEvent(_told(services.watch, whose), headers={"cache-control": "no-store"})


async def _told(watch: Watch, tenant: str) -> AsyncIterator[ServerSentEventMessage]:
    states = watch.states(tenant)
    waiting: asyncio.Future[State] = asyncio.ensure_future(anext(states))
    try:
        while True:
            done, _ = await asyncio.wait({waiting}, timeout=_COMMENT_S)
            if not done:
                yield ServerSentEventMessage(comment="still here")
                continue
            yield ServerSentEventMessage(event="state", data=_shown(waiting.result()))
            waiting = asyncio.ensure_future(anext(states))
    finally:
        waiting.cancel()
        await asyncio.wait({waiting})
        await states.aclose()


def _shown(state: State) -> str:
    budgets = [
        FactsWatched(**msgspec.structs.asdict(facts_shown(facts)), refuses=refuses)
        for facts, refuses in zip(state.budgets, state.refusing, strict=True)
    ]
    return msgspec.json.encode(StateShown(state.tenant, state.throttled, budgets, state.version)).decode()
