"""`tollbook demo`: the brief's five steps on real stores, each with what is expected and what was found."""

import http.client
import os
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import msgspec
import uvloop
from genai_prices import Usage, calc_price
from redis import Redis
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tollbook.app.config import Settings
from tollbook.app.fleet import FLEET, calls, tasks
from tollbook.app.up import Access, Up, free_port
from tollbook.domain.errors import BudgetExceeded, JournalUnavailable
from tollbook.domain.event import Event
from tollbook.domain.money import NANOS_PER_USD, cents_of, nanos_from_usd, usd_text
from tollbook.embedded.process import wait_until
from tollbook.ledger.queries import Queries

CALLS = 4_500
_BATCH = 50
_CALLS_ONCE = 3
_SETTLED_S = 30.0
_WIDTH = 120
_LIMIT_NANOS = 50 * NANOS_PER_USD

Sums = dict[str, int]


class Demo:
    """One run of the demo against a running tollbook."""

    def __init__(self, access: Access, up: Up, console: Console, seed: int) -> None:
        self._access = access
        self._up = up
        self._console = console
        self._valkey = Redis.from_url(access.valkey_url, decode_responses=True)
        self._events = list(calls(Random(seed), CALLS))  # noqa: S311 - a fleet to look at, not a secret
        self._tasks = tasks(Random(seed + 1))  # noqa: S311 - as above
        self._day = datetime.now(UTC).date()
        self.differences = 0

    def run(self) -> None:
        """The five steps and the closing table."""
        expected = self._expected()
        self._receive()
        self._emit()
        self._drain_and_count(expected)
        self._roll_up(expected)
        self._precheck(expected)
        self._table()

    def go_on(self) -> None:
        """A few more calls of agents that look at their tenant's flag before each, as they should."""
        events = [event for event in islice(self._tasks, _CALLS_ONCE) if not self._is_throttled(str(event["tenant"]))]
        # A receiver that has died is started again at the next look.
        with suppress(JournalUnavailable):
            self._post("/v1/events", events)

    def _is_throttled(self, tenant: str) -> bool:
        return bool(self._valkey.get(f"throttled:{tenant}"))

    def check(self, what: str, expected: object, found: object) -> None:
        """Print one expectation beside what was found, and remember a difference."""
        equal = expected == found
        self.differences += not equal
        mark = "[green]ok[/]" if equal else "[bold red]DIFFERS[/]"
        self._console.print(f"   {mark}  {what}: expected {expected}, found {found}", highlight=False)

    def _step(self, number: int, title: str) -> None:
        self._console.print(f"\n[bold]{number}. {title}[/]")

    def _expected(self) -> Sums:
        """Each tenant's nano-dollars by genai-prices' own calculator, not ours, each call rounded once."""
        now = datetime.now(UTC)
        sums: Sums = defaultdict(int)
        for given in self._events:
            event = msgspec.convert(given, Event)
            usage = Usage(
                input_tokens=event.input, output_tokens=event.output, cache_read_tokens=event.cache_read or None
            )
            price = calc_price(usage, event.model, genai_request_timestamp=now)
            sums[event.tenant] += nanos_from_usd(price.total_price)
        return dict(sums)

    def _receive(self) -> None:
        self._step(1, "Receive: a webhook whose address is the secret")
        status, answer = self._post(urlsplit(self._access.webhook).path, self._events[:1])
        self.check("POST /webhook/receive/<token>", "200 ok", f"{status} {'ok' if answer.get('ok') else answer}")
        token = self._access.webhook.rpartition("/")[2]
        status, answer = self._get(f"/api/v1/webhooks/{token}/requests")
        self.check("requests it has received", 1, answer.get("total"))

    def _emit(self) -> None:
        tenants = ", ".join(tenant.name for tenant in FLEET)
        self._step(2, f"Emit: {CALLS} calls of {tenants} and their sub-agents; the drain is killed midway")
        batches = [self._events[at : at + _BATCH] for at in range(0, CALLS, _BATCH)]
        accepted = 0
        with Progress(console=self._console, transient=True) as progress:
            for number, batch in enumerate(progress.track(batches, description="   emitting")):
                status, answer = self._post("/v1/events", batch)
                accepted += answer.get("accepted", 0) if status == 202 else 0
                if number == len(batches) // 2:
                    drain = next(child for child in self._up.children if child.role == "drain")
                    killed = drain.pid
                    os.kill(killed, signal.SIGKILL)
        self.check("calls acknowledged", CALLS, accepted)
        self._post("/v1/events", self._events[:_BATCH])
        self._console.print(f"        the drain (pid {killed}) was killed with -9; the first batch was sent twice")

    def _drain_and_count(self, expected: Sums) -> None:
        self._step(3, "Drain and count: per-tenant counters in Valkey, nothing lost, nothing twice")
        wait_until(lambda: self._at_rest(expected), deadline_seconds=_SETTLED_S)
        entries, nanos = self._query("demo_entries")[0]
        self.check("entries in the ledger", CALLS, entries)
        self.check("their cost", usd_text(sum(expected.values())), usd_text(int(nanos)))
        for tenant, sum_nanos in expected.items():
            key = f"spend:{tenant}:{self._day}"
            self.check(f"GET {key} (cents)", str(cents_of(sum_nanos)), self._valkey.get(key))

    def _roll_up(self, expected: Sums) -> None:
        self._step(4, "Daily roll-up: daily_spend in Postgres, for the invoice")
        found = {tenant: (cents, nanos) for tenant, cents, nanos in self._query("demo_daily_spend", self._day)}
        for tenant, nanos in expected.items():
            self.check(f"daily_spend of {tenant}", (cents_of(nanos), nanos), found.get(tenant))

    def _precheck(self, expected: Sums) -> None:
        self._step(5, "Precheck and throttle: $50 a day, asked before each call")
        for tenant, nanos in expected.items():
            try:
                if self._is_throttled(tenant):
                    raise BudgetExceeded(tenant=tenant)
            except BudgetExceeded:
                found = "BudgetExceeded"
            else:
                found = "goes on"
            spent = f"{tenant} has spent ${usd_text(nanos)}"
            self.check(spent, "BudgetExceeded" if nanos >= _LIMIT_NANOS else "goes on", found)

    def _table(self) -> None:
        table = Table(title="\nSpend by tenant and agent", title_justify="left")
        for name in ("tenant", "agent", "model"):
            table.add_column(name)
        for name in ("calls", "input", "output", "cost"):
            table.add_column(name, justify="right")
        _, answer = self._get("/v1/spend?by=tenant,agent,model")
        for row in answer["rows"]:
            figures = (f"{row[name]:,}" for name in ("calls", "input", "output"))
            table.add_row(row["tenant"], row["agent"], row["model"], *figures, f"${row['cost_usd']}")
        total = answer["total"]
        table.add_section()
        table.add_row("total", "", "", f"{total['calls']:,}", f"{total['input']:,}", f"{total['output']:,}",
                      f"${total['cost_usd']}")  # fmt: skip
        self._console.print(table)
        if self.differences:
            self._console.print(f"[bold red]{self.differences} sums differ.[/]")
        else:
            self._console.print("[green]Every sum is equal, to the nano-dollar.[/]")

    def _at_rest(self, expected: Sums) -> bool:
        """Whether the drain, started again by now, has caught up: the day's totals stand at what was sent."""
        self._up.revive()
        found = {tenant: nanos for tenant, _, nanos in self._query("demo_daily_spend", self._day)}
        return found == expected

    def _query(self, name: str, *args: date) -> Sequence[Any]:
        async def ask() -> Sequence[Any]:
            connection = await asyncpg.connect(self._access.postgres_url)
            try:
                return [tuple(row) for row in await connection.fetch(Queries()[name], *args)]
            finally:
                await connection.close()

        return uvloop.run(ask())

    def _post(self, path: str, events: list[dict[str, object]]) -> tuple[int, dict[str, Any]]:
        return self._ask("POST", path, msgspec.json.encode(events))

    def _get(self, path: str) -> tuple[int, dict[str, Any]]:
        return self._ask("GET", path, None)

    def _ask(self, method: str, path: str, body: bytes | None) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection(urlsplit(self._access.api).netloc, timeout=30)
        headers = {"authorization": f"Bearer {self._access.admin_key}", "content-type": "application/json"}
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, msgspec.json.decode(answer.read())
        except OSError as error:
            raise JournalUnavailable(f"the API does not answer: {error}") from error
        finally:
            connection.close()


