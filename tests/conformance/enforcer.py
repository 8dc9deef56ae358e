"""What a budget enforcer must offer to be put under the scenarios. Nothing here knows tollbook."""

from typing import NamedTuple, Protocol


class Rate(NamedTuple):
    """Nano-dollars a token, and what they become for calls of more input than `above`."""

    input: int
    output: int
    above: int | None = None
    input_above: int = 0
    output_above: int = 0


# List prices of November 2026, written down here so that the judge does not ask the judged.
RATES = {
    "gpt-4o-mini": Rate(150, 600),
    "gemini-2.5-pro": Rate(1_250, 10_000, 200_000, 2_500, 15_000),
}


class Call(NamedTuple):
    """A call about to be made. `max_output_tokens` None: the caller names none."""

    tenant: str
    agent: str = "agent"
    run: str | None = None
    model: str = "gpt-4o-mini"
    input_tokens: int = 1_000
    max_output_tokens: int | None = 1_000

    def cost(self, output_tokens: int) -> int:
        """What the provider bills, in nano-dollars."""
        rate = RATES[self.model]
        dear = rate.above is not None and self.input_tokens > rate.above
        per_input, per_output = (rate.input_above, rate.output_above) if dear else (rate.input, rate.output)
        return self.input_tokens * per_input + output_tokens * per_output


class Answer(NamedTuple):
    """What the enforcer said: whether the call may be made, under which hold, how much output it may ask for."""

    admitted: bool
    verdict: str
    hold: str | None = None
    granted: int | None = None
    retry_ms: int | None = None


class Limit(NamedTuple):
    """A budget in nano-dollars on one scope; `match` is one value or '*' for each."""

    tenant: str
    nanos: int
    scope: str = "tenant"
    match: str = "*"
    window: str = "day"


class Enforcer(Protocol):
    """One enforcer, however many processes and hosts it is made of."""

    async def limit(self, name: str, limit: Limit) -> None:
        """Put a budget in force, in strict mode; it holds when this returns."""
        ...

    async def ask(self, call: Call, ttl_ms: int = 60_000) -> Answer:
        """Ask before a call; an admitted one is reserved for until reported or `ttl_ms` have passed."""
        ...

    async def report(self, call: Call, answer: Answer, output_tokens: int) -> None:
        """Tell what the call came to."""
        ...

    async def spent(self, tenant: str) -> int:
        """What the tenant has spent today in nano-dollars, once all that was reported is counted."""
        ...

    async def lose_store(self) -> None:
        """Lose whatever the enforcer keeps outside its durable store, and return once it answers again."""
        ...
