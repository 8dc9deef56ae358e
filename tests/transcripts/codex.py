"""One session of Codex as it writes it: running totals, repeats, a compaction, a change of model."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any


def session_lines(start: datetime) -> Iterator[dict[str, Any]]:
    """The lines of a rollout."""
    at = start

    def line(kind: str, payload: dict[str, Any]) -> dict[str, Any]:
        nonlocal at
        at += timedelta(seconds=7)
        return {"timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z", "type": kind, "payload": payload}

    def count(total: tuple[int, ...] | None, last: tuple[int, ...] | None) -> dict[str, Any]:
        info = {"total_token_usage": _usage(total), "last_token_usage": _usage(last), "model_context_window": 272_000}
        return line("event_msg", {"type": "token_count", "info": info if total else None, "rate_limits": {}})

    yield line("session_meta", {"id": "019a-session", "cwd": "/srv/dev/app", "originator": "codex_cli_rs"})
    yield line("turn_context", {"cwd": "/srv/dev/app", "model": "gpt-5-codex", "approval_policy": "on-request"})
    yield count(None, None)
    yield count((1_000, 200, 100, 40), (1_000, 200, 100, 40))
    yield count((1_000, 200, 100, 40), (1_000, 200, 100, 40))
    yield line("response_item", {"type": "message", "role": "assistant", "content": []})
    yield count((1_500, 500, 150, 40), (500, 300, 50, 0))
    yield line("turn_context", {"cwd": "/srv/dev/app", "model": "gpt-5"})
    yield count((700, 0, 70, 10), (700, 0, 70, 10))


def _usage(counts: tuple[int, ...] | None) -> dict[str, int] | None:
    if counts is None:
        return None
    names = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens")
    return {**dict(zip(names, counts, strict=True)), "total_tokens": counts[0] + counts[2]}
