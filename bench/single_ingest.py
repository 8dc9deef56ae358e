"""One event a request over 64 connections, beside an ASGI handler that does nothing on the same server."""

from bench.bare import bare_server
from bench.batch_ingest import cpu_us, target_of
from bench.load import Order, Sent, Target, generator
from bench.report import Figure, Options, Result, ratio_of
from bench.stack import Stack, running
from bench.traffic import Traffic
from tollbook.app.config import Settings

NAME = "single_ingest"
CONNECTIONS = 64
TARGET_RATIO = 0.5
WHAT = (
    "One event a request by `POST /v1/events` on 64 keep-alive connections, acknowledged by the journal (fsync) and "
    "drained meanwhile. Baseline: a handler that reads the body and answers 202 with the same JSON, on the same "
    "server with the same settings and workers, from the same load generator, which gets the same bodies. Before each "
    "baseline run the drain has come to rest; the runs alternate."
)


def run(options: Options) -> Result:
    """Measure."""
    seconds = 1.5 if options.quick else 8.0
    traffic = Traffic(batch=1, pool=20_000)
    ours: list[Sent] = []
    theirs: list[Sent] = []
    committed: list[float] = []
    used: dict[str, list[float]] = {}
    with running() as stack, bare_server(Settings().workers) as port:
        bare = Target(port=port, connections=CONNECTIONS, traffic=traffic)
        with generator(target_of(stack, traffic, connections=CONNECTIONS)) as load, generator(bare) as bare_load:
            load.send(Order(seconds=seconds / 4))
            bare_load.send(Order(seconds=seconds / 4))
            for _ in range(options.runs):
                since = _rested(stack)
                sent = load.send(Order(seconds=seconds))
                for role, us in cpu_us(stack, sent).items():
                    used.setdefault(role, []).append(us)
                ours.append(sent)
                committed.append(sent.accepted / (stack.await_committed(sent.accepted, since) - sent.began_at))
                stack.await_rest()
                theirs.append(bare_load.send(Order(seconds=seconds)))
    rates, bare_rates = ([sent.requests / sent.seconds for sent in side] for side in (ours, theirs))
    figures = [
        Figure(name="tollbook", unit="requests/s", values=rates),
        Figure(name="empty handler", unit="requests/s", values=bare_rates),
        Figure(name="committed, the drain's rest included", unit="events/s", values=committed),
        Figure(name="tollbook, p50 of a request", unit="ms", values=[sent.p50_ms for sent in ours]),
        Figure(name="tollbook, p99 of a request", unit="ms", values=[sent.p99_ms for sent in ours]),
        Figure(name="empty handler, p99 of a request", unit="ms", values=[sent.p99_ms for sent in theirs]),
        *(Figure(name=f"CPU of {role}", unit="us/event", values=values) for role, values in used.items()),
    ]
    ratios = [ratio_of("of an empty handler", rates, bare_rates, target=TARGET_RATIO)]
    notes = [f"{seconds:.0f} s a run, {Settings().workers} worker.", "CPU is read when the last answer is in."]
    title = "one event a request, 64 connections"
    return Result(name=NAME, title=title, what=WHAT, figures=figures, ratios=ratios, notes=notes)


def _rested(stack: Stack) -> int:
    stack.await_rest()
    stack.mark_cpu()
    return stack.version()
