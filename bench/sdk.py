"""What the SDK adds to a call in the agent's own process."""

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter_ns

from bench.report import Figure, Options, Ratio, Result
from tollbook.client.call import CallState
from tollbook.client.client import Client
from tollbook.client.leases import LeaseKey
from tollbook.client.wire import LeaseBody, Rates, WatchState

NAME = "sdk"
MODEL = "gpt-4o-mini"
NOWHERE = "http://127.0.0.1:9"
PRECHECK_US_MAX = 2.0
LEASE_US_MAX = 10.0
RECORD_US_MAX = 150.0
USAGE = {"input": 1_200, "output": 340, "cache_read": 800, "call_id": "resp_68af"}
WHAT = (
    "The time a caller waits, p50 of single calls timed one by one, the clock's own cost taken off. `precheck`: from "
    "the view that the server pushes. `lease-backed hold`: entering `client.call(...)` with a lease that has room, the "
    "block's object included. `record`: until the event is committed to the spool on disk. No server takes part: none "
    "is asked on these paths."
)


def run(options: Options) -> Result:
    """Measure."""
    calls = 5_000 if options.quick else 50_000
    series: dict[str, list[float]] = {}
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as folder:
            client = Client(
                NOWHERE, tenant="acme", spool_path=str(Path(folder) / "outbox.db"), watch_wait_s=0.0, outbox_flush_s=0.0
            )
            try:
                for name, took in _measured(client, calls).items():
                    series.setdefault(name, []).append(took)
            finally:
                client.close()
    ratios = [
        Ratio(name=f"{name}, us p50", values=series[name], target=target, at_least=False)
        for name, target in (
            ("precheck", PRECHECK_US_MAX),
            ("lease-backed hold", LEASE_US_MAX),
            ("record, on disk", RECORD_US_MAX),
        )
    ]
    figures = [Figure(name=f"{name}, p50", unit="us", values=took) for name, took in series.items()]
    notes = [f"{calls:,} calls a run, a tenth of that for `record`.", "The agent path is two roles deep."]
    return Result(name=NAME, title="the SDK in process", what=WHAT, figures=figures, ratios=ratios, notes=notes)


def _measured(client: Client, calls: int) -> dict[str, float]:
    view = client.engine.view()
    view.connected()
    view.take(WatchState("acme", throttled=False, version=1))
    with client.agent("planner", run="run-1"), client.agent("researcher", instance=7):
        _lend(client)
        recorded = [client.call(MODEL, gate="off") for _ in range(calls // 10)]
        return {
            "precheck": _p50_us(client.precheck, calls),
            "lease-backed hold": _p50_us(lambda: _enter(client), calls),
            "record, on disk": _p50_us(_each(recorded, durable=True), len(recorded)),
            "record, on its way to disk": _p50_us(
                _each([client.call(MODEL, gate="off") for _ in range(calls // 10)], durable=False), calls // 10
            ),
        }


def _enter(client: Client) -> None:
    client.call(MODEL, input_tokens=1_200, max_output_tokens=500, gate="lease").__enter__()


def _each(calls: list[CallState], *, durable: bool) -> Callable[[], object]:
    left = iter(calls)
    return lambda: next(left).record(USAGE, durable=durable)


def _lend(client: Client) -> None:
    """A lease as the server would grant it, with room for the whole run."""
    key = LeaseKey("acme", "planner/researcher#7", "run-1", MODEL, None, None, (), None)
    body = LeaseBody("lease", datetime(2099, 1, 1, tzinfo=UTC), "1000000.00", None, None, Rates(150, 600))
    client.engine.book.granted(key, body, float("inf"))


def _p50_us(work: Callable[[], object], calls: int) -> float:
    return max(0.0, _p50_ns(work, calls) - _p50_ns(_nothing, calls)) / 1_000


def _p50_ns(work: Callable[[], object], calls: int) -> float:
    took = []
    for _ in range(calls):
        began = perf_counter_ns()
        work()
        took.append(perf_counter_ns() - began)
    return median(took)


def _nothing() -> None:
    """What a call of anything costs."""
