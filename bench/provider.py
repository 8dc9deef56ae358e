"""A provider and a tollbook server in one small process, for `bench.wrap`: fixed answers, as fast as a socket allows.

`python -m bench.provider` prints its port and serves until its standard input closes.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta

PIECES = 50
_COUNTS = {
    "prompt_tokens": 1_200,
    "completion_tokens": 80,
    "total_tokens": 1_280,
    "prompt_tokens_details": {"cached_tokens": 1_000},
    "completion_tokens_details": {"reasoning_tokens": 20},
}
_HEAD = {"created": 1, "model": "gpt-5.5", "service_tier": "default"}


def _chat(number: int) -> bytes:
    message = {"role": "assistant", "content": "It is done, all of it. " * 20, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    head = {"id": f"chatcmpl-{number}", "object": "chat.completion", **_HEAD}
    return _whole(json.dumps({**head, "choices": [choice], "usage": _COUNTS}).encode())


def _stream(number: int, *, usage: bool) -> bytes:
    head = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", **_HEAD}
    chunks = [
        {**head, "choices": [{"index": 0, "delta": {"content": "done. "}, "finish_reason": None}]}
        for _ in range(PIECES)
    ]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if usage:
        chunks.append({**head, "choices": [], "usage": _COUNTS})
    body = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
    return _whole(body, kind=b"text/event-stream")


def _granted(number: int, *, lease: bool) -> bytes:
    """A hold, or a lease with room for every call of a benchmark."""
    ends = (datetime.now(UTC) + timedelta(minutes=10)).isoformat().replace("+00:00", "Z")
    answer: dict[str, object] = {"decision": "allow"}
    if lease:
        rates = {"input_nanos_per_token": 2_500, "output_nanos_per_token": 10_000}
        answer["lease"] = {"id": f"lease-{number}", "expires_at": ends, "amount_usd": "1000000.00", "rates": rates}
    else:
        answer["hold"] = {"id": f"hold-{number}", "amount_usd": "0.01", "expires_at": ends}
    return _whole(json.dumps(answer).encode())


def _events(body: bytes) -> bytes:
    items = json.loads(body)
    ids = [item["id"] for item in items] if isinstance(items, list) else [items["id"]]
    return _whole(json.dumps({"ok": True, "accepted": len(ids), "ids": ids, "rejected": []}).encode(), status=b"202 Ok")


def _whole(body: bytes, *, kind: bytes = b"application/json", status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 " + status + b"\r\ncontent-type: " + kind + b"\r\ncontent-length: %d\r\n\r\n" % len(body)
    return head + body


class _Connection(asyncio.Protocol):
    """One connection: requests with a content length, answered in order."""

    def __init__(self) -> None:
        self._buffer = b""
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            _, _, after = head.partition(b"content-length:")
            length = int(after.split(b"\r\n", 1)[0]) if after else 0
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            self._number += 1
            self._transport.write(self._answer(head, body))  # type: ignore[attr-defined]

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if b"/v1/events" in head:
            return _events(body)
        if b"/v1/leases" in head:
            return _granted(id(self) + self._number, lease=True)
        if b"/v1/holds" in head:
            if head.startswith(b"delete"):
                return _whole(b'{"id": "x", "state": "released"}')
            return _granted(id(self) + self._number, lease=False)
        if b'"stream":true' in body.replace(b" ", b""):
            return _stream(self._number, usage=b"include_usage" in body)
        return _chat(self._number)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
