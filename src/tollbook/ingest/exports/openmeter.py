"""OpenMeter's exports of events: CloudEvents as its list route and its CSV give them.

Source: OpenMeter 1: `{"event": {id, source, type, subject, time, data}, ...}` in lists, the same fields as columns in
CSV with `data` as JSON text. Its own instruction for tokens sends one event for the input and one for the output of a
call, told apart by `data.type`; others send both in one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tollbook.domain.errors import RejectCode
from tollbook.ingest.exports.found import Bounds, Found, Row, moment, nested, text, whole
from tollbook.ingest.refusal import ItemRefused

_INPUT = ("input_tokens", "prompt_tokens", "input")
_OUTPUT = ("output_tokens", "completion_tokens", "output")
_ASKED = frozenset({"input", "prompt", "system", "user"})
_ANSWERED = frozenset({"output", "completion", "assistant"})


class OpenMeter:
    """Reads events. Without a tenant of the bounds it is the subject."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds

    def rows(self, row: Row) -> Iterator[Found]:
        """The call, or the half of a call, that an event counts."""
        event = nested(row.fields.get("event")) or row.fields
        data = nested(event.get("data"))
        asked, answered = _halves(data)
        if not asked and not answered:
            return
        yield Found(
            {
                "tenant": self._bounds.tenant or text(event.get("subject")),
                "source": self._bounds.source,
                "agent": text(data.get("agent")) or self._bounds.agent,
                "model": text(data.get("model")),
                "provider": text(data.get("provider")),
                # CloudEvents: an event is known by its source and id together.
                "id": _name(event),
                "ts": moment(event.get("time")),
                "run": text(data.get("run")),
                "input": asked,
                "output": answered,
            }
        )

    def end(self) -> Iterator[Found]:
        """Nothing waits."""
        return iter(())


def _name(event: Mapping[str, Any]) -> str | None:
    name = text(event.get("id"))
    return None if name is None else f"{event.get('source') or ''}/{name}"


def _halves(data: Mapping[str, Any]) -> tuple[int, int]:
    named = [next((data[name] for name in names if name in data), None) for names in (_INPUT, _OUTPUT)]
    if named != [None, None]:
        return whole(named[0]), whole(named[1])
    tokens, kind = whole(data.get("tokens")), str(data.get("type", "")).lower()
    if not tokens:
        return 0, 0
    if kind in _ASKED:
        return tokens, 0
    if kind in _ANSWERED:
        return 0, tokens
    raise ItemRefused(RejectCode.FIELD_MISSING, "`data` says neither input nor output: its price is not known")
