"""What `tollbook.wrap` adds to a call of the real openai client to a provider on the loopback, and whether it leaks."""

import gc
import importlib
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import Any

from bench.report import Figure, Options, Ratio, Result
from tollbook.client.client import Client
from tollbook.client.integrations import wrap

NAME = "wrap"
ADDED_US_MAX = 150.0
GROWTH_PERCENT_MAX = 5.0
_WARM_UP = 50
_CALLS_TIMED = 1_000
_CALLS = 100_000
ASK: dict[str, Any] = {
    "model": "gpt-5.5",
    "max_completion_tokens": 500,
    "messages": [
        {"role": "system", "content": "You answer in one word. " * 20},
        {"role": "user", "content": "Is it done, all of it? " * 20},
    ],
}
WHAT = (
    "The real openai client calls a provider in another process on the loopback, bare and wrapped in turns, "
    "an outbox on disk being sent to the same process meanwhile. `lease` takes each call's hold out of a lease, "
    "`off` only reports. What is added is the difference of the two medians of a run. Memory is this process's own "
    "(RssAnon) over 100,000 wrapped calls, the mean of the last sixth over the sixth that begins after the first third."
)


def available() -> bool:
    """Whether the openai package is here: `make test-integrations` builds an environment that has it."""
    return importlib.util.find_spec("openai") is not None


def run(options: Options) -> Result:
    """Measure."""
    figures: list[Figure] = []
    added: dict[str, list[float]] = {}
    with _provider() as url, tempfile.TemporaryDirectory() as directory:
        for gate in ("lease", "off"):
            with _pair(url, Path(directory) / f"{gate}.sqlite3", gate) as (bare, wrapped):
                for stream in (False, True):
                    kind = f"{'a stream of 50 pieces' if stream else 'a call'}, {gate}"
                    sides = [_once(bare, stream=stream), _once(wrapped, stream=stream)]
                    runs = [_turns(sides, 100 if options.quick else _CALLS_TIMED) for _ in range(options.runs)]
                    added[kind] = [run_[1] - run_[0] for run_ in runs]
                    figures.append(Figure(name=f"{kind}: bare", unit="us", values=[run_[0] for run_ in runs]))
                    figures.append(Figure(name=f"{kind}: added", unit="us", values=added[kind]))
        with _pair(url, Path(directory) / "memory.sqlite3", "lease") as (_, wrapped):
            course = _memory(_once(wrapped, stream=False), 2_000 if options.quick else _CALLS)
    figures.append(Figure(name="memory over the calls", unit="MiB", values=course))
    sixth = max(1, len(course) // 6)
    before, after = course[2 * sixth : 3 * sixth], course[-sixth:]
    growth = (sum(after) / len(after) - sum(before) / len(before)) / (sum(before) / len(before)) * 100
    ratios = [
        Ratio(name=f"added to {kind}, us", values=values, target=ADDED_US_MAX, at_least=False)
        for kind, values in added.items()
        if "stream" not in kind
    ]
    ratios.append(Ratio(name="growth, per cent", values=[growth], target=GROWTH_PERCENT_MAX, at_least=False))
    return Result(name=NAME, title="what wrap() adds", what=WHAT, figures=figures, ratios=ratios, notes=[_versions()])


@contextmanager
def _provider() -> Iterator[str]:
    command = [sys.executable, "-m", "bench.provider"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the provider has no pipes")
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


@contextmanager
def _pair(url: str, spool: Path, gate: str) -> Iterator[tuple[Any, Any]]:
    openai: Any = importlib.import_module("openai")
    with (
        Client(url, api_key="k", tenant="acme", gate=gate, spool_path=str(spool), lease_ttl_ms=600_000) as ledger,
        openai.OpenAI(base_url=f"{url}/v1", api_key="k") as bare,
        openai.OpenAI(base_url=f"{url}/v1", api_key="k") as wrapped,
    ):
        yield bare, wrap(wrapped, ledger)


def _once(client: Any, *, stream: bool) -> Callable[[], None]:
    create = client.chat.completions.create

    def once() -> None:
        if stream:
            for _ in create(**ASK, stream=True):
                pass
        else:
            create(**ASK)

    return once


def _turns(sides: list[Callable[[], None]], calls: int) -> list[float]:
    """The median of each side in microseconds a call; the sides take turns call by call."""
    took: list[list[int]] = [[] for _ in sides]
    for _ in range(_WARM_UP):
        for side in sides:
            side()
    for _ in range(calls):
        for side, kept in zip(sides, took, strict=True):
            began = perf_counter_ns()
            side()
            kept.append(perf_counter_ns() - began)
    return [median(kept) / 1_000 for kept in took]


def _memory(once: Callable[[], None], calls: int) -> list[float]:
    """Private memory after each sixtieth of the calls, in MiB."""
    course = []
    for _ in range(60):
        for _ in range(calls // 60):
            once()
        gc.collect()
        status = Path("/proc/self/status").read_text(encoding="ascii")
        course.append(int(status.partition("RssAnon:")[2].split()[0]) / 1024)
    return course


def _versions() -> str:
    return f"openai {version('openai')}."
