"""What an event costs in a ledger that holds millions, beside an empty one."""

from contextlib import ExitStack
from typing import NamedTuple

from bench.batch_ingest import target_of
from bench.history import filled
from bench.load import Generator, Order, Target, generator
from bench.report import Figure, Options, Ratio, Result, ratio_of
from bench.stack import Stack, running
from bench.traffic import Traffic

NAME = "scale"
TARGET_RATIO = 1.2
FEW_TENANTS = 100
DRAWS = ("zipf", "uniform")
WHAT = (
    "Wall time an event to committed, in an empty ledger with 100 tenants and in one that holds a month of entries, "
    "their identities, daily totals, hourly rollups and run totals. Two whole tollbooks, each with its own Postgres "
    "and Valkey, take turns. One event a request on 64 connections, as each call's webhook brings it; and batches of "
    "500 on 8, each a mix of all tenants, which few senders have: there an event of 100 tenants shares its rows with "
    "a hundred others, one of 100,000 with none. Tenants are drawn by a Zipf law (s = 1.1) and uniformly over all "
    "there are. The third series tells size from spread: the traffic of the filled ledger's many tenants into an "
    "empty one."
)


class Form(NamedTuple):
    """How events are sent: so many a request, over so many connections, from so many bodies made beforehand."""

    name: str
    batch: int
    connections: int
    few_bodies: int
    many_bodies: int
    events: int


FORMS = (
    Form("one a request", 1, 64, 20_000, 200_000, 60_000),
    Form("batches", 500, 8, 64, 400, 100_000),
)


class Lane:
    """One kind of traffic into one ledger."""

    def __init__(self, stack: Stack, load: Generator, *, emptied: bool) -> None:
        self._stack = stack
        self._load = load
        self._emptied = emptied
        self.us: list[float] = []

    def run(self, events: int, *, counted: bool = True) -> None:
        """Send, wait for the last commit, note the time an event."""
        if self._emptied:
            self._stack.empty()
        else:
            self._stack.await_rest()
        since = self._stack.version()
        self._load.begin(Order(events=events))
        committed_at = self._stack.await_committed(events, since)
        sent = self._load.end()
        if counted:
            self.us.append((committed_at - sent.began_at) / events * 1e6)


def run(options: Options) -> Result:
    """Measure."""
    figures: list[Figure] = []
    ratios: list[Ratio] = []
    with filled(options) as full, running() as empty:
        for form in FORMS:
            for draw in DRAWS:
                few, many, large = _alternate(options, (empty, full), form, draw)
                named = f"{form.name}, {draw}"
                figures += [
                    Figure(name=f"empty, {FEW_TENANTS} tenants, {named}", unit="us/event", values=few),
                    Figure(name=f"empty, {options.tenants:,} tenants, {named}", unit="us/event", values=many),
                    Figure(
                        name=f"{options.entries:,} entries, {options.tenants:,} tenants, {named}",
                        unit="us/event",
                        values=large,
                    ),
                ]
                told = ratio_of(f"full over empty with the same tenants, {named}", large, many, target=0)
                told.target = None
                ratios += [
                    ratio_of(f"full over empty, {named}", large, few, target=TARGET_RATIO, at_least=False),
                    told,
                ]
    sizes = " and ".join(f"{form.events:,}" for form in FORMS)
    notes = [f"{sizes} events a run; VACUUM, ANALYZE and a checkpoint after the fill, none between the runs."]
    title = "cost of an event in a large ledger"
    return Result(name=NAME, title=title, what=WHAT, figures=figures, ratios=ratios, notes=notes)


def _alternate(options: Options, stacks: tuple[Stack, Stack], form: Form, draw: str) -> list[list[float]]:
    """Run after run through the three lanes; each run's wall time an event, lane by lane."""
    empty, full = stacks
    events = form.events // 5 if options.quick else form.events
    few = Traffic(batch=form.batch, tenants=FEW_TENANTS, draw=draw, pool=form.few_bodies)
    many = Traffic(batch=form.batch, tenants=options.tenants, draw=draw, pool=form.many_bodies)
    with ExitStack() as stack:
        lanes = [
            Lane(into, stack.enter_context(generator(_target(into, traffic, form))), emptied=into is empty)
            for into, traffic in ((empty, few), (empty, many), (full, many))
        ]
        for lane in lanes:
            lane.run(events // 4, counted=False)
        for _ in range(options.runs):
            for lane in lanes:
                lane.run(events)
    return [lane.us for lane in lanes]


def _target(stack: Stack, traffic: Traffic, form: Form) -> Target:
    return target_of(stack, traffic, connections=form.connections)
