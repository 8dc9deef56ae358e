"""The scenarios: each a way in which budgets are lost in the field, played against any enforcer, judged from outside.

`docs/conformance.md` tells what each proves. `Findings.kept` says whether the promise was kept.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Iterable
from typing import NamedTuple, TypeVar

from tests.conformance.enforcer import Answer, Call, Enforcer, Limit
from tollbook.app.clock import SystemClock

T = TypeVar("T")
CENT = 10_000_000
_TOGETHER = 64
# A caller told to come back in n ms does so: that is its part of the contract.
_CLOCK = SystemClock()
_PATIENCE_S = 60.0


class Findings(NamedTuple):
    """What a scenario found. `overshoot` is in nano-dollars; `facts` are for people."""

    kept: bool
    overshoot: int
    facts: dict[str, int | float | str]


async def _together(work: Iterable[Awaitable[T]]) -> list[T]:
    """All at once, as many on their way as a fleet's client would allow."""
    gate = asyncio.Semaphore(_TOGETHER)

    async def one(job: Awaitable[T]) -> T:
        async with gate:
            return await job

    return await asyncio.gather(*(one(job) for job in work))


class _Fleet:
    """Makes calls against an enforcer and keeps its own account of what the provider billed."""

    def __init__(self, enforcer: Enforcer, seed: int) -> None:
        self.enforcer = enforcer
        self.chance = random.Random(seed)
        self.billed = 0
        self.billed_of: dict[str, int] = {}
        self.admitted = 0
        self.verdicts: dict[str, int] = {}

    async def call(self, call: Call, *, tries: int = 1) -> Answer:
        """Ask, make the call if it may be made, report it; a `busy` answer is tried again when it says to."""
        for attempt in range(tries):
            answer = await self.enforcer.ask(call)
            self.verdicts[answer.verdict] = self.verdicts.get(answer.verdict, 0) + 1
            if answer.admitted or answer.verdict != "busy" or attempt == tries - 1:
                break
            await _CLOCK.pause((answer.retry_ms or 50) / 1000)
        if answer.admitted:
            await self.make(call, answer)
        return answer

    async def make(self, call: Call, answer: Answer, output_tokens: int | None = None) -> None:
        """Have the provider run the call: it never writes more than it was asked for."""
        most = answer.granted if answer.granted is not None else call.max_output_tokens
        assert most is not None, "an admitted call without a bound cannot be kept within any limit"
        if call.max_output_tokens is not None:
            most = min(most, call.max_output_tokens)
        written = self.chance.randint(0, most) if output_tokens is None else min(output_tokens, most)
        cost = call.cost(written)
        self.billed += cost
        self.admitted += 1
        segments = call.agent.split("/")
        for depth in range(1, len(segments) + 1):
            path = "/".join(segments[:depth])
            self.billed_of[path] = self.billed_of.get(path, 0) + cost
        await self.enforcer.report(call, answer, written)

    def sized(self, tenant: str, **more: str | None) -> Call:
        """A call of random size."""
        most = self.chance.randint(50, 1_500)
        return Call(tenant, input_tokens=self.chance.randint(100, 4_000), max_output_tokens=most, **more)


async def overshoot(enforcer: Enforcer, tenant: str, *, callers: int = 400, seed: int = 1) -> Findings:
    """Many callers at once on one budget that few of them fit: no nano-dollar over, and nearly all of it used."""
    limit = 10 * CENT
    await enforcer.limit("daily", Limit(tenant, limit))
    fleet = _Fleet(enforcer, seed)
    await _together(fleet.call(fleet.sized(tenant)) for _ in range(callers))
    smallest = Call(tenant, input_tokens=100, max_output_tokens=50)
    while (await fleet.call(smallest, tries=20)).admitted:
        pass
    counted = await enforcer.spent(tenant)
    left = limit - fleet.billed
    kept = 0 <= left <= smallest.cost(50) and counted == fleet.billed
    return Findings(kept, max(0, -left), {"admitted": fleet.admitted, "left": left, **fleet.verdicts})


async def leak(enforcer: Enforcer, tenant: str, *, seed: int = 2) -> Findings:
    """Callers that hold and die: the whole room is back soon after their holds end, and not before."""
    call = Call(tenant, max_output_tokens=10_000)
    limit = 8 * call.cost(10_000)
    await enforcer.limit("daily", Limit(tenant, limit))
    fleet = _Fleet(enforcer, seed)
    dead = await _together(enforcer.ask(call, ttl_ms=2_000) for _ in range(8))
    during = await enforcer.ask(call)
    started = time.monotonic()
    while not (answer := await enforcer.ask(call)).admitted and time.monotonic() - started < _PATIENCE_S:
        await _CLOCK.pause(0.1)
    waited = time.monotonic() - started
    await fleet.make(call, answer)
    kept = all(a.admitted for a in dead) and during.verdict == "busy" and answer.admitted
    return Findings(kept, max(0, fleet.billed - limit), {"refused_for_s": round(waited, 1)})


