"""A usage event that settles a hold: what it does not say is taken from what the hold was made for."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from tollbook.api.bare import Scope
from tollbook.api.intake import IntakeApp, request_id_of
from tollbook.api.problems import Problem
from tollbook.api.services import Services
from tollbook.domain.access import Principal
from tollbook.domain.errors import JournalUnavailable, RejectCode
from tollbook.enforcement.asks import HoldContext
from tollbook.ingest.wire import ALIASES
from tollbook.pipeline.resolve import Sender
from tollbook.telemetry import StoreTrouble

_NAMES: Mapping[str, tuple[str, ...]] = {**ALIASES, "agent": ("agent_id",)}
_DEFAULTED = ("agent", "model", "run")
"""Which of the fields that a hold knows make it worth a look where they are missing."""
_ENCODER = msgspec.json.Encoder()
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Settled(NamedTuple):
    """A request to settle: the hold's id or a part's of a lease, the body, who asks, the tenant named beside it."""

    hold_id: str
    body: bytes
    principal: Principal
    tenant: str | None


async def settle(
    services: Services, intake: IntakeApp, settled: Settled, scope: Scope, headers: dict[bytes, bytes]
) -> bytes:
    """Take the event as `POST /v1/events` does; the answer's body. Without an id it has the hold's: once is enough."""
    fields = _fields(settled.body)
    _default(fields, "hold", settled.hold_id)
    if msgspec.json.decode(fields["hold"], strict=True) != settled.hold_id:
        raise Problem(400, "field_invalid", "the event names another hold than the path")
    tenant = settled.principal.tenant or settled.tenant
    if tenant is not None:
        _default(fields, "tenant", tenant)
    if not all(_given(fields, name) for name in _DEFAULTED):
        context = await _context(services, fields, settled.hold_id.partition(".")[0])
        if context is not None:
            _fill(fields, context)
    who = settled.principal
    request_id = request_id_of(headers) or settled.hold_id
    sender = Sender(tenant=who.tenant, request_id=request_id, agent=who.agent, run=who.run)
    # The body has been read and put together here: what its headers said of its form no longer holds.
    taken = await intake.take(_ENCODER.encode(fields), {}, sender, intake.ack_of(scope))
    return msgspec.json.encode({"accepted": taken.accepted, "rejected": taken.rejections})


def _fields(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _OBJECT.decode(body)
    except msgspec.ValidationError as error:
        raise Problem(422, "item_not_object", "a hold is settled by one JSON object") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, RejectCode.JSON_INVALID, "the body is not well-formed JSON in UTF-8") from error


def _given(fields: Mapping[str, msgspec.Raw], name: str) -> bool:
    return any(bytes(fields.get(key, b"null")) != b"null" for key in (name, *_NAMES.get(name, ())))


def _default(fields: dict[str, msgspec.Raw], name: str, value: object) -> None:
    if value is not None and not _given(fields, name):
        fields[name] = msgspec.Raw(_ENCODER.encode(value))


def _fill(fields: dict[str, msgspec.Raw], context: HoldContext) -> None:
    ask = context.ask
    for name in ("agent", "model", "run", "provider", "service_tier", "context", "tags"):
        # A call that went to another model than the hold's says nothing of the provider's price for this one.
        _default(fields, name, getattr(ask, name))


async def _context(services: Services, fields: Mapping[str, msgspec.Raw], hold_id: str) -> HoldContext | None:
    try:
        tenant = msgspec.json.decode(fields.get("tenant", fields.get("tenant_id", b"null")), type=str)
    except msgspec.ValidationError:
        return None
    try:
        return await services.gate.context(tenant, hold_id)
    except JournalUnavailable as trouble:
        # The event is booked by what it says itself: the inbox takes it.
        services.telemetry.record(StoreTrouble("valkey", "an event settles without its hold", str(trouble)))
        return None
