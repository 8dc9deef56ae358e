"""What looking costs: each question a page asks of the ledger, and a page's first view, in a ledger of a month."""

import random
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

import httpx2
import msgspec

from bench.history import filled
from bench.report import Figure, Options, Ratio, Result
from bench.stack import Stack
from bench.traffic import AGENTS, MODELS
from tollbook.app.config import Settings
from tollbook.app.wiring import World
from tollbook.domain.errors import StoreError
from tollbook.enforcement.watch import Watch
from tollbook.ledger.reading import PostgresReading
from tollbook.ports.finding import EntryFilter
from tollbook.ports.views import Step
from tollbook.views.fleet import FleetView
from tollbook.views.tenant import TenantView

NAME = "views"
TENANTS = 1_000
TARGET_QUERY_MS = 50.0
TARGET_FIRST_MS = 300.0
_LOOKS = 40
_FRESH_EVENTS = 500
_ROWS = 50
STEPS: tuple[Step, ...] = ("hour", "day", "month")
_FILES = re.compile(r'(?:href|src)="(/static/[^"]+)"')
_TOKEN = re.compile(r'name="form_token" value="(\w+)"')
WHAT = (
    f"A ledger with a month of entries of {TENANTS:,} tenants, four fifths of the calls drawn by a Zipf law. Before "
    f"each look {_FRESH_EVENTS} events are booked that the rollups may not have yet. First each question that the "
    "pages Fleet, Tenants, Tenant (the largest, by hours, days and months), Entries, Runs and Run ask of the "
    "ledger, by itself; then each "
    "page as a whole over HTTP; and a first view: the page and every file it leads to, one after the other on a new "
    "connection."
)


class Clockwork:
    """Notes how long each question took, by the page that asked it."""

    def __init__(self) -> None:
        self.page = ""
        self.ms: dict[str, list[float]] = defaultdict(list)

    def timed(self, port: object) -> Any:
        """The port with every question timed."""
        return _Timed(port, self)

    def taken(self) -> dict[str, list[float]]:
        """What was noted since the last time."""
        taken, self.ms = self.ms, defaultdict(list)
        return taken


class _Timed:
    def __init__(self, port: object, clockwork: Clockwork) -> None:
        self._port = port
        self._clockwork = clockwork

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        question = getattr(self._port, name)

        async def asked(*arguments: Any, **more: Any) -> Any:
            began = perf_counter()
            answer = await question(*arguments, **more)
            by = ",".join(arguments[3]) if name in ("spend", "dearest") else more.get("step", "")
            self._clockwork.ms[f"{self._clockwork.page}: {name} {by}".strip()].append((perf_counter() - began) * 1000)
            return answer

        return asked


class Looks:
    """The pages' use cases in this process, over the stack's stores."""

    def __init__(self, world: World, watch: Watch, tenant: str) -> None:
        self.clockwork = Clockwork()
        reading = self.clockwork.timed(PostgresReading(world.pool, world.queries))
        views, alerts = self.clockwork.timed(world.views), self.clockwork.timed(world.alerts)
        self._reading, self._finding = reading, self.clockwork.timed(world.finding)
        self._tenant = tenant
        self._fleet = FleetView(reading, views, world.journal, world.directory, world.clock)
        self._one = TenantView(
            reading, views, alerts, finding=self._finding, watch=watch, directory=world.directory, clock=world.clock
        )

    async def look(self) -> None:
        """Every page once."""
        self.clockwork.page = "fleet"
        await self._fleet.look()
        self.clockwork.page = "tenants"
        await self._fleet.tenants.page(None, "spent", None, 50)
        for step in STEPS:
            self.clockwork.page = f"tenant by {step}"
            await self._one.look(self._tenant, step, "agent")
        await self._find()

    async def _find(self) -> None:
        """The lists of entries and runs, whole and filtered, and one run."""
        wanted = {"agent": EntryFilter(agent=AGENTS[1].partition("#")[0]), "model": EntryFilter(model=MODELS[0])}
        for tenant, whose in ((None, "all"), (self._tenant, "a tenant")):
            self.clockwork.page = f"entries of {whose}"
            await self._finding.entries(tenant, None, _ROWS)
            for by, fits in wanted.items():
                self.clockwork.page = f"entries of {whose}, by {by}"
                await self._finding.entries(tenant, None, _ROWS, fits)
            self.clockwork.page = f"runs of {whose}"
            found = await self._finding.runs(tenant, None, _ROWS)
            # The filled runs last a day each, so that the newest rows may all be of runs that began before them.
            while not found.rows and found.more:
                found = await self._finding.runs(tenant, found.more, _ROWS)
        run = found.rows[0]
        self.clockwork.page = "a run"
        await self._reading.run(run.tenant, run.run)
        await self._finding.entries(run.tenant, None, _ROWS, EntryFilter(run=run.run))


