"""`python -m bench [NAME ...]`: run benchmarks, file each result, print how the targets stand."""

import argparse
from pathlib import Path
from statistics import median
from types import ModuleType

from bench import (
    batch_ingest,
    holds,
    import_jsonl,
    ingest_decode,
    memory_flat,
    otlp_ingest,
    pricing,
    scale,
    sdk,
    single_ingest,
    statement,
    throttle_latency,
    views,
    wrap,
)
from bench.machine import this_machine
from bench.report import RESULTS, Options, Result, keep, shown

MODULES: tuple[ModuleType, ...] = (
    batch_ingest,
    single_ingest,
    throttle_latency,
    holds,
    memory_flat,
    scale,
    pricing,
    ingest_decode,
    import_jsonl,
    otlp_ingest,
    sdk,
    views,
    statement,
    wrap,
)


def main() -> None:
    """Parse, run, file."""
    modules = {module.NAME: module for module in MODULES}
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure tollbook beside its baselines.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(modules)} (default: all)")
    parser.add_argument("--runs", type=int, default=None, help="runs of each side (5; quick: 2)")
    parser.add_argument("--quick", action="store_true", help="a short proof that everything works; filed apart")
    parser.add_argument("--minutes", type=float, default=None, help="how long memory_flat runs (10; quick: 1)")
    parser.add_argument("--entries", type=int, default=None, help="entries of the filled ledger (10 M; quick: 200,000)")
    parser.add_argument("--tenants", type=int, default=None, help="its tenants (100,000; quick: 2,000)")
    parser.add_argument("--keep", type=Path, default=None, help="keep the filled ledger in this directory, or use it")
    given = vars(parser.parse_args())
    # Where openai is not installed, `wrap` is run only by name, and then says so.
    names = given.pop("names") or [name for name in modules if name != wrap.NAME or wrap.available()]
    unknown = sorted(set(names) - set(modules))
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(modules)}")
    options = _options(given)
    folder = RESULTS / "quick" if options.quick else RESULTS
    machine = this_machine()
    for name in names:
        print(f"{name} ...", flush=True)
        result = modules[name].run(options)
        keep(result, machine, folder, quick=options.quick)
        _tell(result)


def _options(given: dict[str, object]) -> Options:
    quick = bool(given["quick"])
    short = {"runs": 2, "minutes": 1.0, "entries": 200_000, "tenants": 2_000} if quick else {}
    asked = {name: value for name, value in given.items() if value is not None}
    return Options(**{**short, **asked})


def _tell(result: Result) -> None:
    for figure in result.figures:
        middle, low, high = figure.cells()
        print(f"  {figure.name}: {middle} {figure.unit} ({low} to {high})")
    for ratio in result.ratios:
        target, met = ratio.verdict()
        middle = shown(median(ratio.values))
        print(f"  {ratio.name}: {middle} {target} {met}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
