"""A fake of instanode.dev's API on the loopback: what its handlers do, its traps among it, and nothing more.

Each trap is named where it is built in by the chapter of the provider's sources that it comes from.
"""

import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _-]*")
_SECRET = {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token"}
_SERVICES = {"/webhook/new": "webhook", "/cache/new": "cache", "/db/new": "db"}
BODY_BYTES_MAX = 1_048_576
PROVISIONS_A_DAY = 5


class Webhook:
    """One inbox: a list of which the newest is the head, cut at each push."""

    def __init__(self, stored_max: int) -> None:
        self.stored_max = stored_max
        self.requests: list[dict[str, Any]] = []
        self.replies: dict[str, dict[str, Any]] = {}
        self.bearer: str | None = None
        self.expired = False


class Instanode:
    """The provider's state; tests turn its knobs."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.webhooks: dict[str, Webhook] = {}
        self.resources: dict[str, dict[str, Any]] = {}
        self.replays: dict[tuple[str, str], tuple[int, dict[str, Any], bytes]] = {}
        self.provisions = 0
        self.platform_away = False
        self.lookup_fails = False
        self.in_progress = 0
        self.recycled = False
        self.key_prefix: str | None = None
        self.urls = {"cache": "redis://127.0.0.1:1/0", "db": "postgres://127.0.0.1:1/x"}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.base = ""

    def webhook(self, stored_max: int = 100) -> str:
        """The token of a new inbox."""
        token = str(uuid.uuid4())
        self.webhooks[token] = Webhook(stored_max)
        return token

    def push(self, token: str, body: str | bytes, headers: dict[str, str] | None = None) -> tuple[dict[str, Any], bool]:
        """What a receive does: its reply, and whether it evicted the oldest."""
        found = self.webhooks[token]
        headers = headers or {}
        repeat = headers.get("X-Idempotency-Key")
        if repeat and repeat in found.replies:
            return found.replies[repeat], False
        reply = {"ok": True, "id": str(uuid.uuid4())}
        rotated = False
        if not self.platform_away:  # 4.7: a 200 does not prove that anything was stored
            # 4.4: bytes become text whatever they are; 4.5: values are arrays, sensitive ones redacted.
            text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
            shown = {n.title(): ["[REDACTED]" if n.lower() in _SECRET else v] for n, v in headers.items()}
            stored = {"id": reply["id"], "method": "POST", "path": f"/webhook/receive/{token}", "query": ""}
            at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # 4.3: whole seconds
            found.requests.insert(0, stored | {"headers": shown, "body": text, "received_at": at})
            rotated = len(found.requests) > found.stored_max
            del found.requests[found.stored_max :]
        if repeat:
            found.replies[repeat] = reply
        return reply, rotated

    def provision(self, service: str, name: str) -> tuple[int, dict[str, Any]]:
        """What a /new route does for somebody without an account."""
        if self.recycled:
            return 402, failure("free_tier_recycle_requires_claim") | {
                "agent_action": "Open the claim link and enter an e-mail address.",
                "claim_url": f"{self.base}/start?t=jwt",
                "upgrade_url": f"{self.base}/start?t=jwt",
            }
        self.provisions += 1
        if self.provisions > PROVISIONS_A_DAY:  # 2.2: the old resource, under its old name
            if service in self.resources:
                return 200, {**self.resources[service], "note": "Returning your existing resource."}
            return 429, failure("provision_limit_reached", retry=3600)
        reply = self._created(service, name)
        self.resources[service] = reply
        return 201, reply

    def _created(self, service: str, name: str) -> dict[str, Any]:
        token = self.webhook() if service == "webhook" else str(uuid.uuid4())
        claim = f"{self.base}/start?t=jwt-{service}"
        expires = (datetime.now(UTC) + timedelta(hours=24)).strftime("%Y-%m-%dT%H:%M:%SZ")
        common = {"ok": True, "id": str(uuid.uuid4()), "token": token, "name": name, "tier": "anonymous"}
        common |= {"env": "development", "note": "Works for 24h free.", "upgrade": claim, "claim_url": claim}
        common |= {"upgrade_jwt": f"jwt-{service}", "expires_at": expires}
        if service == "webhook":
            limits: dict[str, Any] = {"requests_stored": 100, "expires_in": "24h"}
            return common | {"receive_url": f"{self.base}/webhook/receive/{token}", "limits": limits}
        limits = {"memory_mb": 5} if service == "cache" else {"storage_mb": 10, "connections": 2}
        more = {"key_prefix": self.key_prefix} if service == "cache" and self.key_prefix else {}
        return common | {"connection_url": self.urls[service], "limits": limits | {"expires_in": "24h"}} | more


def failure(code: str, *, retry: int | None = None) -> dict[str, Any]:
    """The envelope of every 4xx and 5xx."""
    return {"ok": False, "error": code, "message": f"about {code}", "retry_after_seconds": retry}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: Instanode

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        with self.fake.lock:
            self._route(b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        with self.fake.lock:
            self._route(body)

    def _route(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        self.fake.asked.append((self.command, path, {n.lower(): v for n, v in self.headers.items()}))
        listing = re.fullmatch(r"/api/v1/webhooks/([^/]+)/requests", path)
        receiving = re.fullmatch(r"/webhook/receive/([^/]+)", path)
        if listing and self.command == "GET":
            assert not query, "the route knows no parameters"
            self._list(listing[1])
        elif receiving:
            self._receive(receiving[1], body)
        elif path in _SERVICES and self.command == "POST":
            self._provision(path, body)
        else:
            self._answer(404, failure("not_found"))

    def _list(self, token: str) -> None:
        found = self.fake.webhooks.get(token)
        if self.fake.lookup_fails:
            self._answer(503, failure("lookup_failed", retry=7), {"Retry-After": "7"})
        elif found is None:
            self._answer(404, failure("not_found"))
        elif found.expired:
            self._answer(410, failure("webhook_expired"))
        elif found.bearer is not None and self.headers.get("authorization") != f"Bearer {found.bearer}":
            self._answer(403, failure("forbidden"))  # 4.8: after a claim
        else:
            # 1.4: newest first, all of it, nothing deleted; an error of the platform's own store is an empty list.
            requests = [] if self.fake.platform_away else found.requests
            self._answer(200, {"ok": True, "total": len(requests), "requests": requests})

    def _receive(self, token: str, body: bytes) -> None:
        found = self.fake.webhooks.get(token)
        if len(body) > BODY_BYTES_MAX:
            self._answer(413, failure("payload_too_large"))
        elif found is None:
            self._answer(404, failure("not_found"))
        elif found.expired:
            self._answer(410, failure("webhook_expired"))
        else:
            reply, rotated = self.fake.push(token, body, dict(self.headers.items()))
            self._answer(200, reply, {"X-Webhook-Rotated": token} if rotated else {})

    def _provision(self, path: str, body: bytes) -> None:
        fake, key = self.fake, self.headers.get("idempotency-key", "")
        if self.headers.get("authorization"):
            self._answer(401, failure("unauthorized"))
            return
        if fake.in_progress:
            fake.in_progress -= 1
            self._answer(409, failure("idempotency_key_in_progress", retry=2), {"Retry-After": "0"})
            return
        kept = fake.replays.get((path, key)) if key else None
        if kept is not None:
            if kept[2] != body:
                self._answer(409, failure("idempotency_key_conflict"))
            else:
                self._answer(kept[0], kept[1], {"X-Idempotent-Replay": "true"})
            return
        name = str(json.loads(body or b"{}").get("name", "")).strip()
        if not name:
            self._answer(400, failure("name_required"))
        elif len(name) > 64 or not _NAME.fullmatch(name):
            self._answer(400, failure("invalid_name"))
        else:
            status, reply = fake.provision(_SERVICES[path], name)
            if key and status < 500 and reply.get("error") != "free_tier_recycle_requires_claim":
                fake.replays[path, key] = (status, reply, body)
            self._answer(status, reply)

    def _answer(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        encoded = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)


@contextmanager
def instanode() -> Iterator[Instanode]:
    """The provider on a port of its own."""
    fake = Instanode()
    handler = type("Handler", (_Handler,), {"fake": fake})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    fake.base = f"http://127.0.0.1:{server.server_address[1]}"
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    serving.start()
    try:
        yield fake
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
