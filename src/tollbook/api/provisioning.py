"""`POST /webhook/new`, `/cache/new` and `/db/new` as instanode.dev answers them, for the stores of this machine.

Only `tollbook up` serves them, and only on the loopback: they ask for no key, as the provider's do not. What they hand
out may read what the brief names and nothing more: the flags and the day's cents in Valkey, `daily_spend` in Postgres.
"""

import asyncio
import re
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid4, uuid5

import msgspec

from tollbook.api.bare import JSON, Disconnected, Receive, Scope, Send, answer, read_body
from tollbook.api.services import Services
from tollbook.domain.access import Role
from tollbook.domain.errors import RequestError, StoreError
from tollbook.pipeline.directory import mint_token

_SERVICES = {"/webhook/new": "webhook", "/cache/new": "cache", "/db/new": "db"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _-]*")
_ENV = re.compile(r"[a-z0-9-]{1,32}")
_NAME_CHARS_MAX = 64
_KEY_CHARS_MAX = 255
_BODY_BYTES_MAX = 64 * 1024
_REPLAYED_MAX = 1_000
_KNOWN = ("name", "env", "parent_resource_id", "dedicated")
_SOURCE = "default"


class Handouts(msgspec.Struct, frozen=True):
    """Access that may be handed out, as `tollbook up` keeps it in a file of its data directory."""

    cache_url: str
    db_url: str
    key_prefix: str


class _Failed(Exception):  # noqa: N818 - an answer in the provider's envelope
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class _Reply(NamedTuple):
    status: int
    body: bytes
    asked: bytes


class ProvisioningApp:
    """Answers the three routes where there is something to hand out."""

    def __init__(self, services: Services, file: Path | None) -> None:
        self._services = services
        self._file = file
        self._replies: OrderedDict[tuple[str, str], _Reply] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()

    def takes(self, scope: Scope) -> bool:
        """Whether a request is one of these."""
        return self._file is not None and scope["path"] in _SERVICES and scope["method"] == "POST"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = dict(scope["headers"])
        more: dict[bytes, bytes] = {}
        try:
            body = await read_body(scope, headers, receive, bytes_max=_BODY_BYTES_MAX)
            async with self._one_at_a_time:
                reply, replayed = await self._reply(scope, headers, body)
            status, told = reply.status, reply.body
            more = {b"x-idempotent-replay": b"true"} if replayed else {}
        except Disconnected:
            return
        except _Failed as failed:
            status, told = failed.status, _envelope(failed.code, str(failed), None)
        except RequestError as error:
            status, told = error.status, _envelope("payload_too_large", error.detail, None)
        except StoreError as trouble:
            status, told, more = 503, _envelope("provision_failed", trouble.code, 1), {b"retry-after": b"1"}
        await answer(send, status, JSON, told, more)

    async def _reply(self, scope: Scope, headers: dict[bytes, bytes], body: bytes) -> tuple[_Reply, bool]:
        if b"origin" in headers:
            raise _Failed(403, "forbidden", "no page of a browser may ask for access")
        self._require_admin(headers.get(b"authorization"))
        path, key = scope["path"], headers.get(b"idempotency-key")
        if key is not None and not (0 < len(key) <= _KEY_CHARS_MAX and key.decode("latin-1").isprintable()):
            raise _Failed(400, "invalid_idempotency_key", "1 to 255 printable characters")
        # Without a key the body itself is one, as the provider takes it for two minutes.
        name = "key " + key.decode("latin-1") if key is not None else "body " + body.decode("utf-8", "replace")
        known = self._replies.get((path, name))
        if known is not None:
            if known.asked != body:
                raise _Failed(409, "idempotency_key_conflict", "the same key came with another body")
            return known, True
        fields = await self._created(_SERVICES[path], body, _base(scope, headers))
        reply = self._replies[path, name] = _Reply(201, msgspec.json.encode(fields), body)
        if len(self._replies) > _REPLAYED_MAX:
            self._replies.popitem(last=False)
        return reply, False

    def _require_admin(self, authorization: bytes | None) -> None:
        if authorization is None:
            return
        principal = self._services.directory.principal(authorization.decode("latin-1").removeprefix("Bearer ").strip())
        if principal is None or principal.role is not Role.ADMIN:
            raise _Failed(401, "unauthorized", "a bearer was sent that is no admin key in force")

    async def _created(self, service: str, body: bytes, base: str) -> dict[str, object]:
        asked = _asked(body)
        handouts = self._handouts()
        token = await self._webhook() if service == "webhook" else str(uuid5(NAMESPACE_URL, handouts.cache_url))
        fields: dict[str, object] = {"ok": True, "id": str(uuid4()), "token": token, "name": asked["name"]}
        fields |= {"tier": "local", "env": asked.get("env", "development")}
        if "env" not in asked:
            fields["env_override_reason"] = "default_no_env_specified"
        match service:
            case "webhook":
                fields |= {"receive_url": f"{base}/webhook/receive/{token}", "limits": {"requests_stored": 100}}
            case "cache":
                fields |= {"connection_url": handouts.cache_url, "limits": {"memory_mb": 1024}}
                if handouts.key_prefix:
                    fields["key_prefix"] = handouts.key_prefix
            case _:
                fields |= {"connection_url": handouts.db_url, "limits": {"connections": 2}}
        ignored = sorted(asked.keys() - set(_KNOWN))
        return (
            fields
            | {"note": "Kept on this machine; it does not expire."}
            | ({"ignored_fields": ignored} if ignored else {})
        )

    async def _webhook(self) -> str:
        token = await mint_token(self._services.config, _SOURCE, by="provisioning")
        await self._services.directory.refresh()
        return token

    def _handouts(self) -> Handouts:
        if self._file is None:
            raise _Failed(503, "service_disabled", "nothing is handed out here")
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Handouts)
        except (OSError, msgspec.DecodeError) as error:
            raise _Failed(503, "service_disabled", "nothing is handed out here") from error


def _asked(body: bytes) -> dict[str, object]:
    try:
        asked = msgspec.json.decode(body or b"{}", type=dict[str, object])
    except (msgspec.DecodeError, RecursionError) as error:
        raise _Failed(400, "invalid_body", "the body is a JSON object") from error
    name, env = asked.get("name"), asked.get("env", "development")
    if not isinstance(name, str) or not name.strip():
        raise _Failed(400, "name_required", "`name` is required")
    if len(name.strip()) > _NAME_CHARS_MAX or not _NAME.fullmatch(name.strip()):
        raise _Failed(400, "invalid_name", "1 to 64 letters, digits, spaces, `_` and `-`, the first a letter or digit")
    if not isinstance(env, str) or not _ENV.fullmatch(env):
        raise _Failed(400, "invalid_env", "1 to 32 small letters, digits and `-`")
    return {**asked, "name": name.strip()}


def _base(scope: Scope, headers: dict[bytes, bytes]) -> str:
    return f"{scope['scheme']}://{headers.get(b'host', b'127.0.0.1').decode('latin-1')}"


def _envelope(code: str, message: str, retry_after_s: int | None) -> bytes:
    return msgspec.json.encode({"ok": False, "error": code, "message": message, "retry_after_seconds": retry_after_s})
