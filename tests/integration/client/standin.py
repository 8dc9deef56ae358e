"""A stand-in for the SDK's clients: admits what its budget allows, and keeps what was recorded."""

from contextlib import asynccontextmanager, contextmanager
from typing import Any

from tollbook.client.usage import UsageRead, read
from tollbook.domain.errors import BudgetExceeded


class StandInCall:
    """One admitted call."""

    def __init__(self, ledger: "StandIn", asked: dict[str, Any]) -> None:
        self._ledger = ledger
        self.asked = asked
        self.agent = asked.get("agent") or ledger.agent
        self.granted_max_output_tokens = ledger.granted

    def record(self, response: object) -> None:
        found = read(response)
        assert found is not None
        self._ledger.recorded.append((self.agent, found))


class StandIn:
    """Holds and settles in memory. `broken` makes every call of it fail as a bug would."""

    def __init__(self, *, granted: int | None = None, calls_max: int | None = None, broken: bool = False) -> None:
        self.granted = granted
        self.calls_max = calls_max
        self.broken = broken
        self.agent = "main"
        self.asked: list[dict[str, Any]] = []
        self.recorded: list[tuple[str, UsageRead]] = []
        self.opened = 0
        self.closed = 0
        self.released = 0

    def _open(self, asked: dict[str, Any]) -> StandInCall:
        if self.broken:
            raise ZeroDivisionError("a bug of ours")
        self.asked.append(asked)
        if self.calls_max is not None and self.opened >= self.calls_max:
            raise BudgetExceeded("the budget is spent", tenant="acme")
        self.opened += 1
        return StandInCall(self, asked)

    @contextmanager
    def call(self, **asked: Any):
        call = self._open(asked)
        try:
            yield call
        except BaseException:
            self.released += 1
            raise
        finally:
            self.closed += 1

    def reads(self) -> list[UsageRead]:
        """What was recorded, without the agents."""
        return [found for _, found in self.recorded]

    def total(self, agent: str | None = None) -> tuple[int, int]:
        """Input and output tokens, of one agent or of all."""
        usages = [found.usage for name, found in self.recorded if agent in (None, name)]
        return sum(one.input for one in usages), sum(one.output for one in usages)


class AsyncStandIn(StandIn):
    """The same for asynchronous clients."""

    @asynccontextmanager
    async def call(self, **asked: Any):
        with super().call(**asked) as call:
            yield call
