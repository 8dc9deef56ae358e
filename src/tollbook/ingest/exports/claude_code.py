"""Claude Code's transcripts: JSON lines, one for each content block of an answer, sub-agents among them.

Source: the files of Claude Code 1 and 2 below `~/.claude/projects`. An answer of the API is written as one line a
block, all with the same `message.id` and `requestId`; the first lines have the usage of the stream's start, the last
one the final counts. A session that is resumed copies lines of the one before. Sub-agents write lines with
`isSidechain` and their `agentId`, in the session's file or in one of their own.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from tollbook.domain.event import Observer, Seen
from tollbook.ingest.exports.found import Bounds, Found, Row, UsageReader, counts_of, moment, text, whole

PROVIDER = "anthropic"
_ROLE = "subagent"
_MADE_UP = "<synthetic>"
"""The model of a message that Claude Code wrote itself, such as the notice of an error."""
_WAITING_MAX = 64
"""Answers of parallel sub-agents whose lines may alternate in one file."""
_REMEMBERED_MAX = 200_000


class ClaudeCode:
    """Reads transcripts, file after file: an answer that was found in one is not found again in the next."""

    def __init__(self, bounds: Bounds, read_usage: UsageReader) -> None:
        self._bounds = bounds
        self._read_usage = read_usage
        self._waiting: OrderedDict[str, list[Found]] = OrderedDict()
        self._told: OrderedDict[str, None] = OrderedDict()

    def rows(self, row: Row) -> Iterator[Found]:
        """The answers that a newer one has pushed out."""
        fields = row.fields
        message = fields.get("message")
        if not isinstance(message, Mapping) or not isinstance(message.get("usage"), Mapping):
            return
        key = _key(fields, message)
        if message.get("model") == _MADE_UP or key is None or key in self._told:
            return
        found = self._calls(fields, message, key)
        before = self._waiting.get(key)
        if before is not None:
            # The largest counts are the last ones, and their line's time is when the answer was complete.
            found = [_later(*pair) for pair in zip(before, found, strict=False)] + found[len(before) :]
        self._waiting[key] = found
        if len(self._waiting) > _WAITING_MAX:
            _, done = self._tell(next(iter(self._waiting)))
            yield from done

    def end(self) -> Iterator[Found]:
        """The answers that the file ends with."""
        while self._waiting:
            _, done = self._tell(next(iter(self._waiting)))
            yield from done

    def _tell(self, key: str) -> tuple[str, list[Found]]:
        self._told[key] = None
        if len(self._told) > _REMEMBERED_MAX:
            self._told.popitem(last=False)
        return key, self._waiting.pop(key)

    def _calls(self, fields: Mapping[str, Any], message: Mapping[str, Any], key: str) -> list[Found]:
        usage = message["usage"]
        read = self._read_usage(usage, message)
        found = [self._call(fields, message, key, read)]
        searches = whole(_part(usage, "server_tool_use").get("web_search_requests"))
        if searches:
            found[0] = found[0]._replace(units={"web_searches": searches})
        for number, other in enumerate(read.others, 1):
            beside = self._call(fields, {**message, "model": other.model}, f"{key}#{number}", other)
            found.append(beside._replace(seen=None))
        return found

    def _call(self, fields: Mapping[str, Any], message: Mapping[str, Any], key: str, read: Any) -> Found:
        session, request = text(fields.get("sessionId")), text(fields.get("requestId"))
        native = {
            "tenant": self._bounds.tenant,
            "source": self._bounds.source,
            "agent": self._agent(fields),
            "model": text(message.get("model")),
            "provider": PROVIDER,
            "id": key,
            "call_id": text(message.get("id")),
            "ts": moment(fields.get("timestamp")),
            "run": session,
            "service_tier": read.service_tier,
            "tags": _tags(fields),
            **counts_of(read.usage),
        }
        seen = Seen(
            by=Observer.SDK,
            response_id=text(message.get("id")),
            request_id=request,
            group=session,
            # What a later line knows more of is output.
            revision=read.usage.output,
        )
        return Found(native, seen)

    def _agent(self, fields: Mapping[str, Any]) -> str:
        agent, instance = self._bounds.agent, text(fields.get("agentId"))
        if not fields.get("isSidechain"):
            return agent
        role = text(fields.get("agentType")) or text(fields.get("attributionAgent")) or _ROLE
        role = role.replace("/", "-").replace("#", "-")
        return f"{agent}/{role}" if instance is None else f"{agent}/{role}#{instance.replace('/', '-')}"


def _key(fields: Mapping[str, Any], message: Mapping[str, Any]) -> str | None:
    """What an answer is known by: its message and its request, as ccusage takes it, else the line itself."""
    answer, request = text(message.get("id")), text(fields.get("requestId"))
    if answer is None:
        return text(fields.get("uuid"))
    return answer if request is None else f"{answer}:{request}"


def _later(first: Found, last: Found) -> Found:
    return last if last.fields["output"] > first.fields["output"] else first


def _tags(fields: Mapping[str, Any]) -> dict[str, str] | None:
    place = text(fields.get("cwd"))
    if place is None:
        return None
    project = place.rstrip("/\\").replace("\\", "/").rpartition("/")[2]
    return {"project": project[:256]} if project else None


def _part(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = usage.get(name)
    return found if isinstance(found, Mapping) else {}