async def first_call(enforcer: Enforcer, tenant: str, *, callers: int = 500, seed: int = 3) -> Findings:
    """A name never seen before, called by everyone at once: the budget for each such name holds from the first call."""
    limit = 2 * CENT
    await enforcer.limit("each-agent", Limit(tenant, limit, "agent", "*"))
    fleet = _Fleet(enforcer, seed)
    await _together(fleet.call(fleet.sized(tenant)._replace(agent="newcomer")) for _ in range(callers))
    over = max(0, fleet.billed - limit)
    return Findings(over == 0 and fleet.admitted > 0, over, {"admitted": fleet.admitted, **fleet.verdicts})


async def tier(enforcer: Enforcer, tenant: str) -> Findings:
    """A call long enough to move to the dearer tier is held at that tier's price, not at the list's first line."""
    limit = 45 * CENT
    await enforcer.limit("daily", Limit(tenant, limit))
    long = Call(tenant, model="gemini-2.5-pro", input_tokens=250_000, max_output_tokens=100)
    short = long._replace(input_tokens=190_000)
    refused, admitted = await enforcer.ask(long), await enforcer.ask(short)
    kept = not refused.admitted and admitted.admitted and long.cost(100) > limit > short.cost(100)
    return Findings(kept, long.cost(0) - limit if refused.admitted else 0, {"long": refused.verdict})


async def delegation(enforcer: Enforcer, tenant: str, *, callers: int = 300, seed: int = 5) -> Findings:
    """A run with shares given to children: every node within its own, every ancestor within its own, all at once."""
    run, limits = f"{tenant}-run", {"lead": 6 * CENT, "lead/a": 3 * CENT, "lead/b": 3 * CENT, "lead/a/x": 1 * CENT}
    await enforcer.limit("run", Limit(tenant, 5 * CENT, "run", run, "run"))
    for path, nanos in limits.items():
        await enforcer.limit(f"share:{path}", Limit(tenant, nanos, "instance", f"{run}/{path}", "run"))
    fleet = _Fleet(enforcer, seed)
    paths = ["lead", "lead/a", "lead/b", "lead/a/x"]
    calls = [fleet.sized(tenant, run=run)._replace(agent=fleet.chance.choice(paths)) for _ in range(callers)]
    await _together(fleet.call(call, tries=3) for call in calls)
    over = [max(0, fleet.billed_of.get(path, 0) - nanos) for path, nanos in limits.items()]
    most = max(*over, fleet.billed - 5 * CENT, 0)
    return Findings(most == 0 and fleet.admitted > 0, most, {"admitted": fleet.admitted, **fleet.billed_of})


async def store_loss(enforcer: Enforcer, tenant: str, *, callers: int = 200, seed: int = 6) -> Findings:
    """The counters are lost while calls are on their way: what was held before and is admitted after stays within."""
    limit = 5 * CENT
    await enforcer.limit("daily", Limit(tenant, limit))
    fleet = _Fleet(enforcer, seed)
    held = [(call := fleet.sized(tenant), await enforcer.ask(call)) for _ in range(20)]
    await enforcer.lose_store()
    await _together(fleet.call(fleet.sized(tenant)) for _ in range(callers))
    for call, answer in held:
        if answer.admitted:
            await fleet.make(call, answer, call.max_output_tokens)
    over = max(0, fleet.billed - limit)
    kept = over == 0 and await enforcer.spent(tenant) == fleet.billed
    return Findings(kept, over, {"admitted": fleet.admitted, **fleet.verdicts})


async def unbounded(enforcer: Enforcer, tenant: str, *, callers: int = 200, seed: int = 7) -> Findings:
    """Calls that name no max_output_tokens, on a budget that 50 of them fit: nearly 50 are admitted, and none over."""
    written = 900
    call = Call(tenant, max_output_tokens=None)
    limit = 50 * call.cost(written)
    await enforcer.limit("daily", Limit(tenant, limit))
    fleet = _Fleet(enforcer, seed)

    async def one() -> None:
        for _ in range(40):
            answer = await enforcer.ask(call)
            if answer.admitted:
                await fleet.make(call, answer, written)
            if answer.verdict != "busy":
                return
            await _CLOCK.pause((answer.retry_ms or 50) / 1000)

    await _together(one() for _ in range(callers))
    over = max(0, fleet.billed - limit)
    return Findings(over == 0 and fleet.admitted >= 45, over, {"admitted": fleet.admitted, "of": 50})
