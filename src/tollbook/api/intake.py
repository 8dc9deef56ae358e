"""The two routes that take events, as a bare ASGI application.

They stand in front of the framework: routing, parameter binding and response building would cost several times what
the ledger itself spends on an event.
"""

import asyncio
import os
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from urllib.parse import parse_qs
from uuid import UUID

import msgspec

from tollbook.api.auth import authenticate, require_sender
from tollbook.api.bare import JSON, Disconnected, Receive, Scope, Send, answer, read_body, text_of
from tollbook.api.problems import REJECT_STATUS, Problem, unavailable
from tollbook.api.refusing import problem_of, refuse
from tollbook.api.services import Services
from tollbook.domain.errors import JournalUnavailable, RequestError, StoreError
from tollbook.domain.event import Rejection
from tollbook.domain.identity import minted
from tollbook.ingest.body import inflate
from tollbook.ingest.native import decode
from tollbook.ingest.origin import Origin, origin_of
from tollbook.ingest.registry import Decode, events_dialect, webhook_dialect
from tollbook.pipeline.accept import Ack
from tollbook.pipeline.judging import judged
from tollbook.pipeline.resolve import Sender
from tollbook.ports.received import ReceivedRequest
from tollbook.telemetry import Rejected, StoreTrouble, Unpriced

EVENTS_PATH = "/v1/events"
WEBHOOK_PATH = "/webhook/receive/"
_ACKS: dict[str, Ack] = {"journal": "journal", "ledger": "ledger"}
_CE_VERSION = b"ce-specversion"
_REQUEST_IDS = (b"idempotency-key", b"webhook-id", b"x-idempotency-key")
_SECRETS = frozenset(
    {b"authorization", b"proxy-authorization", b"cookie", b"set-cookie", b"x-api-key", b"x-auth-token"}
)
_REQUEST_ID_CHARS_MAX = 255
_KEPT_BODY_BYTES_MAX = 65_536
_ONE_ACCEPTED = b'{"accepted":1,"rejected":[]}'


class Taken(NamedTuple):
    """What became of a request's items: how many were taken, which were refused, how many told of no call."""

    accepted: int
    rejections: list[Rejection]
    ignored: int = 0


class IntakeApp:
    """Answers `POST /v1/events` and any method on `/webhook/receive/<token>`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def takes(self, path: str) -> bool:
        """Whether a path is one of the two routes."""
        return path == EVENTS_PATH or path.startswith(WEBHOOK_PATH)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        try:
            status, body = await self._answer_of(scope, receive)
        except Disconnected:
            return
        except Problem as problem:
            await refuse(scope, receive, send, problem)
        else:
            await answer(send, status, JSON, body)

    async def _answer_of(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        try:
            if scope["path"] == EVENTS_PATH:
                return await self._events(scope, receive)
            return await self._webhook(scope, receive)
        except (RequestError, StoreError) as error:
            raise problem_of(error, self._services.telemetry) from error

    async def _events(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        if scope["method"] != "POST":
            raise Problem(405, "method_not_allowed", "events are POSTed", headers={"allow": "POST"})
        headers = dict(scope["headers"])
        principal = authenticate(self._services.directory, text_of(headers, b"authorization"))
        require_sender(principal)
        sender = Sender(
            tenant=principal.tenant, request_id=request_id_of(headers), agent=principal.agent, run=principal.run
        )
        dialect = events_dialect(
            text_of(headers, b"content-type"),
            lambda: origin_for(scope, headers, sender),
            is_binary=_CE_VERSION in headers,
        )
        body = await read_body(scope, headers, receive, bytes_max=self._services.limits.body_bytes_max)
        taken = await self.take(body, headers, sender, self.ack_of(scope), dialect)
        return 202, shown(taken)

    async def _webhook(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        services = self._services
        if not services.directory.loaded:
            raise unavailable("webhook tokens are not loaded yet", "starting")
        token = services.directory.webhook(scope["path"].removeprefix(WEBHOOK_PATH))
        if token is None:
            raise Problem(404, "not_found", "no webhook in force has this address")
        headers = dict(scope["headers"])
        now = services.clock.now()
        received_id = str(UUID(bytes=minted(int(now.timestamp() * 1000), os.urandom(10))))
        sender = Sender(tenant=token.tenant, source=token.source, request_id=request_id_of(headers))
        body = await read_body(scope, headers, receive, bytes_max=self._services.limits.body_bytes_max)
        kept = asyncio.create_task(self._keep(token.token_id, _received(scope, body, received_id, now)))
        try:
            dialect = webhook_dialect(
                text_of(headers, b"content-type"),
                lambda: origin_for(scope, headers, sender),
                is_binary=_CE_VERSION in headers,
                mapping=services.mappings.bound.get(token.source),
            )
            taken = await self.take(body, headers, sender, self.ack_of(scope), dialect)
        finally:
            await kept
        receipt = {"ok": True, "id": received_id, "accepted": taken.accepted, "rejected": taken.rejections}
        return 200, msgspec.json.encode(receipt)

    async def _keep(self, token_id: str, request: ReceivedRequest) -> None:
        try:
            await self._services.received.keep(token_id, request)
        except JournalUnavailable as trouble:
            self._services.telemetry.record(StoreTrouble("valkey", "received request is not listed", str(trouble)))

    async def take(
        self, body: bytes, headers: dict[bytes, bytes], sender: Sender, ack: Ack, dialect: Decode = decode
    ) -> Taken:
        """Price, attribute and keep the events of a body; raises a `Problem` where none of them was taken."""
        services = self._services
        plain = inflate(body, text_of(headers, b"content-encoding"), services.limits)
        decoded = dialect(plain, text_of(headers, b"content-type"), services.limits)
        services.resolver.under(services.directory.tenancy, services.directory.budgets)
        now = services.clock.now()
        resolved, rejections, accepted = judged(services.resolver, decoded, sender, now)
        for rejection in rejections:
            services.telemetry.record(Rejected(1, rejection.code))
        for tenant, model in resolved.unpriced:
            services.telemetry.record(Unpriced(tenant, model))
        if accepted:
            await services.intake.accept(resolved, ack)
        elif rejections:
            raise _all_refused(rejections)
        return Taken(accepted, rejections, decoded.ignored)

    def ack_of(self, scope: Scope) -> Ack:
        """What the sender waits for: what the request asks, else this receiver's own."""
        query = scope["query_string"]
        if not query:
            return self._services.ack
        asked = parse_qs(query.decode("latin-1")).get("ack")
        if asked is None:
            return self._services.ack
        ack = _ACKS.get(asked[-1])
        if ack is None:
            raise Problem(400, "ack_invalid", "ack is `journal` or `ledger`")
        return ack


