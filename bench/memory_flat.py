"""Private memory of each process under full load for minutes: what grows after the warm-up is a leak or a backlog."""

from statistics import linear_regression, mean
from time import perf_counter, sleep

from bench.batch_ingest import target_of
from bench.load import Order, generator
from bench.report import Figure, Options, Ratio, Result
from bench.stack import Stack, running
from bench.traffic import Traffic

NAME = "memory_flat"
CONNECTIONS = 16
GROWTH_PERCENT_MAX = 5.0
_SAMPLE_S = 2.0
WHAT = (
    "Batches of 500 as fast as `?ack=ledger` lets 16 connections go, so that no backlog builds up and whatever grows "
    "is ours. Every two seconds each process's private memory (RssAnon; shared buffers and mapped files left out: they "
    "fill once) and Valkey's own account are read. Growth is the mean of the last sixth of the time over the mean of "
    "the sixth that begins after the first third. The ledger on disk grows all the while, as it must."
)


class Course:
    """What was read, role by role."""

    def __init__(self) -> None:
        self.minutes: list[float] = []
        self.mib: dict[str, list[float]] = {}

    def read(self, stack: Stack, began: float) -> None:
        """One reading."""
        self.minutes.append((perf_counter() - began) / 60)
        readings = stack.roles.private_mib()
        with stack.valkey() as valkey:
            readings["valkey, used_memory"] = valkey.info("memory")["used_memory"] / (1 << 20)
        for role, mib in readings.items():
            self.mib.setdefault(role, []).append(mib)

    def minute_by_minute(self, role: str) -> list[float]:
        """The mean of each whole minute."""
        by_minute: dict[int, list[float]] = {}
        for minute, mib in zip(self.minutes, self.mib[role], strict=True):
            by_minute.setdefault(int(minute), []).append(mib)
        return [mean(found) for found in by_minute.values()]

    def growth_percent(self, role: str) -> float:
        """From the sixth after the first third to the last sixth."""
        mib, sixth = self.mib[role], max(1, len(self.minutes) // 6)
        before = mean(mib[2 * sixth : 3 * sixth])
        return (mean(mib[-sixth:]) - before) / before * 100

    def slope_kib_a_minute(self, role: str) -> float:
        """The straight line through everything after the first third."""
        settled = len(self.minutes) // 3
        return linear_regression(self.minutes[settled:], self.mib[role][settled:]).slope * 1024


def run(options: Options) -> Result:
    """Measure."""
    seconds = options.minutes * 60
    course = Course()
    target_query = "?ack=ledger"
    with (
        running() as stack,
        generator(target_of(stack, Traffic(), connections=CONNECTIONS, query=target_query)) as load,
    ):
        load.send(Order(events=10_000))
        began = perf_counter()
        load.begin(Order(seconds=seconds))
        while perf_counter() - began < seconds - _SAMPLE_S:
            sleep(_SAMPLE_S)
            stack.require_alive()
            course.read(stack, began)
        sent = load.end()
    figures: list[Figure] = [Figure(name="committed", unit="events/s", values=[sent.accepted / sent.seconds])]
    for role in course.mib:
        figures += [
            Figure(name=f"{role}, minute by minute", unit="MiB", values=course.minute_by_minute(role)),
            Figure(
                name=f"{role}, slope after the first third", unit="KiB/min", values=[course.slope_kib_a_minute(role)]
            ),
        ]
    ratios = [
        Ratio(
            name=f"growth of {role} in %",
            values=[course.growth_percent(role)],
            target=GROWTH_PERCENT_MAX,
            at_least=False,
        )
        for role in course.mib
    ]
    notes = [
        f"{options.minutes:g} minutes, {sent.accepted:,} events. The values of a course stand in the JSON in order.",
        "`serve` is the receiver with its worker; `postgres` is the server with every backend.",
    ]
    return Result(name=NAME, title="memory under load", what=WHAT, figures=figures, ratios=ratios, notes=notes)
