"""Codex's sessions: JSON lines in which `token_count` events carry the session's running totals.

Source: the rollouts of Codex below `~/.codex/sessions`. `total_token_usage` only grows, is repeated by events that tell
of something else, and starts anew where a session is compacted; `last_token_usage` is the last call alone. The model
is that of the last `turn_context`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tollbook.domain.event import Observer, Seen
from tollbook.ingest.exports.found import Bounds, Found, Row, moment, text, whole

PROVIDER = "openai"
_UNKNOWN = "gpt-5"
"""What Codex ran before it wrote `turn_context`: its events of that time name no model (ccusage takes it so too)."""


class _Totals(NamedTuple):
    input: int = 0
    cache_read: int = 0
    output: int = 0
    reasoning: int = 0


class Codex:
    """Reads one session's file after the other."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._begin()

    def _begin(self) -> None:
        self._session: str | None = None
        self._model: str | None = None
        self._project: str | None = None
        self._before = _Totals()
        self._restarts = 0

    def rows(self, row: Row) -> Iterator[Found]:
        """The call that a `token_count` event tells of."""
        payload = row.fields.get("payload")
        if not isinstance(payload, Mapping):
            return
        match row.fields.get("type"):
            case "session_meta":
                # A forked session holds the head of the one it came from behind its own.
                self._session = self._session or text(payload.get("id"))
                self._project = _last_part(text(payload.get("cwd"))) or self._project
            case "turn_context":
                self._model = text(payload.get("model")) or self._model
                self._project = _last_part(text(payload.get("cwd"))) or self._project
            case "event_msg" if payload.get("type") == "token_count":
                yield from self._count(row, payload.get("info"))
            case _:
                return

    def end(self) -> Iterator[Found]:
        """Nothing waits; the next file is another session."""
        self._begin()
        return iter(())

    def _count(self, row: Row, info: object) -> Iterator[Found]:
        if not isinstance(info, Mapping):
            return
        totals, last = _totals(info.get("total_token_usage")), _totals(info.get("last_token_usage"))
        if totals is None:
            if last is None:
                return
            totals = _Totals(*map(sum, zip(self._before, last, strict=True)))
        if totals == self._before:
            return
        used = _Totals(*(now - before for now, before in zip(totals, self._before, strict=True)))
        if min(used) < 0:
            self._restarts += 1
            used = last or totals
        self._before = totals
        if not used.input and not used.output:
            return
        yield self._call(row, totals, used)

    def _call(self, row: Row, totals: _Totals, used: _Totals) -> Found:
        session = self._session
        # The running totals name the call within its session: a repeat of the event has the same ones.
        name = f"{session}:{self._restarts}:{totals.input}:{totals.output}" if session else None
        native = {
            "tenant": self._bounds.tenant,
            "source": self._bounds.source,
            "agent": self._bounds.agent,
            "model": self._model or _UNKNOWN,
            "provider": PROVIDER,
            "id": name,
            "ts": moment(row.fields.get("timestamp")),
            "run": session,
            "tags": {"project": self._project} if self._project else None,
            "input": used.input,
            "output": used.output,
            "cache_read": min(used.cache_read, used.input),
            "reasoning": min(used.reasoning, used.output),
        }
        return Found(native, Seen(by=Observer.SDK, group=session, estimated=self._model is None))


def _totals(usage: object) -> _Totals | None:
    if not isinstance(usage, Mapping):
        return None
    cached = usage.get("cached_input_tokens", usage.get("cache_read_input_tokens"))
    return _Totals(
        whole(usage.get("input_tokens")),
        whole(cached),
        whole(usage.get("output_tokens")),
        whole(usage.get("reasoning_output_tokens")),
    )


def _last_part(path: Any) -> str | None:
    return path.rstrip("/\\").replace("\\", "/").rpartition("/")[2][:256] or None if path else None