def run(options: Options) -> Result:
    """Measure."""
    few = msgspec.structs.replace(options, tenants=min(options.tenants, TENANTS))
    with filled(few) as stack:
        questions = _questions(stack, few)
        pages, first = _pages(stack, few)
    slowest = [max(values[number] for values in questions.values()) for number in range(few.runs)]
    figures = [Figure(name=f"p95, {name}", unit="ms", values=values) for name, values in sorted(questions.items())]
    figures += [Figure(name=f"p95, GET {path}", unit="ms", values=values) for path, values in pages.items()]
    figures += [Figure(name=f"first view of {path}", unit="ms", values=values) for path, values in first.items()]
    ratios = [
        _within("the slowest question's p95 over 50 ms", slowest, TARGET_QUERY_MS),
        *(_within(f"first view of {path} over 300 ms", values, TARGET_FIRST_MS) for path, values in first.items()),
    ]
    notes = [f"{few.entries:,} entries, {few.tenants:,} tenants; {_LOOKS} looks a run, the p95 of each."]
    return Result(name=NAME, title="what looking costs", what=WHAT, figures=figures, ratios=ratios, notes=notes)


def _within(name: str, values: list[float], bound: float) -> Ratio:
    return Ratio(name=name, values=[value / bound for value in values], target=1.0, at_least=False)


def _p95(values: list[float]) -> float:
    return sorted(values)[max(0, -(-len(values) * 95 // 100) - 1)]


def _largest(stack: Stack) -> str:
    return str(stack.postgres.value("SELECT tenant_id FROM daily_spend GROUP BY 1 ORDER BY sum(calls) DESC LIMIT 1"))


def _questions(stack: Stack, options: Options) -> dict[str, list[float]]:
    """p95 of each question, run by run; the first run warms what a server has warm, and is not counted."""
    settings = Settings(postgres_url=stack.access.postgres_url, valkey_url=stack.access.valkey_url)
    found: dict[str, list[float]] = defaultdict(list)
    with httpx2.Client(base_url=stack.access.api, trust_env=False, timeout=60) as client:
        world, looks = stack.postgres.run(_looks(settings, _largest(stack)))
        try:
            for number in range(options.runs + 1):
                for _ in range(_LOOKS):
                    _book_some(client, stack)
                    stack.postgres.run(looks.look())
                taken = looks.clockwork.taken()
                for name, values in taken.items() if number else ():
                    found[name].append(_p95(values))
        finally:
            stack.postgres.run(world.close())
    return found


async def _looks(settings: Settings, tenant: str) -> tuple[World, Looks]:
    world = await World.open(settings)
    await world.directory.refresh()
    gate = world.gate(await world.price_keeper().open())
    return world, Looks(world, world.watch(gate), tenant)


def _book_some(client: httpx2.Client, stack: Stack) -> None:
    """Book events of all tenants that the rollups may not have yet."""
    events = [
        {"tenant": f"tenant-{number:06d}", "agent": AGENTS[number % len(AGENTS)], "model": MODELS[0], "input": 900}
        | {"output": number % 90}
        for number in (random.randrange(TENANTS) for _ in range(_FRESH_EVENTS))
    ]
    headers = {"authorization": f"Bearer {stack.access.admin_key}"}
    client.post("/v1/events?ack=ledger", json=events, headers=headers).raise_for_status()


def _pages(stack: Stack, options: Options) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """p95 of each page over HTTP, and its first view with all its files on a connection of its own."""
    largest = _largest(stack)
    paths = ("/", "/tenants", *(f"/tenants/{largest}?step={step}" for step in STEPS))
    paths += ("/entries", f"/entries?tenant={largest}", "/runs", f"/runs?tenant={largest}")
    whole: dict[str, list[float]] = defaultdict(list)
    first: dict[str, list[float]] = defaultdict(list)
    cookies = _signed_in(stack)
    for _ in range(options.runs):
        for path in paths:
            with httpx2.Client(base_url=stack.access.api, trust_env=False, timeout=60, cookies=cookies) as client:
                began = perf_counter()
                page = client.get(path).raise_for_status().text
                for address in _FILES.findall(page):
                    client.get(address).raise_for_status()
                first[_told(path)].append((perf_counter() - began) * 1000)
                whole[_told(path)].append(_p95([_timed_get(client, path) for _ in range(_LOOKS)]))
    return whole, first


def _timed_get(client: httpx2.Client, path: str) -> float:
    began = perf_counter()
    client.get(path).raise_for_status()
    return (perf_counter() - began) * 1000


def _told(path: str) -> str:
    return re.sub(r"tenant-\d+", "<the largest>", path)


def _signed_in(stack: Stack) -> dict[str, str]:
    with httpx2.Client(base_url=stack.access.api, trust_env=False, timeout=60) as client:
        form = _TOKEN.search(client.get("/sign-in").text)
        if form is None:
            raise StoreError("the sign-in has no form")
        client.post("/sign-in", data={"key": stack.access.admin_key, "next": "/", "form_token": form[1]})
        return dict(client.cookies)
