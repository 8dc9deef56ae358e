"""A million rows of JSON lines by `tollbook import file`, to committed, and what the importer's memory does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from statistics import mean
from time import perf_counter, sleep, time

from bench.copying import BareCopy, rows_of
from bench.procs import anon_kib_of, cpu_s_of
from bench.report import Figure, Options, Ratio, Result
from bench.stack import Stack, running
from bench.traffic import AGENTS, MODELS, tenant_name

NAME = "import_jsonl"
ROWS = 1_000_000
ROWS_QUICK = 60_000
ROWS_A_SECOND_MIN = 30_000.0
GROWTH_PERCENT_MAX = 5.0
_TENANTS = 100
_SAMPLE_S = 0.25
_COMMIT_ROWS = 10_000
WHAT = (
    "`tollbook import file` of native events whose ids carry their time (100 tenants, 6 agents, the demo's models), "
    "from the start of the process until it has ended, which is when every row is committed in Postgres and the file's "
    "place with it. Valkey and Postgres with fsync; importer, drain and stores share the cores. Growth is that of the "
    "importer's private memory (RssAnon): the mean of the last quarter of its samples over that of the second quarter."
)


def run(options: Options) -> Result:
    """Measure."""
    rows = ROWS_QUICK if options.quick else ROWS
    rates: list[float] = []
    ratios: list[float] = []
    growths: list[float] = []
    cpu: dict[str, list[float]] = {}
    with running() as stack:
        copy = BareCopy(stack)
        for number in range(options.runs if options.quick else min(options.runs, 3)):
            path = stack.data / f"rows-{number}.jsonl"
            write_rows(path, rows, seed=number)
            stack.empty()
            stack.mark_cpu()
            seconds, mib, importer_s = _import(stack, path)
            committed = int(stack.postgres.value("SELECT count(*) FROM entry"))
            if committed != rows:
                raise SystemExit(f"{committed} of {rows} rows are in the ledger")
            rates.append(rows / seconds)
            growths.append(growth_percent(mib))
            used = {**stack.cpu_used().us_an_event(rows), "importer": importer_s / rows * 1e6}
            for role, micros in used.items():
                cpu.setdefault(role, []).append(micros)
            copy.take(rows_of(stack))
            ratios.append(rates[-1] / copy.rows_a_second(_COMMIT_ROWS))
            path.unlink()
        copy.close()
    figures = [Figure(name="imported and committed", unit="rows/s", values=rates)]
    figures += [Figure(name=f"CPU of {role}", unit="us/row", values=micros) for role, micros in cpu.items()]
    at_least = [rate / ROWS_A_SECOND_MIN for rate in rates]
    told = [
        Ratio(name=f"of {ROWS_A_SECOND_MIN:,.0f} rows/s", values=at_least, target=1.0),
        Ratio(name=f"of COPY, {_COMMIT_ROWS:,} rows a commit", values=ratios),
        Ratio(name="growth of the importer in %", values=growths, target=GROWTH_PERCENT_MAX, at_least=False),
    ]
    notes = [f"{rows:,} rows a run, of about 190 bytes each."]
    return Result(name=NAME, title="JSON lines, to committed", what=WHAT, figures=figures, ratios=told, notes=notes)


def write_rows(path: Path, rows: int, *, seed: int) -> None:
    """A file of native events, a millisecond apart, each with an id of its own."""
    random = Random(seed)
    at_ms = int(time() * 1000) - rows
    with path.open("w") as file:
        for number in range(rows):
            at = at_ms + number
            stamp = f"{at:012x}"
            event = {
                "id": f"{stamp[:8]}-{stamp[8:]}-7{seed:03x}-8000-{random.getrandbits(48):012x}",
                "tenant": tenant_name(random.randrange(_TENANTS)),
                "agent": random.choice(AGENTS),
                "model": random.choice(MODELS),
                "input": random.randrange(1, 20_000),
                "output": random.randrange(1, 2_000),
                "ts": at,
            }
            file.write(json.dumps(event, separators=(",", ":")) + "\n")


def growth_percent(mib: list[float]) -> float:
    """From the second quarter to the last."""
    quarter = max(1, len(mib) // 4)
    before = mean(mib[quarter : 2 * quarter])
    return (mean(mib[-quarter:]) - before) / before * 100


def _import(stack: Stack, path: Path) -> tuple[float, list[float], float]:
    """Seconds, samples of private memory in MiB, and CPU seconds of the importer."""
    command = [sys.executable, "-m", "tollbook.cli.main", "import", "file", str(path), "--data", str(stack.data)]
    mib: list[float] = []
    used_s = 0.0
    began = perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ) as process:
        while process.poll() is None:
            used_s = max(used_s, cpu_s_of(process.pid) if anon_kib_of(process.pid) else 0.0)
            mib.append(anon_kib_of(process.pid) / 1024)
            sleep(_SAMPLE_S)
        seconds = perf_counter() - began
    if process.returncode:
        raise SystemExit(f"the import ended with {process.returncode}")
    return seconds, [sample for sample in mib if sample > 0], used_s
