"""Batches of 500 events over HTTP until all are committed, beside bare COPY of the same rows."""

from urllib.parse import urlsplit

from bench.copying import BareCopy, rows_of
from bench.load import Generator, Order, Sent, Target, generator
from bench.report import Figure, Options, Ratio, Result, ratio_of
from bench.stack import Stack, running
from bench.traffic import Traffic

NAME = "batch_ingest"
CONNECTIONS = 8
COMMITS = (10_000, 1_000)
TARGET_RATIO = 0.25
WHAT = (
    "Batches of 500 events by `POST /v1/events` on 8 keep-alive connections (100 tenants, 6 agents, 2 models each, "
    "a run and an id an event, no `ts`), from the first byte until every event is committed in Postgres; Valkey and "
    "Postgres with fsync. Baseline: the same rows, already in COPY's binary format, into the same `entry` table with "
    "the same indexes and partitions, 10,000 rows a commit (the drain's own batch) and 1,000. Both tables are "
    "truncated and a checkpoint is made before each run; the runs alternate."
)


class Series:
    """What the runs of one kind of ids came to."""

    def __init__(self) -> None:
        self.committed: list[float] = []
        self.acknowledged: list[float] = []
        self.cpu_us: dict[str, list[float]] = {}

    def add(self, stack: Stack, load: Generator, events: int) -> None:
        """One run: send, and wait for the last commit."""
        stack.empty()
        since = stack.version()
        stack.mark_cpu()
        load.begin(Order(events=events))
        committed_at = stack.await_committed(events, since)
        sent = load.end()
        self.committed.append(events / (committed_at - sent.began_at))
        self.acknowledged.append(events / sent.seconds)
        for role, us in cpu_us(stack, sent).items():
            self.cpu_us.setdefault(role, []).append(us)

    def figures(self, kind: str) -> list[Figure]:
        """All of it, named after the kind."""
        return [
            Figure(name=f"committed, {kind} ids", unit="events/s", values=self.committed),
            Figure(name=f"acknowledged, {kind} ids", unit="events/s", values=self.acknowledged),
            *(
                Figure(name=f"CPU of {role}, {kind} ids", unit="us/event", values=us)
                for role, us in self.cpu_us.items()
            ),
        ]


def cpu_us(stack: Stack, sent: Sent) -> dict[str, float]:
    """CPU microseconds an event by role since the stack's mark, the load generator's own among them."""
    used = stack.cpu_used().us_an_event(sent.accepted)
    return {**used, "load generator": sent.cpu_s / sent.accepted * 1e6}


def target_of(stack: Stack, traffic: Traffic, *, connections: int = CONNECTIONS, query: str = "") -> Target:
    """The stack's intake as the load generator addresses it."""
    port = urlsplit(stack.access.api).port or 0
    path = f"/v1/events{query}"
    return Target(port=port, connections=connections, traffic=traffic, key=stack.access.admin_key, path=path)


def run(options: Options) -> Result:
    """Measure."""
    events = 20_000 if options.quick else 300_000
    series = {"v7": Series(), "v4": Series()}
    copied: dict[int, list[float]] = {rows: [] for rows in COMMITS}
    with running() as stack:
        copy = BareCopy(stack)
        for ids, found in series.items():
            with generator(target_of(stack, Traffic(ids=ids))) as load:
                load.send(Order(events=events // 10))
                for _ in range(options.runs):
                    found.add(stack, load, events)
                    if ids == "v7":
                        copy.take(rows_of(stack))
                        for rows, rates in copied.items():
                            rates.append(copy.rows_a_second(rows))
        copy.close()
    return _result(series, copied, events)


def _result(series: dict[str, Series], copied: dict[int, list[float]], events: int) -> Result:
    ratios: list[Ratio] = [
        ratio_of(f"of COPY, {rows:,} rows a commit", series["v7"].committed, rates, target=TARGET_RATIO)
        for rows, rates in copied.items()
    ]
    figures = [figure for ids, found in series.items() for figure in found.figures(ids)]
    figures += [
        Figure(name=f"COPY, {rows:,} rows a commit", unit="rows/s", values=rates) for rows, rates in copied.items()
    ]
    notes = [
        f"{events:,} events a run. v7: the id carries its own time, as tollbook's client mints them, and one weekly "
        "generation is looked in; v4: it carries none, and every generation of the dedupe window is.",
        "The load generator and the stores share the cores with the ledger.",
    ]
    title = "batches of 500, to committed"
    return Result(name=NAME, title=title, what=WHAT, figures=figures, ratios=ratios, notes=notes)
