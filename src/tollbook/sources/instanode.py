"""Reads a webhook's stored requests from instanode.dev, or from whatever serves the same route.

Source: the provider's public handlers of 2026: `GET /api/v1/webhooks/<token>/requests` answers everything that is
stored, newest first; nothing is deleted by reading. Errors are
`{"ok": false, "error": <code>, "message": ..., "retry_after_seconds": ...}`.
"""

from http import HTTPStatus

import httpx2
import msgspec

import tollbook
from tollbook.domain.source import (
    INSTANODE_BASE,
    INSTANODE_STORED_MAX,
    Inbox,
    Source,
    SourceState,
    Stored,
)

BASE, STORED_MAX = INSTANODE_BASE, INSTANODE_STORED_MAX
_BODY_BYTES_MAX = 256 << 20
_RETRY_S_MAX = 3_600.0


class _Reply(msgspec.Struct):
    ok: bool = False
    requests: list[Stored] = []


class _Failure(msgspec.Struct):
    error: str = ""
    message: str | None = None
    retry_after_seconds: float | None = None


class InstanodeReader:
    """Implements `ports.sources.InboxReader`. Close it."""

    def __init__(self, *, timeout_s: float = 30.0) -> None:
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(timeout_s),
            follow_redirects=False,
            headers={"user-agent": f"tollbook/{tollbook.__version__}", "accept": "application/json"},
        )

    async def close(self) -> None:
        """Let go of what is open."""
        await self._client.aclose()

    async def read(self, source: Source) -> Inbox:
        """One reading; whatever goes wrong on the way is a state, not an exception."""
        headers = {} if source.bearer is None else {"authorization": f"Bearer {source.bearer}"}
        url = f"{source.base}/api/v1/webhooks/{source.token}/requests"
        try:
            async with self._client.stream("GET", url, headers=headers) as answer:
                body = bytearray()
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > _BODY_BYTES_MAX:
                        return Inbox(
                            SourceState.CONFUSED, detail=f"more than {_BODY_BYTES_MAX >> 20} MiB in one answer"
                        )
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            # The text of an error may hold the address, and the address holds the token.
            return Inbox(SourceState.AWAY, detail=type(error).__name__)
        if answer.status_code != HTTPStatus.OK:
            return _failed(answer, bytes(body))
        try:
            reply = msgspec.json.decode(bytes(body), type=_Reply)
        except (msgspec.DecodeError, RecursionError) as error:
            return Inbox(SourceState.CONFUSED, detail=f"no list of requests: {error}"[:300])
        if not reply.ok:
            return Inbox(SourceState.CONFUSED, detail="an answer that does not say ok")
        return Inbox(SourceState.OK, tuple(reply.requests), rotated="x-webhook-rotated" in answer.headers)


def _failed(answer: httpx2.Response, body: bytes) -> Inbox:
    try:
        failure = msgspec.json.decode(body, type=_Failure)
    except (msgspec.DecodeError, RecursionError):
        failure = _Failure()
    detail = " ".join(part for part in (str(answer.status_code), failure.error, failure.message) if part)[:300]
    return Inbox(_state_of(answer.status_code), detail=detail, retry_after_s=_retry_after(answer, failure))


def _state_of(status: int) -> SourceState:
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return SourceState.FORBIDDEN
        case HTTPStatus.GONE:
            return SourceState.ENDED
        case HTTPStatus.BAD_REQUEST | HTTPStatus.NOT_FOUND:
            return SourceState.UNKNOWN
        case _:
            return SourceState.AWAY


def _retry_after(answer: httpx2.Response, failure: _Failure) -> float | None:
    told = failure.retry_after_seconds
    if told is None:
        header = answer.headers.get("retry-after", "")
        told = float(header) if header.isdigit() else None
    return None if told is None else min(max(told, 0.0), _RETRY_S_MAX)
