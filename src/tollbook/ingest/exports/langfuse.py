"""Langfuse's exports of observations, as JSON, JSON lines or CSV.

Source: Langfuse 3: `usageDetails` counts by freely named types; Langfuse takes cached and reasoning tokens out of
`input` and `output` where the sender's shape tells it to, and leaves them in where it does not. `total` tells which:
where everything beside it adds up to it, the types lie beside each other. Only generations and embeddings are calls: a
span or an agent above them repeats what they used.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tollbook.domain.event import Observer, Seen
from tollbook.ingest.exports.found import Bounds, Found, Row, moment, nested, text, whole

_CALLS = frozenset({"GENERATION", "EMBEDDING"})


class _Counts(NamedTuple):
    input: int
    output: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    reasoning: int


class Langfuse:
    """Reads observations. Without a tenant of the bounds it is the trace's `userId`."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds

    def rows(self, row: Row) -> Iterator[Found]:
        """The call of an observation that is one and used something."""
        fields = row.fields
        if str(fields.get("type", "GENERATION")).upper() not in _CALLS:
            return
        details = _details(fields)
        if not details:
            return
        counts = _counts(details)
        if not counts.input and not counts.output:
            return
        observation = text(fields.get("id"))
        costs = nested(_one_of(fields, "costDetails", "cost_details"))
        cost = costs.get("total", _one_of(fields, "calculatedTotalCost", "totalCost", "total_cost"))
        yield Found(
            {
                "tenant": self._bounds.tenant or text(_one_of(fields, "userId", "user_id")),
                "source": self._bounds.source,
                "agent": self._bounds.agent,
                "model": text(_one_of(fields, "providedModelName", "provided_model_name", "model", "modelName")),
                "id": observation,
                "call_id": observation,
                "ts": moment(_one_of(fields, "startTime", "start_time")),
                "run": text(_one_of(fields, "sessionId", "session_id", "traceId", "trace_id")),
                "cost_usd": None if cost in (None, "") else str(cost),
                **counts._asdict(),
            },
            Seen(by=Observer.LEAF, group=text(_one_of(fields, "traceId", "trace_id"))),
        )

    def end(self) -> Iterator[Found]:
        """Nothing waits."""
        return iter(())


def _one_of(fields: Mapping[str, Any], *names: str) -> Any:
    return next((fields[name] for name in names if fields.get(name) not in (None, "")), None)


def _details(fields: Mapping[str, Any]) -> dict[str, int]:
    found = nested(_one_of(fields, "usageDetails", "usage_details"))
    if found:
        return {name: whole(value) for name, value in found.items()}
    usage = nested(fields.get("usage"))
    pairs = {
        "input": usage.get("input", _one_of(fields, "promptTokens", "inputUsage", "prompt_tokens", "input_usage")),
        "output": usage.get("output", _one_of(fields, "completionTokens", "outputUsage", "completion_tokens")),
    }
    return {name: whole(value) for name, value in pairs.items() if value is not None}


def _counts(details: Mapping[str, int]) -> _Counts:
    asked, answered, read, short, long, thought = 0, 0, 0, 0, 0, 0
    inner_asked, inner_answered = 0, 0
    for name, count in details.items():
        if name in ("input", "input_tokens"):
            asked += count
        elif name in ("output", "output_tokens"):
            answered += count
        elif name == "total":
            continue
        elif "1h" in name:
            long, inner_asked = long + count, inner_asked + count
        elif "cache_creation" in name or "cache_write" in name or "5m" in name:
            short, inner_asked = short + count, inner_asked + count
        elif "cache" in name:
            read, inner_asked = read + count, inner_asked + count
        elif "reasoning" in name or "thought" in name:
            thought, inner_answered = thought + count, inner_answered + count
        elif name.startswith("output"):
            inner_answered += count
        else:
            inner_asked += count
    total = details.get("total", asked + answered)
    if asked + answered + inner_asked + inner_answered == total:
        asked, answered = asked + inner_asked, answered + inner_answered
    read, thought = min(read, asked), min(thought, answered)
    long = min(long, asked - read)
    return _Counts(asked, answered, read, min(short, asked - read - long), long, thought)
