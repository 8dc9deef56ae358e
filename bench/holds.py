"""What a hold and its settling cost beside two bare script calls, and how many holds fifty clients get over HTTP."""

from collections.abc import Awaitable, Callable
from time import perf_counter
from urllib.parse import urlsplit

import uvloop
from redis.asyncio import Redis

from bench.hold_load import MODEL, Held, HoldOrder, ask
from bench.report import Figure, Options, Ratio, Result, ratio_of
from bench.stack import Stack, running
from bench.traffic import tenant_name
from tollbook.app.config import Settings
from tollbook.app.wiring import World, ceiling_of
from tollbook.domain.decision import Verdict
from tollbook.domain.errors import StoreError
from tollbook.domain.event import Event
from tollbook.enforcement.asks import Ask
from tollbook.enforcement.gate import Gate
from tollbook.pipeline.accept import Intake
from tollbook.pipeline.resolve import Resolver, Sender
from tollbook.pricing.bundled import bundled_book

NAME = "holds"
CLIENTS = 50
TENANTS = 100
TARGET_RATIO = 2.0
TARGET_RATE = 4_000.0
_WARM_S = 60.0
_BARE = "return redis.call('XADD', KEYS[1], 'MAXLEN', '1', '*', 'x', ARGV[1])"
_ASK = Ask(
    tenant=tenant_name(0), agent="planner/researcher", run="r", model=MODEL, input_tokens=1_000, max_output_tokens=500
)
WHAT = (
    "Within one process: a hold and the event that settles it, one after the other, through the use cases that a "
    "receiver runs (gate, resolver, intake), beside two EVALSHA of a script that appends one entry, from the same "
    "client on the same Valkey (append-only file with fsync: each of the four script calls waits for the disk); the "
    "runs alternate. Over HTTP: 50 keep-alive connections that each ask `POST /v1/holds` for one call at a time (100 "
    "tenants, 6 agents, 100 runs), and the same with each hold settled before the next."
)


class Inside:
    """The use cases of a receiver on a running stack."""

    def __init__(self, world: World) -> None:
        book = bundled_book(unpriced=ceiling_of(world.settings))
        self.world = world
        self.gate: Gate = world.gate(book)
        self._intake: Intake = world.intake()
        self._resolver: Resolver = world.resolver(book)
        self._bare: Redis = world.store

    async def pair(self) -> None:
        """One hold and its settling."""
        decision = await self.gate.hold(_ASK)
        if decision.hold is None:
            raise StoreError(f"a hold was refused: {decision.detail}")
        call = Event(
            tenant=_ASK.tenant,
            agent=_ASK.agent,
            run=_ASK.run,
            model=MODEL,
            input=1_000,
            output=120,
            hold=decision.hold.id,
        )
        directory = self.world.directory
        self._resolver.under(directory.tenancy, directory.budgets)
        await self._intake.accept(self._resolver.resolve([call], None, Sender(), self.world.clock.now()), "journal")

    async def bare_pair(self, digest: str) -> None:
        """Two calls of the least script that writes."""
        for _ in range(2):
            await self._bare.evalsha(digest, 1, "bench:bare", "1")

    async def warm(self) -> None:
        """Wait until the counters are complete and the paths are."""
        await self.world.directory.refresh()
        given_up = perf_counter() + _WARM_S
        while (await self.gate.check(_ASK)).verdict is not Verdict.ALLOW:
            if perf_counter() > given_up:
                raise StoreError("the gate does not open")
        for _ in range(50):
            await self.pair()


async def _timed(act: Callable[[], Awaitable[None]], count: int) -> float:
    began = perf_counter()
    for _ in range(count):
        await act()
    return (perf_counter() - began) / count * 1e6


async def _inside(stack: Stack, runs: int, count: int) -> tuple[list[float], list[float]]:
    settings = Settings(postgres_url=stack.access.postgres_url, valkey_url=stack.access.valkey_url)
    world = await World.open(settings)
    try:
        inside = Inside(world)
        await inside.warm()
        digest = str(await world.store.script_load(_BARE))
        ours, theirs = [], []
        for _ in range(runs):
            ours.append(await _timed(inside.pair, count))
            theirs.append(await _timed(lambda: inside.bare_pair(digest), count))
        await world.store.delete("bench:bare")
        return ours, theirs
    finally:
        await world.close()


def _over_http(stack: Stack, seconds: float, *, settles: bool) -> tuple[Held, dict[str, float]]:
    stack.await_rest()
    stack.mark_cpu()
    port = urlsplit(stack.access.api).port or 0
    order = HoldOrder(
        port=port, key=stack.access.admin_key, clients=CLIENTS, seconds=seconds, tenants=TENANTS, settles=settles
    )
    held = ask(order)
    if held.refused:
        raise StoreError(f"{held.refused} requests were refused, the first: {held.refusal}")
    return held, {**stack.cpu_used().us_an_event(held.holds), "clients": held.cpu_s / held.holds * 1e6}


def run(options: Options) -> Result:
    """Measure."""
    seconds, count = (1.5, 200) if options.quick else (8.0, 2_000)
    held: dict[bool, list[Held]] = {False: [], True: []}
    used: dict[str, list[float]] = {}
    with running() as stack:
        ours, theirs = uvloop.run(_inside(stack, options.runs, count))
        _over_http(stack, seconds / 4, settles=False)
        for _ in range(options.runs):
            for settles, found in held.items():
                one, cpu = _over_http(stack, seconds, settles=settles)
                found.append(one)
                for role, us in cpu.items() if not settles else ():
                    used.setdefault(role, []).append(us)
    rates = [one.holds / one.seconds for one in held[False]]
    pairs = [one.holds / one.seconds for one in held[True]]
    figures = [
        Figure(name="hold and settle", unit="us", values=ours),
        Figure(name="two bare EVALSHA", unit="us", values=theirs),
        Figure(name="holds over HTTP, 50 clients", unit="holds/s", values=rates),
        Figure(name="p50 of a hold", unit="ms", values=[one.p50_ms for one in held[False]]),
        Figure(name="p99 of a hold", unit="ms", values=[one.p99_ms for one in held[False]]),
        Figure(name="holds settled over HTTP, 50 clients", unit="pairs/s", values=pairs),
        *(Figure(name=f"CPU of {role}", unit="us/hold", values=values) for role, values in used.items()),
    ]
    ratios = [
        ratio_of("of two bare script calls", ours, theirs, target=TARGET_RATIO, at_least=False),
        Ratio(name="holds/s over HTTP", values=rates, target=TARGET_RATE),
    ]
    notes = [f"{count} pairs a run inside, {seconds:.0f} s a run over HTTP, {Settings().workers} worker."]
    return Result(name=NAME, title="a hold and its settling", what=WHAT, figures=figures, ratios=ratios, notes=notes)
