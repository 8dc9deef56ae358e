"""What the fake provider served: the usage it made up for each answer, and the script it answers by."""

import re
import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from tollbook.domain.usage import Usage

_AGENT = re.compile(r"\[agent=([^\]]+)\]")


@dataclass(frozen=True)
class Turn:
    """How to answer one request. `cut_after` breaks a stream off behind so many events; `tool` is a call to make."""

    text: str = "It is done, all of it."
    tool: tuple[str, str] | None = None
    status: int = 200
    cut_after: int | None = None
    silent_usage: bool = False
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Served:
    """One answer: its counts with inclusive parents, and what the request said."""

    id: str
    route: str
    model: str
    agent: str
    usage: Usage
    whole: bool
    headers: dict[str, str]
    body: dict[str, Any]


class Book:
    """Counts what is served, and hands out turns: those scripted for an agent first, then plain ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[str, deque[Turn]] = defaultdict(deque)
        self._number = 0
        self.served: list[Served] = []
        self.refused: list[int] = []

    def script(self, *turns: Turn, agent: str = "") -> None:
        """The next answers to this agent."""
        self._turns[agent].extend(turns)

    def next_turn(self, body: dict[str, Any]) -> tuple[str, Turn]:
        """The agent that the request's text names as `[agent=path]`, and the turn for it."""
        found = _AGENT.search(str(body))
        agent = found[1] if found else ""
        with self._lock:
            turns = self._turns[agent]
            return agent, turns.popleft() if turns else Turn()

    def usage(self, *, output: bool = True) -> tuple[int, Usage]:
        """The number of this answer and counts that no other answer has."""
        with self._lock:
            self._number += 1
            number = self._number
        made = 20 + 3 * number if output else 0
        return number, Usage(
            input=1_000 + 7 * number,
            output=made,
            cache_read=100 + number,
            cache_write_5m=50 + number,
            cache_write_1h=30 + number,
            reasoning=number if output else 0,
        )

    def keep(self, served: Served) -> None:
        """Note an answer."""
        with self._lock:
            self.served.append(served)

    def total(self, agent: str | None = None) -> tuple[int, int]:
        """Input and output tokens of the whole answers, of one agent or of all."""
        found = [one for one in self.served if one.whole and agent in (None, one.agent)]
        return sum(one.usage.input for one in found), sum(one.usage.output for one in found)