@contextmanager
def _data_dir(keep: bool) -> Iterator[Path]:
    if keep:
        yield Path(tempfile.mkdtemp(prefix="tollbook-demo-"))
        return
    with tempfile.TemporaryDirectory(prefix="tollbook-demo-") as folder:
        yield Path(folder)


def run_demo(*, keep: bool, live: bool, seed: int) -> int:
    """Run the demo; 0 where every sum is equal, else 1.

    With `keep` everything stays up until Ctrl-C; with `live` the fleet goes on calling meanwhile.
    """
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    settings = Settings.from_environment()
    settings = msgspec.structs.replace(settings, port=free_port(settings.host))
    with _data_dir(keep) as data:
        up = Up(data, settings)
        up.stop_on_signals()
        console.print("Starting PostgreSQL, Valkey, the receiver and the drain ...")
        with up.running() as access:
            demo = Demo(access, up, console, seed)
            demo.run()
            if keep or live:
                console.print(f"\nLeft running until Ctrl-C{', and the fleet calls on' if live else ''}.")
                console.print("Open the dashboard and sign in with the key:")
                console.print(f"  {access.api}\n  admin key {access.admin_key}\n  data in {data}", highlight=False)
                up.wait(demo.go_on if live else None)
    return 1 if demo.differences else 0
