"""`/v1/alert-hooks`: where alerts are sent."""

from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from tollbook.alerting.hook import check_alert, mint_hook
from tollbook.api.answers import time_text
from tollbook.api.asking import SECURITY, Who, World, admin, name_of, not_found
from tollbook.api.auth import own_tenant
from tollbook.api.failures import problems
from tollbook.api.problems import Problem
from tollbook.domain.access import Principal
from tollbook.domain.alert import AlertKind
from tollbook.ports.alerts import Hook
from tollbook.views.asking import changer

_TAGS = ["alerts"]

Kinds = Annotated[list[AlertKind], msgspec.Meta(max_length=32)]


class AlertHookRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A hook to make: its URL, the tenant it hears of (null: all), the kinds it hears (none: every kind)."""

    url: str
    tenant: str | None = None
    kinds: Kinds = []


class AlertHook(msgspec.Struct, frozen=True, kw_only=True):
    """A hook without its secret. `disabled` says why it hears nothing any more, null while it does."""

    hook_id: str
    url: str
    tenant: str | None
    kinds: list[str]
    created_at: str
    created_by: str
    disabled: str | None


class NewAlertHook(msgspec.Struct, frozen=True, kw_only=True):
    """A hook just made. `secret` is what its deliveries are signed with, shown this once."""

    hook_id: str
    url: str
    tenant: str | None
    kinds: list[str]
    secret: str
    created_at: str


class AlertHooks(msgspec.Struct, frozen=True):
    """Newest first."""

    rows: list[AlertHook]


class TestAlert(msgspec.Struct, frozen=True):
    """The alert that is on its way; `GET /v1/alerts` tells what became of it."""

    alert_id: str


@post(
    "/v1/alert-hooks",
    guards=[admin],
    security=SECURITY,
    tags=_TAGS,
    summary="Make an alert hook",
    responses=problems(400, 401, 403, 503),
)
async def make_alert_hook(services: World, principal: Who, data: JSONBody[AlertHookRequest]) -> NewAlertHook:
    """Make a hook; one made by a key that is bound to a tenant hears of the same."""
    tenant = own_tenant(principal, None if data.tenant is None else name_of(data.tenant, "tenant"))
    try:
        hook, secret = await mint_hook(
            services.alerts,
            data.url,
            tenant=tenant,
            kinds=data.kinds,
            by=changer(principal),
            now=services.clock.now(),
        )
    except ValueError as error:
        raise Problem(400, "field_invalid", str(error)) from error
    return NewAlertHook(
        hook_id=hook.hook_id,
        url=hook.url,
        tenant=tenant,
        kinds=list(hook.kinds),
        secret=secret,
        created_at=time_text(hook.created_at),
    )


@get(
    "/v1/alert-hooks",
    guards=[admin],
    security=SECURITY,
    tags=_TAGS,
    summary="List alert hooks",
    responses=problems(400, 401, 403, 503),
)
async def alert_hooks(services: World, principal: Who) -> AlertHooks:
    """Every hook, without secrets; a bound admin sees those of its tenant."""
    found = await services.alerts.hooks()
    return AlertHooks([_shown(hook) for hook in found if _may(principal, hook)])


@delete(
    "/v1/alert-hooks/{hook_id:str}",
    guards=[admin],
    security=SECURITY,
    tags=_TAGS,
    summary="Remove an alert hook",
    responses=problems(400, 401, 403, 404, 503),
)
async def remove_alert_hook(services: World, principal: Who, hook_id: FromPath[str]) -> None:
    """Remove a hook: what waits for it is not sent any more."""
    name = await _own(services, principal, hook_id)
    if not await services.alerts.remove_hook(name, changer(principal)):
        raise not_found("there is no such alert hook")


@post(
    "/v1/alert-hooks/{hook_id:str}/test",
    guards=[admin],
    security=SECURITY,
    tags=_TAGS,
    status_code=202,
    summary="Send a test alert",
    responses=problems(400, 401, 403, 404, 503),
)
async def send_test_alert(services: World, principal: Who, hook_id: FromPath[str]) -> TestAlert:
    """Put a test alert on its way to one hook."""
    name = await _own(services, principal, hook_id)
    now = services.clock.now()
    alert_id = await services.alerts.insert_test(name, check_alert(name), now, due_at=now)
    if alert_id is None:
        raise not_found("there is no such alert hook in use")
    return TestAlert(alert_id)


async def _own(services: World, principal: Principal, hook_id: str) -> str:
    name = name_of(hook_id, "hook_id")
    hooks = await services.alerts.hooks()
    if not any(hook.hook_id == name and _may(principal, hook) for hook in hooks):
        raise not_found("there is no such alert hook")
    return name


def _may(principal: Principal, hook: Hook) -> bool:
    return principal.tenant in (None, hook.tenant)


def _shown(hook: Hook) -> AlertHook:
    return AlertHook(
        hook_id=hook.hook_id,
        url=hook.url,
        tenant=hook.tenant,
        kinds=list(hook.kinds),
        created_at=time_text(hook.created_at),
        created_by=hook.created_by,
        disabled=hook.disabled,
    )
