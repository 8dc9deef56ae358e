"""Sources that have to be fetched: webhook inboxes elsewhere; added, watched and removed."""

import secrets

import msgspec

from tollbook.domain.access import Principal
from tollbook.domain.source import INSTANODE_BASE, INSTANODE_STORED_MAX, Source, SourceKind, SourceStanding
from tollbook.views.asking import changer, name_of
from tollbook.views.desk import Desk
from tollbook.views.figures import time_text
from tollbook.views.problems import Problem, field_invalid, forbidden, not_found


class SourceRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An inbox to fetch: the last part of its `receive_url`, the team's token once it is claimed, and whose it is.

    It is fetched from its service's own address; another one is for the command line.
    """

    webhook_token: str
    kind: SourceKind = SourceKind.INSTANODE
    name: str | None = None
    bearer: str | None = None
    tenant: str | None = None


class SourceShown(msgspec.Struct, frozen=True, kw_only=True):
    """A source without its secrets, and what came of it. `tenant` is null where it may report for all."""

    name: str
    kind: str
    base: str
    tenant: str | None
    has_bearer: bool
    state: str
    detail: str
    created_at: str
    polled_at: str | None
    polls: int
    requests: int
    events: int
    refused: int
    gaps: int
    gap_at: str | None


class Sources(msgspec.Struct, frozen=True):
    """By name."""

    rows: list[SourceShown]


async def listed(desk: Desk, principal: Principal) -> Sources:
    """Every source; a bound admin sees those of its tenant."""
    found = await desk.sources.standings()
    return Sources([_shown(one) for one in found if principal.tenant in (None, one.tenant)])


async def add(desk: Desk, principal: Principal, data: SourceRequest) -> SourceShown:
    """Fetch an inbox from now on."""
    _require_whole(principal)
    token = data.webhook_token.strip()
    if not token or not token.isascii() or not token.isprintable() or "/" in token:
        raise field_invalid("webhook_token is the last part of the receive_url")
    name = name_of(data.name or data.kind.value, "name")
    source = Source(
        source_id=secrets.token_hex(6),
        kind=data.kind,
        name=name,
        base=INSTANODE_BASE,
        token=token,
        bearer=data.bearer or None,
        tenant=None if data.tenant is None else name_of(data.tenant, "tenant"),
        stored_max=INSTANODE_STORED_MAX,
        created_at=desk.clock.now(),
    )
    if not await desk.sources.add(source, changer(principal)):
        raise Problem(409, "source_exists", "there is a source of this name: give another, or remove that one first")
    return next(_shown(one) for one in await desk.sources.standings() if one.name == name)


async def remove(desk: Desk, principal: Principal, name: str) -> None:
    """Fetch a source no more, and forget which of its requests were taken."""
    _require_whole(principal)
    if not await desk.sources.remove(name_of(name, "name"), changer(principal)):
        raise not_found("there is no such source")


def _require_whole(principal: Principal) -> None:
    if principal.tenant is not None:
        raise forbidden("this needs an admin key that is bound to no tenant")


def _shown(one: SourceStanding) -> SourceShown:
    return SourceShown(
        name=one.name,
        kind=one.kind.value,
        base=one.base,
        tenant=one.tenant,
        has_bearer=one.has_bearer,
        state=one.state.value,
        detail=one.detail,
        created_at=time_text(one.created_at),
        polled_at=None if one.polled_at is None else time_text(one.polled_at),
        polls=one.polls,
        requests=one.requests,
        events=one.events,
        refused=one.refused,
        gaps=one.gaps,
        gap_at=None if one.gap_at is None else time_text(one.gap_at),
    )
