"""From the answer to the call that crosses a budget until a stranger's precheck sees the throttle flag."""

import http.client
from random import Random
from statistics import median
from time import perf_counter, sleep
from urllib.parse import urlsplit

import msgspec
import uvloop

from bench.batch_ingest import target_of
from bench.load import Generator, Order, generator
from bench.report import Figure, Options, Ratio, Result
from bench.resp import BareValkey
from bench.stack import Stack, running
from bench.traffic import Traffic, tenant_name
from tollbook.app.config import Settings
from tollbook.app.wiring import World
from tollbook.domain.errors import StoreError
from tollbook.domain.money import NANOS_PER_USD

NAME = "throttle_latency"
RATE = 5_000
BATCH = 100
TARGET_MS = 10.0
LIMIT_NANOS = 1 * NANOS_PER_USD
# claude-opus-4-7 takes $5 a million input tokens: two of these cross $1, one does not.
CALL = {"agent": "planner", "model": "claude-opus-4-7", "input": 120_000, "output": 0}
_PROPAGATED_S = 30.0
_PAUSE_S_MAX = 0.04
_SPELL_S = 6.0
_MARGIN_S = 0.5
WHAT = (
    "Under 5,000 events/s of other tenants (batches of 100), a fresh tenant with a limit of $1 a day makes two calls "
    "of $0.60, one request each. Measured from the arrival of the second call's 202 until a GET of "
    "`throttled:<tenant>` on another connection is answered with the flag; the GETs begin when the 202 is in. The "
    "script that journals the call sets the flag, so what is left is one round trip."
)


class Caller:
    """An agent with one keep-alive connection."""

    def __init__(self, stack: Stack) -> None:
        self._http = http.client.HTTPConnection(urlsplit(stack.access.api).netloc, timeout=30)
        self._headers = {"authorization": f"Bearer {stack.access.admin_key}", "content-type": "application/json"}

    def call(self, tenant: str) -> float:
        """Report one call; the instant (perf_counter) at which the answer was in."""
        self._http.request("POST", "/v1/events", msgspec.json.encode({"tenant": tenant, **CALL}), self._headers)
        answer = self._http.getresponse()
        body = answer.read()
        at = perf_counter()
        if answer.status != 202:
            raise StoreError(f"a call was answered {answer.status}: {body[:200]!r}")
        return at


async def set_limits(stack: Stack, free: list[str]) -> None:
    """Limit everyone to $1 but the tenants of the background, and wait until the counters know."""
    settings = Settings(postgres_url=stack.access.postgres_url, valkey_url=stack.access.valkey_url)
    world = await World.open(settings)
    try:
        await world.config.set_limit(None, LIMIT_NANOS, NAME)
        for tenant in free:
            await world.config.set_limit(tenant, 10**6 * LIMIT_NANOS, NAME)
        await world.directory.refresh()
        day = world.directory.tenancy.window_at("stranger", world.clock.now()).day
        waited = perf_counter() + _PROPAGATED_S
        for tenant, limit in (("stranger", LIMIT_NANOS), (free[-1], 10**6 * LIMIT_NANOS)):
            while (await world.journal.view(0, tenant, day)).limit_nanos != limit:
                if perf_counter() > waited:
                    raise StoreError("the limits do not reach the counters")
                await world.clock.pause(0.02)
    finally:
        await world.close()


class Crossings:
    """What one round of crossings came to."""

    def __init__(self) -> None:
        self.waits_ms: list[float] = []
        self.requests_ms: list[float] = []
        self.looks: list[int] = []
        self.background: list[float] = []

    def cross(self, caller: Caller, prechecks: BareValkey, tenant: str) -> None:
        """One fresh tenant crosses its limit."""
        caller.call(tenant)
        began = perf_counter()
        answered_at = caller.call(tenant)
        self.looks.append(prechecks.looks_until_there(f"throttled:{tenant}"))
        self.waits_ms.append((perf_counter() - answered_at) * 1e3)
        self.requests_ms.append((answered_at - began) * 1e3)


def run(options: Options) -> Result:
    """Measure."""
    crossings = 30 if options.quick else 250
    traffic = Traffic(batch=BATCH)
    rounds = [Crossings() for _ in range(options.runs)]
    with running() as stack, generator(target_of(stack, traffic)) as load:
        uvloop.run(set_limits(stack, [tenant_name(number) for number in range(traffic.tenants)]))
        for number, found in enumerate(rounds):
            _cross_all(stack, load, found, [f"fresh-{number}-{nth}" for nth in range(crossings)])
    figures = [
        Figure(name="202 to flag seen, p50", unit="ms", values=[median(found.waits_ms) for found in rounds]),
        Figure(name="202 to flag seen, p99", unit="ms", values=[_p99(found.waits_ms) for found in rounds]),
        Figure(name="request of the crossing call, p50", unit="ms", values=[median(r.requests_ms) for r in rounds]),
        Figure(name="request of the crossing call, p99", unit="ms", values=[_p99(r.requests_ms) for r in rounds]),
        Figure(name="background", unit="events/s", values=[rate for r in rounds for rate in r.background]),
        Figure(name="seen at the first look", unit="share", values=[r.looks.count(1) / crossings for r in rounds]),
    ]
    ratios = [Ratio(name="p99 in ms", values=figures[1].values, target=TARGET_MS, at_least=False)]
    notes = [f"{options.runs} rounds of {crossings} crossings."]
    title = "how soon the flag stands"
    return Result(name=NAME, title=title, what=WHAT, figures=figures, ratios=ratios, notes=notes)


def _cross_all(stack: Stack, load: Generator, found: Crossings, tenants: list[str]) -> None:
    """Let every tenant cross while the background runs, at moments that have nothing to do with its beat."""
    random = Random(len(tenants))
    caller, prechecks = Caller(stack), BareValkey(stack.access.valkey_url)
    waiting = iter(tenants)
    left = len(tenants)
    while left:
        load.begin(Order(seconds=_SPELL_S, rate=RATE))
        until = perf_counter() + _SPELL_S - _MARGIN_S
        sleep(_MARGIN_S)
        while left and perf_counter() < until:
            sleep(random.uniform(0, _PAUSE_S_MAX))
            found.cross(caller, prechecks, next(waiting))
            left -= 1
        sent = load.end()
        found.background.append(sent.accepted / sent.seconds)
    prechecks.close()


def _p99(values: list[float]) -> float:
    return sorted(values)[len(values) * 99 // 100]
