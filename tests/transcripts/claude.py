"""Makes a folder of Claude Code transcripts: sessions, blocks, sub-agents, resumed sessions, and what is no answer.

The fields and their order are those of Claude Code 2.1; the texts are made up. `expected` is kept while writing, by
rules written down here once more: an answer counts once, with the counts of its last line.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

MODELS = ("claude-opus-4-7", "claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001")
COUNTS = ("input", "output", "cache_write", "cache_read")


class Made(NamedTuple):
    """What a folder holds: tokens by (day, model) as Anthropic counts them, answers, and lines written."""

    tokens: dict[tuple[str, str], Counter[str]]
    answers: int
    lines: int


class Writer:
    """Writes one folder."""

    def __init__(self, seed: int, start: datetime) -> None:
        self._random = random.Random(seed)
        self._at = start
        self._tokens: dict[tuple[str, str], Counter[str]] = {}
        self._answers = 0
        self._lines = 0

    def write(self, folder: Path, sessions: int, answers: int) -> Made:
        """Sessions of about so many answers each; every third has a sub-agent, every fifth is resumed."""
        for number in range(sessions):
            project = f"-home-dev-app{number % 3}"
            session = self._uuid()
            lines = list(self._session(session, project, answers, side=None))
            place = folder / project
            place.mkdir(parents=True, exist_ok=True)
            if number % 3 == 0:
                agent = self._uuid()[:8]
                below = place / session / "subagents"
                below.mkdir(parents=True)
                self._dump(below / f"agent-{agent}.jsonl", self._session(session, project, answers // 2, side=agent))
            self._dump(place / f"{session}.jsonl", lines)
            if number % 5 == 0:
                again = self._uuid()
                copied = [{**line, "sessionId": again} for line in lines]
                self._dump(place / f"{again}.jsonl", [*copied, *self._session(again, project, answers // 3, side=None)])
        return Made(self._tokens, self._answers, self._lines)

    def _dump(self, path: Path, lines: Any) -> None:
        with path.open("w") as file:
            for line in lines:
                file.write(json.dumps(line, separators=(",", ":")) + "\n")
                self._lines += 1

    def _session(self, session: str, project: str, answers: int, *, side: str | None) -> Iterator[dict[str, Any]]:
        common = {
            "isSidechain": side is not None,
            "userType": "external",
            "cwd": "/" + project.removeprefix("-").replace("-", "/"),
            "sessionId": session,
            "version": "2.1.330",
            "gitBranch": "main",
            **({"agentId": side} if side else {}),
        }
        if side is None:
            yield {"type": "summary", "summary": "Made up", "leafUuid": self._uuid()}
        for _ in range(answers):
            yield {**common, "type": "user", "message": {"role": "user", "content": "go on"}, **self._line()}
            yield from self._answer(common)
        made_up = {"id": self._uuid(), "type": "message", "role": "assistant", "model": "<synthetic>", "content": []}
        nothing = {"input_tokens": 0, "output_tokens": 0}
        yield {**common, "type": "assistant", "message": {**made_up, "usage": nothing}, **self._line()}

    def _answer(self, common: dict[str, Any]) -> Iterator[dict[str, Any]]:
        draw = self._random
        model = draw.choice(MODELS)
        short, long = draw.choice(((0, 0), (draw.randrange(1, 9_000), 0), (0, draw.randrange(1, 9_000))))
        read, asked, final = draw.randrange(0, 80_000), draw.randrange(1, 400), draw.randrange(1, 3_000)
        message = {"id": f"msg_{draw.getrandbits(96):024x}", "type": "message", "role": "assistant", "model": model}
        request = f"req_{draw.getrandbits(96):024x}"
        blocks = draw.choice((1, 1, 2, 3))
        for block in range(blocks):
            last = block == blocks - 1
            usage = {
                "input_tokens": asked,
                "cache_creation_input_tokens": short + long,
                "cache_read_input_tokens": read,
                "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
                "output_tokens": final if last else min(final, 1 + block),
                "service_tier": "standard",
            }
            line = self._line()
            # The first line that has the final counts.
            if usage["output_tokens"] == final and (block == 0 or min(final, block) < final):
                self._count(line["timestamp"][:10], model, (asked, final, short + long, read))
            told = {**message, "content": [{"type": "text", "text": "…"}], "stop_reason": "end_turn" if last else None}
            yield {**common, "type": "assistant", "message": {**told, "usage": usage}, "requestId": request, **line}

    def _count(self, day: str, model: str, counts: tuple[int, ...]) -> None:
        self._answers += 1
        found = self._tokens.setdefault((day, model), Counter())
        found.update(dict(zip(COUNTS, counts, strict=True)))

    def _line(self) -> dict[str, Any]:
        self._at += timedelta(milliseconds=self._random.randrange(5, 400_000))
        return {"uuid": self._uuid(), "timestamp": self._at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"}

    def _uuid(self) -> str:
        text = f"{self._random.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
