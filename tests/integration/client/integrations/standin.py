"""A stand-in for the SDK's clients: admits what its budget allows, and keeps what was recorded."""

from contextlib import asynccontextmanager, contextmanager
from typing import Any

from tollbook.client.errors import HoldLost
from tollbook.client.scope import agent_block, current_scope
from tollbook.domain.errors import BudgetExceeded
from tollbook.usage import UsageRead, read


class StandInCall:
    """One admitted call."""

    def __init__(self, ledger: "StandIn", asked: dict[str, Any]) -> None:
        self._ledger = ledger
        self.agent = current_scope().agent or "main"
        self.model = ledger.model or asked["model"]
        self.granted_max_output_tokens = asked.get("max_output_tokens") if ledger.granted is None else ledger.granted

    def record(self, response: object) -> None:
        found = read(response)
        assert found is not None
        if self._ledger.full:
            raise ZeroDivisionError("a bug of ours")
        self._ledger.recorded.append((self.agent, found))

    def release(self) -> None:
        self._ledger.released += 1

    def raise_if_lost(self) -> None:
        if self._ledger.lost:
            raise HoldLost("the hold is lost")


class StandIn:
    """Holds and settles in memory. `broken` and `full` make it fail as a bug would, before a call and after it."""

    def __init__(
        self,
        *,
        granted: int | None = None,
        calls_max: int | None = None,
        model: str | None = None,
        broken: bool = False,
        full: bool = False,
    ) -> None:
        self.granted = granted
        self.calls_max = calls_max
        self.model = model
        self.broken = broken
        self.full = full
        self.lost = False
        self.asked: list[dict[str, Any]] = []
        self.recorded: list[tuple[str, UsageRead]] = []
        self.opened = 0
        self.closed = 0
        self.released = 0

    def _open(self, asked: dict[str, Any]) -> StandInCall:
        if self.broken:
            raise ZeroDivisionError("a bug of ours")
        self.asked.append(asked)
        if self.calls_max is not None and self.opened >= self.calls_max and asked.get("gate") != "off":
            raise BudgetExceeded("the budget is spent", tenant="acme")
        self.opened += 1
        return StandInCall(self, asked)

    @contextmanager
    def call(self, model: str, **asked: Any):
        call = self._open({"model": model, **asked})
        try:
            yield call
        finally:
            self.closed += 1

    def agent(self, role: str):
        return agent_block(role)

    def reads(self) -> list[UsageRead]:
        """What was recorded, without the agents."""
        return [found for _, found in self.recorded]

    def total(self, agent: str | None = None) -> tuple[int, int]:
        """Input and output tokens that are no estimates, of one agent or of all."""
        usages = [found.usage for name, found in self.recorded if agent in (None, name) and not found.estimated]
        return sum(one.input for one in usages), sum(one.output for one in usages)


class AsyncStandIn(StandIn):
    """The same for asynchronous clients."""

    @asynccontextmanager
    async def call(self, model: str, **asked: Any):
        with super().call(model, **asked) as call:
            yield call
