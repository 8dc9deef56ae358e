"""Splits what a run of Claude Code used by model and sub-agent, from the messages of the Claude Agent SDK.

What the messages say, as seen with claude-agent-sdk 0.2.187: a result's `model_usage` is the sum of the whole process
since it began, sub-agents included, and several results of one process may repeat the same sum; so the increase from
one result to the next is what was used. An assistant message comes once for each block of its content, always with the
usage of the API's `message_start`: its input is right, its output a placeholder. So totals come from results alone;
messages only say how to split them: input as they state it, output by the length of what each agent wrote.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from tollbook.client.integrations.names import path
from tollbook.domain.usage import Usage
from tollbook.usage import UsageRead, read
from tollbook.usage.anthropic_shape import read_model_usage
from tollbook.usage.fields import items, part, text

_FIELDS = Usage.__struct_fields__
_NESTING_MAX = 16


class Part(msgspec.Struct, frozen=True):
    """What one agent used of one model. `agent` is the path below the main agent, empty for itself."""

    agent: str
    read: UsageRead


class _Share(msgspec.Struct):
    input_: int = 0
    written_bytes: int = 0


class RunMeter:
    """Reads the messages of one process of Claude Code, in order."""

    def __init__(self) -> None:
        self._before: dict[str, Usage] = {}
        self._shares: dict[str, dict[str, _Share]] = {}
        self._seen: set[str] = set()
        self._tools: dict[str, tuple[str, str]] = {}
        self._model: str | None = None

    def hear(self, message: object) -> list[Part]:
        """Take the next message; a result gives what was used since the one before."""
        if part(message, "model_usage", "modelUsage") is not None or part(message, "num_turns") is not None:
            return self._result(message)
        if text(message, "model") is not None and part(message, "content") is not None:
            self._assistant(message)
        return []

    def _assistant(self, message: object) -> None:
        model = text(message, "model") or ""
        # Errors of the API come as messages of a model that does not exist.
        if model.startswith("<"):
            return
        self._model = model
        agent = self._path_of(text(message, "parent_tool_use_id"))
        share = self._shares.setdefault(model, {}).setdefault(agent, _Share())
        message_id = text(message, "message_id")
        if message_id is None or message_id not in self._seen:
            found = read(part(message, "usage"))
            share.input_ += 0 if found is None else found.usage.input
            if message_id is not None:
                self._seen.add(message_id)
        for block in items(message, "content"):
            share.written_bytes += _bytes_of(block)
            self._note_tool(block, text(message, "parent_tool_use_id"))

    def _note_tool(self, block: object, caller: str | None) -> None:
        given = part(block, "input")
        tool_id = text(block, "id")
        kind = text(given, "subagent_type") if isinstance(given, Mapping) else None
        if tool_id is not None and text(block, "name") in ("Task", "Agent"):
            self._tools[tool_id] = (kind or "subagent", caller or "")

    def _path_of(self, tool_id: str | None) -> str:
        names: list[str] = []
        while tool_id and len(names) < _NESTING_MAX:
            kind, tool_id = self._tools.get(tool_id, ("subagent", ""))
            names.append(kind)
        return path(names[::-1]) if names else ""

    def _result(self, message: object) -> list[Part]:
        parts: list[Part] = []
        by_model = part(message, "model_usage", "modelUsage")
        if isinstance(by_model, Mapping) and by_model:
            for name, usage in by_model.items():
                now = read_model_usage(usage)
                used = _increase(self._before.get(name), now.usage)
                self._before[name] = now.usage
                if any(getattr(used, field) for field in _FIELDS):
                    whole = msgspec.structs.replace(now, usage=used, model=now.model or name)
                    parts += _split(whole, self._shares_of(name, now.model))
        else:
            found = read(part(message, "usage"))
            if found is not None and (found.usage.input or found.usage.output):
                parts.append(Part("", msgspec.structs.replace(found, model=self._model)))
        self._shares.clear()
        self._seen.clear()
        return parts

    def _shares_of(self, name: str, canonical: str | None) -> dict[str, _Share]:
        """The shares by the model's name in results, which may bear a suffix (`[1m]`) that messages do not."""
        plain = name.partition("[")[0]
        for known in (name, plain, canonical or plain):
            if known in self._shares:
                return self._shares[known]
        return {}


def _bytes_of(block: Any) -> int:
    written = text(block, "text", "thinking")
    if written is None:
        given = part(block, "input")
        written = msgspec.json.encode(given, enc_hook=str).decode() if isinstance(given, Mapping) else ""
    return len(written.encode("utf-8", "replace"))


def _increase(before: Usage | None, now: Usage) -> Usage:
    """What came on top; a sum that fell belongs to a process that began anew."""
    if before is None or any(getattr(now, field) < getattr(before, field) for field in ("input", "output")):
        return now
    return Usage(**{field: max(getattr(now, field) - getattr(before, field), 0) for field in _FIELDS})


def _split(whole: UsageRead, shares: dict[str, _Share]) -> list[Part]:
    """The usage in parts whose sum it is exactly: the main agent gets what no sub-agent's share takes."""
    subagents = sorted(agent for agent in shares if agent)
    if not subagents:
        return [Part("", whole)]
    input_all = max(sum(share.input_ for share in shares.values()), whole.usage.input, 1)
    written_all = max(sum(share.written_bytes for share in shares.values()), 1)
    rest = {field: getattr(whole.usage, field) for field in _FIELDS}
    parts: list[Part] = []
    for agent in subagents:
        share = shares[agent]
        taken = {
            field: getattr(whole.usage, field)
            * (share.written_bytes if field in ("output", "reasoning") else share.input_)
            // (written_all if field in ("output", "reasoning") else input_all)
            for field in _FIELDS
        }
        rest = {field: rest[field] - taken[field] for field in _FIELDS}
        parts.append(Part(agent, msgspec.structs.replace(whole, usage=Usage(**taken))))
    return [Part("", msgspec.structs.replace(whole, usage=Usage(**rest))), *parts]