def shown(taken: Taken) -> bytes:
    """The answer to whom events were taken from."""
    if taken.ignored:
        return msgspec.json.encode({"accepted": taken.accepted, "ignored": taken.ignored, "rejected": taken.rejections})
    if taken.accepted == 1 and not taken.rejections:
        return _ONE_ACCEPTED
    return msgspec.json.encode({"accepted": taken.accepted, "rejected": taken.rejections})


def origin_for(scope: Scope, headers: Mapping[bytes, bytes], sender: Sender) -> Origin:
    """What a request says of its calls around their payloads."""
    attributes = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
    asked = parse_qs(scope["query_string"].decode("latin-1")) if scope["query_string"] else {}
    query = {name: values[-1] for name, values in asked.items()}
    return origin_of(attributes, query, tenant=sender.tenant, agent=sender.agent, run=sender.run)


def _all_refused(rejections: list[Rejection]) -> Problem:
    first = rejections[0]
    detail = (
        first.detail
        if len(rejections) == 1
        else f"none of {len(rejections)} items was taken; the first: {first.detail}"
    )
    return Problem(
        REJECT_STATUS.get(first.code, 422), first.code, detail, facts={"accepted": 0, "rejected": rejections}
    )


def request_id_of(headers: dict[bytes, bytes]) -> str | None:
    """The request's own id: quoted as the Idempotency-Key draft has it, or bare as most clients send it."""
    for name in _REQUEST_IDS:
        value = headers.get(name)
        if value is not None:
            text = value.decode("latin-1").strip().strip('"')
            if not text or len(text) > _REQUEST_ID_CHARS_MAX or not text.isprintable():
                raise Problem(400, "request_id_invalid", f"{name.decode()} is 1 to 255 printable characters")
            return text
    return None


def _received(scope: Scope, body: bytes, received_id: str, now: datetime) -> ReceivedRequest:
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        shown = "[REDACTED]" if name in _SECRETS else value.decode("latin-1")
        headers.setdefault(name.decode("latin-1").title(), []).append(shown)
    return ReceivedRequest(
        id=received_id,
        method=scope["method"],
        # The token in the path is the secret; who lists by it knows it anyway, and nobody else should read it here.
        path=WEBHOOK_PATH + "…",
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=body[:_KEPT_BODY_BYTES_MAX].decode("utf-8", "replace"),
        received_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        truncated=len(body) > _KEPT_BODY_BYTES_MAX,
    )
