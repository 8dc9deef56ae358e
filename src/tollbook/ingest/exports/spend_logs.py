"""LiteLLM's table of spend logs, from a file or from its database.

Source: `LiteLLM_SpendLogs` of LiteLLM 1.83. `prompt_tokens` and `completion_tokens` are inclusive, as OpenAI counts;
what was cached is in `metadata.usage_object` alone. A row with `cache_hit` was answered by LiteLLM itself and used
nothing. `spend` is in dollars.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tollbook.domain.event import Observer, Seen
from tollbook.ingest.exports.found import Bounds, Found, Row, moment, nested, text, whole

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
        usage = nested(metadata.get("usage_object"))
        read, written, long = _cached(usage)
        read = min(read, asked)
        long = min(long, asked - read)
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
                "input": asked,
                "output": answered,
                "cache_read": read,
                "cache_write_5m": min(max(written - long, 0), asked - read - long),
                "cache_write_1h": long,
                "reasoning": min(
                    whole(nested(usage.get("completion_tokens_details")).get("reasoning_tokens")), answered
                ),
                "cost_usd": _dollars(fields.get("spend")),
            },
            Seen(by=Observer.GATEWAY, response_id=request),
        )

    def end(self) -> Iterator[Found]:
        """Nothing waits."""
        return iter(())


def _cached(usage: Mapping[str, Any]) -> tuple[int, int, int]:
    """Tokens read from a cache, written to one, and written to live an hour."""
    details = nested(usage.get("prompt_tokens_details"))
    lives = nested(details.get("cache_creation_token_details"))
    read = whole(details.get("cached_tokens")) or whole(usage.get("cache_read_input_tokens"))
    written = whole(usage.get("cache_creation_input_tokens")) or whole(details.get("cache_creation_tokens"))
    return read, written, whole(lives.get("ephemeral_1h_input_tokens"))


def _dollars(spend: object) -> str | None:
    return None if spend is None or spend == "" else format(spend, "f") if isinstance(spend, float) else str(spend)
