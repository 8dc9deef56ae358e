"""The routes that take what other systems send, as a bare ASGI application beside the intake's."""

import re
from typing import NamedTuple

from tollbook.api.auth import authenticate, require_sender
from tollbook.api.bare import JSON, Disconnected, Receive, Scope, Send, answer, read_body, text_of
from tollbook.api.intake import IntakeApp, Taken, origin_for, request_id_of, shown
from tollbook.api.problems import Problem
from tollbook.api.refusing import problem_of, refuse
from tollbook.api.services import Services
from tollbook.domain.errors import RequestError, StoreError
from tollbook.ingest.origin import Origin
from tollbook.ingest.registry import Decode, mapped_dialect, openmeter_dialect, usage_dialect
from tollbook.pipeline.resolve import Sender

USAGE_PATH, MAPPED_PATH = "/v1/usage/", "/v1/mapped/"
LITELLM_PATH, OPENMETER_PATH = "/v1/litellm", "/api/v1/events"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class _Reply(NamedTuple):
    status: int
    body: bytes
    headers: dict[bytes, bytes] = {}


class DialectApp:
    """Answers `POST` on `/v1/usage/<provider>`, `/v1/litellm`, `/v1/mapped/<name>` and `/api/v1/events`."""

    def __init__(self, services: Services, intake: IntakeApp) -> None:
        self._services = services
        self._intake = intake

    def takes(self, path: str) -> bool:
        """Whether a path is one of these routes."""
        return path in (LITELLM_PATH, OPENMETER_PATH) or path.startswith((USAGE_PATH, MAPPED_PATH))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        try:
            reply = await self._reply_to(scope, receive)
        except Disconnected:
            return
        except Problem as problem:
            await refuse(scope, receive, send, problem)
        else:
            await answer(send, reply.status, JSON, reply.body, reply.headers)

    async def _reply_to(self, scope: Scope, receive: Receive) -> _Reply:
        try:
            return await self._taken(scope, receive)
        except (RequestError, StoreError) as error:
            raise problem_of(error, self._services.telemetry) from error

    async def _taken(self, scope: Scope, receive: Receive) -> _Reply:
        if scope["method"] != "POST":
            raise Problem(405, "method_not_allowed", "events are POSTed", headers={"allow": "POST"})
        headers = dict(scope["headers"])
        principal = authenticate(self._services.directory, text_of(headers, b"authorization"))
        require_sender(principal)
        sender = Sender(
            tenant=principal.tenant, request_id=request_id_of(headers), agent=principal.agent, run=principal.run
        )
        path: str = scope["path"]
        dialect = self._dialect_of(path, origin_for(scope, headers, sender))
        body = await read_body(scope, headers, receive, bytes_max=self._services.limits.body_bytes_max)
        taken = await self._intake.take(body, headers, sender, self._intake.ack_of(scope), dialect)
        return _reply(path, taken)

    def _dialect_of(self, path: str, origin: Origin) -> Decode:
        mappings = self._services.mappings
        if path == OPENMETER_PATH:
            return openmeter_dialect(mappings, origin)
        if path == LITELLM_PATH:
            return usage_dialect("litellm", origin)
        if path.startswith(USAGE_PATH):
            name = path.removeprefix(USAGE_PATH)
            if _NAME.fullmatch(name) is None:
                raise Problem(404, "not_found", "name the provider: /v1/usage/openai")
            return usage_dialect(name.lower(), origin)
        mapping = mappings.named.get(path.removeprefix(MAPPED_PATH))
        if mapping is None:
            raise Problem(404, "not_found", "no mapping has this name; mappings are read when a receiver starts")
        return mapped_dialect(mapping, origin)


def _reply(path: str, taken: Taken) -> _Reply:
    """Each dialect's sender is answered as it expects to be."""
    if path == OPENMETER_PATH:
        told = {b"x-tollbook-rejected": str(len(taken.rejections)).encode()} if taken.rejections else {}
        return _Reply(204, b"", told)
    return _Reply(200 if path == LITELLM_PATH else 202, shown(taken))
