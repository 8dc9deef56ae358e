"""One event a request over 64 connections, beside handlers that do nothing on the same server."""

from contextlib import ExitStack

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
    "drained meanwhile. Two baselines on the same server with the same settings and workers, from the same load "
    "generator, which gets the same bodies; each reads the body and answers 202 with the same JSON. The empty handler "
    "is a route of the framework that serves the rest of the API; the bare function has no framework before it, as "
    "tollbook's own intake has none. Before each baseline run the drain has come to rest; the runs take turns."
)


def run(options: Options) -> Result:
    """Measure."""
    seconds = 1.5 if options.quick else 8.0
    workers = Settings().workers
    traffic = Traffic(batch=1, pool=20_000)
    sent: dict[str, list[Sent]] = {"tollbook": [], "empty handler": [], "bare ASGI function": []}
    committed: list[float] = []
    used: dict[str, list[float]] = {}
    with ExitStack() as opened:
        stack = opened.enter_context(running())
        targets = {"tollbook": target_of(stack, traffic, connections=CONNECTIONS)}
        for name, application in (("empty handler", "route"), ("bare ASGI function", "function")):
            port = opened.enter_context(bare_server(application, workers))
            targets[name] = Target(port=port, connections=CONNECTIONS, traffic=traffic)
        loads = {name: opened.enter_context(generator(target)) for name, target in targets.items()}
        for load in loads.values():
            load.send(Order(seconds=seconds / 4))
        for _ in range(options.runs):
            since = _rested(stack)
            for name, load in loads.items():
                one = load.send(Order(seconds=seconds))
                sent[name].append(one)
                if name != "tollbook":
                    continue
                for role, us in cpu_us(stack, one).items():
                    used.setdefault(role, []).append(us)
                committed.append(one.accepted / (stack.await_committed(one.accepted, since) - one.began_at))
                stack.await_rest()
    rates = {name: [one.requests / one.seconds for one in runs] for name, runs in sent.items()}
    figures = [
        *(Figure(name=name, unit="requests/s", values=values) for name, values in rates.items()),
        Figure(name="committed, the drain's rest included", unit="events/s", values=committed),
        Figure(name="tollbook, p50 of a request", unit="ms", values=[one.p50_ms for one in sent["tollbook"]]),
        *(
            Figure(name=f"{name}, p99 of a request", unit="ms", values=[one.p99_ms for one in runs])
            for name, runs in sent.items()
        ),
        *(Figure(name=f"CPU of {role}", unit="us/event", values=values) for role, values in used.items()),
    ]
    told = ratio_of("of a bare ASGI function", rates["tollbook"], rates["bare ASGI function"], target=0)
    told.target = None
    ratios = [
        ratio_of("of an empty handler", rates["tollbook"], rates["empty handler"], target=TARGET_RATIO),
        told,
    ]
    notes = [f"{seconds:.0f} s a run, {workers} worker.", "CPU is read when the last answer is in."]
    title = "one event a request, 64 connections"
    return Result(name=NAME, title=title, what=WHAT, figures=figures, ratios=ratios, notes=notes)


def _rested(stack: Stack) -> int:
    stack.await_rest()
    stack.mark_cpu()
    return stack.version()
