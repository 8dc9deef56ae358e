"""LiteLLM's table of spend logs, from a file or from its database.

Source: `LiteLLM_SpendLogs` of LiteLLM 1.83. `prompt_tokens` and `completion_tokens` are inclusive, as OpenAI counts;
what was cached is in `metadata.usage_object` alone. A row with `cache_hit` was answered by LiteLLM itself and used
nothing. `spend` is in dollars.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tollbook.domain.event import Observer, Seen
from tollbook.domain.usage import Usage
from tollbook.ingest.exports.found import Bounds, Found, Row, counts_of, moment, nested, text, whole
from tollbook.usage.fields import count
from tollbook.usage.outcome import counted
from tollbook.usage.shapes import read_usage
from tollbook.usage.units import within

_AGENT = ("agent_id", "end_user", "user")
COLUMNS = (
    "request_id",
    "call_type",
    "spend",
    "prompt_tokens",
    "completion_tokens",
    "startTime",
    "model",
    "custom_llm_provider",
    "user",
    "metadata",
    "cache_hit",
    "team_id",
    "end_user",
    "session_id",
)
"""What is read of a row."""


class SpendLogs:
    """Reads rows. Without a tenant of the bounds it is the row's `team_id`."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds

    def rows(self, row: Row) -> Iterator[Found]:
        """The call of a row that used tokens."""
        fields = row.fields
        asked, answered = whole(fields.get("prompt_tokens")), whole(fields.get("completion_tokens"))
        if (not asked and not answered) or str(fields.get("cache_hit")).lower() == "true":
            return
        request = text(fields.get("request_id"))
        metadata = nested(fields.get("metadata"))
        usage, units = _used(nested(metadata.get("usage_object")), asked, answered)
        yield Found(
            {
                "tenant": self._bounds.tenant or text(fields.get("team_id")),
                "source": self._bounds.source,
                "agent": next((name for column in _AGENT if (name := text(fields.get(column)))), self._bounds.agent),
                "model": text(fields.get("model")),
                "provider": text(fields.get("custom_llm_provider")),
                "id": request,
                "call_id": request,
                "ts": moment(fields.get("startTime")),
                "run": text(fields.get("session_id")),
                **counts_of(usage),
                "cost_usd": _dollars(fields.get("spend")),
            },
            Seen(by=Observer.GATEWAY, response_id=request),
            units,
        )

    def end(self) -> Iterator[Found]:
        """Nothing waits."""
        return iter(())


def _used(stated: Mapping[str, Any], asked: int, answered: int) -> tuple[Usage, dict[str, int] | None]:
    """The counts of a row, with the parts that LiteLLM kept of the provider's usage, and what is sold beside tokens."""
    found = read_usage({"prompt_tokens": asked, "completion_tokens": answered, **stated}, None)
    if found is None:
        return counted(input_=asked, output=answered), None
    parts = found.usage
    writes = (parts.cache_write_5m, parts.cache_write_1h)
    usage = counted(
        input_=asked,
        output=answered,
        # Anthropic's own names stand beside the others, or alone in rows of older versions.
        cache_read=parts.cache_read or count(stated, "cache_read_input_tokens"),
        cache_writes=writes if any(writes) else (count(stated, "cache_creation_input_tokens"), 0),
        reasoning=parts.reasoning,
    )
    return usage, within(usage, found.units or {})


def _dollars(spend: object) -> str | None:
    return None if spend is None or spend == "" else format(spend, "f") if isinstance(spend, float) else str(spend)
